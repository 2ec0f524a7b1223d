package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// people is a small contract; people.rows builds batches of it.
var people = host.Schema{Fields: []host.Field{
	{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
	{Name: "name", Type: host.Type{Kind: host.String}},
}}

// person is a row of people: op "" is null.
type person struct {
	id   int64
	name string
	op   string
}

func personRows(o *host.Output, rows ...person) arrow.RecordBatch {
	s, err := columnar.Emitted(o)
	if err != nil {
		panic(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.id)
		if r.name == "" {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(r.name)
		}
		for f := 2; f < s.NumFields(); f++ {
			if s.Field(f).Name == abi.ColumnOp && r.op != "" {
				b.Field(f).(*array.StringBuilder).Append(r.op)
			} else {
				b.Field(f).AppendNull()
			}
		}
	}
	return b.NewRecordBatch()
}

// text reads rows as "a|b" lines, in order.
func text(t *testing.T, r Reader, err error) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := []string{}
	for {
		rec, err := r.Next(t.Context())
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			var cells []string
			for _, c := range rec.Columns() {
				cells = append(cells, fmt.Sprint(columnar.Value(c, i)))
			}
			out = append(out, strings.Join(cells, "|"))
		}
		rec.Release()
	}
}

func wantText(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestUpsertChanges(t *testing.T) {
	tables := New(newMemStore(), Options{})
	o := &host.Output{Name: "people", Mode: host.Upsert, Key: []string{"id"}, Schema: people}
	changes := func(s Staged) []string {
		r, err := tables.Changes(t.Context(), s.Ref.Changes, o.Mode, o.Schema, s.Ref.Changed, ScanOptions{})
		return text(t, r, err)
	}
	s := commitRows(t, tables, o, nil, 1, personRows(o, person{1, "Ada", ""}, person{2, "Bob", ""}, person{3, "Cem", abi.OpUpsert}, person{2, "Ben", ""}))
	wantText(t, changes(s), "1|Ada|insert|1", "3|Cem|insert|1", "2|Ben|insert|1")
	if s.Ref.Base != 1 || len(s.Ref.Changes) != 1 {
		t.Fatalf("first commit: %+v", s.Ref)
	}
	s = commitRows(t, tables, o, &s.Ref, 2, personRows(o, person{4, "Dee", ""}, person{2, "Ben", ""}, person{1, "Eva", ""}, person{3, "", abi.OpDelete}, person{9, "", abi.OpDelete}))
	wantText(t, changes(s), "1|Ada|update_before|2", "1|Eva|update_after|2", "3|Cem|delete|2", "4|Dee|insert|2")
	r, err := tables.Scan(t.Context(), s.Ref, o.Schema, ScanOptions{})
	wantText(t, text(t, r, err), "2|Ben", "4|Dee", "1|Eva")
	if s.Ref.Base != 1 || s.Ref.Changed != 2 || s.Ref.Rows != 3 {
		t.Fatalf("%+v", s.Ref)
	}
	if name, ok, err := tables.ParquetFile(t.Context(), s.Ref); !ok || err != nil || name == "" {
		t.Fatalf("a small table is not one file: %v %v", ok, err)
	}
	same := commitRows(t, tables, o, &s.Ref, 3, personRows(o, person{4, "x", ""}, person{4, "Dee", ""}, person{9, "x", ""}, person{9, "", abi.OpDelete}))
	if same.Changed || len(same.Files) > 0 || same.Ref.Changed != 2 || same.Ref.Changes != nil || same.Ref.Metadata != s.Ref.Metadata {
		t.Fatalf("nothing changed, but %+v", same)
	}
}

func TestReplaceChanges(t *testing.T) {
	for _, key := range [][]string{nil, {"id"}} {
		tables := New(newMemStore(), Options{})
		o := &host.Output{Name: "people", Mode: host.Replace, Key: key, Schema: people}
		s := commitRows(t, tables, o, nil, 1, personRows(o, person{1, "Ada", ""}, person{2, "Bob", ""}, person{3, "Cem", ""}))
		again := commitRows(t, tables, o, &s.Ref, 2, personRows(o, person{3, "Cem", ""}, person{1, "Ada", ""}, person{2, "Bob", ""}))
		if again.Changed {
			t.Fatal("the order of rows is not content")
		}
		s = commitRows(t, tables, o, &again.Ref, 3, personRows(o, person{4, "Dee", ""}, person{1, "Ada", ""}, person{2, "Ben", ""}))
		r, err := tables.Changes(t.Context(), s.Ref.Changes, o.Mode, o.Schema, 3, ScanOptions{})
		if key == nil {
			wantText(t, text(t, r, err), "2|Bob|delete|3", "3|Cem|delete|3", "4|Dee|insert|3", "2|Ben|insert|3")
		} else {
			wantText(t, text(t, r, err), "2|Bob|update_before|3", "2|Ben|update_after|3", "3|Cem|delete|3", "4|Dee|insert|3")
		}
		r, err = tables.Scan(t.Context(), s.Ref, o.Schema, ScanOptions{})
		wantText(t, text(t, r, err), "4|Dee", "1|Ada", "2|Ben")
		s = commitRows(t, tables, o, &s.Ref, 4) // empty
		if !s.Changed || s.Ref.Rows != 0 {
			t.Fatalf("%+v", s)
		}
		r, err = tables.Scan(t.Context(), s.Ref, o.Schema, ScanOptions{})
		wantText(t, text(t, r, err))
		s = commitRows(t, tables, o, &s.Ref, 5, personRows(o, person{7, "Gil", ""}, person{7, "Gil", ""})) // not unique by key
		r, err = tables.Changes(t.Context(), s.Ref.Changes, o.Mode, o.Schema, 5, ScanOptions{})
		wantText(t, text(t, r, err), "7|Gil|insert|5", "7|Gil|insert|5")
	}
}

func begin(t *testing.T, tables *Tables, o *host.Output, prev *host.OutputRef, seq host.Seq, rebuild bool) (Stage, error) {
	t.Helper()
	return tables.Begin(t.Context(), StageSpec{Product: benchProduct, Output: o, Prev: prev, Seq: seq, Run: "r", Dir: fmt.Sprintf("p/e1/s%d/u", seq), Rebuild: rebuild})
}

func wantCode(t *testing.T, err error, code host.ErrorCode) {
	t.Helper()
	if host.CodeOf(err) != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}

func TestRebuild(t *testing.T) {
	for _, mode := range []host.OutputMode{host.Append, host.Upsert} {
		tables := New(newMemStore(), Options{})
		o := &host.Output{Name: "people", Mode: mode, Schema: people}
		if mode == host.Upsert {
			o.Key = []string{"id"}
		}
		first := commitRows(t, tables, o, nil, 1, personRows(o, person{1, "Ada", ""}, person{2, "Bob", ""}))
		rebuild := func(prev host.OutputRef, seq host.Seq, rows ...person) Staged {
			st, err := begin(t, tables, o, &prev, seq, true)
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
			st.Committed()
			return s
		}
		if s := rebuild(first.Ref, 2, person{2, "Bob", ""}, person{1, "Ada", ""}); s.Changed {
			t.Fatalf("%s: the same content again is a change", mode)
		}
		s := rebuild(first.Ref, 3, person{2, "Bob", ""}, person{3, "Cem", ""})
		base := host.Seq(1)
		if mode == host.Append {
			base = 3
		}
		if s.Ref.Base != base {
			t.Fatalf("%s: Base is %d, want %d", mode, s.Ref.Base, base)
		}
		r, err := tables.Scan(t.Context(), s.Ref, o.Schema, ScanOptions{})
		wantText(t, text(t, r, err), "2|Bob", "3|Cem")
		r, err = tables.Changes(t.Context(), s.Ref.Changes, o.Mode, o.Schema, 3, ScanOptions{})
		if mode == host.Upsert {
			wantText(t, text(t, r, err), "1|Ada|delete|3", "3|Cem|insert|3")
		} else {
			wantText(t, text(t, r, err), "2|Bob", "3|Cem")
		}
	}
}

func TestKeys(t *testing.T) {
	tables := New(newMemStore(), Options{})
	o := &host.Output{Name: "people", Mode: host.Upsert, Key: []string{"name"}, Schema: people}
	st, err := begin(t, tables, o, nil, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, st.Write(t.Context(), personRows(o, person{1, "", ""})), host.CodeTableKey)
	st.Abort()
	_, err = begin(t, tables, &host.Output{Name: "people", Mode: host.Upsert, Schema: people}, nil, 1, false)
	wantCode(t, err, host.CodeTableKey)
	_, err = begin(t, tables, &host.Output{Name: "people", Mode: host.Upsert, Key: []string{"nobody"}, Schema: people}, nil, 1, false)
	wantCode(t, err, host.CodeTableKey)

	// An append port that becomes an upsert port has no usable key until it is rebuilt.
	o = &host.Output{Name: "people", Mode: host.Append, Schema: people}
	s := commitRows(t, tables, o, nil, 1, personRows(o, person{1, "Ada", ""}, person{1, "Ada", ""}))
	o = &host.Output{Name: "people", Mode: host.Upsert, Key: []string{"id"}, Schema: people}
	for _, rebuild := range []bool{false, true} {
		st, err := begin(t, tables, o, &s.Ref, 2, rebuild)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Write(t.Context(), personRows(o, person{1, "Ada", ""}, person{2, "Bob", ""}, person{2, "Ben", ""})); err != nil {
			t.Fatal(err)
		}
		staged, err := st.Finish(t.Context())
		if !rebuild {
			wantCode(t, err, host.CodeTableKey)
			st.Abort()
			continue
		}
		if err != nil || staged.Ref.Base != 2 || staged.Ref.Rows != 2 {
			t.Fatalf("%+v, %v", staged, err)
		}
		st.Committed()
		s = staged
	}
	s = commitRows(t, tables, o, &s.Ref, 3, personRows(o, person{2, "", abi.OpDelete}))
	r, err := tables.Scan(t.Context(), s.Ref, o.Schema, ScanOptions{})
	wantText(t, text(t, r, err), "1|Ada")
}

func TestOpsAndSchemaOfRows(t *testing.T) {
	tables := New(newMemStore(), Options{})
	o := &host.Output{Name: "people", Mode: host.Upsert, Key: []string{"id"}, Schema: people}
	st, err := begin(t, tables, o, nil, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Abort()
	wantCode(t, st.Write(t.Context(), personRows(o, person{1, "a", "replace"})), host.CodeTableSchema)
	plain := &host.Output{Name: "people", Mode: host.Append, Schema: people}
	wantCode(t, st.Write(t.Context(), personRows(plain, person{1, "a", ""})), host.CodeTableSchema) // no _op
	other := &host.Output{Mode: host.Upsert, Schema: host.Schema{Fields: []host.Field{{Name: "id", Type: host.Type{Kind: host.Int64}}}}}
	b := array.NewRecordBuilder(memory.DefaultAllocator, must(columnar.Emitted(other)))
	b.Field(0).AppendNull()
	b.Field(1).AppendNull()
	wantCode(t, st.Write(t.Context(), b.NewRecordBatch()), host.CodeTableKey)

	required := &host.Output{Name: "r", Mode: host.Append, Schema: host.Schema{Fields: []host.Field{
		{Name: "s", Type: host.Type{Kind: host.Struct, Fields: []host.Field{{Name: "x", Type: host.Type{Kind: host.Int32}, Required: true}}}},
		{Name: "l", Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Int32}, Required: true}}},
	}}}
	rs := must(columnar.Emitted(required))
	loose := arrow.NewSchema([]arrow.Field{
		{Name: "s", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: true}), Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
	}, nil)
	for i, bad := range []func(b *array.RecordBuilder){
		func(b *array.RecordBuilder) { // a null struct is fine, a null field in a struct is not
			b.Field(0).AppendNull()
			b.Field(0).(*array.StructBuilder).Append(true)
			b.Field(0).(*array.StructBuilder).FieldBuilder(0).AppendNull()
			b.Field(1).AppendNull()
			b.Field(1).AppendNull()
		},
		func(b *array.RecordBuilder) {
			b.Field(0).AppendNull()
			b.Field(0).AppendNull()
			b.Field(1).AppendNull()
			b.Field(1).(*array.ListBuilder).Append(true)
			b.Field(1).(*array.ListBuilder).ValueBuilder().AppendNull()
		},
		nil,
	} {
		st, err := begin(t, tables, required, nil, 1, false)
		if err != nil {
			t.Fatal(err)
		}
		schema := loose
		if bad == nil {
			schema = rs
		}
		rb := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		if bad == nil {
			rb.Field(0).AppendNull()
			rb.Field(1).AppendNull()
			if err := st.Write(t.Context(), rb.NewRecordBatch()); err != nil {
				t.Fatal(err)
			}
		} else {
			bad(rb)
			err := st.Write(t.Context(), rb.NewRecordBatch())
			wantCode(t, err, host.CodeTableSchema)
			if want := []string{"s.x", "l.element"}[i]; !strings.Contains(err.Error(), want) {
				t.Fatalf("%v does not name %s", err, want)
			}
		}
		st.Abort()
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestEvolution(t *testing.T) {
	store := newMemStore()
	tables := New(store, Options{})
	o := &host.Output{Name: "people", Mode: host.Append, Schema: people}
	s := commitRows(t, tables, o, nil, 1, personRows(o, person{1, "Ada", ""}))
	old := s.Ref
	wider := host.Schema{Fields: append(slices.Clone(people.Fields), host.Field{Name: "tags", Type: host.Type{Kind: host.List,
		Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.String}}}}, host.Field{Name: "born", Type: host.Type{Kind: host.Date}})}
	// The columns in another order, and new ones before old ones.
	wider.Fields[0], wider.Fields[3] = wider.Fields[3], wider.Fields[0]
	o2 := &host.Output{Name: "people", Mode: host.Append, Schema: wider}
	b := array.NewRecordBuilder(memory.DefaultAllocator, must(columnar.Emitted(o2)))
	b.Field(0).(*array.Date32Builder).Append(0)
	b.Field(1).(*array.StringBuilder).Append("Bob")
	b.Field(2).(*array.ListBuilder).Append(true)
	b.Field(2).(*array.ListBuilder).ValueBuilder().(*array.StringBuilder).Append("new")
	b.Field(3).(*array.Int64Builder).Append(2)
	s = commitRows(t, tables, o2, &s.Ref, 2, b.NewRecordBatch())
	for _, tb := range []*Tables{tables, New(store, Options{})} {
		r, err := tb.Scan(t.Context(), s.Ref, wider, ScanOptions{})
		wantText(t, text(t, r, err), "<nil>|Ada|<nil>|1", "1970-01-01|Bob|[new]|2")
		r, err = tb.Scan(t.Context(), s.Ref, people, ScanOptions{}) // a reader of the old contract
		wantText(t, text(t, r, err), "1|Ada", "2|Bob")
		r, err = tb.Scan(t.Context(), old, wider, ScanOptions{Columns: []string{"born", "tags"}}) // columns the file does not have
		wantText(t, text(t, r, err), "<nil>|<nil>")
		if _, ok, _ := tb.ParquetFile(t.Context(), s.Ref); ok {
			t.Fatal("two files are not one")
		}
	}
	ids := map[string]int{}
	for _, f := range tables.states.get(place{s.Ref.Metadata, s.Ref.Hash}).ice().Fields() {
		ids[f.Name] = f.ID
	}
	if ids["id"] != 1 || ids["name"] != 2 || ids["tags"] < 3 || ids["born"] < 3 {
		t.Fatalf("field ids %v", ids)
	}

	for what, fields := range map[string][]host.Field{
		"a column is gone":          wider.Fields[:3],
		"a type changed":            {{Name: "born", Type: host.Type{Kind: host.String}}, wider.Fields[1], wider.Fields[2], wider.Fields[3]},
		"a new column is required":  append(slices.Clone(wider.Fields), host.Field{Name: "x", Type: host.Type{Kind: host.Bool}, Required: true}),
		"an old one became so":      {{Name: "born", Type: host.Type{Kind: host.Date}, Required: true}, wider.Fields[1], wider.Fields[2], wider.Fields[3]},
		"an element type changed":   {wider.Fields[0], wider.Fields[1], {Name: "tags", Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Bool}}}}, wider.Fields[3]},
		"a list became a plain one": {wider.Fields[0], wider.Fields[1], {Name: "tags", Type: host.Type{Kind: host.String}}, wider.Fields[3]},
	} {
		_, err := begin(t, tables, &host.Output{Name: "people", Mode: host.Append, Schema: host.Schema{Fields: fields}}, &s.Ref, 3, false)
		if host.CodeOf(err) != host.CodeTableSchema {
			t.Errorf("%s: %v", what, err)
		}
		var e *host.Error
		if errors.As(err, &e) && e.Hint == "" {
			t.Errorf("%s: no hint", what)
		}
	}
	for what, f := range map[string]host.Field{
		"unknown kind":       {Name: "x", Type: host.Type{Kind: "uint32"}},
		"list of nothing":    {Name: "x", Type: host.Type{Kind: host.List}},
		"struct of nothing":  {Name: "x", Type: host.Type{Kind: host.Struct}},
		"impossible decimal": {Name: "x", Type: host.Type{Kind: host.Decimal, Precision: 39}},
		"reserved name":      {Name: abi.ColumnSeq, Type: host.Type{Kind: host.Int64}},
	} {
		_, err := begin(t, tables, &host.Output{Name: "p", Mode: host.Append, Schema: host.Schema{Fields: []host.Field{f}}}, nil, 1, false)
		if host.CodeOf(err) != host.CodeTableType {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := begin(t, tables, &host.Output{Name: "p", Mode: host.Append}, nil, 1, false)
	wantCode(t, err, host.CodeTableType)
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
