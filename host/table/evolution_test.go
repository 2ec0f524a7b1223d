package table

import (
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

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
