package table

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// TestDeterministic runs the same commits twice: data and change files are the same byte for byte, though hashes in memory
// are seeded at random.
func TestDeterministic(t *testing.T) {
	for _, mode := range []host.OutputMode{host.Append, host.Upsert, host.Replace} {
		var sums [2][]host.Digest
		for i := range sums {
			g := generator{rand.New(rand.NewPCG(4, 4))}
			store := newMemStore()
			tables := New(store, Options{BufferBytes: 4000})
			tables.sizes = tinySizes
			o := &host.Output{Name: "out", Mode: mode, Schema: nestedSchema}
			if mode == host.Upsert {
				o.Key = []string{"id", "part"}
			}
			emitted := must(columnar.Emitted(o))
			var ref *host.OutputRef
			for seq := host.Seq(1); seq <= 12; seq++ {
				if i == 1 && seq%3 == 0 { // a restart on the way makes no difference
					tables = New(store, Options{BufferBytes: 4000})
					tables.sizes = tinySizes
				}
				s := commitRows(t, tables, o, ref, seq, g.batch(emitted, 30, 50))
				ref = &s.Ref
				for _, c := range s.Ref.Changes {
					sums[i] = append(sums[i], c.Hash)
				}
				for _, f := range tables.states.get(place{ref.Metadata, ref.Hash}).files {
					sums[i] = append(sums[i], f.sum.String())
				}
			}
		}
		if !slices.Equal(sums[0], sums[1]) {
			t.Errorf("%s: two runs of the same commits wrote different files", mode)
		}
	}
}

// TestIndexBudget drops indexes when they grow too large and builds them again.
func TestIndexBudget(t *testing.T) {
	tables := New(newMemStore(), Options{IndexRows: 10})
	refs := map[string]*host.OutputRef{}
	for seq := host.Seq(1); seq <= 6; seq++ {
		for _, name := range []string{"a", "b", "c"} {
			o := &host.Output{Name: name, Mode: host.Upsert, Key: []string{"id"}, Schema: people}
			s := commitRows(t, tables, o, refs[name], seq, personRows(o, person{int64(seq), "x", ""}, person{1, fmt.Sprint("v", seq), ""}))
			refs[name] = &s.Ref
			total := int64(0)
			for _, x := range tables.indexes.ports {
				total += x.rows()
			}
			if total > 10 {
				t.Fatalf("%d rows are indexed", total)
			}
		}
	}
	for name, ref := range refs {
		if ref.Rows != 6 {
			t.Errorf("%s has %d rows", name, ref.Rows)
		}
	}
}

// TestManyCommits keeps the number of files, manifests and bytes of metadata bounded.
func TestManyCommits(t *testing.T) {
	store := newMemStore()
	tables := New(store, Options{})
	o := &host.Output{Name: "flights", Mode: host.Append, Schema: flights}
	var ref *host.OutputRef
	for seq := host.Seq(1); seq <= 300; seq++ {
		s := commitRows(t, tables, o, ref, seq, flightRows(o, int(seq), 1, 3))
		ref = &s.Ref
		st := tables.states.get(place{ref.Metadata, ref.Hash})
		if len(st.files) > 2*defaultSizes.mergeRun || len(st.data) > 2*defaultSizes.mergeManifests {
			t.Fatalf("seq %d: %d files, %d manifests", seq, len(st.files), len(st.data))
		}
		if n := len(store.files[ref.Metadata]); n > 8000 {
			t.Fatalf("seq %d: %d bytes of metadata", seq, n)
		}
	}
	r, err := New(store, Options{}).Scan(t.Context(), *ref, host.Schema{Fields: flights.Fields[:1]}, ScanOptions{})
	got := text(t, r, err)
	for i, id := range got { // the order of commits survives compaction
		if want := fmt.Sprint(i/3 + 1 + i%3); id != want {
			t.Fatalf("row %d is %s, want %s", i, id, want)
		}
	}
	if len(got) != 900 {
		t.Fatalf("%d rows", len(got))
	}
}

func TestDuplicatesIndex(t *testing.T) {
	tables := New(newMemStore(), Options{})
	o := &host.Output{Name: "people", Mode: host.Append, Schema: people}
	var ref *host.OutputRef
	stage := func(seq host.Seq, commit bool, rows ...person) (int64, []map[string]any) {
		st, err := begin(t, tables, o, ref, seq, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Write(t.Context(), personRows(o, rows...)); err != nil {
			t.Fatal(err)
		}
		s, err := st.Finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n, examples, err := st.Duplicates(t.Context(), []string{"name"}, 2)
		if err != nil {
			t.Fatal(err)
		}
		if commit {
			st.Committed()
			ref = &s.Ref
		}
		st.Abort()
		return n, examples
	}
	if n, _ := stage(1, true, person{1, "Ada", ""}, person{2, "Bob", ""}, person{3, "", ""}, person{4, "", ""}); n != 0 {
		t.Fatalf("nulls are equal: %d", n)
	}
	n, examples := stage(2, false, person{5, "Ada", ""}, person{6, "Cem", ""}, person{7, "Ada", ""})
	if n != 2 || !reflect.DeepEqual(examples, []map[string]any{{"id": int64(5), "name": "Ada"}, {"id": int64(7), "name": "Ada"}}) {
		t.Fatalf("%d, %v", n, examples)
	}
	n, examples = stage(3, true, person{8, "Dee", ""}, person{9, "Dee", ""}) // the aborted rows do not count
	if n != 1 || !maps.Equal(examples[0], map[string]any{"id": int64(9), "name": "Dee"}) {
		t.Fatalf("%d, %v", n, examples)
	}
	if x := tables.indexes.ports[portName{benchProduct, "people"}].dups["name"]; len(x.counts) != 3 || x.surplus != 1 {
		t.Fatalf("the index has not followed: %+v", x)
	}
	n, examples = stage(4, true, person{10, "Eva", ""}) // an old duplicate stays one
	if n != 1 || examples[0]["id"] != int64(9) {
		t.Fatalf("%d, %v", n, examples)
	}
}
