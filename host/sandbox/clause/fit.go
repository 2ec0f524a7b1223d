package clause

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi/abitest"
)

// fit makes the made-up values of columns that cross in another form such that they fit it: small numbers, whole seconds, the
// sizes that are fixed.
func fit(r abitest.Row, c crossing) {
	for i, v := range r {
		want := c.guest.Field(i).Type
		if v == nil || arrow.TypeEqual(want, c.plain.Field(i).Type) {
			continue
		}
		switch v := v.(type) {
		case int32:
			r[i] = v & 63
		case int64:
			r[i] = fitTime(v, want)
		case abitest.Decimal:
			r[i] = abitest.Decimal{Lo: v.Lo & 63}
		case float32:
			r[i] = float32(int(v) & 63)
		case float64:
			r[i] = float64(int(v) & 63)
		case []byte:
			if t, ok := want.(*arrow.FixedSizeBinaryType); ok {
				r[i] = append(v, make([]byte, t.ByteWidth)...)[:t.ByteWidth]
			}
		case []any:
			r[i] = fitList(v, want)
		}
	}
}

// fitTime is for times, whose unit may be a second, and for numbers.
func fitTime(v int64, want arrow.DataType) int64 {
	switch want.(type) {
	case arrow.TemporalWithUnit:
		return v & 0xffff * 1_000_000
	}
	return v & 63
}

// fitList is for lists of a fixed size; made-up rows have an element to repeat or none, and then the list is null where it can be.
func fitList(v []any, want arrow.DataType) any {
	t, ok := want.(*arrow.FixedSizeListType)
	if !ok {
		return v
	}
	for len(v) > 0 && len(v) < int(t.Len()) {
		v = append(v, v[0])
	}
	if len(v) == 0 {
		return nil
	}
	return v[:t.Len()]
}
