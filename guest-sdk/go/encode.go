package adp

import (
	"errors"
	"reflect"
	"unsafe"
)

// An encoder adds the n values that lie at src, stride bytes apart, to a column. Rows are encoded column by column where
// that is safe, see RowWriter.
type encoder func(b *Builder, src unsafe.Pointer, stride uintptr, n int)

// rowEncoder adds structs to the columns of one port.
type rowEncoder struct {
	members []memberEncoder
	op      bool // one of them is _op
	shared  bool // rows refer to memory that the author may change later: pointers and slices
}

type memberEncoder struct {
	column int
	offset uintptr
	encode encoder
}

func newRowEncoder(t reflect.Type, fields []Field, where string) (*rowEncoder, error) {
	members, err := bind(t, fields, where, true)
	if err != nil {
		return nil, err
	}
	e := &rowEncoder{}
	for _, m := range members {
		enc, err := encoderOf(m.typ, &fields[m.column])
		if err != nil {
			return nil, errors.New(where + ": " + err.Error())
		}
		e.op = e.op || m.name == columnOp
		e.shared = e.shared || shares(m.typ)
		e.members = append(e.members, memberEncoder{m.column, m.offset, enc})
	}
	return e, nil
}

// shares reports whether values of t refer to memory that can change.
func shares(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return true
	case reflect.Struct:
		for i := range t.NumField() {
			if shares(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

func (e *rowEncoder) encode(columns []Builder, src unsafe.Pointer, stride uintptr, n int) {
	for i := range e.members {
		m := &e.members[i]
		m.encode(&columns[m.column], unsafe.Add(src, m.offset), stride, n)
	}
}

func encoderOf(t reflect.Type, f *Field) (encoder, error) {
	s, err := shapeOf(t, f)
	if err != nil {
		return nil, err
	}
	switch s {
	case asPointer:
		return pointerEncoder(t, f)
	case asNull:
		return nullEncoder(t, f)
	case asString:
		return encodeStrings, nil
	case asBytes:
		return encodeBytes, nil
	case asSlice:
		return sliceEncoder(t, f)
	case asStruct:
		e, err := newRowEncoder(t, f.Fields, "struct "+f.Name)
		return func(b *Builder, src unsafe.Pointer, stride uintptr, n int) {
			e.encode(b.children, src, stride, n)
			b.presents(n)
		}, err
	}
	if f.Kind == KindBool {
		return encodeBools, nil
	}
	switch widths[f.Kind] {
	case 4:
		return encodeFixed[uint32], nil
	case 16:
		return encodeFixed[[2]uint64], nil
	}
	return encodeFixed[uint64], nil
}

func encodeFixed[T any](b *Builder, src unsafe.Pointer, stride uintptr, n int) {
	at, size := len(b.values), n*int(unsafe.Sizeof(*new(T)))
	b.values = b.room(size)[:at+size]
	out := unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b.values)), at)), n)
	for i := range out {
		out[i] = *(*T)(unsafe.Add(src, uintptr(i)*stride))
	}
	b.presents(n)
}

func encodeBools(b *Builder, src unsafe.Pointer, stride uintptr, n int) {
	for i := range n {
		b.Bool(*(*bool)(unsafe.Add(src, uintptr(i)*stride)))
	}
}

func encodeStrings(b *Builder, src unsafe.Pointer, stride uintptr, n int) {
	values, offsets := b.values, b.offsets
	for i := range n {
		values = append(values, *(*string)(unsafe.Add(src, uintptr(i)*stride))...)
		offsets = append(offsets, int32(len(values)))
	}
	b.values, b.offsets = values, offsets
	b.presents(n)
}

func encodeBytes(b *Builder, src unsafe.Pointer, stride uintptr, n int) {
	for i := range n {
		v := *(*[]byte)(unsafe.Add(src, uintptr(i)*stride))
		if v == nil && b.field.Nullable {
			b.Null()
		} else {
			pushBytes(b, v)
		}
	}
}

func pointerEncoder(t reflect.Type, f *Field) (encoder, error) {
	elem, err := encoderOf(t.Elem(), f)
	return func(b *Builder, src unsafe.Pointer, stride uintptr, n int) {
		for i := range n {
			if p := *(*unsafe.Pointer)(unsafe.Add(src, uintptr(i)*stride)); p != nil {
				elem(b, p, 0, 1)
			} else {
				b.Null()
			}
		}
	}, err
}

// nullEncoder adds stretches of values that are there at once.
func nullEncoder(t reflect.Type, f *Field) (encoder, error) {
	value, valid := t.Field(0), t.Field(1)
	elem, err := encoderOf(value.Type, f)
	return func(b *Builder, src unsafe.Pointer, stride uintptr, n int) {
		there := func(i int) bool { return *(*bool)(unsafe.Add(src, uintptr(i)*stride+valid.Offset)) }
		for i := 0; i < n; {
			if !there(i) {
				b.Null()
				i++
				continue
			}
			k := i + 1
			for k < n && there(k) {
				k++
			}
			elem(b, unsafe.Add(src, uintptr(i)*stride+value.Offset), stride, k-i)
			i = k
		}
	}, err
}

func sliceEncoder(t reflect.Type, f *Field) (encoder, error) {
	elem, err := encoderOf(t.Elem(), &f.Fields[0])
	size := t.Elem().Size()
	return func(b *Builder, src unsafe.Pointer, stride uintptr, n int) {
		for i := range n {
			s := *(*sliceHeader)(unsafe.Add(src, uintptr(i)*stride))
			if s.data == nil && b.field.Nullable {
				b.Null()
				continue
			}
			elem(&b.children[0], s.data, size, s.len)
			b.EndList()
		}
	}, err
}
