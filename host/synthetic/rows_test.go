package synthetic

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/quality"
)

func ptr[T any](v T) *T { return &v }

// every is a column of each kind, with rules of each kind.
func every() (host.Schema, []host.Rule) {
	s := host.Schema{Fields: []host.Field{
		{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
		{Name: "small", Type: host.Type{Kind: host.Int32}},
		{Name: "share", Type: host.Type{Kind: host.Float64}},
		{Name: "half", Type: host.Type{Kind: host.Float32}},
		{Name: "price", Type: host.Type{Kind: host.Decimal, Precision: 12, Scale: 2}},
		{Name: "huge", Type: host.Type{Kind: host.Decimal, Precision: 38, Scale: 0}},
		{Name: "day", Type: host.Type{Kind: host.Date}},
		{Name: "at", Type: host.Type{Kind: host.Time}},
		{Name: "seen", Type: host.Type{Kind: host.TimestampTZ}},
		{Name: "local", Type: host.Type{Kind: host.Timestamp}},
		{Name: "code", Type: host.Type{Kind: host.String}, Required: true},
		{Name: "name", Type: host.Type{Kind: host.String}},
		{Name: "size", Type: host.Type{Kind: host.String}},
		{Name: "there", Type: host.Type{Kind: host.Bool}},
		{Name: "blob", Type: host.Type{Kind: host.Binary}},
		{Name: "tags", Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.String}}}},
		{Name: "place", Type: host.Type{Kind: host.Struct, Fields: []host.Field{{Name: "lat", Type: host.Type{Kind: host.Float64}, Required: true}}}},
	}}
	invalid := func(id, column string, r host.Rule) host.Rule {
		r.ID, r.Kind, r.Columns, r.OnViolation = id, host.InvalidValues, []string{column}, host.Hold
		return r
	}
	return s, []host.Rule{
		{ID: "id", Kind: host.DuplicateValues, Columns: []string{"id"}, OnViolation: host.Hold},
		{ID: "some", Kind: host.RowCount, MustBe: host.Bound{Gt: ptr(5.0)}, OnViolation: host.Hold},
		{ID: "known", Kind: host.MissingValues, Columns: []string{"name"}, Values: []string{"", "NULL"}, OnViolation: host.Hold},
		invalid("small", "small", host.Rule{Min: ptr(-3.0), Max: ptr(12.0)}),
		invalid("share", "share", host.Rule{Min: ptr(0.0), Max: ptr(1.0), MaxOpen: true}),
		invalid("price", "price", host.Rule{Min: ptr(0.0)}),
		invalid("day", "day", host.Rule{MinText: "2020-01-01", MaxText: "2020-12-31"}),
		invalid("code", "code", host.Rule{Pattern: "[A-Z]{2}-[0-9]+(x|yz)?"}),
		invalid("name", "name", host.Rule{MinLength: ptr(int64(3)), MaxLength: ptr(int64(9))}),
		invalid("size", "size", host.Rule{Values: []string{"S", "M", "L"}, OnViolation: host.Warn}),
	}
}

// TestRows: rows break no rule, are those of the seed, and are of many kinds.
func TestRows(t *testing.T) {
	s, rules := every()
	schema, err := columnar.Schema(s)
	if err != nil {
		t.Fatal(err)
	}
	src, err := New(s, rules)
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	rec := src.Rows(rand.New(rand.NewPCG(1, 1)), n)
	defer rec.Release()
	if rec.NumRows() != n || !rec.Schema().Equal(schema) {
		t.Fatalf("%d rows of %s", rec.NumRows(), rec.Schema())
	}
	checker, err := quality.Compile("port", rules, schema)
	if err != nil {
		t.Fatal(err)
	}
	keep, violations := checker.Batch(rec)
	defer keep.Release()
	if len(violations) > 0 {
		t.Errorf("rules are broken: %+v", violations[0])
	}
	seen := map[int64]bool{}
	for _, v := range keep.Column(0).(*array.Int64).Int64Values() {
		if seen[v] {
			t.Errorf("id %d is there twice", v)
		}
		seen[v] = true
	}
	for i := range s.Fields {
		col, nulls := rec.Column(i), 0
		kinds := map[string]bool{}
		for row := range int(rec.NumRows()) {
			if col.IsNull(row) {
				nulls++
			}
			kinds[col.ValueStr(row)] = true
		}
		if least := map[string]int{"there": 3, "size": 4}[s.Fields[i].Name]; len(kinds) < max(least, 3) || (nulls == 0) != s.Fields[i].Required && s.Fields[i].Name != "name" {
			t.Errorf("%s has %d values and %d nulls", s.Fields[i].Name, len(kinds), nulls)
		}
	}
	again := src.Rows(rand.New(rand.NewPCG(1, 1)), n)
	defer again.Release()
	other := src.Rows(rand.New(rand.NewPCG(2, 1)), n)
	defer other.Release()
	if !array.RecordEqual(rec, again) || array.RecordEqual(rec, other) {
		t.Error("rows are not those of their seed")
	}
}

// TestNothingToChooseFrom: rules that leave too little give fewer rows, and no end of trying.
func TestNothingToChooseFrom(t *testing.T) {
	s := host.Schema{Fields: []host.Field{{Name: "sex", Type: host.Type{Kind: host.String}, Required: true}}}
	rules := []host.Rule{{ID: "a", Kind: host.InvalidValues, Columns: []string{"sex"}, Values: []string{"m", "f"}}, {ID: "b", Kind: host.DuplicateValues, Columns: []string{"sex"}}}
	src, err := New(s, rules)
	if err != nil {
		t.Fatal(err)
	}
	rec := src.Rows(rand.New(rand.NewPCG(1, 1)), 10)
	defer rec.Release()
	if rec.NumRows() != 2 {
		t.Errorf("%d rows", rec.NumRows())
	}
	none := src.Rows(rand.New(rand.NewPCG(1, 1)), 0)
	defer none.Release()
	if none.NumRows() != 0 || none.NumCols() != 1 {
		t.Errorf("%d rows of %d columns", none.NumRows(), none.NumCols())
	}
}

func TestPatterns(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, p := range []string{"[A-Z]{3}", `\d{4}-\d{2}`, "(?i)abc", "a*b+c?", "x{2,}", "(foo|ba[rz])+", `[^\s]+@[a-z]+\.(com|org)`, `\p{Greek}+`, ".{1,5}", "", `^\w+$`} {
		whole := regexp.MustCompile("^(?:" + p + ")$")
		for range 50 {
			if s, ok := matching(r, p); !ok || !whole.MatchString(s) {
				t.Errorf("%q is not of %s", s, p)
			}
		}
	}
	if _, ok := matching(r, "("); ok {
		t.Error("no pattern")
	}
}
