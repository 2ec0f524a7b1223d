package cdata

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
)

// kind is how the values of a node lie in memory.
type kind uint8

const (
	bits    kind = iota // one bit a value
	fixed               // width bytes a value
	varying             // int32 offsets, bytes
	list                // int32 offsets, one child
	group               // struct: children only
)

// check is what a fixed or varying node's values must satisfy beyond their layout.
type check uint8

const (
	anything  check = iota
	float32s        // NaNs are made canonical
	float64s        // NaNs are made canonical
	decimals        // magnitude below 10^precision
	timeOfDay       // 0 ≤ value < 24 h
	text            // UTF-8
)

// node is one array of a batch: the root struct, a column, a list's elements or a struct's field.
type node struct {
	name     string // dotted path for people, "" for the root
	typ      arrow.DataType
	kind     kind
	check    check
	width    int // bytes a value, fixed only
	required bool
	children []node

	// Places of the node's structs, relative to the start of a batch that the host lays down.
	array    uint32 // ArrowArray
	buffers  uint32 // table of buffer pointers
	pointers uint32 // table of child pointers
}

// nbuffers is what the Arrow columnar format prescribes for the node's type.
func (n *node) nbuffers() int {
	switch n.kind {
	case varying:
		return 3
	case group:
		return 1
	default:
		return 2
	}
}

// Layout is how the batches of one schema lie in guest memory. It is immutable.
type Layout struct {
	schema *arrow.Schema
	root   node
	head   int64 // bytes of all structs and tables, a multiple of abi.Alignment
}

// maxDepth is how deep abi/SPEC.md lets types be nested; walks over a layout recurse.
const maxDepth = 32

// NewLayout fails when the schema has a type outside the table of abi/SPEC.md.
func NewLayout(s *arrow.Schema) (*Layout, error) {
	root, err := newNode("", arrow.StructOf(s.Fields()...), true, 0)
	if err != nil {
		return nil, err
	}
	l := &Layout{schema: s, root: root}
	at := l.placeArrays(&l.root, 0)
	at = l.placeTables(&l.root, at)
	l.head = align(int64(at))
	return l, nil
}

// Schema is the schema the layout was made for.
func (l *Layout) Schema() *arrow.Schema { return l.schema }

func newNode(name string, t arrow.DataType, required bool, depth int) (node, error) {
	n := node{name: name, typ: t, required: required}
	if depth > maxDepth {
		return n, fmt.Errorf("column %s: nested deeper than %d", name, maxDepth)
	}
	switch t := t.(type) {
	case *arrow.BooleanType:
		n.kind = bits
	case *arrow.Int32Type, *arrow.Date32Type:
		n.kind, n.width = fixed, 4
	case *arrow.Float32Type:
		n.kind, n.width, n.check = fixed, 4, float32s
	case *arrow.Int64Type:
		n.kind, n.width = fixed, 8
	case *arrow.Float64Type:
		n.kind, n.width, n.check = fixed, 8, float64s
	case *arrow.Decimal128Type:
		n.kind, n.width, n.check = fixed, 16, decimals
	case *arrow.Time64Type:
		n.kind, n.width, n.check = fixed, 8, timeOfDay
		if t.Unit != arrow.Microsecond {
			return n, unsupported(name, t)
		}
	case *arrow.TimestampType:
		n.kind, n.width = fixed, 8
		if t.Unit != arrow.Microsecond || t.TimeZone != "" && t.TimeZone != "UTC" {
			return n, unsupported(name, t)
		}
	case *arrow.StringType:
		n.kind, n.check = varying, text
	case *arrow.BinaryType:
		n.kind = varying
	case *arrow.ListType:
		n.kind = list
		err := n.addChildren([]arrow.Field{t.ElemField()}, depth)
		return n, err
	case *arrow.StructType:
		n.kind = group
		err := n.addChildren(t.Fields(), depth)
		return n, err
	default:
		return n, unsupported(name, t)
	}
	return n, nil
}

func unsupported(name string, t arrow.DataType) error {
	return fmt.Errorf("column %s: Arrow type %s does not cross the boundary", name, t)
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

// placeArrays gives every ArrowArray its place, the root at 0: guests find it at the start of the block.
func (l *Layout) placeArrays(n *node, at uint32) uint32 {
	n.array = at
	at += abi.ArraySize
	for i := range n.children {
		at = l.placeArrays(&n.children[i], at)
	}
	return at
}

func (l *Layout) placeTables(n *node, at uint32) uint32 {
	n.buffers = at
	at += 4 * uint32(n.nbuffers())
	n.pointers = at
	at += 4 * uint32(len(n.children))
	for i := range n.children {
		at = l.placeTables(&n.children[i], at)
	}
	return at
}

// align rounds up to the alignment of buffers.
func align(n int64) int64 { return (n + abi.Alignment - 1) &^ (abi.Alignment - 1) }
