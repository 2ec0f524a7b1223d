package table

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// newStore is a local store in a folder of the test.
func newStore(t testing.TB) *file.Store {
	t.Helper()
	s, err := file.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// tinySizes reach every path with a few dozen rows.
var tinySizes = sizes{
	rowGroupRows: 16, fileBytes: 4 << 10, changeRows: 7, windowRows: 3, windowCost: 4,
	smallRows: 12, deadShare: 3, mergeRun: 4, tierBytes: []int64{2 << 10, 8 << 10},
	mergeManifests: 3, smallManifest: 6, consolidateDeletes: 10, mergeDeletes: 3,
}

// content is a multiset of rows, each as the canonical encoding of its values.
type content map[string]int

func (c content) rows() (n int64) {
	for _, v := range c {
		n += int64(v)
	}
	return n
}

func encodings(rec arrow.RecordBatch, columns int) []string {
	out := make([]string, rec.NumRows())
	for i := range out {
		b, _ := columnar.AppendKey(nil, rec.Columns()[:columns], i)
		out[i] = string(b)
	}
	return out
}

// read collects what a reader gives.
func read(t testing.TB, r Reader, err error) content {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := content{}
	for {
		rec, err := r.Next(t.Context())
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Schema().Equal(r.Schema()) {
			t.Fatalf("batch has schema %s, the reader says %s", rec.Schema(), r.Schema())
		}
		for _, e := range encodings(rec, int(rec.NumCols())) {
			out[e]++
		}
		rec.Release()
	}
}

// port is a port under test and what should be in it.
type port struct {
	t      testing.TB
	g      generator
	store  drivers.Store
	tables *Tables
	out    *host.Output
	seq    host.Seq
	ref    *host.OutputRef
	rows   content
	byKey  map[string]string // upsert: key → row
	width  int
}

func (p *port) reopen() {
	p.tables = New(p.store, Options{BufferBytes: []int64{1, 2000, 1 << 20}[p.g.IntN(3)]})
	p.tables.sizes = tinySizes
}

func (p *port) keyEncoding(rec arrow.RecordBatch, i int) string {
	var cols []arrow.Array
	for _, k := range p.out.Key {
		cols = append(cols, rec.Column(p.out.Schema.Index(k)))
	}
	b, _ := columnar.AppendKey(nil, cols, i)
	return string(b)
}

// step stages one run, checks the staged state, and commits or aborts it.
func (p *port) step(rebuild bool) {
	t := p.t
	t.Helper()
	p.seq++
	emitted, err := columnar.Emitted(p.out)
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.tables.Begin(t.Context(), StageSpec{Product: host.ProductID{Tenant: "local", Domain: "d", Name: "p"}, Output: p.out, Prev: p.ref,
		Seq: p.seq, Run: "r", Dir: fmt.Sprintf("products/local/d/p/e1/s%d/u%d", p.seq, p.g.Uint64()), Rebuild: rebuild})
	if err != nil {
		t.Fatal(err)
	}
	rows, byKey := maps.Clone(p.rows), maps.Clone(p.byKey)
	if rebuild || p.out.Mode == host.Replace {
		rows, byKey = content{}, map[string]string{}
	}
	repeat := p.g.IntN(4) == 0 && p.out.Mode != host.Append
	if repeat && p.ref != nil { // emit what is there, for unchanged rows
		p.emitTable(st, rows, byKey, emitted)
	}
	for range p.g.IntN(4) {
		rec := p.g.batch(emitted, p.g.IntN(30), 60)
		p.model(rec, rows, byKey)
		if err := st.Write(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		rec.Release()
	}
	if p.out.Mode == host.Upsert {
		rows = content{}
		for _, r := range byKey {
			rows[r]++
		}
	}
	staged, err := st.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.check(st, staged, rows)
	if p.g.IntN(5) == 0 {
		st.Abort()
		for _, f := range staged.Files {
			if _, err := p.store.Open(t.Context(), f); err == nil {
				t.Fatalf("%s is left after Abort", f)
			}
		}
		p.seq--
	} else {
		st.Committed()
		st.Abort() // has no effect
		p.rows, p.byKey, p.ref = rows, byKey, &staged.Ref
	}
	if p.ref != nil {
		r, err := p.tables.Scan(t.Context(), *p.ref, p.out.Schema, ScanOptions{})
		if got := read(t, r, err); !maps.Equal(got, p.rows) {
			t.Fatalf("seq %d: the table has %d rows (%d kinds), want %d (%d)", p.seq, got.rows(), len(got), p.rows.rows(), len(p.rows))
		}
	}
}

// emitTable writes the table's own rows to the stage again.
func (p *port) emitTable(st Stage, rows content, byKey map[string]string, emitted *arrow.Schema) {
	r, err := p.tables.Scan(p.t.Context(), *p.ref, p.out.Schema, ScanOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next(p.t.Context())
		if err == io.EOF {
			return
		}
		if err != nil {
			p.t.Fatal(err)
		}
		if p.out.Mode == host.Upsert {
			ops := array.MakeArrayOfNull(memory.DefaultAllocator, arrow.BinaryTypes.String, int(rec.NumRows()))
			rec = array.NewRecordBatch(emitted, append(slices.Clone(rec.Columns()), ops), rec.NumRows())
		}
		p.model(rec, rows, byKey)
		if err := st.Write(p.t.Context(), rec); err != nil {
			p.t.Fatal(err)
		}
	}
}

// model does to maps what the table should do.
func (p *port) model(rec arrow.RecordBatch, rows content, byKey map[string]string) {
	enc := encodings(rec, p.width)
	for i, e := range enc {
		if p.out.Mode != host.Upsert {
			rows[e]++
			continue
		}
		k := p.keyEncoding(rec, i)
		op := rec.Column(p.width).(*array.String)
		if op.IsValid(i) && op.Value(i) == abi.OpDelete {
			delete(byKey, k)
		} else {
			byKey[k] = e
		}
	}
}

// check compares a staged state with what it should be.
func (p *port) check(st Stage, s Staged, want content) {
	t := p.t
	t.Helper()
	ctx := t.Context()
	r, err := p.tablesOrFresh().scanStaged(ctx, s, p)
	if got := read(t, r, err); !maps.Equal(got, want) {
		t.Fatalf("seq %d: staged %d rows, want %d", p.seq, got.rows(), want.rows())
	}
	if s.Ref.Rows != want.rows() {
		t.Fatalf("seq %d: Rows is %d, want %d", p.seq, s.Ref.Rows, want.rows())
	}
	before := p.rows
	if before == nil {
		before = content{}
	}
	changed := p.ref == nil || !maps.Equal(before, want)
	if s.Changed != changed {
		t.Fatalf("seq %d: Changed is %v, want %v", p.seq, s.Changed, changed)
	}
	if !changed {
		if len(s.Files) > 0 || len(s.Ref.Changes) > 0 || s.Ref.Metadata != p.ref.Metadata || s.Ref.Changed != p.ref.Changed {
			t.Fatalf("seq %d: an unchanged port has %+v", p.seq, s)
		}
		return
	}
	if s.Ref.Changed != p.seq {
		t.Fatalf("Changed is %d at seq %d", s.Ref.Changed, p.seq)
	}
	p.checkChanges(s, before, want)
	p.checkDuplicates(st, s)
	if err := p.tables.Verify(ctx, s.Ref); err != nil {
		t.Fatal(err)
	}
	needed, err := p.tables.Files(ctx, s.Ref)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Files {
		if !slices.Contains(needed, f) {
			t.Fatalf("seq %d: %s is synced but nothing needs it", p.seq, f)
		}
	}
	if name, ok, err := p.tables.ParquetFile(ctx, s.Ref); err != nil {
		t.Fatal(err)
	} else if ok {
		r, err := p.tables.Changes(ctx, []host.FileRef{{Location: name, Rows: s.Ref.Rows}}, host.Append, p.out.Schema, 0, ScanOptions{})
		if got := read(t, r, err); !maps.Equal(got, want) {
			t.Fatalf("seq %d: the stored file is not the whole truth", p.seq)
		}
	}
}

// tablesOrFresh sometimes reads with nothing cached.
func (p *port) tablesOrFresh() *Tables {
	if p.g.IntN(3) == 0 {
		f := New(p.store, Options{})
		f.sizes = tinySizes
		return f
	}
	return p.tables
}

func (t *Tables) scanStaged(ctx context.Context, s Staged, p *port) (Reader, error) {
	return t.Scan(ctx, s.Ref, p.out.Schema, ScanOptions{})
}

// checkChanges replays the changes onto the content before.
func (p *port) checkChanges(s Staged, before, want content) {
	t := p.t
	t.Helper()
	if s.Ref.Base == p.seq {
		before = content{} // changes begin here
	}
	got := maps.Clone(before)
	if p.out.Mode == host.Append {
		r, err := p.tables.Changes(t.Context(), s.Ref.Changes, p.out.Mode, p.out.Schema, p.seq, ScanOptions{})
		for e, n := range read(t, r, err) {
			got[e] += n
		}
	} else {
		p.replay(s, got)
	}
	if !maps.Equal(got, want) {
		t.Fatalf("seq %d: changes lead to %d rows, want %d", p.seq, got.rows(), want.rows())
	}
}

func (p *port) replay(s Staged, got content) {
	t := p.t
	r, err := p.tables.Changes(t.Context(), s.Ref.Changes, p.out.Mode, p.out.Schema, p.seq, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next(t.Context())
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		ops, seqs := rec.Column(p.width).(*array.String), rec.Column(p.width+1).(*array.Int64)
		for i, e := range encodings(rec, p.width) {
			if seqs.Value(i) != int64(p.seq) {
				t.Fatalf("a change of seq %d says %d", p.seq, seqs.Value(i))
			}
			switch ops.Value(i) {
			case abi.OpInsert, abi.OpUpdateAfter:
				got[e]++
			case abi.OpDelete, abi.OpUpdateBefore:
				if got[e] == 0 {
					t.Fatalf("seq %d: %s of a row that is not there", p.seq, ops.Value(i))
				}
				if got[e]--; got[e] == 0 {
					delete(got, e)
				}
			default:
				t.Fatalf("operation %q", ops.Value(i))
			}
		}
		rec.Release()
	}
}

// checkDuplicates counts in the staged table what Duplicates counts with its index.
func (p *port) checkDuplicates(st Stage, s Staged) {
	t := p.t
	t.Helper()
	for _, columns := range [][]string{{"id"}, {"part", "c0"}, {"id", "part"}} {
		if p.g.IntN(2) == 0 {
			continue
		}
		r, err := New(p.store, Options{}).Scan(t.Context(), s.Ref, p.out.Schema, ScanOptions{Columns: columns})
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int64{}
		for {
			rec, err := r.Next(t.Context())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range int(rec.NumRows()) {
				if k, null := columnar.AppendKey(nil, rec.Columns(), i); !null {
					counts[string(k)]++
				}
			}
		}
		r.Close()
		want := int64(0)
		for _, n := range counts {
			want += n - 1
		}
		got, examples, err := st.Duplicates(t.Context(), columns, 3)
		if err != nil {
			t.Fatal(err)
		}
		if got != want || int64(len(examples)) != min(3, want) {
			t.Fatalf("seq %d: %d duplicates of %v with %d examples, want %d", p.seq, got, columns, len(examples), want)
		}
	}
}

func TestModel(t *testing.T) {
	for seed := range uint64(10) {
		for _, mode := range []host.OutputMode{host.Append, host.Upsert, host.Replace} {
			t.Run(fmt.Sprintf("%s/%d", mode, seed), func(t *testing.T) {
				g := generator{rand.New(rand.NewPCG(seed, 1))}
				p := &port{t: t, g: g, store: newMemStore(), rows: content{}, byKey: map[string]string{}, out: &host.Output{Name: "out", Mode: mode, Schema: g.schema()}}
				p.width = len(p.out.Schema.Fields)
				if seed == 0 {
					p.store = newStore(t)
				}
				switch {
				case mode == host.Upsert && seed%2 == 0:
					p.out.Key = []string{"id", "part"}
				case mode == host.Upsert, mode == host.Replace && seed%2 == 0:
					p.out.Key = []string{"id"}
				}
				p.reopen()
				var old []host.OutputRef
				var was []content
				for range 14 {
					p.step(g.IntN(6) == 0)
					if g.IntN(4) == 0 {
						p.reopen()
					}
					if p.ref != nil {
						old, was = append(old, *p.ref), append(was, p.rows)
					}
				}
				for i, ref := range old {
					r, err := New(p.store, Options{}).Scan(t.Context(), ref, p.out.Schema, ScanOptions{})
					if got := read(t, r, err); !maps.Equal(got, was[i]) {
						t.Fatalf("the table as of %s has changed", ref.Metadata)
					}
				}
				if p.ref != nil {
					compareWithIceberg(t, p)
				}
			})
		}
	}
}
