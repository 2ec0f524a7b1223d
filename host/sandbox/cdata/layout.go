package cdata

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
)

// kind is how the values of a node lie in memory.
type kind uint8

const (
	bits      kind = iota // one bit a value
	fixed                 // width bytes a value
	varying               // offsets of width bytes, bytes
	list                  // offsets of width bytes, one child
	fixedList             // count elements of one child a row
	group                 // struct: children only
)

// check is what a fixed or varying node's values must satisfy beyond their layout.
type check uint8

const (
	anything  check = iota
	float16s        // NaNs are made canonical
	float32s        // NaNs are made canonical
	float64s        // NaNs are made canonical
	decimals        // magnitude below 10^precision
	timeOfDay       // 0 ≤ value < 24 h
	wholeDays       // a multiple of 24 h
	text            // UTF-8
	indices         // of values in the dictionary
)

// node is one array of a batch: the root struct, a column, a list's elements, a struct's field or a dictionary's values.
type node struct {
	name     string // dotted path for people, "" for the root
	typ      arrow.DataType
	kind     kind
	check    check
	width    int   // bytes a value (fixed), bytes an offset (varying, list)
	align    int   // of the values' buffer
	count    int   // elements a row, fixedList only
	day      int64 // 24 h in the unit of the values, timeOfDay and wholeDays only
	signed   bool  // indices only
	required bool
	whole    bool // required, and even rows that mean nothing are not null: Arrow's maps insist
	children []node
	dict     *node // the values that indices refer to

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
	case group, fixedList:
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

// placeArrays gives every ArrowArray its place, the root at 0: guests find it at the start of the block.
func (l *Layout) placeArrays(n *node, at uint32) uint32 {
	n.array = at
	at += abi.ArraySize
	for i := range n.children {
		at = l.placeArrays(&n.children[i], at)
	}
	if n.dict != nil {
		at = l.placeArrays(n.dict, at)
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
	if n.dict != nil {
		at = l.placeTables(n.dict, at)
	}
	return at
}

// align rounds up to the alignment of buffers.
func align(n int64) int64 { return (n + abi.Alignment - 1) &^ (abi.Alignment - 1) }
