package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/registry"
)

// teller is a product that writes every row it reads to a folder too.
func (w *workshop) teller(t *testing.T, name, target string) registry.Artifact {
	t.Helper()
	w.write(t, "product.yaml", fmt.Sprintf(productYAML, name, "file:"+filepath.Join(w.dir, "in"), "tell")+
		fmt.Sprintf("    drivers: {told: {uri: %q, access: write, contract: rows.yaml}}\n", target))
	bundle, p, err := w.build.Documents(t.Context(), w.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return registry.Artifact{Product: p, Module: w.module, Documents: bundle.Files()}
}

// told are the rows that have arrived in a folder, by product, in the order of the files.
func told(t *testing.T, dir, name string) (rows []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "local.test."+name+"-*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, strings.Fields(string(b))...)
	}
	return rows
}

func wantTold(t *testing.T, dir, name string, ids ...int) {
	t.Helper()
	var want []string
	for _, id := range ids {
		want = append(want, fmt.Sprintf(`{"id":%d}`, id))
	}
	if got := told(t, dir, name); !slices.Equal(got, want) {
		t.Fatalf("%s told %q, want %q", name, got, want)
	}
}

func effects(t *testing.T, n *node.Node, name string) host.EffectStatus {
	t.Helper()
	st, err := n.Product(t.Context(), id(name))
	if err != nil {
		t.Fatal(err)
	}
	if st.Effects == nil {
		return host.EffectStatus{}
	}
	return *st.Effects
}

// waiting is what /metrics says.
func waiting(t *testing.T, n *node.Node, name string) float64 {
	t.Helper()
	families, err := n.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "adp_effects_waiting" && m.Label[1].GetValue() == name {
				return m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// TestEffects: what a guest writes arrives when its run is committed, once; a target that fails holds up no run, is named
// with what waits, and gets it in order when it is mended, also while the product is paused and after a restart.
func TestEffects(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	w := newWorkshop(t)
	data, dir := t.TempDir(), filepath.Join(t.TempDir(), "told")
	n := open(t, data)
	defer func() { n.Close() }()
	settle := func() {
		t.Helper()
		if err := n.Settle(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := register(ctx, n, w.teller(t, "teller", "file:"+dir), w.artifact(t, "silent", "well")); err != nil {
		t.Fatal(err)
	}
	settle()
	wantTold(t, dir, "teller", 1, 2, 3)
	if e := effects(t, n, "teller"); e != (host.EffectStatus{Delivered: 1}) || waiting(t, n, "teller") != 0 {
		t.Fatalf("%+v, %v waiting", e, waiting(t, n, "teller"))
	}
	if st, err := n.Product(ctx, id("silent")); err != nil || st.Effects != nil || waiting(t, n, "silent") != -1 {
		t.Fatalf("who never wrote has %+v, %v", st.Effects, err)
	}

	broken := func() { // the folder becomes a file
		if err := errors.Join(os.Rename(dir, dir+".away"), os.WriteFile(dir, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	mended := func() {
		if err := errors.Join(os.Remove(dir), os.Rename(dir+".away", dir)); err != nil {
			t.Fatal(err)
		}
	}
	broken()
	for i := 4; i < 6; i++ {
		w.write(t, filepath.Join("in", fmt.Sprint(i, ".csv")), fmt.Sprintf("id\n%d\n", i))
		settle()
	}
	st, err := n.Product(ctx, id("teller"))
	if err != nil || st.State != host.StateReady || st.Rows != 5 {
		t.Fatalf("while its target fails the product is %s with %d rows, %v", st.State, st.Rows, err)
	}
	if e := *st.Effects; e.Waiting != 2 || e.Delivered != 1 || !strings.Contains(e.Error, "effect 1 of snapshot 2 to told: ") || !strings.Contains(e.Error, "is not a folder") || e.Hint == "" {
		t.Fatalf("%+v", e)
	}
	if got := waiting(t, n, "teller"); got != 2 {
		t.Fatalf("%v waiting", got)
	}
	mended()
	if err := n.Pause(ctx, id("teller")); err != nil { // a change has it tried at once
		t.Fatal(err)
	}
	eventually(t, "a paused product delivers what it has committed", func() bool { return effects(t, n, "teller").Waiting == 0 })
	wantTold(t, dir, "teller", 1, 2, 3, 4, 5)

	broken()
	if err := n.Resume(ctx, id("teller")); err != nil {
		t.Fatal(err)
	}
	w.write(t, filepath.Join("in", "6.csv"), "id\n6\n")
	settle()
	if err := errors.Join(n.Pause(ctx, id("teller")), n.Close()); err != nil {
		t.Fatal(err)
	}
	mended()
	n = open(t, data)
	settle()
	wantTold(t, dir, "teller", 1, 2, 3, 4, 5, 6)
	if e := effects(t, n, "teller"); e != (host.EffectStatus{Delivered: 4}) {
		t.Fatalf("%+v", e)
	}
}

// TestTargets: a registration says where its drivers are, and one that cannot be written to is refused at its place.
func TestTargets(t *testing.T) {
	ctx := t.Context()
	w := newWorkshop(t)
	n := open(t, t.TempDir())
	defer n.Close()
	for target, code := range map[string]host.ErrorCode{"file:told": host.CodeManifestRef, "kafka:told": host.CodeDriverUnknown} {
		err := register(ctx, n, w.teller(t, "teller", target))
		var e *host.Error
		if !errors.As(err, &e) || e.Code != code || e.At.String() != "product.yaml:20:27" || e.Excerpt == "" {
			t.Errorf("%s: %v", target, err)
		}
	}
	d, err := n.Registry().Push(ctx, w.teller(t, "teller", "file:told"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := n.Register(ctx, []node.Registration{{Artifact: d, Sources: map[string]string{"told": "file:" + dir}}}); err != nil {
		t.Fatal(err)
	}
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	wantTold(t, dir, "teller", 1, 2, 3)
}

// TestFleetEffects moves products from node to node while they write: every effect arrives once, in order.
func TestFleetEffects(t *testing.T) {
	w := newWorkshop(t)
	f := newFleet(t)
	dir := t.TempDir()
	names := []string{"t0", "t1", "t2"}
	var as []registry.Artifact
	for _, name := range names {
		as = append(as, w.teller(t, name, "file:"+dir))
	}
	if err := register(t.Context(), f.nodes[0], as...); err != nil {
		t.Fatal(err)
	}
	want := []int{1, 2, 3}
	for i, drained := range []string{"n1", "n2", "n3", "n1"} {
		want = append(want, 10+i)
		w.write(t, filepath.Join("in", fmt.Sprint(10+i, ".csv")), fmt.Sprintf("id\n%d\n", 10+i))
		if err := f.nodes[0].Drain(t.Context(), drained); err != nil {
			t.Fatal(err)
		}
		eventually(t, drained+" is empty", func() bool { return f.owners(t, 0)[drained] == 0 })
		for _, name := range names {
			eventually(t, name+" has told everything", func() bool { return len(told(t, dir, name)) == len(want) })
		}
		if err := f.nodes[0].Uncordon(t.Context(), drained); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		wantTold(t, dir, name, want...)
		for asked := range f.nodes {
			// A file is there before it is written down that it is.
			eventually(t, fmt.Sprintf("n%d knows that %s has told everything", asked+1, name), func() bool {
				e := effects(t, f.nodes[asked], name)
				return e.Waiting == 0 && e.Delivered >= 2
			})
		}
	}
}
