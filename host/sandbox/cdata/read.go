package cdata

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
)

// Error says why a batch in guest memory was not taken.
type Error struct {
	Status abi.Status // OutOfBounds, Misaligned, BadArray or LimitExceeded
	Column string     // dotted path, "" for the batch as a whole
	Why    string
}

func (e *Error) Error() string {
	if e.Column == "" {
		return e.Why
	}
	return "column " + e.Column + ": " + e.Why
}

// Reader takes batches of one layout out of guest memory. Its working memory is kept from batch to batch. It is used by
// one goroutine, and the memory must not change during a call.
type Reader struct {
	l     *Layout
	mem   []byte
	slots []slot
	size  int64 // of the copy
	bytes int64 // logical, expanded
}

// slot is one array of the batch as measured: where its buffers are in guest memory, and which rows of them count.
type slot struct {
	n      *node
	parent int // index of the parent's slot
	length int
	first  int   // first row, in its buffers
	nulls  int   // as the guest says; -1: it does not
	base   int64 // of the offsets
	// Places of the buffers: in guest memory, and in the copy. Validity is present when valid is not 0.
	valid, values, data uint32
	dataLen             int
	validAt, valuesAt   int64
	dataAt              int64
	// live are the rows that no null above them makes meaningless, nil: all of them. It is known when it was asked for.
	live      []byte
	liveKnown bool
}

// NewReader makes a Reader for the layout.
func (l *Layout) NewReader() *Reader { return &Reader{l: l} }

// Measure checks the structs of the batch at the given address, everything that can be checked without touching values,
// and returns its logical size: what it takes when buffers that overlap are counted as often as they are used, values of
// a dictionary as often as rows refer to them, and no value less than a byte. Nothing is allocated but for the layout's
// own arrays. An *Error says what is wrong.
func (r *Reader) Measure(mem []byte, at uint32) (bytes int64, err error) {
	r.mem, r.slots, r.size, r.bytes = mem, r.slots[:0], 0, 0
	a, err := r.array(&r.l.root, at)
	if err != nil {
		return 0, err
	}
	if err := r.measure(&r.l.root, a, 0, 0, int(a.length)); err != nil {
		return 0, err
	}
	return r.bytes, nil
}

// Arrays is how many arrays the batch that was measured has, its root and nested ones included.
func (r *Reader) Arrays() int { return len(r.slots) }

// Take copies the batch that was measured into one allocation of the host and validates the copy. The caller releases
// the record. An *Error says what is wrong.
func (r *Reader) Take() (arrow.RecordBatch, error) {
	block := allocate(r.size)
	for i := range r.slots {
		if err := r.copy(block, i); err != nil {
			r.mem = nil
			return nil, err
		}
	}
	r.mem = nil
	rest := r.slots[1:]
	cols := make([]arrow.Array, len(r.l.root.children))
	for i := range cols {
		var d arrow.ArrayData
		d, rest = assemble(block, rest)
		cols[i] = array.MakeFromData(d)
		d.Release()
	}
	rec := array.NewRecordBatch(r.l.schema, cols, int64(r.slots[0].length))
	for _, c := range cols {
		c.Release()
	}
	return rec, nil
}

// cArray is an ArrowArray as read from guest memory, its own fields checked.
type cArray struct {
	length, offset, nulls int64
	buffers, children     uint32
	dictionary            uint32
}

