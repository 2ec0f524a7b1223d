package cdata

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
)

// MaxBatch bounds a batch laid into a guest, in bytes: half of what 32-bit pointers reach.
const MaxBatch = 1 << 31

// Writer lays batches of one layout into guest memory, in two steps: Plan looks at a batch and says how many bytes it
// needs, Write puts it there. Its working memory is kept from batch to batch. It is used by one goroutine.
//
// Slices are normalised: every array is written with offset 0, its bitmaps shifted, its offsets rebased.
type Writer struct {
	l      *Layout
	arrays []header
	pieces []piece
	size   int64
}

// header is what a planned ArrowArray will say.
type header struct {
	n       *node
	length  int64
	nulls   int64
	buffers [3]int64 // places relative to the batch, 0: none (the root's struct is at 0)
}

// piece is one buffer to be written.
type piece struct {
	how  how
	src  []byte
	bit  int   // first bit, bitmaps only
	n    int   // bits
	base int64 // subtracted from offsets
	wide int   // bytes an offset
	dst  int64
}

// how a piece is copied.
type how uint8

const (
	plain   how = iota
	bitmap      // shifted to bit 0
	offsets     // rebased to begin at 0
)

// NewWriter makes a Writer for the layout.
func (l *Layout) NewWriter() *Writer { return &Writer{l: l} }

// Plan returns the size that rec takes at a place aligned to abi.Alignment. rec must have the layout's columns and be
// kept until Write.
func (w *Writer) Plan(rec arrow.RecordBatch) (int64, error) {
	w.arrays, w.pieces, w.size = w.arrays[:0], w.pieces[:0], w.l.head
	if got, want := int(rec.NumCols()), len(w.l.root.children); got != want {
		return 0, fmt.Errorf("the batch has %d columns, its port %d", got, want)
	}
	w.arrays = append(w.arrays, header{n: &w.l.root, length: rec.NumRows()})
	for i := range w.l.root.children {
		n := &w.l.root.children[i]
		d := rec.Column(i).Data()
		if !arrow.TypeEqual(d.DataType(), n.typ) {
			return 0, fmt.Errorf("column %s: the batch has %s, the port %s", n.name, d.DataType(), n.typ)
		}
		if err := w.plan(n, d, 0, int(rec.NumRows())); err != nil {
			return 0, err
		}
	}
	if w.size > MaxBatch {
		return 0, fmt.Errorf("the batch takes %d bytes in guest memory, %d are possible", w.size, int64(MaxBatch))
	}
	return w.size, nil
}

