package table

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

func TestReaders(t *testing.T) {
	store := newMemStore()
	tables := New(store, Options{})
	tables.sizes = tinySizes
	o := &host.Output{Name: "people", Mode: host.Append, Schema: people}
	var rows []person
	var want []string
	for i := range int64(200) {
		rows = append(rows, person{i, fmt.Sprint("n", i), ""})
		want = append(want, fmt.Sprintf("%d|n%d", i, i))
	}
	s := commitRows(t, tables, o, nil, 1, personRows(o, rows...))
	for _, limit := range []int64{0, 1, 15, 16, 17, 199, 200, 1000} {
		r, err := tables.Scan(t.Context(), s.Ref, people, ScanOptions{Limit: limit})
		n := min(limit, 200)
		if limit == 0 {
			n = 200
		}
		wantText(t, text(t, r, err), want[:n]...)
	}
	r, err := tables.Scan(t.Context(), s.Ref, people, ScanOptions{Columns: []string{"name", "id"}, Limit: 1})
	wantText(t, text(t, r, err), "n0|0")
	_, err = tables.Scan(t.Context(), s.Ref, people, ScanOptions{Columns: []string{"nobody"}})
	wantCode(t, err, host.CodeAccessQuery)
	ctx, cancel := context.WithCancel(t.Context())
	r, err = tables.Scan(ctx, s.Ref, people, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled read says %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = tables.Scan(t.Context(), host.OutputRef{Metadata: "nowhere", Hash: s.Ref.Hash}, people, ScanOptions{})
	wantCode(t, err, host.CodeTableDamaged)
	changed := s.Ref
	changed.Hash = "sha256:00"
	_, err = tables.Scan(t.Context(), changed, people, ScanOptions{})
	wantCode(t, err, host.CodeTableDamaged)
	stricter := host.Schema{Fields: append(slices.Clone(people.Fields), host.Field{Name: "x", Type: host.Type{Kind: host.Bool}, Required: true})}
	r, err = tables.Scan(t.Context(), s.Ref, stricter, ScanOptions{})
	_, err = drain(t.Context(), r, err)
	wantCode(t, err, host.CodeTableSchema)
}

// TestReloaded checks that what is read back from the files is what the writer kept in memory.
func TestReloaded(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(8, 8))}
	store := newMemStore()
	tables := New(store, Options{})
	tables.sizes = tinySizes
	o := &host.Output{Name: "out", Mode: host.Upsert, Key: []string{"id"}, Schema: nestedSchema}
	emitted := must(columnar.Emitted(o))
	var ref *host.OutputRef
	for seq := host.Seq(1); seq <= 30; seq++ {
		s := commitRows(t, tables, o, ref, seq, g.batch(emitted, 20, 120))
		ref = &s.Ref
		kept := tables.states.get(place{ref.Metadata, ref.Hash})
		read, err := tables.load(t.Context(), place{ref.Metadata, ref.Hash})
		if err != nil {
			t.Fatal(err)
		}
		if len(read.meta.Snapshots()) > keepSnapshots {
			t.Fatalf("the metadata lists %d snapshots", len(read.meta.Snapshots()))
		}
		compareStates(t, kept, read)
	}
}

