package file

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// notA is the reason of a value that does not parse.
func notA(b []byte, what string) string { return quoted(b) + " is not " + what }

// quoted shows a value to people: at most 64 bytes, on one line.
func quoted(b []byte) string {
	const most = 64
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return strconv.Quote(string(b[:cut])) + "…"
}

// typeName is how people call a type.
func typeName(dt arrow.DataType) string {
	switch t := dt.(type) {
	case *arrow.Int32Type, *arrow.Int64Type:
		return "an " + t.Name()
	case *arrow.Float32Type, *arrow.Float64Type:
		return "a number"
	case *arrow.Decimal128Type:
		return fmt.Sprintf("a decimal(%d,%d)", t.Precision, t.Scale)
	case *arrow.Date32Type:
		return "a date"
	case *arrow.Time64Type:
		return "a time"
	case *arrow.TimestampType:
		return "a timestamp"
	}
	return "a " + dt.Name()
}

// bytesOf is the memory of a slice of fixed-width values, as Arrow wants it (little endian hosts).
func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

// textOf borrows b as a string for a call that does not keep it.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// parseInt reads a decimal integer with an optional sign.
func parseInt(b []byte) (int64, bool) {
	s := b
	neg := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 18 {
		n, err := strconv.ParseInt(string(b), 10, 64)
		return n, err == nil
	}
	n := int64(0)
	for _, c := range s {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	if neg {
		n = -n
	}
	return n, true
}

func parseInt64(b []byte) (int64, string) {
	n, ok := parseInt(b)
	if ok {
		return n, ""
	}
	// 1e3 and 2.0 are integers of JSON and of spreadsheets.
	if x, ok := parseFloat(b); ok && x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
		return int64(x), ""
	}
	return 0, notA(b, "an int64")
}

func parseInt32(b []byte) (int32, string) {
	n, reason := parseInt64(b)
	if reason != "" || n < math.MinInt32 || n > math.MaxInt32 {
		return 0, notA(b, "an int32")
	}
	return int32(n), ""
}

// parseFloat takes decimal notation, NaN and infinities; neither hexadecimal nor underscores.
func parseFloat(b []byte) (float64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c == '_' || c == 'x' || c == 'X' || c == 'p' || c == 'P' {
			return 0, false
		}
	}
	x, err := strconv.ParseFloat(textOf(b), 64)
	return x, err == nil
}

func parseFloat64(b []byte) (float64, string) {
	x, ok := parseFloat(b)
	if !ok {
		return 0, notA(b, "a number")
	}
	return x, ""
}

func parseFloat32(b []byte) (float32, string) {
	x, ok := parseFloat(b)
	if !ok || math.Abs(x) > math.MaxFloat32 && !math.IsInf(x, 0) {
		return 0, notA(b, "a float32")
	}
	return float32(x), ""
}

// parseBool takes the words that exports use for truth.
func parseBool(b []byte) (v, ok bool) {
	if len(b) > 5 {
		return false, false
	}
	switch strings.ToLower(textOf(b)) {
	case "true", "t", "yes", "y", "1":
		return true, true
	case "false", "f", "no", "n", "0":
		return false, true
	}
	return false, false
}

func dateParser(f timeFormat) parser[arrow.Date32] {
	return func(b []byte) (arrow.Date32, string) {
		micros, zoned, ok := f.timestamp(b)
		// A time of day that would be lost makes it no date; midnight is how spreadsheets write dates.
		if !ok || zoned || micros%microsPerDay != 0 && f.isISO() {
			return 0, notA(b, "a date")
		}
		days := floorDiv(micros, microsPerDay)
		if days != int64(int32(days)) {
			return 0, notA(b, "a date")
		}
		return arrow.Date32(days), ""
	}
}

func timeParser(f timeFormat) parser[arrow.Time64] {
	return func(b []byte) (arrow.Time64, string) {
		if f.isISO() {
			if micros, rest, ok := isoClock(b); ok && len(rest) == 0 {
				return arrow.Time64(micros), ""
			}
		} else if micros, _, ok := f.timestamp(b); ok {
			return arrow.Time64(micros - floorDiv(micros, microsPerDay)*microsPerDay), ""
		}
		return 0, notA(b, "a time of day")
	}
}

// timestampParser: text without a zone is UTC in a column with one; text with a zone does not fit a column without.
func timestampParser(f timeFormat, zone bool) parser[arrow.Timestamp] {
	return func(b []byte) (arrow.Timestamp, string) {
		micros, zoned, ok := f.timestamp(b)
		if !ok {
			return 0, notA(b, "a timestamp")
		}
		if zoned && !zone {
			return 0, quoted(b) + " has a time zone, the column has none"
		}
		return arrow.Timestamp(micros), ""
	}
}

func decimalParser(t *arrow.Decimal128Type) parser[decimal128.Num] {
	return func(b []byte) (decimal128.Num, string) {
		n, ok := parseDecimal(b, int(t.Precision), int(t.Scale))
		if !ok {
			return n, notA(b, typeName(t))
		}
		return n, ""
	}
}

// parseDecimal reads plain or exponent notation exactly; digits that the scale would cut must be zeros.
func parseDecimal(b []byte, precision, scale int) (decimal128.Num, bool) {
	s := b
	neg := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		s = s[1:]
	}
	var hi, lo uint64
	seen, after, point := false, 0, false
	for _, c := range s {
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c == 'e' || c == 'E':
			return decimalExponent(b, precision, scale)
		case c < '0' || c > '9':
			return decimal128.Num{}, false
		}
		seen = true
		if point && after == scale {
			if c != '0' {
				return decimal128.Num{}, false
			}
			continue
		}
		if point {
			after++
		}
		var ok bool
		if hi, lo, ok = times10(hi, lo, uint64(c-'0')); !ok {
			return decimal128.Num{}, false
		}
	}
	for ; after < scale; after++ {
		var ok bool
		if hi, lo, ok = times10(hi, lo, 0); !ok {
			return decimal128.Num{}, false
		}
	}
	n := decimal128.New(int64(hi), lo)
	if neg {
		n = n.Negate()
	}
	return n, seen && n.FitsInPrecision(int32(precision))
}

// times10 is 10·n + d for n below 10³⁸, and false when the result would not be.
func times10(hi, lo, d uint64) (uint64, uint64, bool) {
	const most = 5_421_010_862_427_522_170 // the high half of 10³⁸
	if hi > most/10 {
		return 0, 0, false
	}
	over, l := bits.Mul64(lo, 10)
	l, carry := bits.Add64(l, d, 0)
	return hi*10 + over + carry, l, true
}

// decimalExponent reads a number with an exponent, which is rare.
func decimalExponent(b []byte, precision, scale int) (decimal128.Num, bool) {
	if i := bytes.IndexAny(b, "eE"); i > 64 || len(b)-i > 4 { // bounds the work: no exponent beyond two digits
		return decimal128.Num{}, false
	}
	r, ok := new(big.Rat).SetString(string(b))
	if !ok || bytes.IndexByte(b, '/') >= 0 || bytes.IndexByte(b, '_') >= 0 {
		return decimal128.Num{}, false
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
	if !r.IsInt() || r.Num().BitLen() > 127 {
		return decimal128.Num{}, false
	}
	n := decimal128.FromBigInt(r.Num())
	return n, n.FitsInPrecision(int32(precision))
}
