package columnar

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// integerOf reads whole numbers of any width, and decimals without a scale.
func integerOf(a arrow.Array) (func(row int) decimal128.Num, error) {
	signed := func(v func(int) int64) func(int) decimal128.Num {
		return func(i int) decimal128.Num { return decimal128.FromI64(v(i)) }
	}
	switch a := a.(type) {
	case *array.Int8:
		return signed(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Int16:
		return signed(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Int32:
		return signed(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Int64:
		return signed(a.Value), nil
	case *array.Uint8:
		return signed(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Uint16:
		return signed(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Uint32:
		return signed(func(i int) int64 { return int64(a.Value(i)) }), nil
	case *array.Uint64:
		return func(i int) decimal128.Num { return decimal128.FromU64(a.Value(i)) }, nil
	case *array.Decimal128:
		return a.Value, nil
	}
	return nil, fmt.Errorf("type %s is not of whole numbers", a.DataType())
}

// appendInteger appends a whole number to a builder of any width, false when it does not fit.
func appendInteger(b array.Builder, v decimal128.Num) bool {
	low, small := int64(v.LowBits()), v.HighBits() == int64(v.LowBits())>>63 // small: it is an int64
	within := func(lo, hi int64) bool { return small && low >= lo && low <= hi }
	switch b := b.(type) {
	case *array.Int8Builder:
		b.Append(int8(low))
		return within(math.MinInt8, math.MaxInt8)
	case *array.Int16Builder:
		b.Append(int16(low))
		return within(math.MinInt16, math.MaxInt16)
	case *array.Int32Builder:
		b.Append(int32(low))
		return within(math.MinInt32, math.MaxInt32)
	case *array.Int64Builder:
		b.Append(low)
		return small
	case *array.Uint8Builder:
		b.Append(uint8(low))
		return within(0, math.MaxUint8)
	case *array.Uint16Builder:
		b.Append(uint16(low))
		return within(0, math.MaxUint16)
	case *array.Uint32Builder:
		b.Append(uint32(low))
		return within(0, math.MaxUint32)
	case *array.Uint64Builder:
		b.Append(uint64(low))
		return v.HighBits() == 0
	case *array.Decimal128Builder:
		b.Append(v)
		return v.FitsInPrecision(b.Type().(*arrow.Decimal128Type).Precision)
	}
	return false
}

// renumber gives whole numbers another width.
func renumber(a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	value, err := integerOf(a)
	if err != nil {
		return nil, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, want)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
		} else if !appendInteger(b, value(i)) {
			return nil, misfit(a, i, want)
		}
	}
	return b.NewArray(), nil
}

// refloat gives floats another width, rounded as IEEE 754 does: 1e300 is infinite in 32 bits.
func refloat(a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	var value func(row int) float64
	switch a := a.(type) {
	case *array.Float16:
		value = func(i int) float64 { return float64(a.Value(i).Float32()) }
	case *array.Float32:
		value = func(i int) float64 { return float64(a.Value(i)) }
	case *array.Float64:
		value = a.Value
	default:
		return nil, fmt.Errorf("type %s has no form %s", a.DataType(), want)
	}
	b := array.NewBuilder(memory.DefaultAllocator, want)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.Float16Builder:
			b.Append(float16.New(float32(value(i))))
		case *array.Float32Builder:
			b.Append(float32(value(i)))
		case *array.Float64Builder:
			b.Append(value(i))
		}
	}
	return b.NewArray(), nil
}

// ticks is how many units of a temporal type are a day, and its values.
func ticks(a arrow.Array) (perDay int64, value func(row int) int64, err error) {
	switch a := a.(type) {
	case *array.Date32:
		value = func(i int) int64 { return int64(a.Value(i)) }
	case *array.Date64:
		value = func(i int) int64 { return int64(a.Value(i)) }
	case *array.Time32:
		value = func(i int) int64 { return int64(a.Value(i)) }
	case *array.Time64:
		value = func(i int) int64 { return int64(a.Value(i)) }
	case *array.Timestamp:
		value = func(i int) int64 { return int64(a.Value(i)) }
	default:
		return 0, nil, fmt.Errorf("type %s is not of times", a.DataType())
	}
	return unitsPerDay(a.DataType()), value, nil
}

func unitsPerDay(t arrow.DataType) int64 {
	const day = 24 * 60 * 60
	switch t := t.(type) {
	case *arrow.Date32Type:
		return 1
	case *arrow.Date64Type:
		return day * 1000
	case arrow.TemporalWithUnit:
		n := int64(day)
		for u := t.TimeUnit(); u > arrow.Second; u-- {
			n *= 1000
		}
		return n
	}
	return 0
}

// retime gives dates, times and timestamps another unit. What would lose a part of it does not fit.
func retime(a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	from, value, err := ticks(a)
	if err != nil {
		return nil, err
	}
	to := unitsPerDay(want)
	b := array.NewBuilder(memory.DefaultAllocator, want)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		v, ok := rescale(value(i), from, to)
		if !ok || !appendTicks(b, v) {
			return nil, misfit(a, i, want)
		}
	}
	return b.NewArray(), nil
}

// rescale is v × to ÷ from where that is a whole number; one of them divides the other.
func rescale(v, from, to int64) (int64, bool) {
	if to <= from {
		return v / (from / to), v%(from/to) == 0
	}
	k := to / from
	return v * k, v*k/k == v
}

func appendTicks(b array.Builder, v int64) bool {
	switch b := b.(type) {
	case *array.Date32Builder:
		b.Append(arrow.Date32(v))
		return v == int64(int32(v))
	case *array.Date64Builder:
		b.Append(arrow.Date64(v))
	case *array.Time32Builder:
		b.Append(arrow.Time32(v))
		return v == int64(int32(v))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v))
	default:
		return false
	}
	return true
}
