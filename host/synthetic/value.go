package synthetic

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/adp-host/adp/host"
)

// append adds a value to a column's builder.
func (c column) append(r *rand.Rand, b array.Builder) {
	if !c.field.Required && r.IntN(8) == 0 {
		b.AppendNull()
		return
	}
	for _, h := range c.hints {
		if h.Kind == host.InvalidValues && len(h.Values) > 0 {
			if v, err := host.ParseLiteral(c.field.Type, h.Values[r.IntN(len(h.Values))]); err == nil {
				appendLiteral(b, v)
				return
			}
		}
	}
	switch t := c.field.Type; t.Kind {
	case host.String:
		appendText(b, c.text(r))
	case host.Float32, host.Float64:
		appendLiteral(b, c.float(r))
	case host.Bool, host.Binary, host.List, host.Struct:
		appendAny(r, b, c.field)
	default:
		appendLiteral(b, c.whole(r))
	}
}

// appendAny adds a value that no rule speaks of.
func appendAny(r *rand.Rand, b array.Builder, f host.Field) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(r.IntN(2) == 0)
	case *array.BinaryBuilder:
		v := make([]byte, r.IntN(20))
		for i := range v {
			v[i] = byte(r.Uint32())
		}
		b.Append(v)
	case *array.ListBuilder:
		b.Append(true)
		for range r.IntN(4) {
			column{field: *f.Type.Elem}.append(r, b.ValueBuilder())
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, sub := range f.Type.Fields {
			column{field: sub}.append(r, b.FieldBuilder(i))
		}
	}
}

