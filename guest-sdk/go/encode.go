package adp

import (
	"errors"
	"reflect"
	"unsafe"
)

// An encoder adds the value at src to a column.
type encoder func(b *Builder, src unsafe.Pointer)

// rowEncoder adds structs to the columns of one port.
type rowEncoder struct {
	members []memberEncoder
	op      bool // one of them is _op
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
		e.members = append(e.members, memberEncoder{m.column, m.offset, enc})
	}
	return e, nil
}

func (e *rowEncoder) encode(columns []Builder, src unsafe.Pointer) {
	for i := range e.members {
		m := &e.members[i]
		m.encode(&columns[m.column], unsafe.Add(src, m.offset))
	}
}

func encoderOf(t reflect.Type, f *Field) (encoder, error) {
	s, err := shapeOf(t, f)
	if err != nil {
		return nil, err
	}
	switch s {
	case asPointer:
		elem, err := encoderOf(t.Elem(), f)
		return func(b *Builder, src unsafe.Pointer) {
			if p := *(*unsafe.Pointer)(src); p != nil {
				elem(b, p)
			} else {
				b.Null()
			}
		}, err
	case asNull:
		value, valid := t.Field(0), t.Field(1)
		elem, err := encoderOf(value.Type, f)
		return func(b *Builder, src unsafe.Pointer) {
			if *(*bool)(unsafe.Add(src, valid.Offset)) {
				elem(b, unsafe.Add(src, value.Offset))
			} else {
				b.Null()
			}
		}, err
	case asString:
		return func(b *Builder, src unsafe.Pointer) { pushBytes(b, *(*string)(src)) }, nil
	case asBytes:
		return encodeBytes, nil
	case asSlice:
		return sliceEncoder(t, f)
	case asStruct:
		e, err := newRowEncoder(t, f.Fields, "struct "+f.Name)
		return func(b *Builder, src unsafe.Pointer) {
			e.encode(b.children, src)
			b.present()
		}, err
	}
	if f.Kind == KindBool {
		return func(b *Builder, src unsafe.Pointer) { b.Bool(*(*bool)(src)) }, nil
	}
	switch widths[f.Kind] {
	case 4:
		return encodeFixed[uint32], nil
	case 16:
		return encodeFixed[[2]uint64], nil
	}
	return encodeFixed[uint64], nil
}

func encodeFixed[T any](b *Builder, src unsafe.Pointer) { push(b, *(*T)(src)) }

func encodeBytes(b *Builder, src unsafe.Pointer) {
	v := *(*[]byte)(src)
	if v == nil && b.field.Nullable {
		b.Null()
		return
	}
	pushBytes(b, v)
}

func sliceEncoder(t reflect.Type, f *Field) (encoder, error) {
	elem, err := encoderOf(t.Elem(), &f.Fields[0])
	size := t.Elem().Size()
	return func(b *Builder, src unsafe.Pointer) {
		s := *(*sliceHeader)(src)
		if s.data == nil && b.field.Nullable {
			b.Null()
			return
		}
		for i := range s.len {
			elem(&b.children[0], unsafe.Add(s.data, uintptr(i)*size))
		}
		b.EndList()
	}, err
}
