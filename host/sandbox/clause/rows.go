package clause

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
)

// Between the plain rows of abitest and Arrow.

func schemas(ports []abitest.Port) (out []*arrow.Schema) {
	for _, p := range ports {
		out = append(out, arrow.NewSchema(arrowFields(p.Fields), nil))
	}
	return out
}

func arrowFields(in []abitest.Field) []arrow.Field {
	out := make([]arrow.Field, len(in))
	for i, f := range in {
		out[i] = arrow.Field{Name: f.Name, Type: arrowType(f), Nullable: f.Nullable}
	}
	return out
}

func arrowType(f abitest.Field) arrow.DataType {
	if digits, ok := strings.CutPrefix(f.Format, "d:"); ok {
		var p, s int32
		if _, err := fmt.Sscanf(digits, "%d,%d", &p, &s); err != nil {
			panic(err)
		}
		return &arrow.Decimal128Type{Precision: p, Scale: s}
	}
	switch f.Format {
	case "+l":
		return arrow.ListOfField(arrowFields(f.Children)[0])
	case "+s":
		return arrow.StructOf(arrowFields(f.Children)...)
	}
	return plainTypes[f.Format]
}

// plainTypes are those without parameters or children, by format.
var plainTypes = map[string]arrow.DataType{
	"b": arrow.FixedWidthTypes.Boolean, "i": arrow.PrimitiveTypes.Int32, "l": arrow.PrimitiveTypes.Int64,
	"f": arrow.PrimitiveTypes.Float32, "g": arrow.PrimitiveTypes.Float64, "tdD": arrow.FixedWidthTypes.Date32,
	"ttu": arrow.FixedWidthTypes.Time64us, "tsu:": &arrow.TimestampType{Unit: arrow.Microsecond},
	"tsu:UTC": &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, "u": arrow.BinaryTypes.String, "z": arrow.BinaryTypes.Binary,
}

// fieldOf is the plain form of a column that a contract can have.
func fieldOf(f arrow.Field) (abitest.Field, error) {
	out := abitest.Field{Name: f.Name, Nullable: f.Nullable}
	var children []arrow.Field
	switch t := f.Type.(type) {
	case *arrow.ListType:
		children = []arrow.Field{t.ElemField()}
		out.Format = "+l"
	case *arrow.StructType:
		children = t.Fields()
		out.Format = "+s"
	case *arrow.Decimal128Type:
		out.Format = fmt.Sprintf("d:%d,%d", t.Precision, t.Scale)
	default:
		for format, known := range plainTypes {
			if arrow.TypeEqual(f.Type, known) {
				out.Format = format
			}
		}
	}
	if out.Format == "" {
		return out, host.Errorf(host.CodeTableType, "column %s: %s is not a type of the table", f.Name, f.Type)
	}
	var err error
	out.Children, err = fieldsOf(children)
	return out, err
}

func fieldsOf(in []arrow.Field) ([]abitest.Field, error) {
	var out []abitest.Field
	for _, f := range in {
		plain, err := fieldOf(f)
		if err != nil {
			return nil, err
		}
		out = append(out, plain)
	}
	return out, nil
}

// toArrow makes a batch of rows, in a slice of a longer one, so that offsets are at work.
func toArrow(s *arrow.Schema, rows []abitest.Row) arrow.RecordBatch {
	const before = 3
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for c := range s.Fields() {
		for n := range len(rows) + before {
			if n < before && len(rows) > 0 {
				n = before
			}
			if n >= before {
				appendValue(b.Field(c), rows[n-before][c])
			}
		}
	}
	rec := b.NewRecordBatch()
	return rec.NewSlice(rec.NumRows()-int64(len(rows)), rec.NumRows())
}

func appendValue(b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float32Builder:
		b.Append(v.(float32))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Decimal128Builder:
		b.Append(decimal128.New(v.(abitest.Decimal).Hi, v.(abitest.Decimal).Lo))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(int32)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.(int64)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append(v.([]byte))
	case *array.ListBuilder:
		b.Append(true)
		for _, e := range v.([]any) {
			appendValue(b.ValueBuilder(), e)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, e := range v.([]any) {
			appendValue(b.FieldBuilder(i), e)
		}
	}
}

func fromArrow(rec arrow.RecordBatch) []abitest.Row {
	rows := make([]abitest.Row, rec.NumRows())
	for n := range rows {
		for _, c := range rec.Columns() {
			rows[n] = append(rows[n], valueOf(c, n))
		}
	}
	return rows
}

func valueOf(a arrow.Array, n int) any {
	if a.IsNull(n) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(n)
	case *array.Int32:
		return a.Value(n)
	case *array.Int64:
		return a.Value(n)
	case *array.Float32:
		return a.Value(n)
	case *array.Float64:
		return a.Value(n)
	case *array.Decimal128:
		return abitest.Decimal{Lo: a.Value(n).LowBits(), Hi: a.Value(n).HighBits()}
	case *array.Date32:
		return int32(a.Value(n))
	case *array.Time64:
		return int64(a.Value(n))
	case *array.Timestamp:
		return int64(a.Value(n))
	case *array.String:
		return a.Value(n)
	case *array.Binary:
		return a.Value(n)
	case *array.List:
		from, to := a.ValueOffsets(n)
		out := make([]any, 0, to-from)
		for e := from; e < to; e++ {
			out = append(out, valueOf(a.ListValues(), int(e)))
		}
		return out
	case *array.Struct:
		out := make([]any, a.NumField())
		for i := range out {
			out[i] = valueOf(a.Field(i), n)
		}
		return out
	}
	panic(fmt.Sprintf("no value of %T", a))
}
