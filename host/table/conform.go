package table

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
)

// conform gives an array the type want: nested fields are matched by name, those that are missing are null, names and
// metadata are want's. The values are shared, not copied. Types that differ otherwise are an error.
func conform(mem memory.Allocator, a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	if same(a.DataType(), want) {
		a.Retain()
		return a, nil
	}
	d := a.Data()
	switch t := want.(type) {
	case *arrow.ListType:
		l, ok := a.(*array.List)
		if !ok {
			break
		}
		child, err := conform(mem, l.ListValues(), t.Elem())
		if err != nil {
			return nil, err
		}
		defer child.Release()
		return rebuild(t, d, []arrow.ArrayData{child.Data()}, d.Offset()), nil
	case *arrow.StructType:
		s, ok := a.(*array.Struct)
		if !ok {
			break
		}
		return conformStruct(mem, s, t)
	}
	return nil, fmt.Errorf("type %s is not %s", a.DataType(), want)
}

// same says whether a value of one type can be handed out as the other, which it can not when a nested name differs.
func same(a, b arrow.DataType) bool {
	return arrow.TypeEqual(a, b, arrow.CheckMetadata())
}

func conformStruct(mem memory.Allocator, s *array.Struct, want *arrow.StructType) (arrow.Array, error) {
	have := s.DataType().(*arrow.StructType)
	children := make([]arrow.ArrayData, 0, want.NumFields())
	for _, f := range want.Fields() {
		var c arrow.Array
		var err error
		if i, ok := have.FieldIdx(f.Name); ok {
			c, err = conform(mem, s.Field(i), f.Type)
		} else if f.Nullable {
			c = array.MakeArrayOfNull(mem, f.Type, s.Len())
		} else {
			err = fmt.Errorf("required field %s is missing", f.Name)
		}
		if err != nil {
			return nil, err
		}
		defer c.Release()
		children = append(children, c.Data())
	}
	// Field has cut the children to the struct's window, so the window of the result starts at 0: its validity is copied.
	valid, nulls := (*memory.Buffer)(nil), s.NullN()
	if nulls > 0 {
		picks := make([]pick, s.Len())
		for i := range picks {
			picks[i].row = int32(i)
		}
		valid, nulls = gatherValidity(mem, []arrow.Array{s}, picks)
		defer valid.Release()
	}
	data := array.NewData(want, s.Len(), []*memory.Buffer{valid}, children, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

func rebuild(t arrow.DataType, d arrow.ArrayData, children []arrow.ArrayData, offset int) arrow.Array {
	data := array.NewData(t, d.Len(), d.Buffers(), children, d.NullN(), offset)
	defer data.Release()
	return array.MakeFromData(data)
}

// conformRows gives a batch the schema want: columns are matched by name, optional ones that are missing are null.
func conformRows(mem memory.Allocator, rec arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, want.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, f := range want.Fields() {
		var c arrow.Array
		var err error
		switch at := columnAt(rec.Schema(), f.Name, i); {
		case at >= 0:
			c, err = conform(mem, rec.Column(at), f.Type)
		case f.Nullable:
			c = array.MakeArrayOfNull(mem, f.Type, int(rec.NumRows()))
		default:
			err = fmt.Errorf("the column is missing")
		}
		if err != nil {
			return nil, host.Errorf(host.CodeTableSchema, "column %s: %w", f.Name, err)
		}
		cols = append(cols, c)
	}
	return array.NewRecordBatch(want, cols, rec.NumRows()), nil
}

// columnAt finds a column by name, looking first where it is expected; -1 when there is none.
func columnAt(s *arrow.Schema, name string, expected int) int {
	if expected < s.NumFields() && s.Field(expected).Name == name {
		return expected
	}
	if at := s.FieldIndices(name); len(at) > 0 {
		return at[0]
	}
	return -1
}

// requiredNull finds a null in a required column or nested field and gives its path; "" when there is none. Slots below
// a null parent do not count.
func requiredNull(rec arrow.RecordBatch, fields []arrow.Field) string {
	for i, f := range fields {
		if p := nullIn(rec.Column(i), f); p != "" {
			return p
		}
	}
	return ""
}

func nullIn(a arrow.Array, f arrow.Field) string {
	if !f.Nullable && a.NullN() > 0 {
		return f.Name
	}
	if a.NullN() == a.Len() || !requires(f.Type) {
		return ""
	}
	switch t := f.Type.(type) {
	case *arrow.ListType:
		return nullInList(a.(*array.List), t, f.Name)
	case *arrow.StructType:
		s := a.(*array.Struct)
		for i, cf := range t.Fields() {
			if p := nullInField(s, s.Field(i), cf); p != "" {
				return f.Name + "." + p
			}
		}
	}
	return ""
}

// requires says whether a type has required parts.
func requires(t arrow.DataType) bool {
	switch t := t.(type) {
	case *arrow.ListType:
		return !t.ElemField().Nullable || requires(t.Elem())
	case *arrow.StructType:
		for _, f := range t.Fields() {
			if !f.Nullable || requires(f.Type) {
				return true
			}
		}
	}
	return false
}

// nullInField looks at a field of a struct, whose slots under a null struct do not count.
func nullInField(s *array.Struct, child arrow.Array, f arrow.Field) string {
	if s.NullN() == 0 {
		return nullIn(child, f)
	}
	for i := range s.Len() {
		if s.IsNull(i) {
			continue
		}
		one := array.NewSlice(child, int64(i), int64(i+1))
		p := nullIn(one, f)
		one.Release()
		if p != "" {
			return p
		}
	}
	return ""
}

// nullInList looks at the elements that lists which are not null refer to.
func nullInList(l *array.List, t *arrow.ListType, name string) string {
	window := func(lo, hi int64) string {
		elems := array.NewSlice(l.ListValues(), lo, hi)
		defer elems.Release()
		if p := nullIn(elems, t.ElemField()); p != "" {
			return name + "." + p
		}
		return ""
	}
	if l.NullN() == 0 { // the elements lie side by side
		lo, _ := l.ValueOffsets(0)
		_, hi := l.ValueOffsets(l.Len() - 1)
		return window(lo, hi)
	}
	for i := range l.Len() {
		if l.IsNull(i) {
			continue
		}
		lo, hi := l.ValueOffsets(i)
		if p := window(lo, hi); p != "" {
			return p
		}
	}
	return ""
}
