package cdata

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// everyType has each type of the table once, nested ones over nested ones.
func everyType(nullable bool) *arrow.Schema {
	inner := arrow.StructOf(
		arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: nullable},
		arrow.Field{Name: "names", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.BinaryTypes.String, Nullable: nullable}), Nullable: nullable})
	item := func(t arrow.DataType) arrow.Field { return arrow.Field{Name: "item", Type: t, Nullable: nullable} }
	aMap := arrow.MapOf(arrow.BinaryTypes.String, inner)
	aMap.SetItemNullable(nullable)
	dictionary := func(index, value arrow.DataType) arrow.DataType {
		return &arrow.DictionaryType{IndexType: index, ValueType: value}
	}
	types := []arrow.DataType{
		arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float32,
		arrow.PrimitiveTypes.Float64, &arrow.Decimal128Type{Precision: 12, Scale: 2}, &arrow.Decimal128Type{Precision: 38, Scale: 10},
		arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time64us, &arrow.TimestampType{Unit: arrow.Microsecond},
		&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary,
		arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int64, Nullable: nullable}),
		arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.FixedWidthTypes.Boolean, Nullable: nullable}), Nullable: nullable}),
		inner, arrow.ListOfField(arrow.Field{Name: "item", Type: inner, Nullable: nullable}),

		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16,
		arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64, arrow.FixedWidthTypes.Float16, arrow.FixedWidthTypes.Date64,
		arrow.FixedWidthTypes.Time32s, arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64ns,
		&arrow.TimestampType{Unit: arrow.Second, TimeZone: "Europe/Zurich"}, &arrow.TimestampType{Unit: arrow.Millisecond},
		&arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "+02:00"},
		arrow.BinaryTypes.LargeString, arrow.BinaryTypes.LargeBinary, &arrow.FixedSizeBinaryType{ByteWidth: 5},
		arrow.LargeListOfField(item(inner)), arrow.FixedSizeListOfField(3, item(arrow.BinaryTypes.String)),
		arrow.FixedSizeListOfField(2, item(arrow.FixedSizeListOfField(2, item(arrow.FixedWidthTypes.Boolean)))),
		aMap, arrow.ListOfField(item(aMap)),
		dictionary(arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String), dictionary(arrow.PrimitiveTypes.Uint8, arrow.BinaryTypes.String),
		dictionary(arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64), dictionary(arrow.PrimitiveTypes.Uint16, arrow.BinaryTypes.Binary),
		arrow.ListOfField(item(dictionary(arrow.PrimitiveTypes.Int8, arrow.BinaryTypes.String))),
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
	case *array.Int8Builder:
		b.Append(int8(rng.Uint32()))
	case *array.Int16Builder:
		b.Append(int16(rng.Uint32()))
	case *array.Int32Builder:
		b.Append(int32(rng.Uint32()))
	case *array.Uint8Builder:
		b.Append(uint8(rng.Uint32()))
	case *array.Uint16Builder:
		b.Append(uint16(rng.Uint32()))
	case *array.Uint32Builder:
		b.Append(rng.Uint32())
	case *array.Uint64Builder:
		b.Append(rng.Uint64())
	case *array.Float16Builder:
		b.Append(float16.New(rng.Float32()))
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
	case *array.Date64Builder:
		b.Append(arrow.Date64(rng.Int64N(40000) * dayIn(arrow.Millisecond)))
	case *array.Time32Builder:
		b.Append(arrow.Time32(rng.Int64N(dayIn(f.Type.(*arrow.Time32Type).Unit))))
	case *array.Time64Builder:
		b.Append(arrow.Time64(rng.Int64N(dayIn(f.Type.(*arrow.Time64Type).Unit))))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(rng.Int64()))
	case *array.StringBuilder:
		b.Append(randomText(rng))
	case *array.LargeStringBuilder:
		b.Append(randomText(rng))
	case *array.BinaryBuilder:
		b.Append(randomBytes(rng, rng.IntN(9)))
	case *array.FixedSizeBinaryBuilder:
		b.Append(randomBytes(rng, f.Type.(*arrow.FixedSizeBinaryType).ByteWidth))
	case array.DictionaryBuilder:
		appendToDictionary(b, rng)
	case *array.MapBuilder:
		b.Append(true)
		t := f.Type.(*arrow.MapType)
		for range rng.IntN(4) {
			appendRandom(b.KeyBuilder(), t.KeyField(), rng)
			appendRandom(b.ItemBuilder(), t.ItemField(), rng)
		}
	case array.ListLikeBuilder:
		n := rng.IntN(4)
		if t, ok := f.Type.(*arrow.FixedSizeListType); ok {
			n = int(t.Len())
		}
		b.Append(true)
		for range n {
			appendRandom(b.ValueBuilder(), f.Type.(arrow.ListLikeType).ElemField(), rng)
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

// appendToDictionary appends one of a few values, so that rows share them.
func appendToDictionary(b array.DictionaryBuilder, rng *rand.Rand) {
	v := "k" + strings.Repeat("ü", rng.IntN(5))
	var err error
	switch b := b.(type) {
	case *array.BinaryDictionaryBuilder:
		err = b.AppendString(v)
	case *array.Float64DictionaryBuilder:
		err = b.Append(float64(len(v)))
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
	if err != nil {
		panic(err)
	}
}

func randomBytes(rng *rand.Rand, n int) []byte {
	v := make([]byte, n)
	for i := range v {
		v[i] = byte(rng.Uint32())
	}
	return v
}

func randomText(rng *rand.Rand) string {
	var s strings.Builder
	for range rng.IntN(7) {
		s.WriteRune([]rune{'a', 'z', ' ', 'é', '€', '🜁'}[rng.IntN(6)])
	}
	return s.String()
}
