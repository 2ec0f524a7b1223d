package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/host/serve/rest/client"
)

func (a *app) runCommand() *cobra.Command {
	var given []string
	cmd := &cobra.Command{
		Use:   "run DIR|ARTIFACT",
		Short: "Run a product on this machine's node; start one in the foreground if none runs",
		Example: `  adp run hello
  adp run hello-0.1.0.adp --source people=file:/data/people`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			sources, err := parseSources(given)
			if err != nil {
				return &usageError{err.Error(), cmd.CommandPath()}
			}
			artifact, found, err := a.pack(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			maps.Copy(found, sources)
			c, err := a.connect()
			if err == nil {
				err = c.Ready(cmd.Context())
			}
			switch {
			case err == nil:
				err = a.runThere(cmd.Context(), c, artifact, found)
			case errors.Is(err, &host.Error{Code: host.CodeNodeUnreachable}) && a.settings.Node == "":
				err = a.runHere(cmd.Context(), artifact, found)
			}
			return below(args[0], err)
		},
	}
	cmd.Flags().StringArrayVar(&given, "source", nil, "INPUT=file:PATH: where a file input lies; may be repeated")
	a.nodeFlags(cmd)
	return cmd
}

// below names the document that a node complains of by its path, where it lies in the folder that was run.
func below(path string, err error) error {
	info, e := os.Stat(path)
	var complaint *host.Error
	if e == nil && info.IsDir() && errors.As(err, &complaint) && complaint.At.File == manifest.ProductFile {
		complaint.At.File = filepath.Join(path, complaint.At.File)
	}
	return err
}

// parseSources reads INPUT=URI; file paths are relative to where the person stands.
func parseSources(given []string) (map[string]string, error) {
	out := map[string]string{}
	for _, g := range given {
		input, uri, ok := strings.Cut(g, "=")
		if !ok || input == "" || uri == "" {
			return nil, fmt.Errorf("--source %s: write INPUT=file:PATH", g)
		}
		abs, isFile := build.FileURI("", uri)
		if !isFile {
			return nil, fmt.Errorf("--source %s: sources are files; write INPUT=file:PATH", g)
		}
		out[input] = abs
	}
	return out, nil
}

// pack gives the artifact of a folder, built, or of a file, as it is, with where its file inputs lie.
func (a *app) pack(ctx context.Context, path string) ([]byte, map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, host.Errorf(host.CodeRegistryUnknown, "there is no folder and no artifact %s", path)
	}
	if !info.IsDir() {
		b, err := os.ReadFile(path)
		return b, map[string]string{}, err
	}
	a.talk("building %s", path)
	w, err := a.workshop()
	if err != nil {
		return nil, nil, err
	}
	defer w.close()
	artifact, _, tar, err := w.artifact(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	return tar, build.Sources(path, artifact.Product), nil
}

// runThere hands the artifact to a node that runs, and shows how its first run went.
func (a *app) runThere(ctx context.Context, c *client.Client, artifact []byte, sources map[string]string) error {
	st, err := c.Upload(ctx, bytes.NewReader(artifact), sources)
	if err != nil {
		return err
	}
	where := host.Address{Mesh: ".", Domain: st.Domain, Product: st.Product}
	st, err = await(ctx, func() (host.ProductStatus, error) { return c.Product(ctx, where) })
	if err != nil {
		return err
	}
	return a.showFirst(st)
}

// runHere starts the node that nobody runs yet, and is it until interrupted.
func (a *app) runHere(ctx context.Context, artifact []byte, sources map[string]string) error {
	for _, name := range []string{memberFile, joinedFile} {
		if _, err := os.Stat(filepath.Join(a.settings.Data, name)); err == nil {
			return host.Errorf(host.CodeNodeUnreachable, "%s belongs to a node of a mesh, which does not run", a.settings.Data).
				WithHint("start it as it was started before, with adp up, or name another node of the mesh with --node URL")
		}
	}
	n, err := a.start(ctx, false)
	if err != nil {
		return err
	}
	st, err := n.Publish(ctx, bytes.NewReader(artifact), sources)
	if err != nil {
		return errors.Join(err, n.listener.Close(), n.Close())
	}
	a.talk("no node was running: this is one now, at %s, until it is interrupted", n.URL())
	id := host.ProductID{Tenant: host.LocalTenant, Domain: st.Domain, Name: st.Product}
	go func() {
		st, err := await(ctx, func() (host.ProductStatus, error) { return n.Product(ctx, id) })
		if err == nil {
			err = a.showFirst(st)
		}
		if err != nil && ctx.Err() == nil {
			a.showError(err)
		}
	}()
	return n.serve(ctx)
}

// showFirst shows a product after its first run; held and failed ones are the command's exit code.
func (a *app) showFirst(st host.ProductStatus) error {
	if err := a.showProducts([]host.ProductStatus{st}); err != nil {
		return err
	}
	switch st.State {
	case host.StateHeld:
		return host.Errorf(host.CodeRunHeld, "%s", st.Reason).WithHint("see the rows: adp control %s status", st.URL)
	case host.StateFailed:
		return host.Errorf("", "%s", st.Reason).WithHint("%s", cmp.Or(st.Hint, fmt.Sprintf("see: adp control %s runs", st.URL)))
	}
	return nil
}

// How long a product that was just handed over is watched.
const (
	awaitStep  = 100 * time.Millisecond
	awaitCalm  = 5              // steps without a run after which its state counts
	awaitEmpty = 30 * awaitStep // for a product that has published nothing: its inputs may be empty
)

// await watches a product until its run has ended, or it turns out that it has nothing to run on.
func await(ctx context.Context, look func() (host.ProductStatus, error)) (host.ProductStatus, error) {
	calm, begin := 0, time.Now()
	for {
		st, err := look()
		if err != nil {
			return st, err
		}
		if calm++; st.State == host.StateRunning {
			calm, begin = 0, time.Now()
		}
		done := st.Snapshot > 0 || st.State != host.StateReady || time.Since(begin) > awaitEmpty
		if calm >= awaitCalm && done {
			return st, nil
		}
		select {
		case <-ctx.Done():
			return st, ctx.Err()
		case <-time.After(awaitStep):
		}
	}
}
