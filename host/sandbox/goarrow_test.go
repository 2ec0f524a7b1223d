package sandbox

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi/abitest"
)

// TestGoArrowAgrees: the Go kit's helper, over Arrow's library v17, and the host, over v18, mean the same by every type.
func TestGoArrowAgrees(t *testing.T) {
	null := func(name string, typ arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: typ, Nullable: true}
	}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, null("b", arrow.FixedWidthTypes.Boolean), null("i", arrow.PrimitiveTypes.Int32),
		null("f", arrow.PrimitiveTypes.Float32), null("g", arrow.PrimitiveTypes.Float64), null("d", &arrow.Decimal128Type{Precision: 38, Scale: 2}),
		null("day", arrow.FixedWidthTypes.Date32), null("time", arrow.FixedWidthTypes.Time64us), null("local", &arrow.TimestampType{Unit: arrow.Microsecond}),
		null("instant", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}), null("s", arrow.BinaryTypes.String), null("z", arrow.BinaryTypes.Binary),
		null("list", arrow.ListOf(arrow.PrimitiveTypes.Int64)),
		null("struct", arrow.StructOf(null("x", arrow.PrimitiveTypes.Int32), null("tags", arrow.ListOf(arrow.BinaryTypes.String)))),
	}, nil)
	const rows = `[
		{"id": 1, "b": true, "i": -2147483648, "f": 1.5, "g": -0.1, "d": "-123456789012345678901234567890123456.78", "day": "1969-12-31", "time": "23:59:59.999999",
		 "local": "2026-11-23T12:00:00.000001", "instant": "1900-01-01T00:00:00Z", "s": "Zoë 漢字", "z": "AAH/", "list": [1, null, -3], "struct": {"x": 7, "tags": ["a", null, ""]}},
		{"id": 2},
		{"id": 3, "b": false, "s": "", "z": "", "list": [], "struct": {"x": null, "tags": []}},
		{"id": -9223372036854775808, "list": [9223372036854775807], "struct": {"x": 1, "tags": null}}]`
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	s := specOf(abitest.BuildGo(t, "arrow/conform"), schema)
	s.Product.Inputs[0].Name, s.Product.Outputs[0].Name = "all", "columns"
	var f fake
	if _, err := runAll(newEngine(t, Config{Interpreter: true}), s, &f, rec, rec.NewSlice(1, 3), rec.NewSlice(0, 0)); err != nil {
		t.Fatal(err, f.logs)
	}
	all := array.NewTableFromRecords(schema, f.batches)
	defer all.Release()
	want := array.NewTableFromRecords(schema, []arrow.RecordBatch{rec, rec.NewSlice(1, 3)})
	defer want.Release()
	if !array.TableEqual(all, want) {
		t.Errorf("got\n%v\nwant\n%v", all, want)
	}
}