// array reads the ArrowArray of a node and checks what it says of itself.
func (r *Reader) array(n *node, at uint32) (a cArray, err error) {
	le := binary.LittleEndian
	b, err := r.view(n, "ArrowArray", at, abi.ArraySize, 8)
	if err != nil {
		return a, err
	}
	a.length = int64(le.Uint64(b[abi.ArrayLength:]))
	a.nulls = int64(le.Uint64(b[abi.ArrayNullCount:]))
	a.offset = int64(le.Uint64(b[abi.ArrayOffset:]))
	nb, nc := int64(le.Uint64(b[abi.ArrayNBuffers:])), int64(le.Uint64(b[abi.ArrayNChildren:]))
	a.buffers, a.children = le.Uint32(b[abi.ArrayBuffers:]), le.Uint32(b[abi.ArrayChildren:])
	a.dictionary = le.Uint32(b[abi.ArrayDictionary:])
	switch {
	case a.length < 0 || a.length >= math.MaxInt32:
		return a, n.bad("length %d", a.length)
	case a.offset < 0 || a.offset >= math.MaxInt32 || a.offset+a.length >= math.MaxInt32:
		return a, n.bad("offset %d with length %d", a.offset, a.length)
	case a.nulls < -1 || a.nulls > a.length:
		return a, n.bad("null_count %d of %d rows", a.nulls, a.length)
	case nb != int64(n.nbuffers()):
		return a, n.bad("%d buffers, %s has %d", nb, n.typ.Name(), n.nbuffers())
	case nc != int64(len(n.children)):
		return a, n.bad("%d children, the port's type has %d", nc, len(n.children))
	case a.dictionary != 0 && n.dict == nil:
		return a, n.bad("a dictionary, %s has none", n.typ.Name())
	}
	return a, nil
}

// measure adds rows [start, start+length) of an array to the slots, its children behind it.
func (r *Reader) measure(n *node, a cArray, parent, start, length int) error {
	le := binary.LittleEndian
	s := slot{n: n, parent: parent, length: length, first: int(a.offset) + start, nulls: -1}
	if start == 0 && int64(length) == a.length {
		s.nulls = int(a.nulls)
	}
	table, err := r.view(n, "table of buffers", a.buffers, 4*n.nbuffers(), 4)
	if err != nil {
		return err
	}
	if n.kind == bits || n.kind == group || n.kind == fixedList {
		r.bytes += int64(length) // no value is free: a bit would become a row of the host's for an eighth of a byte
	}
	if s.valid = le.Uint32(table); s.valid != 0 && length > 0 {
		if s.validAt, err = r.bitmap(n, "validity bitmap", s.valid, s.first, length); err != nil {
			return err
		}
	} else if s.valid = 0; s.nulls > 0 {
		return n.bad("null_count %d without a validity bitmap", s.nulls)
	}
	if n.kind != group && n.kind != fixedList && length > 0 {
		s.values = le.Uint32(table[4:])
		if err := r.measureValues(&s); err != nil {
			return err
		}
	}
	lo, hi := s.first, s.first+length
	switch n.kind {
	case varying, list:
		if lo, hi, err = r.span(&s); err != nil {
			return err
		}
	case fixedList:
		lo, hi = lo*n.count, hi*n.count
	}
	if n.kind == varying && hi > lo {
		s.data, s.dataLen = le.Uint32(table[8:]), hi-lo
		if int64(s.data)+int64(hi) > int64(len(r.mem)) {
			return n.outside("data", s.data, int64(hi), r.mem)
		}
		s.data += uint32(lo)
		s.dataAt = r.reserve(int64(s.dataLen))
	}
	r.slots = append(r.slots, s)
	switch {
	case n.dict != nil:
		return r.measureDictionary(a, len(r.slots)-1)
	case len(n.children) > 0:
		return r.measureChildren(n, a, len(r.slots)-1, lo, hi)
	}
	return nil
}

