package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/registry"
)

// Backup writes what the mesh keeps in etcd, as of one moment. The store and the registry are files, backed up as such.
func (n *Node) Backup(ctx context.Context, w io.Writer) error {
	im, err := n.cluster.Image(ctx)
	if err != nil {
		return err
	}
	return im.Write(w)
}

// Recovery says how to make an etcd anew from what is left. No node of the mesh runs meanwhile.
type Recovery struct {
	Data string // data directory of the node that the etcd is for
	// Shared is the folder of the store and the registry; "": Data.
	Shared string
	Backup io.Reader // of Node.Backup; nil: there is none
	// TrustNewest takes the newest head of a product for committed when nobody knows.
	TrustNewest bool
	// Cluster names an etcd that runs elsewhere, by Endpoints and TLS; else it is the embedded one of Data.
	Cluster cluster.Config
}

// Recovered is what a Recovery found.
type Recovered struct {
	Products []RecoveredProduct
	Epoch    host.Epoch // every epoch to come is greater
	// Incarnation of the mesh that begins: one more with each restore and recovery.
	Incarnation int64
	Aside       string   // where the etcd that was there lies now; "" when there was none
	Notes       []string // about the mesh, for people
}

// RecoveredProduct is what became of one product.
type RecoveredProduct struct {
	Product    string   `json:"product"`
	Registered bool     `json:"registered"`
	Paused     bool     `json:"paused"`
	Backup     host.Seq `json:"backup"`   // the newest snapshot in the backup; 0: none
	Snapshot   host.Seq `json:"snapshot"` // the newest that is known to be committed, and now again the newest; 0: none
	Oldest     host.Seq `json:"oldest"`   // that is kept
	Undecided  int      `json:"undecided"`
	Notes      []string `json:"notes"`
	id         host.ProductID
	artifact   host.Digest // of the newest snapshot
}

// Recover makes an etcd from the store, the registry and, where there is one, a backup. The embedded etcd that was there
// is set aside, not removed. It fails with N003 when a node runs on the data directory, whatever etcd it uses, and when a node
// of the mesh is known to use the store.
//
// Snapshots that are known to be committed are all kept: those of the backup, and those that a later one was built upon
// or that bear the mark of a commit. Of the one after the newest of these nobody can know: unless it is trusted, it is
// not the newest snapshot any more, but its files stay until Forget.
func Recover(ctx context.Context, r Recovery) (Recovered, error) {
	if r.Shared == "" {
		r.Shared = r.Data
	}
	var out Recovered
	if _, err := os.Stat(filepath.Join(r.Shared, "store")); err != nil {
		return out, host.Errorf(host.CodeNodeSetup, "there is no store to recover from: %w", err).
			WithHint("give the data directory of the mesh with --data, or the folder that its nodes share with --shared")
	}
	var others []string
	if len(r.Cluster.Endpoints) == 0 { // an older adp locks its etcd alone
		others = append(others, filepath.Join(r.Data, "etcd"))
	}
	unlock, err := r.lock(others...)
	if err != nil {
		return out, err
	}
	defer unlock()
	store, err := file.NewStore(filepath.Join(r.Shared, "store"))
	if err != nil {
		return out, host.Errorf(host.CodeNodeSetup, "store: %w", err)
	}
	defer store.Close()
	artifacts, err := registry.Open(filepath.Join(r.Shared, "registry"))
	if err != nil {
		return out, err
	}
	im := cluster.NewImage()
	if r.Backup != nil {
		if im, err = cluster.ReadImage(r.Backup); err != nil {
			return out, err
		}
	}
	v := &recovery{Recovery: r, im: im, store: store, artifacts: artifacts, out: &out}
	if err := v.read(ctx); err != nil {
		return out, err
	}
	return out, v.write(ctx)
}

type recovery struct {
	Recovery
	im        *cluster.Image
	store     drivers.Store
	artifacts recoverable
	begin     cluster.Incarnation // that the new etcd is in
	out       *Recovered
}

// read finds out what the new etcd is to hold.
func (v *recovery) read(ctx context.Context) error {
	if err := v.products(ctx); err != nil {
		return err
	}
	was, err := v.im.Incarnation()
	if err != nil {
		return err
	}
	v.begin, err = beginIncarnation(ctx, v.store, was, v.out.Epoch)
	v.out.Epoch, v.out.Incarnation = v.begin.EpochFloor, v.begin.Number
	return err
}

// recoverable is what a recovery asks of the registry.
type recoverable interface {
	Pull(ctx context.Context, d host.Digest) (registry.Artifact, error)
	Products(ctx context.Context) ([]host.ProductID, error)
	Versions(ctx context.Context, id host.ProductID) ([]registry.Version, error)
}

