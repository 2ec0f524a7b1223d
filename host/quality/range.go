package quality

import (
	"fmt"
	"math"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/adp-host/adp/host"
)

// bounds are the first and last valid number of a rule, in the unit of the column's storage; nil where there is none.
// first > last when no number is valid.
type bounds struct{ first, last *big.Int }

// wholeBounds turns the bounds of a rule over integers, decimals and times into whole numbers, so that rows are
// compared without a conversion and without rounding.
func wholeBounds(r host.Rule, t host.Type) (bounds, error) {
	var b bounds
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Scale)), nil))
	read := func(number *float64, text string) (*big.Rat, error) {
		if number != nil {
			f, ok := new(big.Rat).SetString(fmt.Sprint(*number)) // the number as written, not as a double is stored
			if !ok {
				return nil, fmt.Errorf("%v is no bound", *number)
			}
			return f.Mul(f, scale), nil
		}
		if text == "" {
			return nil, nil
		}
		v, err := host.ParseLiteral(t, text)
		if err != nil {
			return nil, err
		}
		return new(big.Rat).SetInt(v.(*big.Int)), nil
	}
	low, err := read(r.Min, r.MinText)
	if err != nil {
		return b, err
	}
	high, err := read(r.Max, r.MaxText)
	if err != nil {
		return b, err
	}
	if low != nil {
		b.first = floor(low)
		if r.MinOpen || !low.IsInt() {
			b.first.Add(b.first, big.NewInt(1))
		}
	}
	if high != nil {
		b.last = floor(high)
		if r.MaxOpen && high.IsInt() {
			b.last.Sub(b.last, big.NewInt(1))
		}
	}
	return b, nil
}

// floor is the greatest whole number that is not greater than r; Div of big.Int rounds that way for positive divisors.
func floor(r *big.Rat) *big.Int { return new(big.Int).Div(r.Num(), r.Denom()) }

// within gives the bounds as integers of a storage type that holds lowest to highest.
func (b bounds) within(lowest, highest int64) (first, last int64) {
	first, last = lowest, highest
	if b.first != nil && b.first.Cmp(big.NewInt(lowest)) > 0 {
		if b.first.Cmp(big.NewInt(highest)) > 0 {
			return 1, 0
		}
		first = b.first.Int64()
	}
	if b.last != nil && b.last.Cmp(big.NewInt(highest)) < 0 {
		if b.last.Cmp(big.NewInt(lowest)) < 0 {
			return 1, 0
		}
		last = b.last.Int64()
	}
	return first, last
}

// floatBounds are the first and last valid number; NaN is never between them.
func floatBounds(r host.Rule) (first, last float64) {
	first, last = math.Inf(-1), math.Inf(1)
	if r.Min != nil {
		first = *r.Min
	}
	if r.Max != nil {
		last = *r.Max
	}
	return first, last
}

// rangeJudge marks the values outside the bounds of a rule.
func rangeJudge(r host.Rule, t host.Type) (judge, error) {
	isTime := t.Kind == host.Date || t.Kind == host.Time || t.Kind == host.Timestamp || t.Kind == host.TimestampTZ
	switch {
	case isTime && (r.Min != nil || r.Max != nil):
		return nil, fmt.Errorf("a numeric range is demanded of a column of type %s", t)
	case !isTime && (r.MinText != "" || r.MaxText != ""):
		return nil, fmt.Errorf("a range of dates or times is demanded of a column of type %s", t)
	}
	switch t.Kind {
	case host.Float32:
		return float32Judge(r), nil
	case host.Float64:
		return float64Judge(r), nil
	case host.Int32, host.Int64, host.Decimal, host.Date, host.Time, host.Timestamp, host.TimestampTZ:
	default:
		return nil, fmt.Errorf("a range is demanded of a column of type %s", t)
	}
	b, err := wholeBounds(r, t)
	if err != nil {
		return nil, err
	}
	first32, last32 := b.within(math.MinInt32, math.MaxInt32)
	first, last := b.within(math.MinInt64, math.MaxInt64)
	switch t.Kind {
	case host.Int32:
		return func(col arrow.Array, bad mask) {
			outside(col.(*array.Int32).Int32Values(), int32(first32), int32(last32), bad)
		}, nil
	case host.Int64:
		return func(col arrow.Array, bad mask) { outside(col.(*array.Int64).Int64Values(), first, last, bad) }, nil
	case host.Date:
		return func(col arrow.Array, bad mask) {
			outside(col.(*array.Date32).Date32Values(), arrow.Date32(first32), arrow.Date32(last32), bad)
		}, nil
	case host.Time:
		return func(col arrow.Array, bad mask) {
			outside(col.(*array.Time64).Time64Values(), arrow.Time64(first), arrow.Time64(last), bad)
		}, nil
	case host.Timestamp, host.TimestampTZ:
		return func(col arrow.Array, bad mask) {
			outside(col.(*array.Timestamp).TimestampValues(), arrow.Timestamp(first), arrow.Timestamp(last), bad)
		}, nil
	}
	return decimalJudge(b), nil
}

func float64Judge(r host.Rule) judge {
	first, last := floatBounds(r)
	if r.MinOpen && r.Min != nil {
		first = math.Nextafter(first, math.Inf(1))
	}
	if r.MaxOpen && r.Max != nil {
		last = math.Nextafter(last, math.Inf(-1))
	}
	return func(col arrow.Array, bad mask) { outside(col.(*array.Float64).Float64Values(), first, last, bad) }
}

// float32Judge rounds the bounds to the column's precision: where a contract bounds floats by 0.1, the float 0.1 is the bound.
func float32Judge(r host.Rule) judge {
	low, high := floatBounds(r)
	first, last := float32(low), float32(high)
	if r.MinOpen && r.Min != nil {
		first = math.Nextafter32(first, float32(math.Inf(1)))
	}
	if r.MaxOpen && r.Max != nil {
		last = math.Nextafter32(last, float32(math.Inf(-1)))
	}
	return func(col arrow.Array, bad mask) { outside(col.(*array.Float32).Float32Values(), first, last, bad) }
}

func decimalJudge(b bounds) judge {
	limit := new(big.Int).Lsh(big.NewInt(1), 126) // no decimal of 38 digits reaches it
	clamp := func(v *big.Int, none *big.Int) decimal128.Num {
		switch {
		case v == nil:
			return decimal128.FromBigInt(none)
		case v.CmpAbs(limit) > 0 && v.Sign() < 0:
			return decimal128.FromBigInt(new(big.Int).Neg(limit))
		case v.CmpAbs(limit) > 0:
			return decimal128.FromBigInt(limit)
		}
		return decimal128.FromBigInt(v)
	}
	first, last := clamp(b.first, new(big.Int).Neg(limit)), clamp(b.last, limit)
	return func(col arrow.Array, bad mask) {
		for i, v := range col.(*array.Decimal128).Values() {
			if v.Less(first) || v.Greater(last) {
				bad.set(i)
			}
		}
	}
}

// outside marks the values that are not from first to last. The loop has no branch, so that its cost does not depend on
// how many values are bad.
func outside[T int32 | int64 | float32 | float64 | arrow.Date32 | arrow.Time64 | arrow.Timestamp](values []T, first, last T, bad mask) {
	for w := range bad {
		part := values[w<<6 : min(w<<6+64, len(values))]
		var bits uint64
		for i, v := range part {
			bits |= (1 ^ bit(v >= first)&bit(v <= last)) << (i & 63)
		}
		bad[w] |= bits
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
