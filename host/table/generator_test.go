package table

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// generator makes random schemas and rows.
type generator struct {
	*rand.Rand
}

func (g generator) kind() host.Kind {
	kinds := []host.Kind{host.Bool, host.Int32, host.Int64, host.Float32, host.Float64, host.Decimal, host.Date, host.Time,
		host.Timestamp, host.TimestampTZ, host.String, host.Binary, host.List, host.Struct}
	return kinds[g.IntN(len(kinds))]
}

func (g generator) typ(depth int) host.Type {
	k := g.kind()
	for depth == 0 && (k == host.List || k == host.Struct) {
		k = g.kind()
	}
	t := host.Type{Kind: k}
	switch k {
	case host.Decimal:
		t.Precision = 1 + g.IntN(38)
		t.Scale = g.IntN(t.Precision + 1)
	case host.List:
		t.Elem = &host.Field{Name: "item", Type: g.typ(depth - 1), Required: g.IntN(3) == 0}
	case host.Struct:
		for i := range 1 + g.IntN(3) {
			t.Fields = append(t.Fields, host.Field{Name: fmt.Sprint("f", i), Type: g.typ(depth - 1), Required: g.IntN(3) == 0})
		}
	}
	return t
}

func (g generator) schema() host.Schema {
	s := host.Schema{Fields: []host.Field{
		{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
		{Name: "part", Type: host.Type{Kind: host.String}, Required: true},
	}}
	for i := range 1 + g.IntN(5) {
		s.Fields = append(s.Fields, host.Field{Name: fmt.Sprint("c", i), Type: g.typ(2), Required: g.IntN(3) == 0, Description: "column"})
	}
	return s
}

// value appends one of few values, so that rows repeat.
func (g generator) value(b array.Builder, f arrow.Field) {
	if f.Nullable && g.IntN(4) == 0 {
		b.AppendNull()
		return
	}
	v := g.IntN(3)
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v == 0)
	case *array.Int32Builder:
		b.Append(int32(v) - 1)
	case *array.Int64Builder:
		b.Append(int64(v-1) << 40)
	case *array.Float32Builder:
		b.Append([]float32{0, float32(math.Copysign(0, -1)), float32(math.NaN())}[v])
	case *array.Float64Builder:
		b.Append([]float64{1.5, math.Inf(-1), math.NaN()}[v])
	case *array.Decimal128Builder:
		p := b.Type().(*arrow.Decimal128Type).Precision
		b.Append([]decimal128.Num{decimal128.FromI64(-1), decimal128.FromI64(7), decimal128.GetMaxValue(p)}[v])
	case *array.Date32Builder:
		b.Append(arrow.Date32(v*10000 - 5000))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v * 40_000_000_000))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(int64(v-1) * 1_700_000_000_123_456))
	case *array.StringBuilder:
		b.Append([]string{"", "ü€", "a longer text that repeats"}[v])
	case *array.BinaryBuilder:
		b.Append([][]byte{{}, {0}, {0xff, 0, 1}}[v])
	case *array.ListBuilder:
		b.Append(true)
		for range v {
			g.value(b.ValueBuilder(), f.Type.(*arrow.ListType).ElemField())
		}
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			g.value(b.FieldBuilder(i), f.Type.(*arrow.StructType).Field(i))
		}
	default:
		panic(fmt.Sprintf("no values of %T", b))
	}
}

// batch makes rows of a schema; ids choose the keys.
func (g generator) batch(s *arrow.Schema, rows, ids int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for range rows {
		for i, f := range s.Fields() {
			switch f.Name {
			case "id":
				b.Field(i).(*array.Int64Builder).Append(int64(g.IntN(ids)))
			case "part":
				b.Field(i).(*array.StringBuilder).Append([]string{"a", "b"}[g.IntN(2)])
			case abi.ColumnOp:
				op := b.Field(i).(*array.StringBuilder)
				switch g.IntN(5) {
				case 0:
					op.Append(abi.OpDelete)
				case 1:
					op.Append(abi.OpUpsert)
				default:
					op.AppendNull()
				}
			default:
				g.value(b.Field(i), f)
			}
		}
	}
	return b.NewRecordBatch()
}
