package cdata

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// everyType has each type of the table once, nested ones over nested ones.
func everyType(nullable bool) *arrow.Schema {
	inner := arrow.StructOf(
		arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: nullable},
		arrow.Field{Name: "names", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.BinaryTypes.String, Nullable: nullable}), Nullable: nullable})
	types := []arrow.DataType{
		arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float32,
		arrow.PrimitiveTypes.Float64, &arrow.Decimal128Type{Precision: 12, Scale: 2}, &arrow.Decimal128Type{Precision: 38, Scale: 10},
		arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time64us, &arrow.TimestampType{Unit: arrow.Microsecond},
		&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary,
		arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int64, Nullable: nullable}),
		arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.FixedWidthTypes.Boolean, Nullable: nullable}), Nullable: nullable}),
		inner, arrow.ListOfField(arrow.Field{Name: "item", Type: inner, Nullable: nullable}),
	}
	fields := make([]arrow.Field, len(types))
	for i, t := range types {
		fields[i] = arrow.Field{Name: fmt.Sprintf("c%d_%s", i, t.Name()), Type: t, Nullable: nullable}
	}
	return arrow.NewSchema(fields, nil)
}

// randomBatch fills a schema; about one value in four is null where that is allowed.
func randomBatch(s *arrow.Schema, rows int, rng *rand.Rand) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i, f := range s.Fields() {
		for range rows {
			appendRandom(b.Field(i), f, rng)
		}
	}
	return b.NewRecordBatch()
}

func appendRandom(b array.Builder, f arrow.Field, rng *rand.Rand) {
	if f.Nullable && rng.IntN(4) == 0 {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(rng.IntN(2) == 0)
	case *array.Int32Builder:
		b.Append(int32(rng.Uint32()))
	case *array.Int64Builder:
		b.Append(int64(rng.Uint64()))
	case *array.Float32Builder:
		b.Append(rng.Float32())
	case *array.Float64Builder:
		b.Append(rng.NormFloat64())
	case *array.Decimal128Builder:
		v := decimal128.FromI64(rng.Int64N(1e12))
		if f.Type.(*arrow.Decimal128Type).Precision == 38 {
			v = v.Mul(decimal128.FromI64(rng.Int64()))
		}
		if rng.IntN(2) == 0 {
			v = v.Negate()
		}
		b.Append(v)
	case *array.Date32Builder:
		b.Append(arrow.Date32(rng.Int32N(40000)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(rng.Int64N(day)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(rng.Int64()))
	case *array.StringBuilder:
		b.Append(randomText(rng))
	case *array.BinaryBuilder:
		v := make([]byte, rng.IntN(9))
		for i := range v {
			v[i] = byte(rng.Uint32())
		}
		b.Append(v)
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			appendRandom(b.ValueBuilder(), f.Type.(*arrow.ListType).ElemField(), rng)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, c := range f.Type.(*arrow.StructType).Fields() {
			appendRandom(b.FieldBuilder(i), c, rng)
		}
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}

func randomText(rng *rand.Rand) string {
	var s strings.Builder
	for range rng.IntN(7) {
		s.WriteRune([]rune{'a', 'z', ' ', 'é', '€', '🜁'}[rng.IntN(6)])
	}
	return s.String()
}