// measureDictionary adds the values that the indices of slot at refer to, and counts each of them as often as it is
// referred to: consumers unfold dictionaries, and four bytes a row must not become a megabyte a row then.
func (r *Reader) measureDictionary(a cArray, at int) error {
	n := r.slots[at].n
	c, err := r.array(n.dict, a.dictionary)
	if err != nil {
		return err
	}
	if err := r.measure(n.dict, c, at, 0, int(c.length)); err != nil {
		return err
	}
	s, values := &r.slots[at], &r.slots[at+1]
	if s.length == 0 {
		return nil
	}
	if n.dict.kind != varying {
		r.bytes += int64(s.length) * int64(max(n.dict.width, 1))
		return nil
	}
	valid := r.bitsOf(s, s.valid)
	indices, offsets := r.mem[s.values:], r.mem[values.values:]
	r.bytes += 4 * int64(s.length) // the offset that each has when they are unfolded
	for row := range s.length {
		if s.valid != 0 && !bitutil.BitIsSet(valid, s.first+row) {
			continue
		}
		k := n.index(indices, row)
		if k < 0 || k >= int64(values.length) {
			continue // the copy will say so, if the row means something
		}
		if size := offset(offsets, int(k)+1, n.dict.width) - offset(offsets, int(k), n.dict.width); size > 0 {
			r.bytes += min(size, int64(len(r.mem))) // bad offsets are found in the copy
		}
		if r.bytes > maxExpanded {
			return n.bad("its rows refer to more than %d bytes of its dictionary", int64(maxExpanded))
		}
	}
	return nil
}

// maxExpanded keeps sums from overflowing; limits of runs are far below.
const maxExpanded = 1 << 48

// index is the index in a row, negative when no dictionary can have it.
func (n *node) index(values []byte, row int) int64 {
	le := binary.LittleEndian
	switch {
	case n.width == 1 && n.signed:
		return int64(int8(values[row]))
	case n.width == 1:
		return int64(values[row])
	case n.width == 2 && n.signed:
		return int64(int16(le.Uint16(values[2*row:])))
	case n.width == 2:
		return int64(le.Uint16(values[2*row:]))
	case n.width == 4 && n.signed:
		return int64(int32(le.Uint32(values[4*row:])))
	case n.width == 4:
		return int64(le.Uint32(values[4*row:]))
	default: // unsigned ones above 2^63 are as much out of range as negative ones
		return int64(le.Uint64(values[8*row:]))
	}
}

// measureChildren adds rows [lo, hi) of each child: a struct's own rows, or the elements that a list's offsets span.
func (r *Reader) measureChildren(n *node, a cArray, parent, lo, hi int) error {
	pointers, err := r.view(n, "table of children", a.children, 4*len(n.children), 4)
	if err != nil {
		return err
	}
	for i := range n.children {
		child := &n.children[i]
		c, err := r.array(child, binary.LittleEndian.Uint32(pointers[4*i:]))
		if err != nil {
			return err
		}
		if c.length < int64(hi) {
			return child.bad("%d rows, its parent needs %d", c.length, hi)
		}
		if err := r.measure(child, c, parent, lo, hi-lo); err != nil {
			return err
		}
	}
	return nil
}

// measureValues reserves the copy of the values, or of the offsets.
func (r *Reader) measureValues(s *slot) (err error) {
	n := s.n
	switch n.kind {
	case bits:
		s.valuesAt, err = r.bitmap(n, "values", s.values, s.first, s.length)
		return err
	case fixed:
		size := int64(s.first+s.length) * int64(n.width)
		if err := r.within(n, "values", s.values, size, n.align); err != nil {
			return err
		}
		s.values += uint32(s.first * n.width)
		s.valuesAt = r.reserve(int64(s.length) * int64(n.width))
	default:
		size := int64(n.width) * int64(s.first+s.length+1)
		if err := r.within(n, "offsets", s.values, size, n.width); err != nil {
			return err
		}
		s.values += uint32(n.width * s.first)
		s.valuesAt = r.reserve(int64(n.width) * int64(s.length+1))
	}
	return nil
}

// span is the range of data or elements between the first and the last offset; the offsets between are checked when
// they have been copied.
func (r *Reader) span(s *slot) (lo, hi int, err error) {
	if s.length == 0 {
		return 0, 0, nil
	}
	offsets := r.mem[s.values:]
	first, last := offset(offsets, 0, s.n.width), offset(offsets, s.length, s.n.width)
	if first < 0 || last < first || last >= math.MaxUint32 || s.n.width == 4 && last == math.MaxInt32 {
		return 0, 0, s.n.bad("offsets run from %d to %d", first, last)
	}
	s.base = first
	return int(first), int(last), nil
}

