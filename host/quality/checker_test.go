package quality_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/quality"
)

func ptr[T any](v T) *T { return &v }

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "cost", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
}, nil)

func rows(t *testing.T, s *arrow.Schema, json string) arrow.RecordBatch {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(json))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Release)
	return rec
}

func TestRowRules(t *testing.T) {
	rec := rows(t, schema, `[{"id":1,"name":"ab","cost":5},{"id":null,"name":"","cost":-1},{"id":3,"name":"NA","cost":null},{"id":4,"name":"Äé","cost":101}]`)
	for name, c := range map[string]struct {
		rule host.Rule
		want string // rows that break it
	}{
		"nulls":          {host.Rule{Kind: host.NullValues, Columns: []string{"id"}}, "1"},
		"missing":        {host.Rule{Kind: host.MissingValues, Columns: []string{"name"}, Values: []string{"NA", ""}}, "1 2"},
		"valid values":   {host.Rule{Kind: host.InvalidValues, Columns: []string{"name"}, Values: []string{"ab", "NA"}}, "1 3"},
		"valid numbers":  {host.Rule{Kind: host.InvalidValues, Columns: []string{"id"}, Values: []string{"1", "4"}}, "2"},
		"pattern":        {host.Rule{Kind: host.InvalidValues, Columns: []string{"name"}, Pattern: "[a-z]+|NA"}, "1 3"},
		"range":          {host.Rule{Kind: host.InvalidValues, Columns: []string{"cost"}, Min: ptr(0.0), Max: ptr(100.0)}, "1 3"},
		"integer range":  {host.Rule{Kind: host.InvalidValues, Columns: []string{"id"}, Min: ptr(2.0)}, "0"},
		"length":         {host.Rule{Kind: host.InvalidValues, Columns: []string{"name"}, MinLength: ptr(int64(2)), MaxLength: ptr(int64(2))}, "1"},
		"range and list": {host.Rule{Kind: host.InvalidValues, Columns: []string{"id"}, Min: ptr(2.0), Values: []string{"3"}}, "0 3"},
	} {
		c.rule.ID, c.rule.OnViolation = name, host.Quarantine
		k, err := quality.Compile("out", []host.Rule{c.rule}, schema)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		keep, violations := k.Batch(rec)
		bad := map[int]bool{}
		for _, v := range violations {
			if bad[v.Row] {
				t.Errorf("%s names row %d twice", name, v.Row)
			}
			bad[v.Row] = true
			if v.Reason == "" {
				t.Errorf("%s gives no reason", name)
			}
		}
		var got, kept []string
		for i := range 4 {
			if bad[i] {
				got = append(got, string(rune('0'+i)))
			} else {
				kept = append(kept, columnar.Value(rec.Column(1), i).(string))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: rows %v break it, want %s", name, got, c.want)
		}
		var left []string
		for i := range int(keep.NumRows()) {
			left = append(left, columnar.Value(keep.Column(1), i).(string))
		}
		if strings.Join(left, ",") != strings.Join(kept, ",") {
			t.Errorf("%s keeps %q, want %q", name, left, kept)
		}
		keep.Release()
		checks := k.Finish(quality.Measures{})
		if checks[0].Status != host.CheckFail || checks[0].Measured != float64(len(got)) || quality.Holds(checks) {
			t.Errorf("%s: check %+v", name, checks[0])
		}
	}
}

func TestCleanBatchIsNotCopied(t *testing.T) {
	rec := rows(t, schema, `[{"id":1,"name":"ab","cost":5}]`)
	k, err := quality.Compile("out", []host.Rule{{ID: "r", Kind: host.NullValues, Columns: []string{"id"}, OnViolation: host.Quarantine}}, schema)
	if err != nil {
		t.Fatal(err)
	}
	keep, v := k.Batch(rec)
	defer keep.Release()
	if keep != rec || v != nil {
		t.Error("a clean batch was copied")
	}
	if c := k.Finish(quality.Measures{}); c[0].Status != host.CheckPass || c[0].Expected != "no rows" {
		t.Errorf("%+v", c)
	}
}

func TestHoldWarnAndBounds(t *testing.T) {
	rec := rows(t, schema, `[{"id":1},{"id":null},{"id":3},{"id":4}]`)
	for name, c := range map[string]struct {
		on      host.OnViolation
		bound   host.Bound
		percent bool
		status  host.CheckStatus
		holds   bool
	}{
		"hold":           {host.Hold, host.Bound{}, false, host.CheckFail, true},
		"warn":           {host.Warn, host.Bound{}, false, host.CheckWarn, false},
		"within rows":    {host.Hold, host.Bound{Le: ptr(1.0)}, false, host.CheckPass, false},
		"within percent": {host.Hold, host.Bound{Lt: ptr(25.1)}, true, host.CheckPass, false},
		"past percent":   {host.Hold, host.Bound{Lt: ptr(25.0)}, true, host.CheckFail, true},
	} {
		r := host.Rule{ID: "r", Kind: host.NullValues, Columns: []string{"id"}, OnViolation: c.on, MustBe: c.bound, Percent: c.percent}
		k, err := quality.Compile("out", []host.Rule{r}, schema)
		if err != nil {
			t.Fatal(err)
		}
		keep, _ := k.Batch(rec)
		if keep.NumRows() != 4 {
			t.Errorf("%s: %d rows kept", name, keep.NumRows())
		}
		keep.Release()
		checks := k.Finish(quality.Measures{})
		if checks[0].Status != c.status || quality.Holds(checks) != c.holds {
			t.Errorf("%s: %+v", name, checks)
		}
	}
}

func TestTableRules(t *testing.T) {
	rules := []host.Rule{
		{ID: "count", Kind: host.RowCount, OnViolation: host.Hold, MustBe: host.Bound{Ge: ptr(10.0)}},
		{ID: "unique", Kind: host.DuplicateValues, Columns: []string{"id"}, OnViolation: host.Hold},
		{ID: "other", Kind: "sql", OnViolation: host.Hold},
		{ID: "nested", Kind: host.NullValues, Columns: []string{"address.zip"}, OnViolation: host.Hold, Skip: "inside of an object"},
	}
	k, err := quality.Compile("out", rules, schema)
	if err != nil {
		t.Fatal(err)
	}
	checks := k.Finish(quality.Measures{Rows: 9, Duplicates: func([]string) (int64, error) { return 2, nil }})
	want := []host.CheckStatus{host.CheckFail, host.CheckFail, host.CheckSkip, host.CheckSkip}
	for i, c := range checks {
		if c.Status != want[i] || c.Reason == "" {
			t.Errorf("%+v, want %s", c, want[i])
		}
	}
	checks = k.Finish(quality.Measures{Rows: 10, Duplicates: func([]string) (int64, error) { return 0, errors.New("no index") }})
	if checks[0].Status != host.CheckPass || checks[1].Status != host.CheckError || !quality.Holds(checks) {
		t.Errorf("%+v", checks)
	}
}

func TestDeletesAreNotJudged(t *testing.T) {
	s := columnar.WithOp(schema)
	rec := rows(t, s, `[{"id":1,"_op":"delete"},{"id":null,"_op":"delete"},{"id":null,"_op":"upsert"},{"id":null}]`)
	k, err := quality.Compile("out", []host.Rule{{ID: "r", Kind: host.NullValues, Columns: []string{"id"}, OnViolation: host.Quarantine}}, s)
	if err != nil {
		t.Fatal(err)
	}
	keep, v := k.Batch(rec)
	defer keep.Release()
	if keep.NumRows() != 2 || len(v) != 2 {
		t.Errorf("%d rows kept, %d named", keep.NumRows(), len(v))
	}
}

func TestSamplesAreBounded(t *testing.T) {
	rec := rows(t, schema, "["+strings.Repeat(`{"id":null},`, 999)+`{"id":null}]`)
	k, err := quality.Compile("out", []host.Rule{{ID: "r", Kind: host.NullValues, Columns: []string{"id"}, OnViolation: host.Hold}}, schema)
	if err != nil {
		t.Fatal(err)
	}
	keep, v := k.Batch(rec)
	keep.Release()
	if c := k.Finish(quality.Measures{}); len(v) != quality.MaxSamples || c[0].Measured != 1000 {
		t.Errorf("%d named, %v counted", len(v), c[0].Measured)
	}
}

func TestRulesThatMeanNothing(t *testing.T) {
	for name, r := range map[string]host.Rule{
		"unknown column":   {Kind: host.NullValues, Columns: []string{"nope"}},
		"no column":        {Kind: host.NullValues},
		"nothing demanded": {Kind: host.InvalidValues, Columns: []string{"id"}},
		"range of text":    {Kind: host.InvalidValues, Columns: []string{"name"}, Min: ptr(1.0)},
		"length of number": {Kind: host.InvalidValues, Columns: []string{"id"}, MinLength: ptr(int64(1))},
		"bad pattern":      {Kind: host.InvalidValues, Columns: []string{"name"}, Pattern: "("},
		"quarantined rows": {Kind: host.RowCount, OnViolation: host.Quarantine},
		"unique what":      {Kind: host.DuplicateValues},
	} {
		if _, err := quality.Compile("out", []host.Rule{r}, schema); host.CodeOf(err) != host.CodeManifestRule {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkBatch judges batches of 8,192 rows; the figure that counts is ns/row.
func BenchmarkBatch(b *testing.B) {
	const n = 8192
	ids := array.NewInt64Builder(memory.DefaultAllocator)
	names := array.NewStringBuilder(memory.DefaultAllocator)
	costs := array.NewFloat64Builder(memory.DefaultAllocator)
	for i := range n {
		ids.Append(int64(i))
		names.Append([]string{"sun", "rain", "drizzle"}[i%3])
		if i%10 == 0 {
			costs.AppendNull()
			continue
		}
		costs.Append(float64(i % 100))
	}
	rec := array.NewRecordBatch(schema, []arrow.Array{ids.NewArray(), names.NewArray(), costs.NewArray()}, n)
	for _, c := range []struct {
		name  string
		rules []host.Rule
	}{
		{"nulls", []host.Rule{{Kind: host.NullValues, Columns: []string{"cost"}, MustBe: host.Bound{Le: ptr(1e9)}, OnViolation: host.Warn}}},
		{"range", []host.Rule{{Kind: host.InvalidValues, Columns: []string{"cost"}, Min: ptr(0.0), Max: ptr(100.0)}}},
		{"numbers", []host.Rule{{Kind: host.InvalidValues, Columns: []string{"id"}, Max: ptr(1e5)}}},
		{"words", []host.Rule{{Kind: host.InvalidValues, Columns: []string{"name"}, Values: []string{"sun", "rain", "drizzle", "snow", "fog"}}}},
		{"pattern", []host.Rule{{Kind: host.InvalidValues, Columns: []string{"name"}, Pattern: "[a-z]{3,7}"}}},
		{"length", []host.Rule{{Kind: host.InvalidValues, Columns: []string{"name"}, MinLength: ptr(int64(1)), MaxLength: ptr(int64(20))}}},
		{"aside-1%", []host.Rule{{Kind: host.InvalidValues, Columns: []string{"cost"}, Max: ptr(98.0), OnViolation: host.Quarantine}}},
		{"aside-45%", []host.Rule{{Kind: host.InvalidValues, Columns: []string{"cost"}, Max: ptr(49.0), OnViolation: host.Quarantine}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			k, err := quality.Compile("out", c.rules, schema)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				keep, _ := k.Batch(rec)
				keep.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
		})
	}
}