func compareStates(t *testing.T, a, b *state) {
	t.Helper()
	if len(a.files) != len(b.files) || len(a.deletes) != len(b.deletes) || len(a.data) != len(b.data) || len(a.dels) != len(b.dels) || a.rows != b.rows {
		t.Fatalf("%d/%d files, %d/%d deletes, %d/%d and %d/%d manifests, %d/%d rows", len(a.files), len(b.files), len(a.deletes), len(b.deletes),
			len(a.data), len(b.data), len(a.dels), len(b.dels), a.rows, b.rows)
	}
	plain := func(f *storedFile) []any {
		st := f.stats
		return []any{f.content, f.name, f.path, f.rows, f.bytes, f.sum, f.snapshot, f.seq, st.ColumnSizes(), st.ValueCounts(), st.NullValueCounts(),
			st.LowerBoundValues(), st.UpperBoundValues(), st.SplitOffsets()}
	}
	for i := range a.files {
		if x, y := plain(a.files[i].storedFile), plain(b.files[i].storedFile); fmt.Sprint(x) != fmt.Sprint(y) {
			t.Fatalf("file %d:\n%v\n%v", i, x, y)
		}
		if x, y := slices.Collect(a.files[i].dead.all()), slices.Collect(b.files[i].dead.all()); !slices.Equal(x, y) {
			t.Fatalf("deletes of file %d: %v, %v", i, x, y)
		}
	}
	for i, d := range a.deletes {
		if x, y := plain(d.storedFile), plain(b.deletes[i].storedFile); fmt.Sprint(x) != fmt.Sprint(y) || !slices.Equal(d.targets, b.deletes[i].targets) {
			t.Fatalf("delete file %d:\n%v\n%v", i, x, y)
		}
	}
	for i, m := range slices.Concat(a.data, a.dels) {
		x, y := *m, *slices.Concat(b.data, b.dels)[i]
		x.live, y.live = nil, nil
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("manifest %d:\n%+v\n%+v", i, x, y)
		}
	}
}

// TestNoLeaks counts Arrow memory through commits, aborts and reads that end early.
func TestNoLeaks(t *testing.T) {
	for _, mode := range []host.OutputMode{host.Append, host.Upsert, host.Replace} {
		for _, budget := range []int64{1, 1 << 20} {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			g := generator{rand.New(rand.NewPCG(9, 9))}
			store := newMemStore()
			tables := New(store, Options{Allocator: mem, BufferBytes: budget})
			tables.sizes = tinySizes
			o := &host.Output{Name: "out", Mode: mode, Schema: nestedSchema}
			if mode == host.Upsert {
				o.Key = []string{"id"}
			}
			emitted := must(columnar.Emitted(o))
			var ref *host.OutputRef
			for seq := host.Seq(1); seq <= 8; seq++ {
				batch := g.batch(emitted, 40, 80)
				s := commitRows(t, tables, o, ref, seq, batch, batch)
				ref = &s.Ref
				r, err := tables.Scan(t.Context(), *ref, nestedSchema, ScanOptions{Limit: 20})
				if _, err := drain(t.Context(), r, err); err != nil {
					t.Fatal(err)
				}
				r, err = tables.Scan(t.Context(), *ref, nestedSchema, ScanOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if rec, err := r.Next(t.Context()); err == nil {
					rec.Release()
				}
				r.Close()                                              // early
				st, err := begin(t, tables, o, ref, seq+1, seq%2 == 0) // given up
				if err != nil {
					t.Fatal(err)
				}
				if err := st.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				if seq%3 == 0 {
					if _, err := st.Finish(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				st.Abort()
			}
			mem.AssertSize(t, 0)
		}
	}
}

// TestReadWhileCommitting reads old and new versions from several goroutines during commits.
func TestReadWhileCommitting(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(6, 6))}
	store := newMemStore()
	tables := New(store, Options{BufferBytes: 5000})
	tables.sizes = tinySizes
	o := &host.Output{Name: "out", Mode: host.Upsert, Key: []string{"id"}, Schema: nestedSchema}
	emitted := must(columnar.Emitted(o))
	var wg sync.WaitGroup
	var ref *host.OutputRef
	for seq := host.Seq(1); seq <= 12; seq++ {
		s := commitRows(t, tables, o, ref, seq, g.batch(emitted, 50, 100))
		ref = &s.Ref
		now := *ref
		for range 2 {
			wg.Go(func() {
				r, err := tables.Scan(context.Background(), now, nestedSchema, ScanOptions{})
				n, err := drain(context.Background(), r, err)
				if err != nil || n != now.Rows {
					t.Errorf("%d of %d rows, %v", n, now.Rows, err)
				}
			})
		}
	}
	wg.Wait()
}
