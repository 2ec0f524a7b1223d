package file

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// castList casts the elements. A row with an element that does not fit, or is null where none may be, is bad.
func castList(from arrow.DataType, to *arrow.ListType, f timeFormat) (caster, bool) {
	l, ok := from.(*arrow.ListType)
	if !ok {
		return nil, false
	}
	elem, ok := newCaster(to.ElemField(), l.Elem(), f)
	if !ok {
		return nil, false
	}
	return func(a arrow.Array) (arrow.Array, []int) {
		list := a.(*array.List)
		values, badElems := elem(list.ListValues())
		defer values.Release()
		if !to.ElemField().Nullable {
			badElems = merge(badElems, nullsOf(values))
		}
		var bad []int
		for i := range list.Len() {
			lo, hi := list.ValueOffsets(i)
			if at, _ := slices.BinarySearch(badElems, int(lo)); list.IsValid(i) && at < len(badElems) && badElems[at] < int(hi) {
				bad = append(bad, i)
			}
		}
		offsets := make([]int32, 0, list.Len()+1)
		if list.Len() > 0 {
			offsets = append(offsets, list.Offsets()[list.Data().Offset():][:list.Len()+1]...)
		} else {
			offsets = append(offsets, 0)
		}
		bits, nulls := validityOf(a, bad)
		return arrayOf(to, list.Len(), nulls, []*memory.Buffer{bits, memory.NewBufferBytes(bytesOf(offsets))}, values.Data()), bad
	}, true
}

// castStruct casts the fields by name; a nullable field that the file does not have is null.
func castStruct(from arrow.DataType, to *arrow.StructType, f timeFormat) (caster, bool) {
	st, ok := from.(*arrow.StructType)
	if !ok {
		return nil, false
	}
	casts, at := make([]caster, to.NumFields()), make([]int, to.NumFields())
	for i, field := range to.Fields() {
		j, ok := st.FieldIdx(field.Name)
		if !ok {
			if !field.Nullable {
				return nil, false
			}
			at[i] = -1
			continue
		}
		if casts[i], ok = newCaster(field, st.Field(j).Type, f); !ok {
			return nil, false
		}
		at[i] = j
	}
	return func(a arrow.Array) (arrow.Array, []int) {
		s := a.(*array.Struct)
		var bad []int
		children := make([]arrow.ArrayData, len(casts))
		for i, field := range to.Fields() {
			var child arrow.Array
			if at[i] < 0 {
				child = array.MakeArrayOfNull(memory.DefaultAllocator, field.Type, s.Len())
			} else {
				var badChild []int
				child, badChild = casts[i](s.Field(at[i]))
				if !field.Nullable {
					badChild = merge(badChild, nullsOf(child))
				}
				bad = merge(bad, badChild)
			}
			defer child.Release()
			children[i] = child.Data()
		}
		bad = slices.DeleteFunc(bad, func(i int) bool { return s.IsNull(i) })
		bits, nulls := validityOf(a, bad)
		return arrayOf(to, s.Len(), nulls, []*memory.Buffer{bits}, children...), bad
	}, true
}

// nullsOf lists the rows that are null.
func nullsOf(a arrow.Array) (rows []int) {
	if a.NullN() == 0 {
		return nil
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			rows = append(rows, i)
		}
	}
	return rows
}

// merge joins two ordered lists of rows without repeating any.
func merge(a, b []int) []int {
	if len(a) == 0 || len(b) == 0 {
		return append(a, b...)
	}
	all := append(append(make([]int, 0, len(a)+len(b)), a...), b...)
	slices.Sort(all)
	return slices.Compact(all)
}
