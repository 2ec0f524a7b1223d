package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest"
	"github.com/adp-host/adp/registry"
)

// brief is a product that keeps its newest two snapshots, and others for a second.
func (w *workshop) brief(t *testing.T, name string) registry.Artifact {
	t.Helper()
	yaml := fmt.Sprintf(productYAML, name, "file:"+filepath.Join(w.dir, "in"), "well")
	return w.document(t, yaml+"    retention: {snapshots: 2, for: 1s}\n")
}

// followed counts what a change feed delivers, deletes excluded.
func followed(t *testing.T, n *node.Node, name string, after host.Seq) (rows int64, err error) {
	t.Helper()
	f, err := n.Ports().Changes(t.Context(), id(name), "rows", after)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for {
		rec, err := f.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += rec.NumRows()
		rec.Release()
	}
}

// ids are the values of a product's column, sorted.
func ids(t *testing.T, n *node.Node, name string) (out []int64) {
	t.Helper()
	d, err := n.Ports().Open(t.Context(), id(name), "rows", rest.At{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := d.Read(t.Context(), rest.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec.Column(0).(*array.Int64).Int64Values()...)
		rec.Release()
	}
}

// TestExpiry lets snapshots expire: what is kept reads on, what is not is said to have expired on every way to it, and a
// reader that stood before it starts over.
func TestExpiry(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w, data := newWorkshop(t), t.TempDir()
	n := open(t, data)
	defer func() { n.Close() }()
	if err := errors.Join(register(ctx, n, w.brief(t, "source"), w.reader(t, "late", "well", "adp://./test/source/rows")), n.Settle(ctx), n.Pause(ctx, id("late"))); err != nil {
		t.Fatal(err)
	}
	for k := range 6 {
		w.write(t, filepath.Join("in", fmt.Sprint(k+2, ".csv")), fmt.Sprintf("id\n%d\n", k+4))
		if err := n.Settle(ctx); err != nil {
			t.Fatal(err)
		}
	}
	last := time.Now()
	for time.Since(last) < 1100*time.Millisecond {
		time.Sleep(50 * time.Millisecond)
	}
	if err := n.Clean(ctx); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		for seq := host.Seq(1); seq <= 7; seq++ {
			d, err := n.Ports().Open(ctx, id("source"), "rows", rest.At{Seq: seq})
			switch {
			case seq < 6 && (host.CodeOf(err) != host.CodeTableSnapshot || !strings.Contains(err.Error(), "expired")):
				t.Errorf("snapshot %d: %v", seq, err)
			case seq >= 6 && (err != nil || d.Info().Rows != int64(seq)+2):
				t.Errorf("snapshot %d: %v", seq, err)
			}
		}
		if _, err := n.Ports().Open(ctx, id("source"), "rows", rest.At{Time: last.Add(-time.Hour)}); host.CodeOf(err) != host.CodeTableSnapshot {
			t.Errorf("an hour ago: %v", err)
		}
		if d, err := n.Ports().Open(ctx, id("source"), "rows", rest.At{Time: time.Now()}); err != nil || d.Info().Rows != 9 {
			t.Errorf("now: %v", err)
		}
		if _, err := followed(t, n, "source", 3); host.CodeOf(err) != host.CodeAccessExpired {
			t.Errorf("changes since 3: %v", err)
		}
		if rows, err := followed(t, n, "source", 6); err != nil || rows != 1 {
			t.Errorf("changes since 6: %d rows, %v", rows, err)
		}
		if rows, err := followed(t, n, "source", 0); err != nil || rows != 9 {
			t.Errorf("all changes: %d rows, %v", rows, err)
		}
		if runs, err := n.Runs(ctx, id("source"), 100); err != nil || len(runs) != 2 {
			t.Errorf("%d runs, %v", len(runs), err)
		}
		if _, err := n.Rollback(ctx, id("source"), 5); host.CodeOf(err) != host.CodeTableSnapshot {
			t.Errorf("rollback: %v", err)
		}
	}
	check()
	if err := n.Close(); err != nil { // what has expired is remembered, and nothing that is needed was in memory only
		t.Fatal(err)
	}
	n = open(t, data)
	check()
	if err := errors.Join(n.Resume(ctx, id("late")), n.Settle(ctx)); err != nil {
		t.Fatal(err)
	}
	p, err := n.Product(ctx, id("late"))
	if err != nil || p.Rows != 9 || p.State != host.StateReady {
		t.Fatalf("the late reader has %d rows, %s, %v", p.Rows, p.State, err)
	}
	if runs, err := n.Runs(ctx, id("late"), 1); err != nil || !strings.Contains(runs[0].Reason, "rebuild") {
		t.Errorf("it ran for %q, %v", runs[0].Reason, err)
	}
}

// TestCleanInPassing: a node cleans up by itself, beside its runs.
func TestCleanInPassing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w := newWorkshop(t)
	n, err := node.Open(ctx, node.Config{Data: t.TempDir(), CleanEvery: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := register(ctx, n, w.brief(t, "source")); err != nil {
		t.Fatal(err)
	}
	for k := 0; ; k++ {
		w.write(t, filepath.Join("in", fmt.Sprint(k+2, ".csv")), fmt.Sprintf("id\n%d\n", k+4))
		if err := n.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Ports().Open(ctx, id("source"), "rows", rest.At{Seq: 1}); k > 3 && host.CodeOf(err) == host.CodeTableSnapshot {
			break // snapshot 1 has expired
		} else if err != nil && host.CodeOf(err) != host.CodeTableSnapshot {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	p, err := n.Product(ctx, id("source"))
	if d, derr := n.Ports().Open(ctx, id("source"), "rows", rest.At{}); err != nil || derr != nil || d.Info().Rows != p.Rows || p.Rows < 8 {
		t.Fatalf("%+v, %v, %v", p, err, derr)
	}
}
