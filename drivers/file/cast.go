package file

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// caster makes the wanted type of a column out of the file's. Rows whose value does not fit become null and are
// listed, in order. The result is a new reference.
type caster func(a arrow.Array) (out arrow.Array, bad []int)

// newCaster finds the caster of a column, by what keeps values as they are: no rounding but to microseconds, no
// wrapping. ok is false when the file's type cannot become the wanted one.
func newCaster(field arrow.Field, from arrow.DataType, f timeFormat) (caster, bool) {
	to := field.Type
	switch {
	case from.ID() == arrow.NULL:
		return func(a arrow.Array) (arrow.Array, []int) {
			return array.MakeArrayOfNull(memory.DefaultAllocator, to, a.Len()), nil
		}, true
	case from.ID() == arrow.EXTENSION:
		inner, ok := newCaster(field, from.(arrow.ExtensionType).StorageType(), f)
		return func(a arrow.Array) (arrow.Array, []int) { return inner(a.(array.ExtensionArray).Storage()) }, ok
	case to.ID() == arrow.STRING, to.ID() == arrow.BINARY:
		return castBytes(from, to)
	case to.ID() == arrow.LIST:
		return castList(from, to.(*arrow.ListType), f)
	case to.ID() == arrow.STRUCT:
		return castStruct(from, to.(*arrow.StructType), f)
	case arrow.TypeEqual(from, to):
		return keep, true
	case from.ID() == arrow.DICTIONARY:
		return castThroughText(field, from.(*arrow.DictionaryType), f)
	case from.ID() == arrow.STRING || from.ID() == arrow.LARGE_STRING:
		return castText(field, f)
	}
	switch to := to.(type) {
	case *arrow.Int32Type:
		return castNumbers(from, to, func(x float64) (int32, bool) { return int32(x), x == float64(int32(x)) }, castInt[int32])
	case *arrow.Int64Type:
		return castNumbers(from, to, floatToInt64, castInt[int64])
	case *arrow.Float32Type:
		return castNumbers(from, to, floatToFloat32, castIntToFloat[float32])
	case *arrow.Float64Type:
		return castNumbers(from, to, func(x float64) (float64, bool) { return x, true }, castIntToFloat[float64])
	case *arrow.Decimal128Type:
		return castDecimal(from, to)
	case *arrow.Date32Type, *arrow.Time64Type, *arrow.TimestampType:
		return castTime(from, to)
	}
	return nil, false
}

func keep(a arrow.Array) (arrow.Array, []int) {
	a.Retain()
	return a, nil
}

// valuesOf is the memory of a column of fixed width.
func valuesOf[T any](a arrow.Array) []T {
	b := a.Data().Buffers()[1]
	if a.Len() == 0 || b == nil {
		return make([]T, a.Len())
	}
	all := b.Bytes()
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(all))), len(all)/int(unsafe.Sizeof(zero)))[a.Data().Offset():][:a.Len()]
}

// convert maps the values of a column that are not null.
func convert[F, T any](a arrow.Array, to arrow.DataType, f func(F) (T, bool)) (arrow.Array, []int) {
	out := make([]T, a.Len())
	in := valuesOf[F](a)
	var bad []int
	if a.NullN() == 0 {
		for i, v := range in {
			var ok bool
			if out[i], ok = f(v); !ok {
				bad = append(bad, i)
			}
		}
	} else {
		for i, v := range in {
			if a.IsNull(i) {
				continue
			}
			var ok bool
			if out[i], ok = f(v); !ok {
				bad = append(bad, i)
			}
		}
	}
	return rebuilt(a, to, bad, memory.NewBufferBytes(bytesOf(out))), bad
}

// rebuilt is a column with the nulls of a, those in bad added, and other buffers.
func rebuilt(a arrow.Array, to arrow.DataType, bad []int, buffers ...*memory.Buffer) arrow.Array {
	n, nulls := validityOf(a, bad)
	return arrayOf(to, a.Len(), nulls, append([]*memory.Buffer{n}, buffers...))
}

