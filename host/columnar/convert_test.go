package columnar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

var (
	oneInt  = host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Int64}}}
	entries = host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Required: true, Type: host.Type{Kind: host.Struct, Fields: []host.Field{
		{Name: "tag", Type: host.Type{Kind: host.String}, Required: true}, {Name: "weight", Type: host.Type{Kind: host.Float64}}}}}}
)

// crossings are columns with a form of theirs, rows that fit it, and rows that do not.
var crossings = []struct {
	typ     host.Type
	form    string
	arrow   string // the type that crosses
	rows    string // JSON values
	misfits []string
}{
	{host.Type{Kind: host.Int32}, "int8", "int8", `127,-128,null,0`, []string{"128", "-129"}},
	{host.Type{Kind: host.Int32}, "uint16", "uint16", `65535,null,0`, []string{"65536", "-1"}},
	{host.Type{Kind: host.Int64}, "uint32", "uint32", `4294967295,null`, []string{"4294967296", "-1"}},
	{host.Type{Kind: host.Int64}, "int16", "int16", `32767,null`, []string{"32768"}},
	{host.Type{Kind: host.Int64}, "uint64", "uint64", `9223372036854775807,null`, []string{"-1"}},
	{host.Type{Kind: host.Int32}, "int64", "int64", `2147483647,null`, nil},
	{host.Type{Kind: host.Decimal, Precision: 20}, "uint64", "uint64", `"18446744073709551615",null`, []string{`"18446744073709551616"`, `"-1"`}},
	{host.Type{Kind: host.Decimal, Precision: 38}, "int64", "int64", `"-9223372036854775808",null`, []string{`"9223372036854775808"`, `"99999999999999999999999999999999999999"`}},
	{host.Type{Kind: host.Float32}, "float64", "float64", `1.5,null`, nil},
	{host.Type{Kind: host.Float64}, "float32", "float32", `0.25,null`, nil},
	{host.Type{Kind: host.Float64}, "float16", "float16", `-2,null`, nil},
	{host.Type{Kind: host.Date}, "date64", "date64", `"2024-02-29","1969-12-31",null`, nil},
	{host.Type{Kind: host.Time}, "time32[s]", "time32[s]", `"23:59:59",null`, []string{`"23:59:59.5"`}},
	{host.Type{Kind: host.Time}, "time32[ms]", "time32[ms]", `"00:00:00.001",null`, []string{`"00:00:00.000001"`}},
	{host.Type{Kind: host.Time}, "time64[ns]", "time64[ns]", `"23:59:59.999999",null`, nil},
	{host.Type{Kind: host.Timestamp}, "timestamp[s]", "timestamp[s]", `"2024-02-29T12:00:00",null`, []string{`"2024-02-29T12:00:00.1"`}},
	{host.Type{Kind: host.Timestamp}, "timestamp[ns]", "timestamp[ns]", `"2024-02-29T12:00:00.000001",null`, []string{`"2300-01-01T00:00:00"`}},
	{host.Type{Kind: host.TimestampTZ}, "timestamp[ms, Europe/Zurich]", "timestamp[ms, tz=Europe/Zurich]", `"2024-02-29T12:00:00.125Z",null`, []string{`"2024-02-29T12:00:00.000125Z"`}},
	{host.Type{Kind: host.String}, "large_utf8", "large_utf8", `"é","",null`, nil},
	{host.Type{Kind: host.String}, "dictionary", "dictionary<values=utf8, indices=int32, ordered=false>", `"a","b","a",null,""`, nil},
	{host.Type{Kind: host.String}, "dictionary(u8)", "dictionary<values=utf8, indices=uint8, ordered=false>", `"a","b","a",null`, nil},
	{host.Type{Kind: host.Binary}, "dictionary(i64)", "dictionary<values=binary, indices=int64, ordered=false>", `"AAEC","AAEC",null`, nil},
	{host.Type{Kind: host.Binary}, "large_binary", "large_binary", `"AAEC","",null`, nil},
	{host.Type{Kind: host.Binary}, "fixed_size_binary(3)", "fixed_size_binary[3]", `"AAEC",null`, []string{`"AAE="`, `""`}},
	{oneInt, "large_list", "large_list<item: int64, nullable>", `[1,null,3],[],null`, nil},
	{oneInt, "fixed_size_list(2)", "fixed_size_list<item: int64, nullable>[2]", `[1,2],null,[3,null],[5,6]`, []string{"[1]", "[]", "[1,2,3]"}},
	{entries, "map", "map<utf8, float64, items_nullable>", `[{"tag":"x","weight":1},{"tag":"y","weight":null}],[],null`, nil},
}

