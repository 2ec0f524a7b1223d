package columnar

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Value is row i of a column as a JSON-friendly Go value: nil, bool, int64, float64, string ([]byte as base64 by
// encoding/json), []any, map[string]any. Dates, times and timestamps are ISO 8601 text, decimals plain text; NaN and
// infinities are text, since JSON has no numbers for them.
func Value(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Float32:
		return number(float64(a.Value(i)), a.ValueStr(i))
	case *array.Float64:
		return number(a.Value(i), a.ValueStr(i))
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Date32:
		return a.Value(i).ToTime().Format("2006-01-02")
	case *array.Time64:
		return a.Value(i).ToTime(arrow.Microsecond).Format("15:04:05.999999")
	case *array.Timestamp:
		t := a.Value(i).ToTime(arrow.Microsecond)
		if a.DataType().(*arrow.TimestampType).TimeZone == "" {
			return t.Format("2006-01-02T15:04:05.999999")
		}
		return t.Format(time.RFC3339Nano)
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return append([]byte(nil), a.Value(i)...)
	case *array.List:
		lo, hi := a.ValueOffsets(i)
		out := make([]any, 0, hi-lo)
		for j := lo; j < hi; j++ {
			out = append(out, Value(a.ListValues(), int(j)))
		}
		return out
	case *array.Struct:
		out := map[string]any{}
		for j, f := range a.DataType().(*arrow.StructType).Fields() {
			out[f.Name] = Value(a.Field(j), i)
		}
		return out
	}
	return a.ValueStr(i)
}

func number(f float64, text string) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return text
	}
	return f
}

// Row is row i of a batch by column name.
func Row(rec arrow.RecordBatch, i int) map[string]any {
	out := make(map[string]any, rec.NumCols())
	for j, f := range rec.Schema().Fields() {
		out[f.Name] = Value(rec.Column(j), i)
	}
	return out
}

// AppendValue appends an encoding of row i of a column that is equal exactly when the values are equal: NaNs are one
// value, −0 equals 0, null differs from everything but null, lengths delimit.
func AppendValue(dst []byte, a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return append(dst, 0)
	}
	dst = append(dst, 1)
	switch a := a.(type) {
	case *array.Boolean:
		if a.Value(i) {
			return append(dst, 1)
		}
		return append(dst, 0)
	case *array.Int32:
		return binary.LittleEndian.AppendUint32(dst, uint32(a.Value(i)))
	case *array.Int64:
		return binary.LittleEndian.AppendUint64(dst, uint64(a.Value(i)))
	case *array.Float32:
		return appendFloat(dst, float64(a.Value(i)))
	case *array.Float64:
		return appendFloat(dst, a.Value(i))
	case *array.Decimal128:
		v := a.Value(i)
		dst = binary.LittleEndian.AppendUint64(dst, v.LowBits())
		return binary.LittleEndian.AppendUint64(dst, uint64(v.HighBits()))
	case *array.Date32:
		return binary.LittleEndian.AppendUint32(dst, uint32(a.Value(i)))
	case *array.Time64:
		return binary.LittleEndian.AppendUint64(dst, uint64(a.Value(i)))
	case *array.Timestamp:
		return binary.LittleEndian.AppendUint64(dst, uint64(a.Value(i)))
	case *array.String:
		return appendBytes(dst, a.Value(i))
	case *array.Binary:
		return appendBytes(dst, a.Value(i))
	case *array.List:
		lo, hi := a.ValueOffsets(i)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(hi-lo))
		for j := lo; j < hi; j++ {
			dst = AppendValue(dst, a.ListValues(), int(j))
		}
		return dst
	case *array.Struct:
		for j := range a.NumField() {
			dst = AppendValue(dst, a.Field(j), i)
		}
		return dst
	}
	return appendBytes(dst, a.ValueStr(i))
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case f == 0:
		f = 0
	case math.IsNaN(f):
		f = math.NaN()
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

func appendBytes[T string | []byte](dst []byte, v T) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(v)))
	return append(dst, v...)
}

// AppendKey appends the encodings of row i of several columns; null reports whether one of them is null.
func AppendKey(dst []byte, cols []arrow.Array, i int) (key []byte, null bool) {
	for _, c := range cols {
		null = null || c.IsNull(i)
		dst = AppendValue(dst, c, i)
	}
	return dst, null
}