// validityOf is a's validity bitmap from bit 0, without the rows in bad; nil when there are no nulls.
func validityOf(a arrow.Array, bad []int) (*memory.Buffer, int) {
	if a.NullN() == 0 && len(bad) == 0 {
		return nil, 0
	}
	bits := make([]byte, (a.Len()+7)/8)
	nulls := a.Len()
	for i := range a.Len() {
		if a.IsValid(i) {
			bits[i>>3] |= 1 << (i & 7)
			nulls--
		}
	}
	for _, i := range bad {
		bits[i>>3] &^= 1 << (i & 7)
		nulls++
	}
	return memory.NewBufferBytes(bits), nulls
}

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// castInt gives the conversion of one integer type to another.
func castInt[T int32 | int64](from, to arrow.DataType) caster {
	return eachInteger(from, func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[int8, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[int16, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[int32, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[int64, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[uint8, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[uint16, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[uint32, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toInt[uint64, T]) })
}

func toInt[F integer, T int32 | int64](v F) (T, bool) {
	t := T(v)
	return t, F(t) == v && (t < 0) == (v < 0)
}

// castIntToFloat takes integers that the float can hold exactly.
func castIntToFloat[T float32 | float64](from, to arrow.DataType) caster {
	return eachInteger(from, func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[int8, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[int16, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[int32, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[int64, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[uint8, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[uint16, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[uint32, T]) },
		func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, toFloat[uint64, T]) })
}

func toFloat[F integer, T float32 | float64](v F) (T, bool) {
	t := T(v)
	return t, float64(t) < math.MaxUint64 && F(t) == v
}

// eachInteger picks the caster of an integer type, nil for other types.
func eachInteger(from arrow.DataType, i8, i16, i32, i64, u8, u16, u32, u64 caster) caster {
	switch from.ID() {
	case arrow.INT8:
		return i8
	case arrow.INT16:
		return i16
	case arrow.INT32:
		return i32
	case arrow.INT64:
		return i64
	case arrow.UINT8:
		return u8
	case arrow.UINT16:
		return u16
	case arrow.UINT32:
		return u32
	case arrow.UINT64:
		return u64
	}
	return nil
}

// castNumbers converts integers by ints, floats and decimals by way of float64.
func castNumbers[T any](from, to arrow.DataType, float func(float64) (T, bool), ints func(from, to arrow.DataType) caster) (caster, bool) {
	switch t := from.(type) {
	case *arrow.Float16Type:
		return func(a arrow.Array) (arrow.Array, []int) {
			return convert(a, to, func(x float16.Num) (T, bool) { return float(float64(x.Float32())) })
		}, true
	case *arrow.Float32Type:
		return func(a arrow.Array) (arrow.Array, []int) {
			return convert(a, to, func(x float32) (T, bool) { return float(float64(x)) })
		}, true
	case *arrow.Float64Type:
		return func(a arrow.Array) (arrow.Array, []int) { return convert(a, to, float) }, true
	case *arrow.Decimal128Type:
		return func(a arrow.Array) (arrow.Array, []int) {
			return convert(a, to, func(x decimal128.Num) (T, bool) { return float(x.ToFloat64(t.Scale)) })
		}, true
	}
	c := ints(from, to)
	return c, c != nil
}

// floatToInt64 takes whole numbers: writers that know no nullable integers store them as floats.
func floatToInt64(x float64) (int64, bool) {
	return int64(x), x == math.Trunc(x) && x >= -(1<<63) && x < 1<<63
}

func floatToFloat32(x float64) (float32, bool) {
	return float32(x), math.Abs(x) <= math.MaxFloat32 || math.IsInf(x, 0) || math.IsNaN(x)
}

func castDecimal(from arrow.DataType, to *arrow.Decimal128Type) (caster, bool) {
	fits := func(n decimal128.Num, scale int32) (decimal128.Num, bool) {
		n, err := n.Rescale(scale, to.Scale)
		return n, err == nil && n.FitsInPrecision(to.Precision)
	}
	if t, ok := from.(*arrow.Decimal128Type); ok {
		return func(a arrow.Array) (arrow.Array, []int) {
			return convert(a, to, func(n decimal128.Num) (decimal128.Num, bool) { return fits(n, t.Scale) })
		}, true
	}
	ints := castInt[int64](from, arrow.PrimitiveTypes.Int64)
	if ints == nil {
		return nil, false
	}
	return func(a arrow.Array) (arrow.Array, []int) {
		wide, bad := ints(a)
		defer wide.Release()
		out, more := convert(wide, to, func(v int64) (decimal128.Num, bool) { return fits(decimal128.FromI64(v), 0) })
		return out, append(bad, more...)
	}, true
}

// unitMicros is how many microseconds a unit is; −1000 stands for nanoseconds.
func unitMicros(u arrow.TimeUnit) int64 {
	switch u {
	case arrow.Second:
		return 1_000_000
	case arrow.Millisecond:
		return 1_000
	case arrow.Microsecond:
		return 1
	}
	return -1_000
}

func toMicros[F ~int32 | ~int64](unit int64) func(F) (int64, bool) {
	return func(v F) (int64, bool) {
		if unit < 0 {
			return floorDiv(int64(v), -unit), true
		}
		m := int64(v) * unit
		return m, m/unit == int64(v)
	}
}

// castTime converts dates, times and timestamps by way of microseconds.
func castTime(from, to arrow.DataType) (caster, bool) {
	micros := func(a arrow.Array, as arrow.DataType) (arrow.Array, []int) { return nil, nil }
	switch t := from.(type) {
	case *arrow.Date32Type:
		micros = func(a arrow.Array, as arrow.DataType) (arrow.Array, []int) {
			return convert(a, as, toMicros[int32](microsPerDay))
		}
	case *arrow.Date64Type:
		micros = func(a arrow.Array, as arrow.DataType) (arrow.Array, []int) {
			return convert(a, as, toMicros[int64](1000))
		}
	case *arrow.TimestampType:
		ts, ok := to.(*arrow.TimestampType)
		if t.TimeZone != "" && (!ok || ts.TimeZone == "") {
			return nil, false // which zone's day or clock would it be?
		}
		micros = func(a arrow.Array, as arrow.DataType) (arrow.Array, []int) {
			return convert(a, as, toMicros[int64](unitMicros(t.Unit)))
		}
	case *arrow.Time32Type:
		micros = func(a arrow.Array, as arrow.DataType) (arrow.Array, []int) {
			return convert(a, as, toMicros[int32](unitMicros(t.Unit)))
		}
	case *arrow.Time64Type:
		micros = func(a arrow.Array, as arrow.DataType) (arrow.Array, []int) {
			return convert(a, as, toMicros[int64](unitMicros(t.Unit)))
		}
	default:
		return nil, false
	}
	clock := from.ID() == arrow.TIME32 || from.ID() == arrow.TIME64
	if clock != (to.ID() == arrow.TIME64) {
		return nil, false
	}
	if to.ID() != arrow.DATE32 {
		return func(a arrow.Array) (arrow.Array, []int) { return micros(a, to) }, true
	}
	return func(a arrow.Array) (arrow.Array, []int) {
		us, bad := micros(a, arrow.PrimitiveTypes.Int64)
		defer us.Release()
		out, more := convert(us, to, func(m int64) (int32, bool) {
			days := m / microsPerDay
			return int32(days), m%microsPerDay == 0 && days == int64(int32(days))
		})
		return out, append(bad, more...)
	}, true
}

// castBytes makes text or bytes out of any of their layouts. Text is checked to be UTF-8: Parquet does not say so.
func castBytes(from, to arrow.DataType) (caster, bool) {
	check := to.ID() == arrow.STRING
	switch from.ID() {
	case arrow.STRING, arrow.BINARY:
		return func(a arrow.Array) (arrow.Array, []int) {
			d := a.Data()
			var bad []int
			if check {
				bad = badText(a, valueBytes(a))
			}
			if len(bad) == 0 {
				same := array.NewData(to, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset())
				defer same.Release()
				return array.MakeFromData(same), nil
			}
			return copyBytes(a, to, bad, valueBytes(a)), bad
		}, true
	case arrow.DICTIONARY:
		return castDictionary(from.(*arrow.DictionaryType), to)
	case arrow.LARGE_STRING, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY:
		return func(a arrow.Array) (arrow.Array, []int) {
			value := valueBytes(a)
			var bad []int
			if check {
				bad = badText(a, value)
			}
			return copyBytes(a, to, bad, value), bad
		}, true
	}
	return nil, false
}

// valueBytes gives access to the bytes of a row.
func valueBytes(a arrow.Array) func(i int) []byte {
	switch a := a.(type) {
	case *array.String:
		return func(i int) []byte { s := a.Value(i); return unsafe.Slice(unsafe.StringData(s), len(s)) }
	case *array.LargeString:
		return func(i int) []byte { s := a.Value(i); return unsafe.Slice(unsafe.StringData(s), len(s)) }
	case *array.Binary:
		return a.Value
	case *array.LargeBinary:
		return a.Value
	case *array.FixedSizeBinary:
		return a.Value
	}
	panic(fmt.Sprintf("not bytes: %s", a.DataType()))
}

// badText lists the rows that are not UTF-8.
func badText(a arrow.Array, value func(i int) []byte) (bad []int) {
	if s, ok := a.(*array.String); ok && ascii(s.ValueBytes()) {
		return nil // all of it at once, which is the common case
	}
	for i := range a.Len() {
		if a.IsValid(i) && !utf8.Valid(value(i)) {
			bad = append(bad, i)
		}
	}
	return bad
}

// ascii looks at eight bytes at a time.
func ascii(b []byte) bool {
	for len(b) >= 8 {
		if *(*uint64)(unsafe.Pointer(unsafe.SliceData(b)))&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// copyBytes copies values into 32-bit offsets; rows in bad become null. Batches are far below 2 GiB.
func copyBytes(a arrow.Array, to arrow.DataType, bad []int, value func(i int) []byte) arrow.Array {
	offsets := make([]int32, 1, a.Len()+1)
	var data []byte
	for i := range a.Len() {
		_, skip := slices.BinarySearch(bad, i)
		if a.IsValid(i) && !skip {
			data = append(data, value(i)...)
		}
		offsets = append(offsets, int32(len(data)))
	}
	return rebuilt(a, to, bad, memory.NewBufferBytes(bytesOf(offsets)), memory.NewBufferBytes(data))
}

// castText parses text as if it stood in a CSV file.
func castText(field arrow.Field, f timeFormat) (caster, bool) {
	if _, err := newColumn(field, f, false); err != nil {
		return nil, false
	}
	return func(a arrow.Array) (arrow.Array, []int) {
		c, _ := newColumn(field, f, false)
		value := valueBytes(a)
		var bad []int
		for i := range a.Len() {
			if a.IsNull(i) {
				c.null()
			} else if c.text(value(i)) != "" {
				c.null()
				bad = append(bad, i)
			}
		}
		return c.array(), bad
	}, true
}
