package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
)

// fromJSON is a batch of one column.
func fromJSON(t testing.TB, dt arrow.DataType, values string) arrow.RecordBatch {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: dt, Nullable: true}}, nil)
	a, _, err := array.FromJSON(memory.DefaultAllocator, dt, strings.NewReader(values))
	if err != nil {
		t.Fatalf("%s %s: %v", dt, values, err)
	}
	defer a.Release()
	return array.NewRecordBatch(schema, []arrow.Array{a}, int64(a.Len()))
}

// readColumn writes a column as Parquet and reads it as another type.
func readColumn(t testing.TB, rec arrow.RecordBatch, field arrow.Field) (arrow.Array, []drivers.Rejected, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.parquet")
	write(t, path, asParquet(t, rec, 1000))
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Open(t.Context(), drivers.Request{URI: "file:" + path, Mode: drivers.Snapshot, Schema: arrow.NewSchema([]arrow.Field{field}, nil)})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	b, err := r.Next(t.Context())
	if err != nil {
		return nil, nil, err
	}
	if !arrow.TypeEqual(b.Record.Column(0).DataType(), field.Type) {
		t.Fatalf("a column of %s, want %s", b.Record.Column(0).DataType(), field.Type)
	}
	return b.Record.Column(0), b.Rejected, nil
}

