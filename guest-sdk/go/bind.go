package adp

import (
	"errors"
	"reflect"
	"strconv"
)

// Binding structs to columns happens once for each port, with reflection; moving rows then costs no reflection, see
// decode.go and encode.go.

// member is a struct field and the column it stands for.
type member struct {
	name   string
	column int
	typ    reflect.Type
	offset uintptr
	zero   bool // adp:"name,zero": null reads as the zero value
}

// bind finds the column for each exported field of struct t: the name in its adp tag, else its own name in snake_case. Embedded
// structs are flattened; a tag of "-" leaves a field out. all says that every column needs a field.
func bind(t reflect.Type, fields []Field, where string, all bool) ([]member, error) {
	if t.Kind() != reflect.Struct {
		return nil, errors.New(t.String() + " is not a struct of the columns of " + where)
	}
	members, err := collect(nil, t, 0)
	if err != nil {
		return nil, err
	}
	taken := make([]bool, len(fields))
	for i := range members {
		m := &members[i]
		m.column = -1
		for j := range fields {
			if fields[j].Name == m.name {
				m.column = j
			}
		}
		if m.column < 0 {
			return nil, errors.New(where + " has no column " + m.name + " for " + t.String() + didYouMean(m.name, fields))
		}
		if taken[m.column] {
			return nil, errors.New("two fields of " + t.String() + " stand for column " + m.name)
		}
		taken[m.column] = true
	}
	for j, ok := range taken {
		if !ok && all && fields[j].Name != columnOp {
			return nil, errors.New(t.String() + " has no field for column " + fields[j].Name + " of " + where)
		}
	}
	return members, nil
}

func collect(out []member, t reflect.Type, base uintptr) ([]member, error) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("adp")
		name, option := splitTag(tag)
		switch {
		case name == "-":
			continue
		case f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct:
			var err error
			if out, err = collect(out, f.Type, base+f.Offset); err != nil {
				return nil, err
			}
			continue
		case !f.IsExported():
			if tagged {
				return nil, errors.New("field " + f.Name + " of " + t.String() + " has a tag but is not exported")
			}
			continue
		case option != "" && option != "zero":
			return nil, errors.New("field " + f.Name + " of " + t.String() + ": unknown option " + strconv.Quote(option) + " in its adp tag")
		}
		if name == "" {
			name = snake(f.Name)
		}
		out = append(out, member{name: name, typ: f.Type, offset: base + f.Offset, zero: option == "zero"})
	}
	return out, nil
}

func splitTag(tag string) (name, option string) {
	for i := 0; i < len(tag); i++ {
		if tag[i] == ',' {
			return tag[:i], tag[i+1:]
		}
	}
	return tag, ""
}

// snake turns AirportCode into airport_code and ID into id.
func snake(s string) string {
	var b []byte
	upper := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= 'A' && s[i] <= 'Z' }
	for i := range len(s) {
		c := s[i]
		if upper(i) {
			if i > 0 && (!upper(i-1) || i+1 < len(s) && !upper(i+1)) {
				b = append(b, '_')
			}
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

var (
	typeDecimal   = reflect.TypeFor[Decimal]()
	typeDate      = reflect.TypeFor[Date]()
	typeTime      = reflect.TypeFor[Time]()
	typeTimestamp = reflect.TypeFor[Timestamp]()
	typeNullable  = reflect.TypeFor[interface{ nullable() }]()
)

// shape says how a Go type holds a column's values.
type shape uint8

const (
	asScalar  shape = iota + 1 // the same memory
	asString                   // string kind
	asBytes                    // []byte; nil is null
	asSlice                    // []T; nil is null
	asStruct                   // struct
	asPointer                  // *T; nil is null
	asNull                     // Null[T]
)

// shapeOf matches a Go type with a column's type.
func shapeOf(t reflect.Type, f *Field) (shape, error) {
	if t.Kind() == reflect.Struct && t.Implements(typeNullable) {
		return asNull, nil
	}
	if t.Kind() == reflect.Pointer {
		return asPointer, nil
	}
	ok := false
	s := asScalar
	switch f.Kind {
	case KindBool:
		ok = t.Kind() == reflect.Bool
	case KindInt32:
		ok = t.Kind() == reflect.Int32 && !temporal(t)
	case KindInt64:
		ok = (t.Kind() == reflect.Int64 || t.Kind() == reflect.Int && t.Size() == 8) && !temporal(t)
	case KindFloat32:
		ok = t.Kind() == reflect.Float32
	case KindFloat64:
		ok = t.Kind() == reflect.Float64
	case KindDecimal:
		ok = t == typeDecimal
	case KindDate:
		ok = t == typeDate
	case KindTime:
		ok = t == typeTime
	case KindTimestamp, KindTimestampTZ:
		ok = t == typeTimestamp
	case KindString:
		ok, s = t.Kind() == reflect.String, asString
	case KindBinary:
		ok, s = t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8, asBytes
	case KindList:
		ok, s = t.Kind() == reflect.Slice, asSlice
	case KindStruct:
		ok, s = t.Kind() == reflect.Struct && t != typeDecimal, asStruct
	}
	if !ok {
		return 0, errors.New("a " + t.String() + " cannot hold " + f.String() + " of column " + f.Name + "; " + wanted(f) + " can")
	}
	return s, nil
}

func temporal(t reflect.Type) bool { return t == typeDate || t == typeTime || t == typeTimestamp }

// wanted is the Go type for a column.
func wanted(f *Field) string {
	switch f.Kind {
	case KindDecimal, KindDate, KindTime:
		return "adp." + string(f.Kind.String()[0]-'a'+'A') + f.Kind.String()[1:]
	case KindTimestamp, KindTimestampTZ:
		return "adp.Timestamp"
	case KindBinary:
		return "[]byte"
	case KindList:
		return "a slice"
	case KindStruct:
		return "a struct"
	}
	return f.Kind.String()
}
