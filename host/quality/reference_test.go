package quality_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/quality"
)

// columns of every type of the type table, with JSON values to draw from; null is drawn as well.
var columns = []struct {
	name   string
	t      host.Type
	values []string
}{
	{"bool", host.Type{Kind: host.Bool}, []string{"true", "false"}},
	{"int32", host.Type{Kind: host.Int32}, []string{"-2147483648", "-1", "0", "7", "2147483647"}},
	{"int64", host.Type{Kind: host.Int64}, []string{"-9223372036854775808", "-1", "0", "7", "9007199254740993"}},
	{"float32", host.Type{Kind: host.Float32}, []string{"-1.5", "0", "0.1", "3e9"}},
	{"float64", host.Type{Kind: host.Float64}, []string{"-1.5", "0", "0.1", "7", "1e300"}},
	{"decimal", host.Type{Kind: host.Decimal, Precision: 10, Scale: 2}, []string{`"-1.50"`, `"0.00"`, `"0.10"`, `"99999999.99"`}},
	{"date", host.Type{Kind: host.Date}, []string{`"1969-12-31"`, `"1970-01-01"`, `"2026-02-28"`}},
	{"time", host.Type{Kind: host.Time}, []string{`"00:00:00"`, `"12:30:00.5"`, `"23:59:59.999999"`}},
	{"timestamp", host.Type{Kind: host.Timestamp}, []string{`"1969-12-31T23:59:59"`, `"2026-02-28T12:00:00"`}},
	{"timestamptz", host.Type{Kind: host.TimestampTZ}, []string{`"1969-12-31T23:59:59Z"`, `"2026-02-28T12:00:00Z"`}},
	{"string", host.Type{Kind: host.String}, []string{`""`, `"a"`, `"Äöü"`, `"N/A"`, `"😀😀"`}},
	{"binary", host.Type{Kind: host.Binary}, []string{`""`, `"AAEC"`}},
	{"list", host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.String}}}, []string{`[]`, `["a",null,"bcd"]`}},
	{"struct", host.Type{Kind: host.Struct, Fields: []host.Field{{Name: "x", Type: host.Type{Kind: host.Int64}},
		{Name: "l", Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Bool}}}}}}, []string{`{"x":1,"l":[true]}`, `{"x":null,"l":null}`}},
}