// TestCasts: what a Parquet column of one type becomes when the contract wants another.
func TestCasts(t *testing.T) {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	ts := func(u arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: u, TimeZone: zone}
	}
	dec := func(p, s int32) arrow.DataType { return &arrow.Decimal128Type{Precision: p, Scale: s} }
	p := arrow.PrimitiveTypes
	for _, c := range []struct {
		from     arrow.DataType
		values   string
		to       arrow.DataType
		want     string // the rows that are kept; "schema" when the types do not meet
		rejected int
	}{
		{p.Int8, `[1,null,-128]`, p.Int32, `[1,null,-128]`, 0},
		{p.Int32, `[1,null,2]`, p.Int64, `[1,null,2]`, 0},
		{p.Int64, `[1,4294967296,null,-2147483648]`, p.Int32, `[1,null,-2147483648]`, 1},
		{p.Uint32, `[4294967295]`, p.Int64, `[4294967295]`, 0},
		{p.Uint64, `[18446744073709551615,5]`, p.Int64, `[5]`, 1},
		{p.Uint16, `[65535]`, p.Float32, `[65535]`, 0},
		{p.Int64, `[9007199254740993,3]`, p.Float64, `[3]`, 1},
		{p.Float64, `[1.0,2.5,null,1e300]`, p.Int64, `[1,null]`, 2},
		{p.Float64, `[1.5,1e300]`, p.Float32, `[1.5]`, 1},
		{p.Float32, `[1.5,null]`, p.Float64, `[1.5,null]`, 0},
		{p.Int32, `[7]`, dec(5, 2), `["7"]`, 0},
		{p.Int64, `[1000,7]`, dec(5, 2), `["7"]`, 1},
		{dec(10, 1), `["1.5","99999.9"]`, dec(6, 2), `["1.50"]`, 1},
		{dec(10, 2), `["1.55","1.50"]`, dec(10, 1), `["1.5"]`, 1},
		{dec(10, 2), `["1.50"]`, p.Float64, `[1.5]`, 0},
		{arrow.FixedWidthTypes.Boolean, `[true,null]`, arrow.FixedWidthTypes.Boolean, `[true,null]`, 0},
		{arrow.FixedWidthTypes.Boolean, `[true]`, p.Int32, "schema", 0},
		{p.Int32, `[1]`, arrow.FixedWidthTypes.Boolean, "schema", 0},
		{dict, `["a",null,"b","a"]`, arrow.BinaryTypes.String, `["a",null,"b","a"]`, 0},
		{arrow.BinaryTypes.LargeString, `["a",null]`, arrow.BinaryTypes.String, `["a",null]`, 0},
		{arrow.BinaryTypes.Binary, `["aGk=",null,"/w=="]`, arrow.BinaryTypes.String, `["hi",null]`, 1},
		{arrow.BinaryTypes.String, `["hi"]`, arrow.BinaryTypes.Binary, `["aGk="]`, 0},
		{&arrow.FixedSizeBinaryType{ByteWidth: 2}, `["aGk="]`, arrow.BinaryTypes.Binary, `["aGk="]`, 0},
		{p.Int32, `[1]`, arrow.BinaryTypes.String, "schema", 0},
		{arrow.BinaryTypes.String, `["2018-02-04","x",null]`, arrow.FixedWidthTypes.Date32, `["2018-02-04",null]`, 1},
		{arrow.BinaryTypes.String, `["12","1x"]`, p.Int64, `[12]`, 1},
		{arrow.FixedWidthTypes.Date64, `["2018-02-04"]`, arrow.FixedWidthTypes.Date32, `["2018-02-04"]`, 0},
		{arrow.FixedWidthTypes.Date32, `["2018-02-04"]`, zoneless, `["2018-02-04T00:00:00"]`, 0},
		{ts(arrow.Millisecond, ""), `["2018-02-04T00:00:00.000","2018-02-04T00:00:00.001"]`, arrow.FixedWidthTypes.Date32, `["2018-02-04"]`, 1},
		{ts(arrow.Nanosecond, ""), `["2018-02-04T00:00:00.123456789"]`, zoneless, `["2018-02-04T00:00:00.123456"]`, 0},
		{ts(arrow.Millisecond, "UTC"), `["2018-02-04T00:00:00.020Z"]`, zoned, `["2018-02-04T00:00:00.02Z"]`, 0},
		{ts(arrow.Microsecond, ""), `["2018-02-04T00:00:00"]`, zoned, `["2018-02-04T00:00:00Z"]`, 0},
		{ts(arrow.Microsecond, "UTC"), `["2018-02-04T00:00:00Z"]`, zoneless, "schema", 0},
		{arrow.FixedWidthTypes.Time32ms, `["01:02:03.004"]`, arrow.FixedWidthTypes.Time64us, `["01:02:03.004000"]`, 0},
		{arrow.FixedWidthTypes.Time64ns, `["01:02:03.000004005"]`, arrow.FixedWidthTypes.Time64us, `["01:02:03.000004"]`, 0},
		{arrow.FixedWidthTypes.Time64us, `["01:02:03"]`, zoneless, "schema", 0},
		{arrow.ListOf(p.Int32), `[[1,2],null,[],[3]]`, arrow.ListOf(p.Int64), `[[1,2],null,[],[3]]`, 0},
		{arrow.ListOf(p.Int64), `[[1,4294967296],[2]]`, arrow.ListOf(p.Int32), `[[2]]`, 1},
		{arrow.ListOf(p.Int32), `[[1,null],[2]]`, arrow.ListOfField(arrow.Field{Name: "item", Type: p.Int32}), `[[2]]`, 1},
		{arrow.ListOf(p.Int32), `[[1]]`, arrow.ListOf(arrow.BinaryTypes.String), "schema", 0},
		{arrow.StructOf(arrow.Field{Name: "a", Type: p.Int32, Nullable: true}, arrow.Field{Name: "b", Type: p.Float64, Nullable: true}),
			`[{"a":1,"b":2},null,{"a":null,"b":3}]`,
			arrow.StructOf(arrow.Field{Name: "b", Type: p.Float64}, arrow.Field{Name: "a", Type: p.Int64}, arrow.Field{Name: "c", Type: arrow.BinaryTypes.String, Nullable: true}),
			`[{"b":2,"a":1,"c":null},null]`, 1},
		{arrow.StructOf(arrow.Field{Name: "a", Type: p.Int32, Nullable: true}), `[{"a":1}]`, arrow.StructOf(arrow.Field{Name: "b", Type: p.Int32}), "schema", 0},
		{p.Int32, `[1]`, arrow.ListOf(p.Int32), "schema", 0},
	} {
		rec := fromJSON(t, c.from, c.values)
		a, rejected, err := readColumn(t, rec, arrow.Field{Name: "c", Type: c.to, Nullable: true})
		rec.Release()
		if c.want == "schema" {
			if !errors.Is(err, drivers.ErrSchema) {
				t.Errorf("%s as %s: %v, want drivers.ErrSchema", c.from, c.to, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s as %s: %v", c.from, c.to, err)
			continue
		}
		want, _, err := array.FromJSON(memory.DefaultAllocator, c.to, strings.NewReader(c.want))
		if err != nil {
			t.Fatal(err)
		}
		if !array.Equal(a, want) || len(rejected) != c.rejected {
			t.Errorf("%s %s as %s: %s and %+v, want %s and %d", c.from, c.values, c.to, a, rejected, c.want, c.rejected)
		}
		for _, r := range rejected {
			if !json.Valid([]byte(r.Raw)) || r.Column != "c" || r.Line < 1 {
				t.Errorf("%+v", r)
			}
		}
	}
}

// wide is a batch of all kinds of columns, with nulls.
func wide(t testing.TB, rows int) arrow.RecordBatch {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ts", Type: zoned, Nullable: true},
		{Name: "d", Type: &arrow.Decimal128Type{Precision: 20, Scale: 3}, Nullable: true},
		{Name: "l", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "st", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, arrow.Field{Name: "y", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
	}, nil)
	var text strings.Builder
	for i := range rows {
		fmt.Fprintf(&text, `{"id":%d`, i)
		if i%3 > 0 {
			fmt.Fprintf(&text, `,"f":%d.5,"b":%v,"s":"name %d","ts":"2018-02-04T00:00:%02dZ","d":"%d.125","l":["a","%d"],"st":{"x":%d,"y":"é"}`, i, i%2 == 0, i%50, i%60, i, i, i)
		}
		text.WriteString("}\n")
	}
	r := array.NewJSONReader(strings.NewReader(text.String()), schema, array.WithChunk(-1))
	defer r.Release()
	if !r.Next() {
		t.Fatal(r.Err())
	}
	rec := r.RecordBatch()
	rec.Retain()
	return rec
}

func readParquet(ctx context.Context, d *Driver, path string, schema *arrow.Schema) (rows int64, err error) {
	r, err := d.Open(ctx, drivers.Request{URI: "file:" + path, Mode: drivers.Snapshot, Schema: schema, Options: map[string]string{OptionFormat: FormatParquet}})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += b.Record.NumRows() + int64(len(b.Rejected))
		b.Record.Release()
	}
}

