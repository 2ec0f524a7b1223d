package arrowtext

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Cell appends the text of row i of one column.
//
// The text of values is the same in CSV and JSON: dates, times and timestamps as ISO 8601 (with Z where the type has a
// zone), decimals as plain digits, binary as base64, NaN and the infinities by name, nested values as JSON.
type Cell func(dst []byte, i int) []byte

// plain gives the unquoted text of a flat column and whether JSON writes it in quotes; nil for other types.
func plain(a arrow.Array) (f Cell, quoted bool) {
	switch a := a.(type) {
	case *array.Boolean:
		return func(dst []byte, i int) []byte { return strconv.AppendBool(dst, a.Value(i)) }, false
	case *array.Int32:
		v := a.Int32Values()
		return func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(v[i]), 10) }, false
	case *array.Int64:
		v := a.Int64Values()
		return func(dst []byte, i int) []byte { return strconv.AppendInt(dst, v[i], 10) }, false
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return func(dst []byte, i int) []byte { return append(dst, a.Value(i).ToString(scale)...) }, true
	case *array.Date32:
		return func(dst []byte, i int) []byte { return a.Value(i).ToTime().AppendFormat(dst, time.DateOnly) }, true
	case *array.Time64:
		unit := a.DataType().(*arrow.Time64Type).Unit
		return func(dst []byte, i int) []byte { return a.Value(i).ToTime(unit).AppendFormat(dst, "15:04:05.999999") }, true
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		layout := "2006-01-02T15:04:05.999999"
		if t.TimeZone != "" {
			layout = time.RFC3339Nano
		}
		return func(dst []byte, i int) []byte { return a.Value(i).ToTime(t.Unit).AppendFormat(dst, layout) }, true
	case *array.Binary:
		return func(dst []byte, i int) []byte { return base64.StdEncoding.AppendEncode(dst, a.Value(i)) }, true
	}
	return nil, false
}

// float gives the value of a float column as float64, with its precision in bits; nil for other types.
func float(a arrow.Array) (value func(i int) float64, bits int) {
	switch a := a.(type) {
	case *array.Float32:
		v := a.Float32Values()
		return func(i int) float64 { return float64(v[i]) }, 32
	case *array.Float64:
		v := a.Float64Values()
		return func(i int) float64 { return v[i] }, 64
	}
	return nil, 0
}

// notANumber names what JSON has no number for; "" for finite values.
func notANumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return ""
}

// appendNumber writes the shortest decimal that reads back as f, in a form that JSON and CSV readers share.
func appendNumber(dst []byte, f float64, bits int) []byte {
	form := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		form = 'e'
	}
	return strconv.AppendFloat(dst, f, form, -1, bits)
}

// jsonCells gives the appender of a column as JSON values.
func jsonCells(a arrow.Array) Cell {
	if f := jsonValue(a); a.NullN() == 0 {
		return f
	} else {
		return func(dst []byte, i int) []byte {
			if a.IsNull(i) {
				return append(dst, "null"...)
			}
			return f(dst, i)
		}
	}
}

// jsonValue is jsonCells for rows that are not null.
func jsonValue(a arrow.Array) Cell {
	if value, bits := float(a); value != nil {
		return func(dst []byte, i int) []byte {
			f := value(i)
			if name := notANumber(f); name != "" {
				return append(append(append(dst, '"'), name...), '"')
			}
			return appendNumber(dst, f, bits)
		}
	}
	if f, quoted := plain(a); f != nil {
		if !quoted {
			return f
		}
		return func(dst []byte, i int) []byte { return append(f(append(dst, '"'), i), '"') }
	}
	switch a := a.(type) {
	case *array.String:
		return func(dst []byte, i int) []byte { return AppendJSONString(dst, a.Value(i)) }
	case *array.List:
		return jsonList(a)
	case *array.Struct:
		return jsonStruct(a)
	}
	return func(dst []byte, i int) []byte { return AppendJSONString(dst, a.ValueStr(i)) }
}

func jsonList(a *array.List) Cell {
	elem := jsonCells(a.ListValues())
	return func(dst []byte, i int) []byte {
		lo, hi := a.ValueOffsets(i)
		dst = append(dst, '[')
		for j := lo; j < hi; j++ {
			if j > lo {
				dst = append(dst, ',')
			}
			dst = elem(dst, int(j))
		}
		return append(dst, ']')
	}
}

func jsonStruct(a *array.Struct) Cell {
	fields := a.DataType().(*arrow.StructType).Fields()
	names := make([]string, len(fields))
	cells := make([]Cell, len(fields))
	for j, f := range fields {
		names[j] = string(AppendJSONString(nil, f.Name)) + ":"
		cells[j] = jsonCells(a.Field(j))
	}
	return func(dst []byte, i int) []byte {
		dst = append(dst, '{')
		for j := range cells {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = cells[j](append(dst, names[j]...), i)
		}
		return append(dst, '}')
	}
}

const hexDigits = "0123456789abcdef"

// AppendJSONString quotes s. Bytes that are not UTF-8 become U+FFFD, as encoding/json has it.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if b >= ' ' && b != '"' && b != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// CSVCells gives the appender of a column as CSV fields: null is empty, the empty text is "".
func CSVCells(a arrow.Array) Cell {
	f := csvValue(a)
	return func(dst []byte, i int) []byte {
		if a.IsNull(i) {
			return dst
		}
		return f(dst, i)
	}
}

func csvValue(a arrow.Array) Cell {
	if value, bits := float(a); value != nil {
		return func(dst []byte, i int) []byte {
			f := value(i)
			if name := notANumber(f); name != "" {
				return append(dst, name...)
			}
			return appendNumber(dst, f, bits)
		}
	}
	if b, ok := a.(*array.Binary); ok { // an empty value is not null
		return func(dst []byte, i int) []byte {
			return appendCSVString(dst, base64.StdEncoding.EncodeToString(b.Value(i)))
		}
	}
	if f, _ := plain(a); f != nil {
		return f // digits, signs, dashes, colons: never quoted
	}
	if s, ok := a.(*array.String); ok {
		return func(dst []byte, i int) []byte { return appendCSVString(dst, s.Value(i)) }
	}
	nested := jsonValue(a)
	var buf []byte
	return func(dst []byte, i int) []byte {
		buf = nested(buf[:0], i)
		return appendCSVString(dst, string(buf))
	}
}

// appendCSVString quotes s where RFC 4180 asks for it, where readers would trim it, and where it is empty.
func appendCSVString(dst []byte, s string) []byte {
	quote := s == "" || s[0] == ' ' || s[len(s)-1] == ' '
	for i := 0; i < len(s) && !quote; i++ {
		c := s[i]
		quote = c == ',' || c == '"' || c == '\n' || c == '\r'
	}
	if !quote {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for {
		before, after, more := cutQuote(s)
		dst = append(dst, before...)
		if !more {
			return append(dst, '"')
		}
		dst = append(dst, '"', '"')
		s = after
	}
}

func cutQuote(s string) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == '"' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
