package duckdb_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
)

// everyType has a column of each type that a contract can ask for.
var everyType = arrow.NewSchema([]arrow.Field{
	{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "i", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "l", Type: arrow.PrimitiveTypes.Int64},
	{Name: "f", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
	{Name: "g", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "d", Type: &arrow.Decimal128Type{Precision: 20, Scale: 3}, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "z", Type: arrow.BinaryTypes.Binary, Nullable: true},
	{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	{Name: "at", Type: arrow.FixedWidthTypes.Time64us, Nullable: true},
	{Name: "zoned", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
	{Name: "plain", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
	{Name: "many", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
	{Name: "pair", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "y z", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Float64, Nullable: true}), Nullable: true}), Nullable: true},
}, nil)

const everyRow = `[
{"b": true, "i": -7, "l": 1, "f": 1.5, "g": -0.25, "d": "12345678901234567.125", "s": "é", "z": "AP8=", "day": "2024-02-29", "at": "23:59:59.999999", "zoned": "1969-12-31T23:59:59.000001Z", "plain": "2024-02-29T12:00:00.5", "many": ["a", null, ""], "pair": {"x": 5, "y z": [1.5, null]}},
{"l": 2},
{"b": false, "i": 2147483647, "l": -9223372036854775808, "f": -3.25, "g": 1e300, "d": "-0.001", "s": "", "z": "", "day": "0001-01-01", "at": "00:00:00", "zoned": "2262-01-01T00:00:00Z", "plain": "1900-01-01T00:00:00", "many": [], "pair": {"x": null, "y z": null}}
]`

func everything(t *testing.T) arrow.RecordBatch {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, everyType, strings.NewReader(everyRow))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Release)
	return rec
}

// TestEveryType: rows of every type come back as they went in, whether they came as rows or lie in files.
func TestEveryType(t *testing.T) {
	rec := everything(t)
	if rec.NumRows() != 3 {
		t.Fatalf("%d rows", rec.NumRows())
	}
	path := filepath.Join(t.TempDir(), "it's here.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(everyType, f, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	reader, err := array.NewRecordReader(everyType, []arrow.RecordBatch{rec})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	s, err := (&duckdb.Process{Path: duckdbtest.Program(t)}).Load(t.Context(), drivers.Load{Tables: []drivers.Table{
		{Name: "rows", Rows: reader}, {Name: "files", Files: []string{path}, Schema: everyType}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, text := range []string{"FROM rows", "FROM files", "SELECT pair, * EXCLUDE (pair) FROM files"} {
		a, err := s.Ask(t.Context(), drivers.Question{Text: text, Schema: everyType})
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !array.RecordEqual(got, rec) {
			t.Errorf("%s:\n%v\nwant\n%v", text, got, rec)
		}
		got.Release()
		if _, err := a.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, table := range map[string]drivers.Table{"a pattern": {Name: "t", Files: []string{"/tmp/*.parquet"}, Schema: everyType}, "not absolute": {Name: "t", Files: []string{"a.parquet"}, Schema: everyType},
		"no schema": {Name: "t", Files: []string{path}}, "nothing": {Name: "t"}, "both": {Name: "t", Files: []string{path}, Schema: everyType, Rows: reader}} {
		if _, err := (&duckdb.Process{Path: duckdbtest.Program(t)}).Load(t.Context(), drivers.Load{Tables: []drivers.Table{table}}); !errors.Is(err, drivers.ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
