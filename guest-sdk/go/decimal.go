package adp

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// Decimal is a 128-bit integer, the unscaled value of a decimal column: 12.34 in a decimal(10,2) is 1234. The scale is the
// column's. Its memory is that of an Arrow decimal128.
type Decimal struct {
	Lo uint64
	Hi int64
}

// DecimalOf is v, unscaled.
func DecimalOf(v int64) Decimal { return Decimal{Lo: uint64(v), Hi: v >> 63} }

// Int64 is the unscaled value, and whether it fits.
func (d Decimal) Int64() (int64, bool) { return int64(d.Lo), d.Hi == int64(d.Lo)>>63 }

// Add is d + e, wrapping at 128 bits.
func (d Decimal) Add(e Decimal) Decimal {
	lo, carry := bits.Add64(d.Lo, e.Lo, 0)
	hi, _ := bits.Add64(uint64(d.Hi), uint64(e.Hi), carry)
	return Decimal{Lo: lo, Hi: int64(hi)}
}

// Neg is −d.
func (d Decimal) Neg() Decimal {
	lo, borrow := bits.Sub64(0, d.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(d.Hi), borrow)
	return Decimal{Lo: lo, Hi: int64(hi)}
}

// Sub is d − e, wrapping at 128 bits.
func (d Decimal) Sub(e Decimal) Decimal { return d.Add(e.Neg()) }

// Cmp is −1, 0 or 1 as d is less than, equal to or greater than e, both of one scale.
func (d Decimal) Cmp(e Decimal) int {
	switch {
	case d.Hi < e.Hi || d.Hi == e.Hi && d.Lo < e.Lo:
		return -1
	case d == e:
		return 0
	}
	return 1
}

// Float64 is the value at the scale, rounded.
func (d Decimal) Float64(scale int) float64 {
	neg := d.Hi < 0
	if neg {
		d = d.Neg()
	}
	f := (math.Ldexp(float64(uint64(d.Hi)), 64) + float64(d.Lo)) / math.Pow10(scale)
	if neg {
		return -f
	}
	return f
}

// Text is the value at the scale: DecimalOf(1234).Text(2) is "12.34".
func (d Decimal) Text(scale int) string {
	neg := d.Hi < 0
	if neg {
		d = d.Neg()
	}
	hi, lo := uint64(d.Hi), d.Lo
	const chunk = 1e18
	var parts []uint64
	for hi != 0 || lo >= chunk {
		q := hi / chunk
		var r uint64
		lo, r = bits.Div64(hi%chunk, lo, chunk)
		hi = q
		parts = append(parts, r)
	}
	s := strconv.FormatUint(lo, 10)
	for i := len(parts) - 1; i >= 0; i-- {
		s += pad(strconv.FormatUint(parts[i], 10), 18)
	}
	if scale > 0 {
		s = pad(s, scale+1)
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if neg {
		return "-" + s
	}
	return s
}

func pad(s string, n int) string {
	for len(s) < n {
		s = "0" + s
	}
	return s
}

var errDecimal = errors.New("not a decimal number of at most 38 digits at this scale")

// ParseDecimal reads digits with an optional sign and point at the scale. Digits beyond the scale must be zero.
func ParseDecimal(s string, scale int) (Decimal, error) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	var d Decimal
	digits, fraction, point := 0, 0, false
	add := func(digit uint64) bool {
		if d != (Decimal{}) || digit != 0 {
			digits++
		}
		hi, lo := bits.Mul64(d.Lo, 10)
		lo, carry := bits.Add64(lo, digit, 0)
		d = Decimal{Lo: lo, Hi: d.Hi*10 + int64(hi) + int64(carry)}
		return digits <= 38
	}
	seen := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return Decimal{}, errDecimal
		}
		seen = true
		if point {
			if fraction == scale {
				if c != '0' {
					return Decimal{}, errDecimal
				}
				continue
			}
			fraction++
		}
		if !add(uint64(c - '0')) {
			return Decimal{}, errDecimal
		}
	}
	for ; fraction < scale; fraction++ {
		if !add(0) {
			return Decimal{}, errDecimal
		}
	}
	if !seen {
		return Decimal{}, errDecimal
	}
	if neg {
		d = d.Neg()
	}
	return d, nil
}
