package file

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

func newDriver(t testing.TB) *Driver {
	t.Helper()
	d, err := New(Config{Ledger: filepath.Join(t.TempDir(), "ledger"), Quiet: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// clock gives files times that have rested, each another.
var clock = time.Now().Add(-2 * time.Hour)

// write puts a complete file: written under a hidden name, rested, renamed.
func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path))
	if err := os.WriteFile(tmp, content, 0o644); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(20 * time.Millisecond)
	if err := os.Chtimes(tmp, clock, clock); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

func asCSV(rows []drivertest.Row) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"id", "name"})
	for _, r := range rows {
		name := ""
		if r.Name != nil {
			name = *r.Name
		}
		_ = w.Write([]string{strconv.FormatInt(r.ID, 10), name})
	}
	w.Flush()
	return b.Bytes()
}

func asNDJSON(rows []drivertest.Row) []byte {
	var b bytes.Buffer
	for _, r := range rows {
		line, _ := json.Marshal(map[string]any{"id": r.ID, "name": r.Name})
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

func asParquet(t testing.TB, rec arrow.RecordBatch, group int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &b, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(group)),
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	for from := int64(0); from < rec.NumRows() || from == 0; from += group {
		part := rec.NewSlice(from, min(from+group, rec.NumRows()))
		if err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		part.Release()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func rowsRecord(rows []drivertest.Row, required bool) arrow.RecordBatch {
	s := drivertest.Schema
	if !required {
		fields := s.Fields()
		fields[0].Nullable = true
		s = arrow.NewSchema(fields, nil)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for _, r := range rows {
		if r.ID < 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.Int64Builder).Append(r.ID)
		}
		if r.Name == nil {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(*r.Name)
		}
	}
	return b.NewRecordBatch()
}

func fixture(t *testing.T, ext string, encode func([]drivertest.Row) []byte, broken func(write func([]byte)) ([]int64, int)) drivertest.Fixture {
	dir := t.TempDir()
	put := func(t *testing.T, piece string, rows []drivertest.Row) {
		write(t, filepath.Join(dir, piece+ext), encode(rows))
	}
	return drivertest.Fixture{Driver: newDriver(t), URI: "file:" + dir, Put: put, Replace: put,
		Broken: func(t *testing.T, piece string) ([]int64, int) {
			return broken(func(b []byte) { write(t, filepath.Join(dir, piece+ext), b) })
		}}
}

func TestConformanceCSV(t *testing.T) {
	drivertest.Source(t, func(t *testing.T) drivertest.Fixture {
		return fixture(t, ".csv", asCSV, func(write func([]byte)) ([]int64, int) {
			write([]byte("id,name\n1,a\nx,b\n3,c\n4\n5,\"e\nE\"\n,f\n7,\"g\"g\n8,h\n"))
			return []int64{1, 3, 5, 8}, 4
		})
	})
}

func TestConformanceNDJSON(t *testing.T) {
	drivertest.Source(t, func(t *testing.T) drivertest.Fixture {
		return fixture(t, ".ndjson", asNDJSON, func(write func([]byte)) ([]int64, int) {
			write([]byte(`{"id":1,"name":"a"}
{"id":"x"}
{"id":3
[4]

{"name":"no id"}
{"id":6,"id":7}
{"name":null,"id":8}
`))
			return []int64{1, 8}, 5
		})
	})
}

func TestConformanceParquet(t *testing.T) {
	drivertest.Source(t, func(t *testing.T) drivertest.Fixture {
		encode := func(rows []drivertest.Row) []byte {
			rec := rowsRecord(rows, true)
			defer rec.Release()
			return asParquet(t, rec, 1000)
		}
		return fixture(t, ".parquet", encode, func(write func([]byte)) ([]int64, int) {
			rec := rowsRecord([]drivertest.Row{{ID: 1}, {ID: -1}, drivertest.Named(3, "x\xff"), {ID: 4}, {ID: -1}}, false)
			defer rec.Release()
			write(asParquet(t, rec, 2))
			return []int64{1, 4}, 3
		})
	})
}

// request is an incremental request in the suite's schema.
func request(dir string, c json.RawMessage, options ...string) drivers.Request {
	r := drivers.Request{URI: "file:" + dir, Schema: drivertest.Schema, Mode: drivers.Incremental, Cursor: c, Options: map[string]string{}}
	for i := 0; i+1 < len(options); i += 2 {
		r.Options[options[i]] = options[i+1]
	}
	return r
}

func mustRead(t testing.TB, d *Driver, r drivers.Request) drivertest.Result {
	t.Helper()
	out, err := drivertest.Read(t.Context(), d, r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func csvOf(ids ...int) []byte {
	b := []byte("id,name\n")
	for _, id := range ids {
		b = fmt.Appendf(b, "%d,n%d\n", id, id)
	}
	return b
}