// bitmap checks a bitmap of rows [first, first+length) and reserves its copy.
func (r *Reader) bitmap(n *node, what string, at uint32, first, length int) (int64, error) {
	if err := r.within(n, what, at, (int64(first)+int64(length)+7)/8, 1); err != nil {
		return 0, err
	}
	return r.reserve((int64(length) + 7) / 8), nil
}

// reserve makes room in the copy. Sizes are bounded by the memory's, so that their sum cannot overflow.
func (r *Reader) reserve(size int64) int64 {
	at := r.size
	r.size += align(size)
	r.bytes += size
	return at
}

// view is a bounds- and alignment-checked piece of guest memory.
func (r *Reader) view(n *node, what string, at uint32, size, alignment int) ([]byte, error) {
	if err := r.within(n, what, at, int64(size), alignment); err != nil {
		return nil, err
	}
	return r.mem[at : int64(at)+int64(size)], nil
}

func (r *Reader) within(n *node, what string, at uint32, size int64, alignment int) error {
	if at == 0 {
		return n.bad("%s is a null pointer", what)
	}
	if at%uint32(alignment) != 0 {
		return &Error{Status: abi.Misaligned, Column: n.name, Why: fmt.Sprintf("%s at %d is not aligned to %d", what, at, alignment)}
	}
	if int64(at)+size > int64(len(r.mem)) {
		return n.outside(what, at, size, r.mem)
	}
	return nil
}

func (n *node) outside(what string, at uint32, size int64, mem []byte) error {
	return &Error{Status: abi.OutOfBounds, Column: n.name,
		Why: fmt.Sprintf("%s of %d bytes at %d leaves the memory of %d", what, size, at, len(mem))}
}

func (n *node) bad(format string, args ...any) error {
	return &Error{Status: abi.BadArray, Column: n.name, Why: fmt.Sprintf(format, args...)}
}

// assemble makes the Arrow data of the first slot, which has its children behind it, and returns what follows them.
func assemble(block []byte, slots []slot) (arrow.ArrayData, []slot) {
	s := &slots[0]
	rest := slots[1:]
	bufs := make([]*memory.Buffer, 1, 3)
	if s.valid != 0 {
		bufs[0] = part(block, s.validAt, (s.length+7)/8)
	}
	switch s.n.kind {
	case bits:
		bufs = append(bufs, part(block, s.valuesAt, (s.length+7)/8))
	case fixed:
		bufs = append(bufs, part(block, s.valuesAt, s.length*s.n.width))
	case list, varying:
		if s.length == 0 {
			bufs = append(bufs, memory.NewBufferBytes(make([]byte, s.n.width)))
		} else {
			bufs = append(bufs, part(block, s.valuesAt, s.n.width*(s.length+1)))
		}
		if s.n.kind == varying {
			bufs = append(bufs, part(block, s.dataAt, s.dataLen))
		}
	}
	if s.n.dict != nil {
		values, rest := assemble(block, rest)
		defer values.Release()
		return array.NewDataWithDictionary(s.n.typ, s.length, bufs, s.nulls, 0, values.(*array.Data)), rest
	}
	var children []arrow.ArrayData
	for range s.n.children {
		var c arrow.ArrayData
		c, rest = assemble(block, rest)
		children = append(children, c)
	}
	d := array.NewData(s.n.typ, s.length, bufs, children, s.nulls, 0)
	for _, c := range children {
		c.Release()
	}
	return d, rest
}

func part(block []byte, at int64, size int) *memory.Buffer {
	return memory.NewBufferBytes(block[at : at+int64(size) : at+int64(size)])
}
