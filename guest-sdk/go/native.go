//go:build !wasip1

package adp

import (
	"errors"
	"reflect"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
	"github.com/adp-host/adp/guest-sdk/go/internal/bridge"
)

// What package adptest needs of the SDK: it plays the host with the same code that products use, the other way round.

func init() {
	bridge.Start = func(product any, host bridge.Host) bridge.Guest {
		p := newProduct(system{host})
		p.build = product.(func(*Product) error)
		return guest{p}
	}
	bridge.Encode = encodeSlice
	bridge.Decode = decodeArray
	bridge.OpenBlock = openBlock
}

// encodeSlice lays a slice of structs down as the ArrowArray of a port with these fields ([]Field).
func encodeSlice(m *bridge.Memory, fields, rows any) (uint32, error) {
	v := reflect.ValueOf(rows)
	f := fields.([]Field)
	e, err := newRowEncoder(v.Type().Elem(), f, "rows of a test")
	if err != nil {
		return 0, err
	}
	var root Builder
	root.init(&Field{Kind: KindStruct, Fields: f})
	for i := range v.Len() {
		p := reflect.New(v.Type().Elem())
		p.Elem().Set(v.Index(i))
		e.encode(root.children, p.UnsafePointer(), 0, 1)
		for j := range root.children {
			if root.children[j].n == root.n {
				root.children[j].Null()
			}
		}
		root.present()
	}
	return layBuilder(memory{m}, &root), nil
}

// layBuilder lays a builder down in memory of its own.
func layBuilder(m memory, root *Builder) uint32 {
	l := layout{m: m, block: make([]byte, max(64, blockSize(root)))}
	l.base = m.addr(l.block)
	return l.array(root)
}

// decodeArray appends the rows of an ArrowArray to a slice of structs (rows is *[]T). Fields of T that name no column stay.
func decodeArray(m *bridge.Memory, fields any, array uint32, rows any) error {
	f := fields.([]Field)
	slice := reflect.ValueOf(rows).Elem()
	d, err := newRowDecoder(slice.Type().Elem(), f, "rows of a test")
	if err != nil {
		return err
	}
	root := Field{Kind: KindStruct, Fields: f}
	var c Column
	c.read(memory{m}, &root, array, 0, -1)
	out := reflect.MakeSlice(slice.Type(), c.n, c.n)
	if err := d.decode(c.children, 0, c.n, out.UnsafePointer(), slice.Type().Elem().Size()); err != nil {
		return err
	}
	slice.Set(reflect.AppendSlice(slice, out))
	return nil
}

// openBlock lays the open block down.
func openBlock(m *bridge.Memory, ports [3][]bridge.Port, rebuild bool) uint32 {
	b := make([]byte, 64)
	putU32(b, abi.OpenVersion, abi.Version)
	for i, at := range [3]int{abi.OpenNInputs, abi.OpenNOutputs, abi.OpenNBindings} {
		putU32(b, at, uint32(len(ports[i])))
		table := make([]byte, max(64, len(ports[i])*portSize))
		for j, p := range ports[i] {
			entry := table[j*portSize:]
			putU32(entry, portName, m.Addr([]byte(p.Name)))
			putU32(entry, portNameLen, uint32(len(p.Name)))
			putU32(entry, portMode, p.Mode)
			putU32(entry, portSchema, laySchema(m, &Field{Kind: KindStruct, Fields: p.Fields.([]Field)}))
		}
		putU32(b, at+4, m.Addr(table))
	}
	if rebuild {
		putU32(b, abi.OpenFlags, abi.OpenRebuild)
	}
	return m.Addr(b)
}

// laySchema lays an ArrowSchema down.
func laySchema(m *bridge.Memory, f *Field) uint32 {
	b := make([]byte, 64)
	putU32(b, schemaFormat, m.Addr([]byte(format(f)+"\x00")))
	putU32(b, schemaName, m.Addr([]byte(f.Name+"\x00")))
	if f.Nullable {
		putI64(b, schemaFlags, flagNullable)
	}
	pointers := make([]byte, 4*len(f.Fields))
	for i := range f.Fields {
		putU32(pointers, 4*i, laySchema(m, &f.Fields[i]))
	}
	putI64(b, schemaNChildren, int64(len(f.Fields)))
	putU32(b, schemaChildren, m.Addr(pointers))
	return m.Addr(b)
}

// format is the format string of the Arrow C Data Interface.
func format(f *Field) string {
	if f.Kind == KindDecimal {
		return "d:" + text(f.Precision) + "," + text(f.Scale)
	}
	for s, k := range formats {
		if k == f.Kind {
			return s
		}
	}
	return ""
}

// FieldsOf derives the columns of a port from a struct, for tests; in a mesh, columns come from contracts. A pointer, a Null, a
// slice and a tag with the option zero make a nullable column, a Timestamp is an instant, a Decimal has precision 38 and
// scale 0.
func FieldsOf(row any) ([]Field, error) { return structFields(reflect.TypeOf(row)) }

func structFields(t reflect.Type) ([]Field, error) {
	members, err := collect(nil, t, 0)
	if err != nil {
		return nil, err
	}
	var out []Field
	for _, m := range members {
		f, err := fieldOf(m.typ, m.name)
		if err != nil {
			return nil, err
		}
		f.Nullable = f.Nullable || m.zero
		out = append(out, f)
	}
	return out, nil
}

func fieldOf(t reflect.Type, name string) (f Field, err error) {
	switch {
	case t.Kind() == reflect.Struct && t.Implements(typeNullable):
		f, err = fieldOf(t.Field(0).Type, name)
		f.Nullable = true
		return f, err
	case t.Kind() == reflect.Pointer:
		f, err = fieldOf(t.Elem(), name)
		f.Nullable = true
		return f, err
	}
	f.Name = name
	for _, s := range []struct {
		t reflect.Type
		k Kind
	}{{typeDate, KindDate}, {typeTime, KindTime}, {typeTimestamp, KindTimestampTZ}, {typeDecimal, KindDecimal}} {
		if t == s.t {
			f.Kind = s.k
			if s.k == KindDecimal {
				f.Precision = 38
			}
			return f, nil
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		f.Kind = KindBool
	case reflect.Int32:
		f.Kind = KindInt32
	case reflect.Int64, reflect.Int:
		f.Kind = KindInt64
	case reflect.Float32:
		f.Kind = KindFloat32
	case reflect.Float64:
		f.Kind = KindFloat64
	case reflect.String:
		f.Kind = KindString
	case reflect.Slice:
		f.Nullable = true
		f.Kind = KindBinary
		if t.Elem().Kind() != reflect.Uint8 {
			f.Kind = KindList
			var elem Field
			elem, err = fieldOf(t.Elem(), "item")
			f.Fields = []Field{elem}
		}
	case reflect.Struct:
		f.Kind = KindStruct
		f.Fields, err = structFields(t)
	default:
		err = errors.New("a " + t.String() + " stands for no column")
	}
	return f, err
}
