package adp

import (
	"errors"
	"reflect"
	"strconv"
	"unsafe"
)

// A decoder writes rows [from, from+n) of a column to n places that lie stride bytes apart. Rows are decoded column by
// column, some hundred at a time, which costs one call for each column instead of one for each value. What a decoder
// writes owns its memory: strings of one call share one copy.
type decoder func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error

// rowDecoder fills structs from the columns of one port.
type rowDecoder struct {
	members []memberDecoder
}

type memberDecoder struct {
	column int
	offset uintptr
	decode decoder
}

func newRowDecoder(t reflect.Type, fields []Field, where string) (*rowDecoder, error) {
	members, err := bind(t, fields, where, false)
	if err != nil {
		return nil, err
	}
	d := &rowDecoder{}
	for _, m := range members {
		dec, err := decoderOf(m.typ, &fields[m.column], m.zero)
		if err != nil {
			return nil, errors.New(where + ": " + err.Error())
		}
		d.members = append(d.members, memberDecoder{m.column, m.offset, dec})
	}
	return d, nil
}

func (d *rowDecoder) decode(columns []Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
	for i := range d.members {
		m := &d.members[i]
		if err := m.decode(&columns[m.column], from, n, unsafe.Add(dst, m.offset), stride); err != nil {
			return err
		}
	}
	return nil
}

// decoderOf is the decoder for columns of f into values of t. zero: null becomes the zero value.
func decoderOf(t reflect.Type, f *Field, zero bool) (decoder, error) {
	s, err := shapeOf(t, f)
	if err != nil {
		return nil, err
	}
	var d decoder
	switch s {
	case asPointer:
		return pointerDecoder(t, f)
	case asNull:
		return nullDecoder(t, f)
	case asString:
		d = decodeStrings
	case asBytes:
		return decodeBytes, nil
	case asSlice:
		return sliceDecoder(t, f)
	case asStruct:
		if d, err = structDecoder(t, f); err != nil {
			return nil, err
		}
	default:
		d = scalarDecoder(f.Kind)
	}
	switch {
	case !f.Nullable:
		return d, nil
	case zero:
		return zeroing(d, t.Size()), nil
	}
	return refusing(d, t, f), nil
}

func scalarDecoder(k Kind) decoder {
	if k == KindBool {
		return decodeBools
	}
	switch widths[k] {
	case 4:
		return decodeFixed[uint32]
	case 16:
		return decodeFixed[[2]uint64]
	}
	return decodeFixed[uint64]
}

func decodeFixed[T any](c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
	v := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(c.values))), c.n)[from : from+n]
	if stride == unsafe.Sizeof(v[0]) {
		copy(unsafe.Slice((*T)(dst), n), v)
		return nil
	}
	for i := range v { // never step a pointer past the last place: the collector might follow it
		*(*T)(unsafe.Add(dst, uintptr(i)*stride)) = v[i]
	}
	return nil
}

func decodeBools(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
	v := Bits{c.values, c.bit, c.n}
	for i := range n {
		*(*bool)(unsafe.Add(dst, uintptr(i)*stride)) = v.At(from + i)
	}
	return nil
}

func decodeStrings(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
	o := c.offsets[from : from+n+1]
	base := o[0]
	all := string(c.values[base:o[n]])
	for i := range n {
		*(*string)(unsafe.Add(dst, uintptr(i)*stride)) = all[o[i]-base : o[i+1]-base]
	}
	return nil
}

func decodeBytes(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
	o := c.offsets[from : from+n+1]
	base := o[0]
	all := append(make([]byte, 0, int(o[n]-base)+1), c.values[base:o[n]]...) // one more: an empty value is not nil
	for i := range n {
		p := (*[]byte)(unsafe.Add(dst, uintptr(i)*stride))
		if c.IsNull(from + i) {
			*p = nil
		} else {
			*p = all[o[i]-base : o[i+1]-base : o[i+1]-base]
		}
	}
	return nil
}

// sliceHeader is what a slice is in memory, of whatever element.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

