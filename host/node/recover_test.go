package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/node"
)

// ruin is a mesh of two products, one reading the other, that has lost something of its etcd.
type ruin struct {
	*workshop
	data   string
	backup []byte // taken after snapshot 2 of five
	epochs map[host.ProductID]host.Epoch
}

func newRuin(t *testing.T, ctx context.Context) *ruin {
	t.Helper()
	r := &ruin{workshop: newWorkshop(t), data: t.TempDir()}
	n := open(t, r.data)
	if err := errors.Join(register(ctx, n, r.artifact(t, "good", "well"), r.reader(t, "after", "well", "adp://./test/good/rows")), n.Settle(ctx)); err != nil {
		t.Fatal(err)
	}
	for k := range 4 {
		if k == 1 {
			var b bytes.Buffer
			if err := n.Backup(ctx, &b); err != nil {
				t.Fatal(err)
			}
			r.backup = b.Bytes()
			if err := n.Close(); err != nil { // claims of which the backup knows nothing
				t.Fatal(err)
			}
			n = open(t, r.data)
		}
		r.write(t, filepath.Join("in", fmt.Sprint(k+2, ".csv")), fmt.Sprintf("id\n%d\n", k+4))
		if err := n.Settle(ctx); err != nil {
			t.Fatal(err)
		}
	}
	heads, err := n.Heads(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.epochs = map[host.ProductID]host.Epoch{}
	for id, p := range heads {
		r.epochs[id] = p.Epoch
	}
	if _, err := node.Recover(ctx, node.Recovery{Data: r.data}); host.CodeOf(err) != host.CodeNodeInUse {
		t.Fatalf("recovered under a running node: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// unmark removes the marks of commits of a product's snapshot, as when the power failed.
func (r *ruin) unmark(t *testing.T, name string, seq host.Seq) {
	t.Helper()
	marks, err := filepath.Glob(filepath.Join(r.data, "store", "products", "local", "test", name, "e*", fmt.Sprint("s", seq), "*", "committed"))
	if err != nil || len(marks) != 1 {
		t.Fatalf("marks %v, %v", marks, err)
	}
	if err := os.Remove(marks[0]); err != nil {
		t.Fatal(err)
	}
}

// goesOn opens the mesh, and checks that it holds every row once, goes on with new ones, and uses no epoch again.
func (r *ruin) goesOn(t *testing.T, ctx context.Context) *node.Node {
	t.Helper()
	n := open(t, r.data)
	t.Cleanup(func() { n.Close() })
	for _, want := range []int64{7, 8} {
		if err := n.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"good", "after"} {
			p, err := n.Product(ctx, id(name))
			if err != nil || p.Rows != want || p.State != host.StateReady {
				t.Fatalf("%s has %d rows, want %d; %s %s, %v", name, p.Rows, want, p.State, p.Reason, err)
			}
			if rows, err := followed(t, n, name, 0); err != nil || rows != want {
				t.Fatalf("%s: %d rows followed, %v", name, rows, err)
			}
		}
		r.write(t, filepath.Join("in", "9.csv"), "id\n99\n")
	}
	heads, err := n.Heads(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for id, p := range heads {
		if p.Epoch <= r.epochs[id] {
			t.Errorf("%s commits in epoch %d, it had %d", id.URL(), p.Epoch, r.epochs[id])
		}
	}
	return n
}

func find(t *testing.T, got node.Recovered, name string) node.RecoveredProduct {
	t.Helper()
	for _, p := range got.Products {
		if p.Product == id(name).URL() {
			return p
		}
	}
	t.Fatalf("%s is not among %+v", name, got.Products)
	return node.RecoveredProduct{}
}

// TestRestoreOldBackup restores a backup that is older than the store: what was committed since is found and kept.
func TestRestoreOldBackup(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := newRuin(t, ctx)
	got, err := node.Recover(ctx, node.Recovery{Data: r.data, Backup: bytes.NewReader(r.backup)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good", "after"} {
		if p := find(t, got, name); p.Backup != 2 || p.Snapshot != 5 || p.Oldest != 1 || p.Undecided != 0 || !p.Registered || p.Paused {
			t.Errorf("%+v", p)
		}
	}
	if _, err := os.Stat(filepath.Join(got.Aside, "member")); err != nil {
		t.Errorf("the etcd that was there: %v", err)
	}
	r.goesOn(t, ctx)
}

// TestRecoverWithoutEtcd loses etcd and has no backup: the chains of heads say all that counts.
func TestRecoverWithoutEtcd(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := newRuin(t, ctx)
	if err := os.RemoveAll(filepath.Join(r.data, "etcd")); err != nil {
		t.Fatal(err)
	}
	got, err := node.Recover(ctx, node.Recovery{Data: r.data})
	if err != nil {
		t.Fatal(err)
	}
	if p := find(t, got, "after"); p.Backup != 0 || p.Snapshot != 5 || !p.Registered || p.Undecided != 0 || got.Aside != "" {
		t.Errorf("%+v", p)
	}
	if len(got.Notes) == 0 || !strings.Contains(got.Notes[0], "paused") {
		t.Errorf("notes %q", got.Notes)
	}
	r.goesOn(t, ctx)
}

// TestRecoverUndecided: of the newest snapshot nobody knows whether it was committed. Untrusted it is made again, and its
// files stay until somebody decides; trusted it is the newest.
func TestRecoverUndecided(t *testing.T) {
	for _, trust := range []bool{false, true} {
		t.Run(fmt.Sprint("trust ", trust), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			r := newRuin(t, ctx)
			r.unmark(t, "good", 5)
			r.unmark(t, "after", 5)
			got, err := node.Recover(ctx, node.Recovery{Data: r.data, TrustNewest: trust})
			if err != nil {
				t.Fatal(err)
			}
			// Snapshot 5 of "good" was committed: "after" has read it, though its own may not have come to that.
			if p := find(t, got, "good"); p.Snapshot != 5 || p.Undecided != 0 {
				t.Fatalf("%+v", p)
			}
			p := find(t, got, "after")
			switch {
			case trust && (p.Snapshot != 5 || p.Undecided != 0):
				t.Fatalf("%+v", p)
			case !trust && (p.Snapshot != 4 || p.Undecided != 1):
				t.Fatalf("%+v", p)
			}
			n := r.goesOn(t, ctx)
			if trust {
				return
			}
			left := func() int {
				heads, err := filepath.Glob(filepath.Join(r.data, "store", "products", "local", "test", "after", "e*", "s5", "*", "head.json"))
				if err != nil {
					t.Fatal(err)
				}
				return len(heads)
			}
			if err := n.Clean(ctx); err != nil || left() != 2 {
				t.Fatalf("%d snapshots 5 before a decision, %v", left(), err)
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			if dropped, err := node.Forget(ctx, node.Recovery{Data: r.data}); err != nil || dropped != 1 {
				t.Fatalf("%d dropped, %v", dropped, err)
			}
			n = open(t, r.data)
			defer n.Close()
			if err := errors.Join(n.Settle(ctx), n.Clean(ctx)); err != nil || left() != 1 {
				t.Fatalf("%d snapshots 5 after a decision, %v", left(), err)
			}
		})
	}
}

// TestRecoveryKeepsNodesAway: a node without an etcd of its own is noticed, on its data directory and on the store that it
// shares, and a recovery that is refused has changed nothing. A second node on a data directory is refused, too.
func TestRecoveryKeepsNodesAway(t *testing.T) {
	ctx := t.Context()
	f := newFleet(t)
	n, etcd := f.nodes[1], cluster.Config{Endpoints: []string{"http://127.0.0.1:1"}} // which is not asked
	shared, first, second := f.shared, n.Data(), t.TempDir()
	var b bytes.Buffer
	if err := n.Backup(ctx, &b); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(ctx, node.Config{Data: first, Name: "n9"}); host.CodeOf(err) != host.CodeNodeInUse {
		t.Errorf("two nodes on one data directory: %v", err)
	}
	for what, r := range map[string]node.Recovery{
		"its data directory":                        {Data: first, Shared: shared},
		"its data directory, into another etcd":     {Data: first, Shared: shared, Cluster: etcd},
		"the store that it uses":                    {Data: second, Shared: shared},
		"a folder that is not there, but its store": {Data: filepath.Join(second, "x"), Shared: shared},
	} {
		r.Backup = bytes.NewReader(b.Bytes())
		if _, err := node.Recover(ctx, r); host.CodeOf(err) != host.CodeNodeInUse {
			t.Errorf("recovered on %s: %v", what, err)
		}
		if _, err := os.Stat(filepath.Join(r.Data, "etcd", "member")); err == nil {
			t.Errorf("%s: an etcd was made", what)
		}
	}
	if _, err := node.Forget(ctx, node.Recovery{Data: first, Shared: shared, Cluster: etcd}); host.CodeOf(err) != host.CodeNodeInUse {
		t.Errorf("decided under a running node: %v", err)
	}
	if _, err := os.Stat(filepath.Join(shared, "store", "incarnations")); err == nil {
		t.Error("an incarnation has begun")
	}
	for _, stop := range f.stop {
		stop()
	}
	if _, err := node.Recover(ctx, node.Recovery{Data: second, Shared: shared, Backup: &b}); err != nil {
		t.Error(err)
	}
}

// TestEpochsRiseWithEachRecovery loses etcd again and again, with hardly anything or nothing claimed in between: no epoch that
// one life of the mesh may have used is used in the next.
func TestEpochsRiseWithEachRecovery(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := newRuin(t, ctx)
	lose := func(recovery node.Recovery) node.Recovered {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(r.data, "etcd")); err != nil {
			t.Fatal(err)
		}
		recovery.Data = r.data
		got, err := node.Recover(ctx, recovery)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	claimed := func() host.Epoch { // and no more: nothing is new, no file is written
		t.Helper()
		n := open(t, r.data)
		defer n.Close()
		for {
			p, err := n.Placement(ctx, id("good"))
			if err != nil {
				t.Fatal(err)
			}
			if p.Node != "" {
				return p.Epoch
			}
			time.Sleep(time.Millisecond)
		}
	}
	last := r.epochs[id("good")]
	for i := range int64(4) {
		recovery := node.Recovery{}
		if i%2 == 1 {
			recovery.Backup = bytes.NewReader(r.backup)
		}
		got := lose(recovery)
		epoch := claimed()
		if got.Incarnation != i+1 || epoch <= got.Epoch || epoch <= last+1000 {
			t.Fatalf("recovery %d begins incarnation %d above epoch %d; epoch %d follows %d", i+1, got.Incarnation, got.Epoch, epoch, last)
		}
		last = epoch
	}
	first, second := lose(node.Recovery{}), lose(node.Recovery{}) // nobody claims anything in between
	if second.Epoch <= first.Epoch || second.Incarnation != first.Incarnation+1 {
		t.Fatalf("%+v, then %+v", first, second)
	}
}

// TestBadBackups: what is cut off or altered is refused before anything is touched.
func TestBadBackups(t *testing.T) {
	ctx := t.Context()
	n := open(t, t.TempDir())
	var b bytes.Buffer
	if err := errors.Join(n.Backup(ctx, &b), n.Close()); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	for name, text := range map[string]string{
		"empty": "", "cut": whole[:len(whole)-10], "without its end": whole[:strings.LastIndex(whole[:len(whole)-1], "\n")+1],
		"altered": strings.Replace(whole, `"format":1,"mesh"`, `"format":1,"mash"`, 1), "of something else": "{}\n",
	} {
		_, err := node.Recover(ctx, node.Recovery{Data: n.Data(), Backup: strings.NewReader(text)})
		if host.CodeOf(err) != host.CodeNodeSetup {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := node.Recover(ctx, node.Recovery{Data: t.TempDir()}); host.CodeOf(err) != host.CodeNodeSetup || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no store: %v", err)
	}
	if got, err := node.Recover(ctx, node.Recovery{Data: n.Data(), Backup: strings.NewReader(whole)}); err != nil || got.Aside == "" {
		t.Errorf("the whole one: %+v, %v", got, err)
	}
}