// products decides about every product of the backup, of the store and of the registry.
func (v *recovery) products(ctx context.Context) error {
	heads, err := v.im.Heads()
	if err != nil {
		return err
	}
	delivered, err := v.im.Delivered()
	if err != nil {
		return err
	}
	kept, err := v.im.Kept()
	if err != nil {
		return err
	}
	specs, err := v.im.Specs()
	if err != nil {
		return err
	}
	if v.out.Epoch, err = v.im.Epoch(); err != nil {
		return err
	}
	found, err := run.Survey(ctx, v.store, heads)
	if err != nil {
		return err
	}
	if err := v.vouch(ctx, found); err != nil {
		return err
	}
	seen := map[host.ProductID]bool{}
	for i := range found {
		f := &found[i]
		seen[f.Product] = true
		v.out.Epoch = max(v.out.Epoch, f.Epoch)
		p, err := v.history(ctx, f, heads[f.Product], delivered[f.Product], kept[f.Product])
		if err != nil {
			return fmt.Errorf("%s: %w", f.Product.URL(), err)
		}
		if err := v.register(ctx, p, specs); err != nil {
			return err
		}
	}
	names, err := v.artifacts.Products(ctx)
	if err != nil {
		return err
	}
	for id := range specs {
		names = append(names, id)
	}
	for _, id := range names {
		if seen[id] {
			continue
		}
		seen[id] = true
		if err := v.register(ctx, &RecoveredProduct{Product: id.URL(), id: id}, specs); err != nil {
			return err
		}
	}
	return nil
}

// vouch takes undecided heads for committed that somebody has read: an attempt sees only what is committed, and its own head,
// committed or not, says up to which snapshot it read its inputs. Were such a snapshot made again, from more inputs perhaps,
// its readers would miss what it has then.
func (v *recovery) vouch(ctx context.Context, found []run.Found) error {
	at := map[host.ProductID]*run.Found{}
	for i := range found {
		at[found[i].Product] = &found[i]
	}
	read := map[host.ProductID]host.Seq{}
	for i := range found {
		f := &found[i]
		heads := []*host.Head{f.Head}
		for _, ref := range f.Kept.Undecided {
			h, err := run.LoadHead(ctx, v.store, ref)
			if err != nil {
				return err
			}
			heads = append(heads, h)
		}
		for _, h := range heads {
			if h == nil {
				continue
			}
			a, err := v.artifacts.Pull(ctx, h.Artifact)
			if err != nil { // said when the product is registered
				continue
			}
			for up, seq := range upstreams(a.Product, h) {
				read[up] = max(read[up], seq)
			}
		}
	}
	for up, seq := range read {
		f := at[up]
		if f == nil || len(f.Kept.Undecided) == 0 || seq <= f.Tip.Seq {
			continue
		}
		if err := f.Trust(ctx, v.store); err != nil {
			f.Notes = append(f.Notes, fmt.Sprintf("snapshot %d was read by others, but which of them is not known (%v): have those begin anew, adp control PRODUCT trigger --rebuild", seq, err))
		}
	}
	return nil
}

// upstreams are the products that a head's inputs come from, with the snapshot up to which it has read each.
func upstreams(p *host.Product, h *host.Head) map[host.ProductID]host.Seq {
	out := map[host.ProductID]host.Seq{}
	for i := range p.Inputs {
		in := &p.Inputs[i]
		up, _, ok := in.Upstream(p.ID.Tenant)
		if !ok {
			continue
		}
		for _, c := range []host.Cursor{h.Cursors[in.Name], h.Tried[in.Name]} {
			if seq, err := readCursor(c); err == nil {
				out[up] = max(out[up], seq)
			}
		}
	}
	return out
}

// history sets what is known of a product's snapshots and effects.
func (v *recovery) history(ctx context.Context, f *run.Found, backup host.Pointer, delivered host.Delivered, kept host.Kept) (*RecoveredProduct, error) {
	p := &RecoveredProduct{Product: f.Product.URL(), id: f.Product, Backup: backup.Seq, Notes: f.Notes}
	note := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if len(f.Kept.Undecided) > 0 && v.TrustNewest {
		if err := f.Trust(ctx, v.store); err != nil {
			note("%v", err)
		} else {
			note("snapshot %d is trusted: it may never have been committed", f.Tip.Seq)
		}
	}
	if p.Undecided = len(f.Kept.Undecided); p.Undecided > 0 {
		note("snapshot %d may have been committed: nobody knows. It is not the newest now, and is made again from the same inputs; its files stay until a decision", f.Tip.Seq+1)
	}
	p.Snapshot = f.Tip.Seq
	f.Kept.From = max(f.Kept.From, kept.From)
	p.Oldest = max(f.Kept.From, min(1, p.Snapshot))
	if f.Kept.From > 0 || p.Undecided > 0 {
		if err := v.im.SetKept(f.Product, f.Kept); err != nil {
			return p, err
		}
	}
	if f.Tip.Seq == 0 {
		return p, nil
	}
	p.artifact = f.Head.Artifact
	if err := v.im.SetHead(f.Product, f.Tip); err != nil {
		return p, err
	}
	return p, v.effects(ctx, f, delivered, note)
}