// plan adds rows [start, start+length) of d.
func (w *Writer) plan(n *node, d arrow.ArrayData, start, length int) error {
	at := len(w.arrays)
	w.arrays = append(w.arrays, header{n: n, length: int64(length)})
	first := d.Offset() + start
	bufs := d.Buffers()
	if len(bufs) < n.nbuffers() || start+length > d.Len() || len(d.Children()) != len(n.children) || n.dict != nil && !hasDictionary(d) {
		return fmt.Errorf("column %s: the array is not a whole %s", n.name, n.typ)
	}
	if d.NullN() != 0 && bufs[0] != nil && length > 0 {
		valid := bufs[0].Bytes()
		if len(valid)*8 < first+length {
			return short(n, "validity bitmap")
		}
		if nulls := length - bitutil.CountSetBits(valid, first, length); nulls > 0 {
			w.arrays[at].nulls = int64(nulls)
			w.arrays[at].buffers[0] = w.add(piece{how: bitmap, src: valid, bit: first, n: length}, bitutil.BytesForBits(int64(length)))
		}
	}
	switch n.kind {
	case bits:
		src := content(bufs[1])
		if len(src)*8 < first+length {
			return short(n, "values")
		}
		w.arrays[at].buffers[1] = w.add(piece{how: bitmap, src: src, bit: first, n: length}, bitutil.BytesForBits(int64(length)))
	case fixed:
		src := content(bufs[1])
		if len(src) < (first+length)*n.width {
			return short(n, "values")
		}
		src = src[first*n.width : (first+length)*n.width]
		w.arrays[at].buffers[1] = w.add(piece{src: src}, int64(len(src)))
		if n.dict != nil {
			return w.planDictionary(n.dict, d.Dictionary())
		}
	case varying:
		lo, hi, err := w.planOffsets(n, at, content(bufs[1]), first, length)
		if err != nil {
			return err
		}
		src := content(bufs[2])
		if len(src) < hi {
			return short(n, "data")
		}
		w.arrays[at].buffers[2] = w.add(piece{src: src[lo:hi]}, int64(hi-lo))
	case list:
		lo, hi, err := w.planOffsets(n, at, content(bufs[1]), first, length)
		if err != nil {
			return err
		}
		return w.plan(&n.children[0], d.Children()[0], lo, hi-lo)
	case fixedList:
		return w.plan(&n.children[0], d.Children()[0], first*n.count, length*n.count)
	case group:
		for i := range n.children {
			if err := w.plan(&n.children[i], d.Children()[i], first, length); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasDictionary tells whether an array has the values that its indices refer to. An interface holds the pointer.
func hasDictionary(d arrow.ArrayData) bool {
	values, ok := d.Dictionary().(*array.Data)
	return ok && values != nil
}

func (w *Writer) planDictionary(n *node, values arrow.ArrayData) error {
	if values.NullN() > 0 {
		return fmt.Errorf("column %s: a dictionary holds no nulls, rows do", n.name)
	}
	return w.plan(n, values, 0, values.Len())
}

// planOffsets adds length+1 offsets and returns the range of data or elements that they span.
func (w *Writer) planOffsets(n *node, at int, src []byte, first, length int) (lo, hi int, err error) {
	if length == 0 {
		// Arrow lets an empty array go without offsets; a guest always finds the one that says 0.
		w.arrays[at].buffers[1] = w.add(piece{src: zero[:n.width]}, int64(n.width))
		return 0, 0, nil
	}
	if len(src) < n.width*(first+length+1) {
		return 0, 0, short(n, "offsets")
	}
	src = src[n.width*first : n.width*(first+length+1)]
	base, end := offset(src, 0, n.width), offset(src, length, n.width)
	if base < 0 || end < base {
		return 0, 0, fmt.Errorf("column %s: offsets run from %d to %d", n.name, base, end)
	}
	p := piece{src: src}
	if base != 0 {
		p.how, p.base, p.wide = offsets, base, n.width
	}
	w.arrays[at].buffers[1] = w.add(p, int64(len(src)))
	return int(base), int(end), nil
}

var zero [8]byte

// add reserves size bytes for a piece and returns their place.
func (w *Writer) add(p piece, size int64) int64 {
	p.dst = w.size
	w.pieces = append(w.pieces, p)
	w.size += align(size)
	return p.dst
}

func content(b *memory.Buffer) []byte {
	if b == nil {
		return nil
	}
	return b.Bytes()
}

func short(n *node, what string) error {
	return fmt.Errorf("column %s: its %s is too short for its length", n.name, what)
}

// Arrays is how many arrays the planned batch has, its root and nested ones included.
func (w *Writer) Arrays() int { return len(w.arrays) }

// Write lays the planned batch into mem at base, which is aligned to abi.Alignment and has the planned size behind it.
// The root ArrowArray is at base.
func (w *Writer) Write(mem []byte, base uint32) {
	dst := mem[base : int64(base)+w.size]
	clear(dst[:w.l.head])
	for i := range w.arrays {
		w.arrays[i].write(dst, base)
	}
	for i := range w.pieces {
		w.pieces[i].write(dst)
	}
	clear(w.pieces) // they hold on to the batch
}

func (h *header) write(dst []byte, base uint32) {
	le, n := binary.LittleEndian, h.n
	a := dst[n.array : n.array+abi.ArraySize]
	le.PutUint64(a[abi.ArrayLength:], uint64(h.length))
	le.PutUint64(a[abi.ArrayNullCount:], uint64(h.nulls))
	le.PutUint64(a[abi.ArrayNBuffers:], uint64(n.nbuffers()))
	le.PutUint64(a[abi.ArrayNChildren:], uint64(len(n.children)))
	le.PutUint32(a[abi.ArrayBuffers:], base+n.buffers)
	if len(n.children) > 0 {
		le.PutUint32(a[abi.ArrayChildren:], base+n.pointers)
	}
	if n.dict != nil {
		le.PutUint32(a[abi.ArrayDictionary:], base+n.dict.array)
	}
	for i := range n.nbuffers() {
		p := uint32(h.buffers[i])
		if p != 0 {
			p += base
		}
		le.PutUint32(dst[n.buffers+4*uint32(i):], p)
	}
	for i := range n.children {
		le.PutUint32(dst[n.pointers+4*uint32(i):], base+n.children[i].array)
	}
}

func (p *piece) write(dst []byte) {
	to := dst[p.dst:]
	var end int64
	switch p.how {
	case plain:
		end = int64(copy(to, p.src))
	case bitmap:
		end = bitutil.BytesForBits(int64(p.n))
		moveBits(to[:end], p.src, p.bit, p.n)
	case offsets:
		end = int64(len(p.src))
		rebase(to[:end], p.src, p.base, p.wide)
	}
	clear(to[end:min(align(end), int64(len(to)))])
}

// moveBits copies n bits of src, from bit first on, to bit 0 of dst; the bits of dst's last byte beyond them are 0.
func moveBits(dst, src []byte, first, n int) {
	if n == 0 {
		return
	}
	src = src[first/8:]
	if s := uint(first % 8); s == 0 {
		copy(dst, src[:len(dst)])
	} else {
		shiftBits(dst, src, s)
	}
	if r := uint(n % 8); r != 0 {
		dst[len(dst)-1] &= 1<<r - 1
	}
}

// shiftBits fills dst with the bits of src from bit s on, 0 < s < 8. src may end with the last bit needed.
func shiftBits(dst, src []byte, s uint) {
	i := 0
	for ; i+8 <= len(dst) && i+9 <= len(src); i += 8 {
		v := binary.LittleEndian.Uint64(src[i:])>>s | uint64(src[i+8])<<(64-s)
		binary.LittleEndian.PutUint64(dst[i:], v)
	}
	for ; i < len(dst); i++ {
		v := src[i] >> s
		if i+1 < len(src) {
			v |= src[i+1] << (8 - s)
		}
		dst[i] = v
	}
}

// rebase copies offsets, less base.
func rebase(dst, src []byte, base int64, width int) {
	src = src[:len(dst)]
	switch {
	case base == 0:
		copy(dst, src)
	case width == 8:
		for i := 0; i+8 <= len(dst); i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:])-uint64(base))
		}
	default:
		for i := 0; i+4 <= len(dst); i += 4 {
			binary.LittleEndian.PutUint32(dst[i:], binary.LittleEndian.Uint32(src[i:])-uint32(base))
		}
	}
}

// Head is the size of the structs and pointer tables of every batch of the layout.
func (l *Layout) Head() int64 { return l.head }
