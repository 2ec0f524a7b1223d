package columnar

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// relist gives lists, large lists, lists of one size and maps another of these forms. The elements are shared where they
// lie side by side.
func relist(a array.ListLike, want arrow.DataType) (arrow.Array, error) {
	to, ok := want.(arrow.ListLikeType)
	if !ok {
		return nil, fmt.Errorf("type %s has no form %s", a.DataType(), want)
	}
	if fixed, ok := want.(*arrow.FixedSizeListType); ok {
		return fixLists(a, fixed)
	}
	first, last := int64(0), int64(0)
	if a.Len() > 0 {
		first, _ = a.ValueOffsets(0)
		_, last = a.ValueOffsets(a.Len() - 1)
	}
	if last-first >= math.MaxInt32 {
		return nil, fmt.Errorf("a batch of %d elements does not fit into %s", last-first, want)
	}
	width := 4
	if want.ID() == arrow.LARGE_LIST {
		width = 8
	}
	offsets := make([]byte, width*(a.Len()+1))
	for i := range a.Len() {
		_, end := a.ValueOffsets(i)
		if width == 8 {
			binary.LittleEndian.PutUint64(offsets[8*(i+1):], uint64(end-first))
		} else {
			binary.LittleEndian.PutUint32(offsets[4*(i+1):], uint32(end-first))
		}
	}
	elements := array.NewSlice(a.ListValues(), first, last)
	defer elements.Release()
	child, err := renamed(elements, to)
	if err != nil {
		return nil, err
	}
	defer child.Release()
	d := array.NewData(want, a.Len(), []*memory.Buffer{validityOf(a), memory.NewBufferBytes(offsets)}, []arrow.ArrayData{child}, a.NullN(), 0)
	defer d.Release()
	return array.MakeFromData(d), nil
}

// renamed are elements under the type that lists of type to have: entries of maps and objects differ in their names only.
func renamed(elements arrow.Array, to arrow.ListLikeType) (arrow.ArrayData, error) {
	d := elements.Data()
	if _, isMap := to.(*arrow.MapType); isMap && (elements.NullN() > 0 || keyNulls(elements) > 0) {
		return nil, fmt.Errorf("an entry or its key is null, which %s has not", to)
	}
	if arrow.TypeEqual(d.DataType(), to.Elem()) {
		d.Retain()
		return d, nil
	}
	have, ok := d.DataType().(*arrow.StructType)
	want, ok2 := to.Elem().(*arrow.StructType)
	if !ok || !ok2 || have.NumFields() != want.NumFields() {
		return nil, fmt.Errorf("elements of type %s are not %s", d.DataType(), to.Elem())
	}
	for i := range have.NumFields() {
		if !arrow.TypeEqual(have.Field(i).Type, want.Field(i).Type) {
			return nil, fmt.Errorf("elements of type %s are not %s", have, want)
		}
	}
	return array.NewData(want, d.Len(), d.Buffers(), d.Children(), d.NullN(), d.Offset()), nil
}

func keyNulls(entries arrow.Array) int {
	if s, ok := entries.(*array.Struct); ok && s.NumField() > 0 {
		return s.Field(0).NullN()
	}
	return 0
}

// fixLists makes lists of one size of lists that have it. Under a null lie elements that mean nothing.
func fixLists(a array.ListLike, want *arrow.FixedSizeListType) (arrow.Array, error) {
	size := int64(want.Len())
	var pieces []arrow.Array
	release := func() {
		for _, p := range pieces {
			p.Release()
		}
	}
	defer func() { release() }()
	from := -1 // of a stretch of rows that lie side by side
	flush := func(to int) {
		if from >= 0 && to > from {
			lo, _ := a.ValueOffsets(from)
			_, hi := a.ValueOffsets(to - 1)
			pieces = append(pieces, array.NewSlice(a.ListValues(), lo, hi))
		}
		from = -1
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			flush(i)
			pieces = append(pieces, array.MakeArrayOfNull(memory.DefaultAllocator, want.Elem(), int(size)))
			continue
		}
		lo, hi := a.ValueOffsets(i)
		if hi-lo != size {
			return nil, fmt.Errorf("row %d has %d elements, which do not fit into %s", i, hi-lo, want)
		}
		if from < 0 {
			from = i
		}
	}
	flush(a.Len())
	if len(pieces) == 0 {
		pieces = append(pieces, array.NewSlice(a.ListValues(), 0, 0))
	}
	elements, err := array.Concatenate(pieces, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	defer elements.Release()
	d := array.NewData(want, a.Len(), []*memory.Buffer{validityOf(a)}, []arrow.ArrayData{elements.Data()}, a.NullN(), 0)
	defer d.Release()
	return array.MakeFromData(d), nil
}
