package table

import (
	"fmt"
	"io"
	"slices"
	"strings"
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