// odd are texts that programs get wrong.
var odd = []string{"", " ", "a,b", `say "so"`, "line\nline", "NULL", "0", "-1", "1e999", "Ångström", "日本語", "👩‍👩‍👧", "e\u0301", "\u202eabc", "'; drop table x; --", "<b>", `\`, "\t"}

var letters = []rune("abcdefghij klmnop qrstuvwxyzABCXYZ0123456789äß-_.")

// text makes a text: of the pattern where there is one, else an odd one or some words.
func (c column) text(r *rand.Rand) string {
	least, most := int64(0), int64(40)
	bounded := false
	for _, h := range c.hints {
		if h.Pattern != "" {
			if s, ok := matching(r, h.Pattern); ok {
				return s
			}
		}
		if h.MinLength != nil {
			least, bounded = *h.MinLength, true
			most = max(most, least)
		}
		if h.MaxLength != nil {
			most, bounded = *h.MaxLength, true
		}
	}
	switch n := r.IntN(20); {
	case n < 8 && !bounded:
		return odd[r.IntN(len(odd))]
	case n == 8 && !bounded:
		return strings.Repeat("long ", 200)
	}
	var s []rune
	for n := least + r.Int64N(max(most-least, 0)+1); int64(len(s)) < n; {
		s = append(s, letters[r.IntN(len(letters))])
	}
	return string(s)
}

// float makes a number, often an end of the range that rules leave or a value beside it.
func (c column) float(r *rand.Rand) float64 {
	values := []float64{0, math.Copysign(0, -1), 1, -1, 0.1, -0.5, 1e-9, 123456.789, -1e9, 1e15, r.NormFloat64(), r.NormFloat64() * 1000}
	var least, most *float64
	for _, h := range c.hints {
		if h.Min != nil {
			least = h.Min
		}
		if h.Max != nil {
			most = h.Max
		}
	}
	var first, last float64
	switch {
	case least == nil && most == nil:
		return values[r.IntN(len(values))]
	case least == nil:
		first, last = *most-1e6, *most
	case most == nil:
		first, last = *least, *least+1e6
	default:
		first, last = *least, *most
	}
	ends := []float64{first, last, math.Nextafter(first, last), math.Nextafter(last, first), (first + last) / 2}
	if r.IntN(2) == 0 {
		return ends[r.IntN(len(ends))]
	}
	return first + r.Float64()*(last-first)
}

// whole makes a value of a kind that is a number of units: an integer, a decimal, a date or a time.
func (c column) whole(r *rand.Rand) *big.Int {
	first, last, notable := limits(c.field.Type)
	bounded := false
	for _, h := range c.hints {
		for _, bound := range []struct {
			number *float64
			text   string
			to     *int64
		}{{h.Min, h.MinText, &first}, {h.Max, h.MaxText, &last}} {
			v := new(big.Int)
			switch {
			case bound.number != nil:
				scaled, _ := new(big.Float).Mul(big.NewFloat(*bound.number), new(big.Float).SetInt(power(c.field.Type.Scale))).Int(v)
				v = scaled
			case bound.text != "":
				literal, err := host.ParseLiteral(c.field.Type, bound.text)
				if whole, ok := literal.(*big.Int); err == nil && ok {
					v = whole
				} else {
					continue
				}
			default:
				continue
			}
			if v.IsInt64() {
				*bound.to, bounded = v.Int64(), true
			}
		}
	}
	switch n := r.IntN(4); {
	case n == 0 && !bounded:
		return big.NewInt(notable[r.IntN(len(notable))])
	case n <= 1:
		return big.NewInt([]int64{first, last, add(first, 1), add(last, -1)}[r.IntN(4)])
	case n == 2 && first <= 0 && last > 100:
		return big.NewInt(r.Int64N(100))
	}
	if first >= last {
		return big.NewInt(first)
	}
	return new(big.Int).Add(big.NewInt(first), new(big.Int).SetUint64(r.Uint64N(uint64(last)-uint64(first))))
}

func add(a, b int64) int64 {
	if sum := a + b; (sum > a) == (b > 0) {
		return sum
	}
	return a
}

func power(scale int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
}

// limits are the least and the largest value of a kind that make sense everywhere, and some that programs get wrong.
func limits(t host.Type) (first, last int64, notable []int64) {
	day := func(year, month, date int) int64 {
		return time.Date(year, time.Month(month), date, 0, 0, 0, 0, time.UTC).Unix() / 86400
	}
	const micros = 86400 * 1_000_000
	days := []int64{day(1970, 1, 1), day(2000, 2, 29), day(2024, 2, 29), day(1999, 12, 31), day(2038, 1, 19), day(1900, 3, 1), day(2024, 3, 31), -1}
	switch t.Kind {
	case host.Int32:
		return math.MinInt32, math.MaxInt32, []int64{0, 1, -1}
	case host.Date:
		return day(1, 1, 1), day(9999, 12, 31), days
	case host.Time:
		return 0, micros - 1, []int64{0, micros / 2, micros - 1}
	case host.Timestamp, host.TimestampTZ:
		for i := range days {
			days[i] = days[i]*micros + micros - 1
		}
		return day(1, 1, 1) * micros, day(9999, 12, 31) * micros, days
	case host.Decimal:
		if t.Precision < 19 {
			most := power(t.Precision).Int64() - 1
			return -most, most, []int64{0, 1, -1}
		}
	}
	return math.MinInt64, math.MaxInt64, []int64{0, 1, -1, 1 << 53}
}

func appendText(b array.Builder, s string) { b.(*array.StringBuilder).Append(s) }

// appendLiteral adds a value as host.ParseLiteral gives it.
func appendLiteral(b array.Builder, v any) {
	whole, _ := v.(*big.Int)
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.Float32Builder:
		b.Append(float32(v.(float64)))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Int32Builder:
		b.Append(int32(whole.Int64()))
	case *array.Int64Builder:
		b.Append(whole.Int64())
	case *array.Decimal128Builder:
		b.Append(decimal128.FromBigInt(whole))
	case *array.Date32Builder:
		b.Append(arrow.Date32(whole.Int64()))
	case *array.Time64Builder:
		b.Append(arrow.Time64(whole.Int64()))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(whole.Int64()))
	default:
		b.AppendNull()
	}
}
