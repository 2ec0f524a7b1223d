package cdata

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// maxWidth is how many bytes a fixed-size binary, and how many elements a fixed-size list may have: a row of one is
// then never more than the smallest memory that holds a batch.
const maxWidth = 1 << 16

// newNode is the table of types that cross the boundary, abi/SPEC.md §10.
func newNode(name string, t arrow.DataType, required bool, depth int) (node, error) {
	n := node{name: name, typ: t, required: required}
	if depth > maxDepth {
		return n, fmt.Errorf("column %s: nested deeper than %d", name, maxDepth)
	}
	switch t := t.(type) {
	case *arrow.BooleanType:
		n.kind = bits
	case *arrow.StringType:
		n.kind, n.width, n.check = varying, 4, text
	case *arrow.LargeStringType:
		n.kind, n.width, n.check = varying, 8, text
	case *arrow.BinaryType:
		n.kind, n.width = varying, 4
	case *arrow.LargeBinaryType:
		n.kind, n.width = varying, 8
	case *arrow.ListType:
		n.kind, n.width = list, 4
		return n, n.addChildren([]arrow.Field{t.ElemField()}, depth)
	case *arrow.LargeListType:
		n.kind, n.width = list, 8
		return n, n.addChildren([]arrow.Field{t.ElemField()}, depth)
	case *arrow.MapType:
		n.kind, n.width = list, 4
		err := n.addChildren([]arrow.Field{t.ElemField()}, depth)
		if err == nil {
			entries := &n.children[0]
			entries.whole, entries.children[0].required, entries.children[0].whole = true, true, true
		}
		return n, err
	case *arrow.FixedSizeListType:
		n.kind, n.count = fixedList, int(t.Len())
		if n.count < 1 || n.count > maxWidth {
			return n, unsupported(name, t)
		}
		return n, n.addChildren([]arrow.Field{t.ElemField()}, depth)
	case *arrow.StructType:
		n.kind = group
		return n, n.addChildren(t.Fields(), depth)
	case *arrow.DictionaryType:
		return n, n.addDictionary(t, depth)
	default:
		return n, n.scalar(t)
	}
	return n, nil
}

// scalar makes n a node of values of one width.
func (n *node) scalar(t arrow.DataType) error {
	n.kind = fixed
	switch t := t.(type) {
	case *arrow.Int8Type, *arrow.Uint8Type, *arrow.Int16Type, *arrow.Uint16Type, *arrow.Int32Type, *arrow.Uint32Type,
		*arrow.Int64Type, *arrow.Uint64Type, *arrow.Date32Type:
	case *arrow.Float16Type:
		n.check = float16s
	case *arrow.Float32Type:
		n.check = float32s
	case *arrow.Float64Type:
		n.check = float64s
	case *arrow.Decimal128Type:
		n.check = decimals
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return unsupported(n.name, t)
		}
	case *arrow.Date64Type:
		n.check, n.day = wholeDays, dayIn(arrow.Millisecond)
	case *arrow.Time32Type:
		n.check, n.day = timeOfDay, dayIn(t.Unit)
		if t.Unit > arrow.Millisecond {
			return unsupported(n.name, t)
		}
	case *arrow.Time64Type:
		n.check, n.day = timeOfDay, dayIn(t.Unit)
		if t.Unit < arrow.Microsecond {
			return unsupported(n.name, t)
		}
	case *arrow.TimestampType:
		if strings.ContainsRune(t.TimeZone, 0) {
			return unsupported(n.name, t)
		}
	case *arrow.FixedSizeBinaryType:
		if t.ByteWidth < 1 || t.ByteWidth > maxWidth {
			return unsupported(n.name, t)
		}
		n.width, n.align = t.ByteWidth, 1
		return nil
	default:
		return unsupported(n.name, t)
	}
	n.width = t.(arrow.FixedWidthDataType).Bytes()
	n.align = min(n.width, 8)
	return nil
}

// dayIn is 24 hours in a unit.
func dayIn(u arrow.TimeUnit) int64 {
	day := int64(24 * 60 * 60)
	for ; u > arrow.Second; u-- {
		day *= 1000
	}
	return day
}

// addDictionary makes n a node of indices. The values are flat and none of them is null: a row is null by its own
// validity, in one way only.
func (n *node) addDictionary(t *arrow.DictionaryType, depth int) error {
	if !arrow.IsInteger(t.IndexType.ID()) {
		return unsupported(n.name, t)
	}
	values, err := newNode(n.name, t.ValueType, true, depth+1)
	if err != nil {
		return err
	}
	if len(values.children) > 0 || values.dict != nil {
		return unsupported(n.name, t)
	}
	values.whole = true
	n.kind, n.check, n.dict = fixed, indices, &values
	n.width = t.IndexType.(arrow.FixedWidthDataType).Bytes()
	n.align, n.signed = n.width, arrow.IsSignedInteger(t.IndexType.ID())
	return nil
}

func (n *node) addChildren(fields []arrow.Field, depth int) error {
	n.children = make([]node, len(fields))
	for i, f := range fields {
		name := f.Name
		if n.name != "" {
			name = n.name + "." + f.Name
		}
		var err error
		if n.children[i], err = newNode(name, f.Type, !f.Nullable, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func unsupported(name string, t arrow.DataType) error {
	return fmt.Errorf("column %s: Arrow type %s does not cross the boundary", name, t)
}