func TestParquetAllTypes(t *testing.T) {
	rec := wide(t, 10_000)
	defer rec.Release()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	d, err := New(Config{Allocator: mem})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	write(t, path, asParquet(t, rec, 3333))
	r, err := d.Open(t.Context(), drivers.Request{URI: "file:" + path, Mode: drivers.Snapshot, Schema: rec.Schema()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	at := int64(0)
	for {
		b, err := r.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want := rec.NewSlice(at, at+b.Record.NumRows())
		if !array.RecordEqual(b.Record, want) || b.Line != at+1 || b.Lines != nil {
			t.Fatalf("rows from %d came back changed, line %d", at, b.Line)
		}
		at += b.Record.NumRows()
		b.Record.Release()
		want.Release()
	}
	if at != 10_000 {
		t.Errorf("%d rows", at)
	}
}

// Closing early, after an error, or never reading leaves no Arrow memory behind.
func TestParquetLeaksNothing(t *testing.T) {
	rec := wide(t, 5000)
	defer rec.Release()
	path := filepath.Join(t.TempDir(), "x.parquet")
	write(t, path, asParquet(t, rec, 1000))
	missing := arrow.NewSchema(append(rec.Schema().Fields(), arrow.Field{Name: "absent", Type: arrow.PrimitiveTypes.Int64}), nil)
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	d, err := New(Config{Allocator: mem})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		schema := rec.Schema()
		if i == 7 {
			schema = missing
		}
		r, err := d.Open(ctx, drivers.Request{URI: "file:" + path, Mode: drivers.Snapshot, Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		for range i % 4 {
			if b, err := r.Next(ctx); err == nil {
				b.Record.Release()
			}
		}
		if i%2 == 1 {
			cancel()
		}
		_ = r.Close()
		cancel()
	}
}

// Flipped bytes, cuts and zeroed stretches: an error or other values, never a panic, a hang or memory without bound.
func TestParquetDamaged(t *testing.T) {
	rec := wide(t, 2000)
	defer rec.Release()
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range []compress.Compression{compress.Codecs.Snappy, compress.Codecs.Zstd} {
		var b bytes.Buffer
		w, err := pqarrow.NewFileWriter(rec.Schema(), &b, parquet.NewWriterProperties(parquet.WithCompression(codec), parquet.WithMaxRowGroupLength(700)), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(rec), w.Close()); err != nil {
			t.Fatal(err)
		}
		damage(t, d, b.Bytes(), rec.Schema())
	}
}

func damage(t *testing.T, d *Driver, whole []byte, schema *arrow.Schema) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.parquet")
	const seed = 20261122
	rng := rand.New(rand.NewPCG(seed, uint64(len(whole))))
	failed := 0
	for i := range 400 {
		bad := bytes.Clone(whole)
		switch i % 4 {
		case 0:
			bad = bad[:rng.IntN(len(bad))]
		case 1: // the footer, where sizes and offsets are
			for range 1 + rng.IntN(4) {
				bad[len(bad)-1-rng.IntN(min(len(bad), 3000))] ^= byte(1 << rng.IntN(8))
			}
		case 2:
			for range 1 + rng.IntN(8) {
				bad[rng.IntN(len(bad))] = byte(rng.IntN(256))
			}
		case 3:
			at := rng.IntN(len(bad))
			clear(bad[at:min(len(bad), at+rng.IntN(200))])
		}
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		_ = os.Chtimes(path, old, old)
		_, err := readParquet(t.Context(), d, path, schema)
		if err != nil {
			failed++
			if !errors.Is(err, drivers.ErrFormat) && !errors.Is(err, drivers.ErrSchema) {
				t.Fatalf("seed %d, variant %d: %v", seed, i, err)
			}
		}
	}
	if failed < 150 {
		t.Errorf("only %d of 400 damaged files were seen to be", failed)
	}
}

func TestParquetSpecialValues(t *testing.T) {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues([]float64{math.NaN(), math.Inf(1), math.Copysign(0, -1)}, nil)
	a := b.NewArray()
	defer a.Release()
	rec := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "c", Type: arrow.PrimitiveTypes.Float64}}, nil), []arrow.Array{a}, 3)
	defer rec.Release()
	got, rejected, err := readColumn(t, rec, arrow.Field{Name: "c", Type: arrow.PrimitiveTypes.Float64})
	if err != nil || len(rejected) != 0 {
		t.Fatal(rejected, err)
	}
	f := got.(*array.Float64)
	if !math.IsNaN(f.Value(0)) || !math.IsInf(f.Value(1), 1) || !math.Signbit(f.Value(2)) {
		t.Errorf("%v", f)
	}
}