func allTypes(t *testing.T) *arrow.Schema {
	var s host.Schema
	for _, c := range columns {
		s.Fields = append(s.Fields, host.Field{Name: c.name, Type: c.t})
	}
	out, err := columnar.Schema(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// draw makes a batch of random rows that begins in the middle of its buffers.
func draw(t *testing.T, r *rand.Rand, s *arrow.Schema) arrow.RecordBatch {
	n, skip := r.IntN(200), r.IntN(80)
	var b strings.Builder
	density := r.Float64()
	for i := range n + skip {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("{")
		for j, c := range columns {
			value := c.values[r.IntN(len(c.values))]
			if r.Float64() < density {
				value = "null"
			}
			fmt.Fprintf(&b, `%s"%s":%s`, ","[:min(j, 1)], c.name, value)
		}
		b.WriteString("}")
	}
	whole := rows(t, s, "["+b.String()+"]")
	rec := whole.NewSlice(int64(skip), int64(n+skip))
	t.Cleanup(rec.Release)
	return rec
}

var references = []host.Rule{
	{Kind: host.NullValues},
	{Kind: host.MissingValues, Values: []string{"N/A", "", "0", "true", "1970-01-01", "0.1", "00:00"}},
	{Kind: host.InvalidValues, Values: []string{"7", "0", "-1"}},
	{Kind: host.InvalidValues, Values: []string{"0.10", "-1.5"}},
	{Kind: host.InvalidValues, Values: []string{"a", "b", "c", "d", "e", "f", "g", "h", "N/A"}},
	{Kind: host.InvalidValues, Values: []string{"1970-01-01", "2026-02-28"}},
	{Kind: host.InvalidValues, Values: []string{"true"}},
	{Kind: host.InvalidValues, Pattern: "a|N/.|😀+"},
	{Kind: host.InvalidValues, MinLength: ptr(int64(1)), MaxLength: ptr(int64(2))},
	{Kind: host.InvalidValues, MaxLength: ptr(int64(3)), Pattern: ".*"},
	{Kind: host.InvalidValues, Min: ptr(-1.0), Max: ptr(7.0)},
	{Kind: host.InvalidValues, Min: ptr(-1.5), MinOpen: true},
	{Kind: host.InvalidValues, Max: ptr(0.1)},
	{Kind: host.InvalidValues, Max: ptr(0.1), MaxOpen: true},
	{Kind: host.InvalidValues, Min: ptr(1e30)},
	{Kind: host.InvalidValues, Max: ptr(-1e300)},
	{Kind: host.InvalidValues, Min: ptr(0.0), Max: ptr(10.0), Values: []string{"7", "99"}},
	{Kind: host.InvalidValues, MinText: "1970-01-01", MaxText: "2026-01-01"},
	{Kind: host.InvalidValues, MinText: "1969-12-31", MinOpen: true},
	{Kind: host.InvalidValues, MaxText: "23:59:59.999999", MaxOpen: true},
}

// TestAgainstReference compares the compiled rules with a plain reading of what they mean, on every type, over nulls and
// over batches that begin in the middle of their buffers; and the rows that are left with the rows that should be.
func TestAgainstReference(t *testing.T) {
	s := allTypes(t)
	r := rand.New(rand.NewPCG(1, 2))
	compiled := map[string]int{}
	for round := range 15 {
		rec := draw(t, r, s)
		for j, c := range columns {
			for n, rule := range references {
				rule.ID, rule.Columns, rule.OnViolation = fmt.Sprintf("%s.%d", c.name, n), []string{c.name}, host.Quarantine
				k, err := quality.Compile("out", []host.Rule{rule}, s)
				if err != nil {
					continue
				}
				compiled[c.name]++
				var want []int
				for i := range int(rec.NumRows()) {
					if breaks(t, rule, c.t, rec.Column(j), i) {
						want = append(want, i)
					}
				}
				compare(t, k, rec, want, rule)
			}
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	for _, c := range columns {
		if compiled[c.name] < 15*2 { // nulls and missing values mean something for all
			t.Errorf("only %d rules were compared on %s", compiled[c.name], c.name)
		}
	}
}

func compare(t *testing.T, k *quality.Checker, rec arrow.RecordBatch, want []int, rule host.Rule) {
	t.Helper()
	keep, violations := k.Batch(rec)
	defer keep.Release()
	var got []int
	for _, v := range violations {
		got = append(got, v.Row)
		if v.Rule != rule.ID || v.Reason == "" {
			t.Errorf("%+v", v)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v: rows %v break it, want %v", rule, got, want)
		return
	}
	if keep.NumRows() != rec.NumRows()-int64(len(want)) {
		t.Errorf("%s: %d rows are kept of %d", rule.ID, keep.NumRows(), rec.NumRows())
		return
	}
	at := 0
	for i := range int(rec.NumRows()) {
		if slices.Contains(want, i) {
			continue
		}
		for j := range int(rec.NumCols()) {
			a, b := columnar.AppendValue(nil, rec.Column(j), i), columnar.AppendValue(nil, keep.Column(j), at)
			if string(a) != string(b) {
				t.Errorf("%s: row %d column %s is changed", rule.ID, i, rec.ColumnName(j))
			}
		}
		at++
	}
}

// breaks is what a rule means, value by value.
func breaks(t *testing.T, r host.Rule, kind host.Type, col arrow.Array, i int) bool {
	v := columnar.Value(col, i)
	switch r.Kind {
	case host.NullValues:
		return v == nil
	case host.MissingValues:
		return v == nil || listed(kind, r.Values, v)
	}
	if v == nil {
		return false
	}
	if len(r.Values) > 0 && !listed(kind, r.Values, v) {
		return true
	}
	if s, ok := v.(string); ok && kind.Kind == host.String {
		n := int64(utf8.RuneCountInString(s))
		if r.Pattern != "" && !regexp.MustCompile(`^(?:`+r.Pattern+`)$`).MatchString(s) ||
			r.MinLength != nil && n < *r.MinLength || r.MaxLength != nil && n > *r.MaxLength {
			return true
		}
	}
	low, high := r.MinText, r.MaxText
	if r.Min != nil {
		low = fmt.Sprint(*r.Min)
	}
	if r.Max != nil {
		high = fmt.Sprint(*r.Max)
	}
	if low != "" {
		if c := rat(t, kind, v).Cmp(bound(t, kind, low)); c < 0 || c == 0 && r.MinOpen {
			return true
		}
	}
	if high != "" {
		if c := rat(t, kind, v).Cmp(bound(t, kind, high)); c > 0 || c == 0 && r.MaxOpen {
			return true
		}
	}
	return false
}

func listed(kind host.Type, values []string, v any) bool {
	for _, text := range values {
		a, err := host.ParseLiteral(kind, text)
		if err != nil {
			continue
		}
		if f, ok := a.(float64); ok && kind.Kind == host.Float32 {
			a = float64(float32(f))
		}
		b, err := host.ParseLiteral(kind, fmt.Sprint(v))
		if err == nil && fmt.Sprint(a) == fmt.Sprint(b) {
			return true
		}
	}
	return false
}

// rat is a value as a number; one of a float32 column is the float it is.
func rat(t *testing.T, kind host.Type, v any) *big.Rat {
	t.Helper()
	if f, ok := v.(float64); ok {
		return new(big.Rat).SetFloat64(f)
	}
	return bound(t, kind, fmt.Sprint(v))
}

func bound(t *testing.T, kind host.Type, text string) *big.Rat {
	t.Helper()
	if n, ok := new(big.Rat).SetString(text); ok {
		switch f, _ := n.Float64(); kind.Kind {
		case host.Float32:
			if g := float64(float32(f)); g-g == 0 {
				return new(big.Rat).SetFloat64(g)
			}
		case host.Float64:
			return new(big.Rat).SetFloat64(f)
		}
		return n
	}
	v, err := host.ParseLiteral(kind, text)
	if err != nil {
		t.Fatal(err)
	}
	return new(big.Rat).SetInt(v.(*big.Int))
}

func TestNotANumberIsOutsideEveryRange(t *testing.T) {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	nan := 0.0
	b.AppendValues([]float64{1, nan / nan, 3}, nil)
	s := arrow.NewSchema([]arrow.Field{{Name: "f", Type: arrow.PrimitiveTypes.Float64}}, nil)
	rec := array.NewRecordBatch(s, []arrow.Array{b.NewArray()}, 3)
	k, err := quality.Compile("out", []host.Rule{{ID: "r", Kind: host.InvalidValues, Columns: []string{"f"}, Max: ptr(2.0), OnViolation: host.Hold}}, s)
	if err != nil {
		t.Fatal(err)
	}
	keep, v := k.Batch(rec)
	defer keep.Release()
	if len(v) != 2 || v[0].Row != 1 || v[0].Reason != `f is "NaN", not at most 2` || v[1].Reason != "f is 3, not at most 2" {
		t.Errorf("%+v", v)
	}
}

// TestRowsAreSetAsideOnce: a row that several rules refuse is one row, and none of the reasons is lost. Rules that hold or
// warn are judged on all rows, those that are set aside included.
func TestRowsAreSetAsideOnce(t *testing.T) {
	rec := rows(t, schema, `[{"id":1,"cost":-1},{"id":2,"cost":5},{"id":null,"cost":-7}]`)
	k, err := quality.Compile("out", []host.Rule{
		{ID: "known", Kind: host.NullValues, Columns: []string{"id"}, OnViolation: host.Quarantine},
		{ID: "held", Kind: host.NullValues, Columns: []string{"id"}, OnViolation: host.Hold},
		{ID: "paid", Kind: host.InvalidValues, Columns: []string{"cost"}, Min: ptr(0.0), OnViolation: host.Quarantine},
	}, schema)
	if err != nil {
		t.Fatal(err)
	}
	keep, got := k.Batch(rec)
	defer keep.Release()
	want := []quality.Violation{
		{0, "paid", host.Quarantine, "cost is -1, not at least 0"},
		{2, "known", host.Quarantine, "id is null; also breaks paid: cost is -7, not at least 0"},
		{2, "held", host.Hold, "id is null"},
	}
	if !slices.Equal(got, want) || keep.NumRows() != 1 {
		t.Errorf("%d rows kept, %+v", keep.NumRows(), got)
	}
	for i, measured := range []float64{1, 1, 2} {
		if c := k.Finish(quality.Measures{})[i]; c.Measured != measured {
			t.Errorf("%+v, want %v", c, measured)
		}
	}
}

func TestWords(t *testing.T) {
	for want, r := range map[string]host.Rule{
		"no rows":                       {},
		"at most 5 % of the rows":       {Percent: true, MustBe: host.Bound{Le: ptr(5.0)}},
		"at least 1 and at most 3 rows": {MustBe: host.Bound{Ge: ptr(1.0), Le: ptr(3.0)}},
		"more than 1000000 rows":        {MustBe: host.Bound{Gt: ptr(1e6)}},
		"exactly 0.5 % of the rows":     {Percent: true, MustBe: host.Bound{Eq: ptr(0.5)}},
		"not 3 rows":                    {MustBe: host.Bound{Ne: ptr(3.0)}},
		"fewer than 3 rows":             {MustBe: host.Bound{Lt: ptr(3.0)}},
		"not between 3 and 5 rows":      {MustBe: host.Bound{NotFrom: ptr(3.0), NotTo: ptr(5.0)}},
	} {
		r.ID, r.Kind, r.Columns = "r", host.NullValues, []string{"id"}
		k, err := quality.Compile("out", []host.Rule{r}, schema)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Finish(quality.Measures{})[0].Expected; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
