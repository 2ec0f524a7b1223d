package file

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// column collects the values of one column from text. Unlike Arrow's builders it can take its last value back, so that
// a row is rejected as a whole when one of its values does not parse.
type column interface {
	// text appends a value; the reason is "" when it parsed, else nothing was appended.
	text(b []byte) (reason string)
	// json appends a JSON value of valid syntax; null is given to null instead.
	json(v []byte) (reason string)
	null()
	// drop takes back the last value.
	drop()
	len() int
	// array gives the collected values and begins anew.
	array() arrow.Array
}

// newColumn makes the column of a field; f is how its times are written.
func newColumn(field arrow.Field, f timeFormat, trim bool) (column, error) {
	switch t := field.Type.(type) {
	case *arrow.BooleanType:
		return &boolColumn{}, nil
	case *arrow.Int32Type:
		return newFixed(t, parseInt32), nil
	case *arrow.Int64Type:
		return newFixed(t, parseInt64), nil
	case *arrow.Float32Type:
		return newFixed(t, parseFloat32), nil
	case *arrow.Float64Type:
		return newFixed(t, parseFloat64), nil
	case *arrow.Decimal128Type:
		return newFixed(t, decimalParser(t)), nil
	case *arrow.Date32Type:
		return newFixed(t, dateParser(f)), nil
	case *arrow.Time64Type:
		if t.Unit == arrow.Microsecond {
			return newFixed(t, timeParser(f)), nil
		}
	case *arrow.TimestampType:
		if t.Unit == arrow.Microsecond {
			return newFixed(t, timestampParser(f, t.TimeZone != "")), nil
		}
	case *arrow.StringType:
		return &stringColumn{dt: t, trim: trim, offsets: []int32{0}}, nil
	case *arrow.BinaryType:
		return &stringColumn{dt: t, binary: true, offsets: []int32{0}}, nil
	case *arrow.ListType:
		elem, err := newColumn(t.ElemField(), f, trim)
		if err != nil {
			return nil, err
		}
		return &listColumn{dt: t, elem: elem, offsets: []int32{0}}, nil
	case *arrow.StructType:
		return newStructColumn(t, f, trim)
	}
	return nil, &drivers.Error{Kind: drivers.ErrSchema, Message: fmt.Sprintf("column %s: %s cannot be read from text", field.Name, field.Type)}
}

// validity is an Arrow validity bitmap under construction.
type validity struct {
	bits  []byte
	n     int
	nulls int
}

func (v *validity) append(valid bool) {
	if v.n&7 == 0 {
		v.bits = append(v.bits, 0)
	}
	if valid {
		v.bits[v.n>>3] |= 1 << (v.n & 7)
	} else {
		v.nulls++
	}
	v.n++
}

func (v *validity) drop() {
	v.n--
	if v.bits[v.n>>3]&(1<<(v.n&7)) == 0 {
		v.nulls--
	}
	v.bits[v.n>>3] &^= 1 << (v.n & 7)
	if v.n&7 == 0 {
		v.bits = v.bits[:v.n>>3]
	}
}

func (v *validity) len() int { return v.n }

// take gives the bitmap, nil when there are no nulls, and begins anew.
func (v *validity) take() (b *memory.Buffer, n, nulls int) {
	n, nulls = v.n, v.nulls
	if nulls > 0 {
		b = memory.NewBufferBytes(v.bits)
		*v = validity{bits: make([]byte, 0, cap(v.bits))}
	} else {
		*v = validity{bits: v.bits[:0]}
	}
	return b, n, nulls
}

// arrayOf wraps Go slices as an Arrow array: they belong to the array from here on.
func arrayOf(dt arrow.DataType, n, nulls int, buffers []*memory.Buffer, children ...arrow.ArrayData) arrow.Array {
	d := array.NewData(dt, n, buffers, children, nulls, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// fixed is a column of values of one width.
type fixed[T any] struct {
	validity
	dt     arrow.DataType
	parse  parser[T]
	values []T
}

// parser reads a value from text; the reason is "" when it could.
type parser[T any] func(b []byte) (v T, reason string)

func newFixed[T any](dt arrow.DataType, p parser[T]) *fixed[T] { return &fixed[T]{dt: dt, parse: p} }

func (c *fixed[T]) text(b []byte) string {
	v, reason := c.parse(trimSpace(b))
	if reason != "" {
		return reason
	}
	c.values = append(c.values, v)
	c.append(true)
	return ""
}

func (c *fixed[T]) json(v []byte) string {
	switch v[0] {
	case '"':
		switch c.dt.ID() {
		case arrow.INT32, arrow.INT64, arrow.FLOAT32, arrow.FLOAT64:
			return notA(v, "a number")
		}
		return c.text(unquote(nil, v))
	case '{', '[', 't', 'f':
		return notA(v, typeName(c.dt))
	}
	return c.text(v)
}

func (c *fixed[T]) null() {
	var zero T
	c.values = append(c.values, zero)
	c.append(false)
}

func (c *fixed[T]) drop() {
	c.validity.drop()
	c.values = c.values[:c.n]
}

func (c *fixed[T]) array() arrow.Array {
	valid, n, nulls := c.take()
	values := c.values
	c.values = make([]T, 0, cap(values))
	return arrayOf(c.dt, n, nulls, []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(values))})
}

// boolColumn keeps values as bits.
type boolColumn struct {
	validity
	values validity
}

func (c *boolColumn) text(b []byte) string {
	v, ok := parseBool(trimSpace(b))
	if !ok {
		return notA(b, "a bool")
	}
	c.values.append(v)
	c.append(true)
	return ""
}

func (c *boolColumn) json(v []byte) string {
	if v[0] != 't' && v[0] != 'f' {
		return notA(v, "a bool")
	}
	return c.text(v)
}

func (c *boolColumn) null() {
	c.values.append(false)
	c.append(false)
}

func (c *boolColumn) drop() {
	c.values.drop()
	c.validity.drop()
}

func (c *boolColumn) array() arrow.Array {
	valid, n, nulls := c.take()
	values := c.values.bits
	c.values = validity{bits: make([]byte, 0, cap(values))}
	return arrayOf(arrow.FixedWidthTypes.Boolean, n, nulls, []*memory.Buffer{valid, memory.NewBufferBytes(values)})
}
