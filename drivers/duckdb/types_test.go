//go:build cgo && duckdb_arrow

package duckdb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
)

// TestSchema: an answer is of the schema that is asked for, or the question fails and says why.
func TestSchema(t *testing.T) {
	column := func(kind arrow.DataType) *arrow.Schema {
		return arrow.NewSchema([]arrow.Field{{Name: "a", Type: kind}, {Name: "more", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	}
	text, number, whole := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Int64
	decimal := &arrow.Decimal128Type{Precision: 10, Scale: 2}
	zoned := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	plain := &arrow.TimestampType{Unit: arrow.Microsecond}
	pair := arrow.StructOf(arrow.Field{Name: "x", Type: whole, Nullable: true}, arrow.Field{Name: "y z", Type: text, Nullable: true})
	for _, c := range []struct {
		text string
		want arrow.DataType
		got  string // of the first row; "": refused
		why  string
	}{
		{"SELECT 1 AS a", whole, "1", ""},
		{"SELECT sum(range) AS a FROM range(5)", whole, "10", ""},
		{"SELECT count(*)::INTEGER AS a FROM t; -- done", whole, "2", ""},
		{"SELECT 1.25 AS a", number, "1.25", ""},
		{"SELECT 1.5 AS a", decimal, "1.5", ""},
		{"SELECT 'é' AS a", text, "é", ""},
		{"SELECT NULL AS a", whole, "(null)", ""},
		{"SELECT DATE '2024-02-03' AS a", arrow.FixedWidthTypes.Date32, "2024-02-03", ""},
		{"SELECT DATE '2024-02-03' AS a", plain, "2024-02-03T00:00:00", ""},
		{"SELECT TIMESTAMPTZ '2024-02-03 04:05:06+02' AS a", zoned, "2024-02-03T02:05:06Z", ""},
		{"SELECT TIME '01:02:03' AS a", arrow.FixedWidthTypes.Time64us, "01:02:03.000000", ""},
		{"SELECT 'ab'::BLOB AS a", arrow.BinaryTypes.Binary, "YWI=", ""},
		{"SELECT true AS a", arrow.FixedWidthTypes.Boolean, "true", ""},
		{"SELECT [1, 2] AS a", arrow.ListOf(whole), "[1,2]", ""},
		{"SELECT {'x': 1, 'y z': 'v'} AS a", pair, `{"x":1,"y z":"v"}`, ""},
		{"SELECT 'x' AS more, 1 AS a", whole, "1", ""},
		{"SELECT '1' AS a", whole, "", "column a is VARCHAR, wanted is BIGINT"},
		{"SELECT 1.5 AS a", whole, "", "column a is DECIMAL(2,1), wanted is BIGINT"},
		{"SELECT 1.125 AS a", decimal, "", "column a is DECIMAL(4,3)"},
		{"SELECT 1 AS a", text, "", "column a is INTEGER, wanted is VARCHAR"},
		{"SELECT 99999999999999999999::HUGEINT AS a", whole, "", "out of range"},
		{"SELECT TIMESTAMP '2024-02-03 04:05:06' AS a", zoned, "", "column a is TIMESTAMP"},
		{"SELECT 1 AS b", whole, "", "there is no column a: the statement gives b"},
		{"SELECT 1 AS a, 2 AS b", whole, "", "column b is not wanted: wanted are a"},
		{"SELECT 1 AS a, 2 AS a", whole, "", "a"},
	} {
		a, err := session(t).Ask(t.Context(), drivers.Question{Text: c.text, Origin: "out.sql", Schema: column(c.want), Optional: []string{"more"}})
		if c.got == "" {
			var e *drivers.Error
			if !errors.Is(err, drivers.ErrRequest) || !errors.As(err, &e) || !strings.Contains(e.Message, c.why) {
				t.Errorf("%s: %v, want %s", c.text, err, c.why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		rec, err := a.Next(t.Context())
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := rec.Column(0).ValueStr(0); got != c.got || !rec.Schema().Equal(column(c.want)) || !arrow.TypeEqual(rec.Column(0).DataType(), c.want) {
			t.Errorf("%s: %s of %s, want %s", c.text, got, rec.Column(0).DataType(), c.got)
		}
		rec.Release()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	// A wrong name is found where it stands, though the text that DuckDB gets begins with words of ours.
	_, err := session(t).Ask(t.Context(), drivers.Question{Text: "SELECT id AS a,\n  wrong FROM t", Schema: column(whole)})
	var e *drivers.Error
	if !errors.As(err, &e) || e.Line != 2 || e.Column != 3 {
		t.Errorf("%v at %d:%d", err, e.Line, e.Column)
	}
}