func sliceDecoder(t reflect.Type, f *Field) (decoder, error) {
	elem, err := decoderOf(t.Elem(), &f.Fields[0], false)
	if err != nil {
		return nil, err
	}
	size := t.Elem().Size()
	return func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		o := c.offsets[from : from+n+1]
		total := int(o[n] - o[0])
		all := reflect.MakeSlice(t, total, total+1).UnsafePointer() // one more: a slice at the end points inside
		if err := elem(&c.children[0], int(o[0]), total, all, size); err != nil {
			return err
		}
		for i := range n {
			p := (*sliceHeader)(unsafe.Add(dst, uintptr(i)*stride))
			if c.IsNull(from + i) {
				*p = sliceHeader{}
				continue
			}
			k := int(o[i+1] - o[i])
			*p = sliceHeader{unsafe.Add(all, uintptr(o[i]-o[0])*size), k, k}
		}
		return nil
	}, nil
}

func structDecoder(t reflect.Type, f *Field) (decoder, error) {
	d, err := newRowDecoder(t, f.Fields, "struct "+f.Name)
	if err != nil {
		return nil, err
	}
	return func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		return d.decode(c.children, from, n, dst, stride)
	}, nil
}

// pointerDecoder puts the values into one allocation and points to those that are there.
func pointerDecoder(t reflect.Type, f *Field) (decoder, error) {
	required := *f
	required.Nullable = false // whether a row is null is the pointer's business
	elem, err := decoderOf(t.Elem(), &required, false)
	if err != nil {
		return nil, err
	}
	elem = between(elem)
	size, slice := t.Elem().Size(), reflect.SliceOf(t.Elem())
	return func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		all := reflect.MakeSlice(slice, n, n).UnsafePointer()
		if err := elem(c, from, n, all, size); err != nil {
			return err
		}
		for i := range n {
			p := (*unsafe.Pointer)(unsafe.Add(dst, uintptr(i)*stride))
			if c.IsNull(from + i) {
				*p = nil
			} else {
				*p = unsafe.Add(all, uintptr(i)*size)
			}
		}
		return nil
	}, nil
}

func nullDecoder(t reflect.Type, f *Field) (decoder, error) {
	required := *f
	required.Nullable = false
	value, valid := t.Field(0), t.Field(1)
	elem, err := decoderOf(value.Type, &required, false)
	if err != nil {
		return nil, err
	}
	elem = between(elem)
	fill := zeroing(elem, value.Type.Size())
	return func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		if err := fill(c, from, n, unsafe.Add(dst, value.Offset), stride); err != nil {
			return err
		}
		for i := range n {
			*(*bool)(unsafe.Add(dst, uintptr(i)*stride+valid.Offset)) = !c.IsNull(from + i)
		}
		return nil
	}, nil
}

// between calls d for the stretches of rows that are there only: what lies under null is nothing to decode.
func between(d decoder) decoder {
	return func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		if c.Nulls() == 0 {
			return d(c, from, n, dst, stride)
		}
		for i := 0; i < n; {
			if c.IsNull(from + i) {
				i++
				continue
			}
			k := i + 1
			for k < n && !c.IsNull(from+k) {
				k++
			}
			if err := d(c, from+i, k-i, unsafe.Add(dst, uintptr(i)*stride), stride); err != nil {
				return err
			}
			i = k
		}
		return nil
	}
}

// zeroing clears the places of rows that are null.
func zeroing(d decoder, size uintptr) decoder {
	d = between(d)
	return func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		if c.Nulls() > 0 {
			for i := range n {
				if c.IsNull(from + i) {
					clear(unsafe.Slice((*byte)(unsafe.Add(dst, uintptr(i)*stride)), size))
				}
			}
		}
		return d(c, from, n, dst, stride)
	}
}

// refusing fails on the first null, since t cannot show that a value is missing.
func refusing(d decoder, t reflect.Type, f *Field) decoder {
	return func(c *Column, from, n int, dst unsafe.Pointer, stride uintptr) error {
		if c.Nulls() > 0 {
			for i := range n {
				if c.IsNull(from + i) {
					return errors.New("column " + f.Name + " is null in row " + strconv.Itoa(from+i) + " of the batch: make its field a *" +
						t.String() + " or an adp.Null[" + t.String() + "], or tag it `adp:\"" + f.Name + ",zero\"`")
				}
			}
		}
		return d(c, from, n, dst, stride)
	}
}
