package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/node"
)

// backupDocument says what a backup holds.
type backupDocument struct {
	File     string    `json:"file"`
	Taken    time.Time `json:"taken"`
	Revision int64     `json:"revision"` // of etcd
	Keys     int       `json:"keys"`
}

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write what the mesh keeps in etcd to a file",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			var im *cluster.Image
			err = replaceFile(args[0], func(f *os.File) error {
				if err := c.Backup(cmd.Context(), f); err != nil {
					return err
				}
				_, err := f.Seek(0, io.SeekStart)
				if err == nil {
					im, err = cluster.ReadImage(f) // what is cut off is no backup
				}
				return err
			})
			var path *fs.PathError
			if errors.As(err, &path) && host.CodeOf(err) == "" {
				return host.Errorf(host.CodeNodeSetup, "the backup cannot be written: %w", err).WithHint("name a file in a folder that is there and takes files")
			}
			if err != nil {
				return err
			}
			if a.json() {
				return a.showJSON(backupDocument{args[0], im.Taken, im.Revision, im.Keys()})
			}
			a.talk("%s holds registrations, pointers and epochs; back up the folders store and registry after it", args[0])
			return nil
		},
	}
}

// replaceFile writes a file of mode 0600 and gives it its name when it is whole and durable.
func replaceFile(name string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (a *app) restoreCommand() *cobra.Command {
	r := &node.Recovery{}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make an etcd of a backup and of what the store has since; no node may run",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return host.Errorf(host.CodeNodeSetup, "the backup cannot be read: %w", err).WithHint("name a file that adp node backup has written")
			}
			defer f.Close()
			r.Backup = f
			return a.rebuild(cmd, *r)
		},
	}
	a.recoveryFlags(cmd, r)
	return cmd
}

// forgottenDocument says what a decision gave up.
type forgottenDocument struct {
	Dropped int `json:"dropped"` // snapshots
}

func (a *app) recoverCommand() *cobra.Command {
	r, drop := &node.Recovery{}, false
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Make an etcd of the store and the registry alone; no node may run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !drop {
				return a.rebuild(cmd, *r)
			}
			if r.TrustNewest {
				return &usageError{"--trust-newest and --drop-unknown exclude each other", cmd.CommandPath()}
			}
			if err := a.place(cmd, r); err != nil {
				return err
			}
			n, err := node.Forget(cmd.Context(), *r)
			if err != nil {
				return err
			}
			if a.json() {
				return a.showJSON(forgottenDocument{n})
			}
			a.talk("%d snapshots of which nobody knows whether they were committed are given up; their files go with the next clean-up", n)
			return nil
		},
	}
	a.recoveryFlags(cmd, r)
	cmd.Flags().BoolVar(&drop, "drop-unknown", false, "after a recovery: give up the snapshots that it left undecided")
	return cmd
}

func (a *app) recoveryFlags(cmd *cobra.Command, r *node.Recovery) {
	f, s := cmd.Flags(), &a.fleet
	f.BoolVar(&r.TrustNewest, "trust-newest", false, "take the newest snapshot for committed where nobody knows")
	f.Var(text{&r.Shared, filled("the name of a folder")}, "shared", "folder of the store that the nodes share (default: the data folder)")
	f.Var(webAddresses{&s.Etcd}, "etcd", "addresses of an empty etcd of your own to restore into, instead of the embedded one")
	a.etcdFlags(cmd)
}

// place says where the etcd and the files are.
func (a *app) place(cmd *cobra.Command, r *node.Recovery) (err error) {
	r.Data = a.settings.Data
	r.Cluster.Endpoints = a.fleet.Etcd
	r.Cluster.TLS, err = a.fleet.etcdTLS(cmd.CommandPath())
	return err
}

// rebuild makes the etcd and says what was found.
func (a *app) rebuild(cmd *cobra.Command, r node.Recovery) error {
	if err := a.place(cmd, &r); err != nil {
		return err
	}
	got, err := node.Recover(cmd.Context(), r)
	if err != nil {
		return err
	}
	if a.json() {
		return a.showJSON(got.Products)
	}
	rows := make([][]string, len(got.Products))
	for i, p := range got.Products {
		state := "registered"
		switch {
		case !p.Registered:
			state = "not registered"
		case p.Paused:
			state = "paused"
		}
		rows[i] = []string{p.Product, state, seqText(p.Snapshot), seqText(p.Oldest), seqText(p.Backup), fmt.Sprint(p.Undecided)}
	}
	if err := table(a.out, []string{"PRODUCT", "STATE", "NEWEST", "OLDEST", "IN BACKUP", "UNDECIDED"}, rows); err != nil {
		return err
	}
	undecided := 0
	for _, p := range got.Products {
		undecided += p.Undecided
		for _, n := range p.Notes {
			a.talk("%s: %s", p.Product, n)
		}
	}
	for _, n := range got.Notes {
		a.talk("%s", n)
	}
	if undecided > 0 {
		a.talk("repeat this with --trust-newest before a node runs to take undecided snapshots for committed, or give them up: adp node recover --drop-unknown")
	}
	if got.Aside != "" {
		a.talk("the etcd that was there lies in %s: remove it when all is well", got.Aside)
	}
	a.talk("every epoch to come is greater than %d; start the node now: adp up", got.Epoch)
	return nil
}

func seqText(s host.Seq) string {
	if s == 0 {
		return "-"
	}
	return fmt.Sprint(s)
}