// A column crosses in its form and comes back as it was, whole and sliced; what does not fit is refused with its row.
func TestCrossings(t *testing.T) {
	for _, c := range crossings {
		t.Run(c.typ.String()+" as "+c.form, func(t *testing.T) {
			fields := []host.Field{{Name: "v", Type: c.typ}, {Name: "n", Type: host.Type{Kind: host.Int64}}}
			stored, err := columnar.Schema(host.Schema{Fields: fields})
			if err != nil {
				t.Fatal(err)
			}
			guest, err := columnar.Crossing(stored, fields, host.Forms{"v": c.form})
			if err != nil {
				t.Fatal(err)
			}
			if got := guest.Field(0).Type.String(); got != c.arrow {
				t.Errorf("it crosses as %s, want %s", got, c.arrow)
			}
			rows := batchOf(t, stored, "null,"+c.rows)
			for _, cut := range []arrow.RecordBatch{rows, rows.NewSlice(1, rows.NumRows()), rows.NewSlice(2, 2)} {
				over, err := columnar.Convert(cut, guest)
				if err != nil {
					t.Fatal(err)
				}
				back, err := columnar.Convert(over, stored)
				if err != nil {
					t.Fatal(err)
				}
				if !array.RecordEqual(cut, back) {
					t.Errorf("%v came back as %v", cut, back)
				}
			}
			for _, misfit := range c.misfits {
				_, err := columnar.Convert(batchOf(t, stored, "null,"+misfit), guest)
				if err == nil || !strings.Contains(err.Error(), "column v: row 1") {
					t.Errorf("%s: %v", misfit, err)
				}
			}
		})
	}
}

func batchOf(t *testing.T, s *arrow.Schema, values string) arrow.RecordBatch {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, s.Field(0).Type, strings.NewReader("["+values+"]"))
	if err != nil {
		t.Fatal(err)
	}
	n := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range a.Len() {
		n.Append(int64(i))
	}
	return array.NewRecordBatch(s, []arrow.Array{a, n.NewArray()}, int64(a.Len()))
}

// What a guest emits may not fit what is stored.
func TestCrossingBackMisfits(t *testing.T) {
	for _, c := range []struct {
		typ          host.Type
		form, values string
	}{
		{host.Type{Kind: host.Int32}, "uint32", "0,2147483648"},
		{host.Type{Kind: host.Int64}, "uint64", "0,9223372036854775808"},
		{host.Type{Kind: host.Decimal, Precision: 3}, "int32", "0,1000"},
		{host.Type{Kind: host.Timestamp}, "timestamp[ns]", `null,"2024-02-29T12:00:00.000000001"`},
		{host.Type{Kind: host.Time}, "time64[ns]", `null,"12:00:00.000000001"`},
	} {
		fields := []host.Field{{Name: "v", Type: c.typ}, {Name: "n", Type: host.Type{Kind: host.Int64}}}
		stored, err := columnar.Schema(host.Schema{Fields: fields})
		if err != nil {
			t.Fatal(err)
		}
		guest, err := columnar.Crossing(stored, fields, host.Forms{"v": c.form})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := columnar.Convert(batchOf(t, guest, c.values), stored); err == nil || !strings.Contains(err.Error(), "column v: row 1") {
			t.Errorf("%s of %s: %v", c.form, c.values, err)
		}
	}
}

// Forms that a column cannot have are refused with those that it can.
func TestFormsRefused(t *testing.T) {
	for _, c := range []struct {
		typ  host.Type
		form string
		hint string
	}{
		{host.Type{Kind: host.String}, "int8", "large_utf8"},
		{host.Type{Kind: host.String}, "dictionary(f32)", "dictionary(INDEX)"},
		{host.Type{Kind: host.String}, "dictionary[s]", "dictionary"},
		{host.Type{Kind: host.Int32}, "int128", "int8"},
		{host.Type{Kind: host.Int32}, "int8(3)", "int8"},
		{host.Type{Kind: host.Decimal, Precision: 9, Scale: 2}, "int64", "without a scale"},
		{host.Type{Kind: host.Binary}, "fixed_size_binary", "fixed_size_binary(n)"},
		{host.Type{Kind: host.Binary}, "fixed_size_binary(0)", "fixed_size_binary(n)"},
		{host.Type{Kind: host.Binary}, "fixed_size_binary(65537)", "fixed_size_binary(n)"},
		{host.Type{Kind: host.Timestamp}, "timestamp[s, UTC]", "timestamp[s]"},
		{host.Type{Kind: host.TimestampTZ}, "timestamp[s]", "ZONE"},
		{host.Type{Kind: host.Time}, "time32[ns]", "time64[ns]"},
		{oneInt, "map", "map (of required objects"},
		{host.Type{Kind: host.Bool}, "int8", "no other form"},
		{host.Type{Kind: host.Int32}, "", "int8"},
	} {
		_, err := host.ParseForm(c.typ, c.form)
		var e *host.Error
		if !errors.As(err, &e) || e.Code != host.CodeManifestColumn || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s as %q: %v", c.typ, c.form, err)
		}
	}
}