func (v *recovery) effects(ctx context.Context, f *run.Found, recorded host.Delivered, note func(string, ...any)) error {
	if f.Head.Effects == nil {
		return nil
	}
	at, err := run.Undelivered(ctx, v.store, run.HeadRef(f.Tip), recorded)
	if err != nil {
		return err
	}
	if again := f.Head.Effects.Total - at.Total; again > 0 {
		note("%d effects are delivered, some of them perhaps again, under the same keys", again)
	}
	if at == (host.Delivered{}) {
		return nil
	}
	return v.im.SetDelivered(f.Product, at)
}

// register sees to the registration of a product.
func (v *recovery) register(ctx context.Context, p *RecoveredProduct, specs map[host.ProductID]host.Spec) error {
	defer func() { v.out.Products = append(v.out.Products, *p) }()
	note := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if s, ok := specs[p.id]; ok {
		p.Registered, p.Paused = true, s.Paused
		if _, err := v.artifacts.Pull(ctx, s.Artifact); err != nil {
			note("the registry lacks its artifact: %v", err)
		}
		return nil
	}
	a, digest, err := v.artifact(ctx, p)
	if err != nil {
		note("it is not registered, since the registry has no artifact of it: adp run it again, and it goes on from snapshot %d", p.Snapshot)
		return nil
	}
	s := host.Spec{Product: p.id, Artifact: digest, Generation: 1, Changed: time.Now().UTC()}
	if s.Paused = needsPlaces(a.Product); s.Paused {
		note("paused: where its files lie is not known. adp run it again, then adp control %s resume", p.Product)
	}
	p.Registered, p.Paused = true, s.Paused
	return v.im.SetSpec(s)
}

// artifact is that of the newest snapshot, or else the one that was stored last.
func (v *recovery) artifact(ctx context.Context, p *RecoveredProduct) (registry.Artifact, host.Digest, error) {
	if p.artifact != "" {
		if a, err := v.artifacts.Pull(ctx, p.artifact); err == nil {
			return a, p.artifact, nil
		}
	}
	versions, err := v.artifacts.Versions(ctx, p.id)
	if err == nil && len(versions) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return registry.Artifact{}, "", err
	}
	last := versions[len(versions)-1].Artifact
	a, err := v.artifacts.Pull(ctx, last)
	return a, last, err
}

// needsPlaces reports whether a product reads or writes files whose place its registration has to say.
func needsPlaces(p *host.Product) bool {
	relative := func(uri string) bool {
		path, ok := strings.CutPrefix(uri, "file:")
		return ok && !filepath.IsAbs(path)
	}
	for i := range p.Inputs {
		if relative(p.Inputs[i].From) {
			return true
		}
	}
	for i := range p.Bindings {
		if relative(p.Bindings[i].URI) {
			return true
		}
	}
	return false
}

// write makes the new etcd beside the old one and then puts it in its place, so that what is cut off changes nothing.
func (v *recovery) write(ctx context.Context) error {
	if v.Backup == nil {
		v.out.Notes = append(v.out.Notes, "without a backup it is not known which products were paused or retired, which sources were given by hand, and which nodes were cordoned")
	}
	identity, err := storeIdentity(ctx, v.store)
	if err != nil {
		return err
	}
	cfg := v.Cluster
	cfg.Store = identity
	if len(cfg.Endpoints) > 0 {
		return cluster.Restore(ctx, cfg, v.im, v.begin)
	}
	dir := filepath.Join(v.Data, "etcd")
	fresh := dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return host.Errorf(host.CodeNodeSetup, "%w", err)
	}
	cfg.Dir = fresh
	if err := cluster.Restore(ctx, cfg, v.im, v.begin); err != nil {
		return err
	}
	if cluster.Carries(dir) {
		v.out.Aside = dir + ".before-" + time.Now().UTC().Format("20060102T150405.000")
		err = os.Rename(dir, v.out.Aside)
	} else {
		err = os.RemoveAll(dir)
	}
	if err = errors.Join(err, os.Rename(fresh, dir)); err != nil {
		return host.Errorf(host.CodeNodeSetup, "%w", err)
	}
	return nil
}

// Forget drops the heads that a recovery has left to a person's decision; their files go with the next clean-up. It
// fails with N003 when a node runs on the data directory or is known to use the store, as Recover does.
func Forget(ctx context.Context, r Recovery) (int, error) {
	if r.Shared == "" {
		r.Shared = r.Data
	}
	cfg := r.Cluster
	if len(cfg.Endpoints) == 0 {
		cfg.Dir = filepath.Join(r.Data, "etcd")
		if !cluster.Carries(cfg.Dir) {
			return 0, host.Errorf(host.CodeNodeSetup, "%s has no etcd", r.Data)
		}
	}
	unlock, err := r.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	return cluster.Forget(ctx, cfg)
}
