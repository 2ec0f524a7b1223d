package adp

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unsafe"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// Column is a view of one column of a batch. It and every slice and string taken from it lie on the host's buffers: they are
// valid until the handler returns, and must not be written to. Values of rows that are null mean nothing.
type Column struct {
	field    *Field
	n        int
	nulls    int    // -1: not counted yet
	validity []byte // nil: no nulls
	bit      int    // of row 0 in validity, and in values of booleans
	values   []byte // fixed width from row 0; bits; bytes of strings
	offsets  []int32
	children []Column
}

// Len is the number of rows.
func (c *Column) Len() int { return c.n }

// Field is the column's declaration.
func (c *Column) Field() *Field { return c.field }

// IsNull reports whether row i is null.
func (c *Column) IsNull(i int) bool {
	if c.validity == nil {
		return false
	}
	i += c.bit
	return c.validity[i>>3]>>(i&7)&1 == 0
}

// Validity is the bitmap of rows that are not null, and the position of row 0 in it; nil where no row is null.
func (c *Column) Validity() (bitmap []byte, first int) { return c.validity, c.bit }

// Nulls is the number of rows that are null.
func (c *Column) Nulls() int {
	if c.nulls < 0 {
		c.nulls = c.n - onesIn(c.validity, c.bit, c.n)
	}
	return c.nulls
}

// onesIn counts the set bits of n bits from the given one on.
func onesIn(bitmap []byte, from, n int) int {
	ones := 0
	for ; n > 0 && from&7 != 0; from, n = from+1, n-1 {
		ones += int(bitmap[from>>3] >> (from & 7) & 1)
	}
	b := bitmap[from>>3:]
	for ; n >= 64; b, n = b[8:], n-64 {
		ones += bits.OnesCount64(binary.LittleEndian.Uint64(b))
	}
	for ; n >= 8; b, n = b[1:], n-8 {
		ones += bits.OnesCount8(b[0])
	}
	if n > 0 {
		ones += bits.OnesCount8(b[0] & (1<<n - 1))
	}
	return ones
}

// Bools, Int32s, … are the values of a column of that kind, one for each row. They panic, which fails the run with a clear
// message, when the column is of another kind.
func (c *Column) Bools() Bits { c.must(KindBool); return Bits{c.values, c.bit, c.n} }

// Int32s are the values of an int32 column.
func (c *Column) Int32s() []int32 { return fixed[int32](c, KindInt32) }

// Int64s are the values of an int64 column.
func (c *Column) Int64s() []int64 { return fixed[int64](c, KindInt64) }

// Float32s are the values of a float32 column.
func (c *Column) Float32s() []float32 { return fixed[float32](c, KindFloat32) }

// Float64s are the values of a float64 column.
func (c *Column) Float64s() []float64 { return fixed[float64](c, KindFloat64) }

// Decimals are the unscaled values of a decimal column.
func (c *Column) Decimals() []Decimal { return fixed[Decimal](c, KindDecimal) }

// Dates are the values of a date column.
func (c *Column) Dates() []Date { return fixed[Date](c, KindDate) }

// Times are the values of a time column.
func (c *Column) Times() []Time { return fixed[Time](c, KindTime) }

// Timestamps are the values of a timestamp or timestamptz column.
func (c *Column) Timestamps() []Timestamp {
	if c.field.Kind == KindTimestamp {
		return fixed[Timestamp](c, KindTimestamp)
	}
	return fixed[Timestamp](c, KindTimestampTZ)
}

// Strings are the values of a string column.
func (c *Column) Strings() Strings { c.must(KindString); return Strings{c.offsets, c.values} }

// Binaries are the values of a binary column.
func (c *Column) Binaries() Binaries { c.must(KindBinary); return Binaries{c.offsets, c.values} }

// Lists are the values of a list column.
func (c *Column) Lists() Lists { c.must(KindList); return Lists{c.offsets, &c.children[0]} }

// Member is a member of a struct column: a column of as many rows.
func (c *Column) Member(name string) *Column {
	c.must(KindStruct)
	for i := range c.children {
		if c.children[i].field.Name == name {
			return &c.children[i]
		}
	}
	panic("adp: struct " + c.field.Name + " has no member " + name + didYouMean(name, c.field.Fields))
}

// Members are all members of a struct column, in the contract's order.
func (c *Column) Members() []Column { c.must(KindStruct); return c.children }

func (c *Column) must(k Kind) {
	if c.field.Kind != k {
		panic("adp: column " + c.field.Name + " is " + c.field.String() + ", not " + k.String())
	}
}

func fixed[T any](c *Column, k Kind) []T {
	c.must(k)
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(c.values))), c.n)
}

// Bits are booleans, one bit each.
type Bits struct {
	bits []byte
	bit  int
	n    int
}

// Len is the number of rows.
func (b Bits) Len() int { return b.n }

// Bitmap is all values, and the position of row 0 in it.
func (b Bits) Bitmap() (bitmap []byte, first int) { return b.bits, b.bit }

// At is the value of row i.
func (b Bits) At(i int) bool { i += b.bit; return b.bits[i>>3]>>(i&7)&1 == 1 }

// Strings are texts that lie one after another.
type Strings struct {
	offsets []int32
	data    []byte
}

// Len is the number of rows.
func (s Strings) Len() int { return len(s.offsets) - 1 }

// At is the text of row i, without a copy: use [Strings.Copy] for one that outlives the handler.
func (s Strings) At(i int) string {
	b := s.data[s.offsets[i]:s.offsets[i+1]]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Copy is the text of row i, to keep.
func (s Strings) Copy(i int) string { return strings.Clone(s.At(i)) }

// Offsets are Len()+1 positions in Bytes; row i lies from Offsets()[i] to Offsets()[i+1].
func (s Strings) Offsets() []int32 { return s.offsets }

// Bytes is what Offsets point into.
func (s Strings) Bytes() []byte { return s.data }

// Binaries are byte strings that lie one after another.
type Binaries struct {
	offsets []int32
	data    []byte
}

// Len is the number of rows.
func (s Binaries) Len() int { return len(s.offsets) - 1 }

// At is the value of row i, without a copy.
func (s Binaries) At(i int) []byte { return s.data[s.offsets[i]:s.offsets[i+1]:s.offsets[i+1]] }

// Offsets are Len()+1 positions in Bytes; row i lies from Offsets()[i] to Offsets()[i+1].
func (s Binaries) Offsets() []int32 { return s.offsets }

// Bytes is what Offsets point into.
func (s Binaries) Bytes() []byte { return s.data }

// Lists are lists whose elements lie one after another.
type Lists struct {
	offsets []int32
	elem    *Column
}

// Len is the number of rows.
func (l Lists) Len() int { return len(l.offsets) - 1 }

// At says where in Elem the elements of row i lie: from inclusive, to exclusive.
func (l Lists) At(i int) (from, to int) { return int(l.offsets[i]), int(l.offsets[i+1]) }

// Offsets are Len()+1 positions in Elem.
func (l Lists) Offsets() []int32 { return l.offsets }

// Elem is the column of all elements.
func (l Lists) Elem() *Column { return l.elem }

// widths of fixed-width kinds, in bytes.
var widths = [...]int{KindInt32: 4, KindInt64: 8, KindFloat32: 4, KindFloat64: 8, KindDecimal: 16, KindDate: 4, KindTime: 8,
	KindTimestamp: 8, KindTimestampTZ: 8, KindStruct: 0}

// read sets c to rows [skip, skip+n) of the ArrowArray at addr; n < 0: all rows.
func (c *Column) read(m memory, f *Field, addr uint32, skip, n int) {
	a := m.view(addr, abi.ArraySize)
	length, offset := int(i64(a, abi.ArrayLength)), int(i64(a, abi.ArrayOffset))
	nulls := int(i64(a, abi.ArrayNullCount))
	if n < 0 {
		n = length - skip
	}
	if nulls > 0 && (skip != 0 || n != length) {
		nulls = -1 // counted over other rows than ours
	}
	off := offset + skip
	*c = Column{field: f, n: n, nulls: nulls, bit: off, children: c.children[:0]}
	buffers := m.view(u32(a, abi.ArrayBuffers), uint32(i64(a, abi.ArrayNBuffers))*4)
	if v := u32(buffers, 0); v != 0 && nulls != 0 {
		c.validity = m.view(v, uint32(off+n+7)/8)
	} else {
		c.nulls = 0
	}
	switch f.Kind {
	case KindBool:
		c.values = m.view(u32(buffers, 4), uint32(off+n+7)/8)
	case KindString, KindBinary:
		c.readOffsets(m, u32(buffers, 4), off, n)
		c.values = m.view(u32(buffers, 8), uint32(c.offsets[n]))
	case KindList:
		c.readOffsets(m, u32(buffers, 4), off, n)
		c.readChildren(m, a, 0, -1)
	case KindStruct:
		c.readChildren(m, a, off, n)
	default:
		w := widths[f.Kind]
		if n > 0 {
			c.values = m.view(u32(buffers, 4)+uint32(off*w), uint32(n*w))
		}
	}
}

var noOffsets = []int32{0}

func (c *Column) readOffsets(m memory, addr uint32, off, n int) {
	if n == 0 {
		c.offsets = noOffsets
		return
	}
	b := m.view(addr+uint32(off)*4, uint32(n+1)*4)
	c.offsets = unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(b))), n+1)
}

func (c *Column) readChildren(m memory, a []byte, skip, n int) {
	fields := c.field.Fields
	pointers := m.view(u32(a, abi.ArrayChildren), uint32(len(fields))*4)
	if cap(c.children) < len(fields) {
		c.children = make([]Column, len(fields))
	}
	c.children = c.children[:len(fields)]
	for i := range fields {
		c.children[i].read(m, &fields[i], u32(pointers, i*4), skip, n)
	}
}

func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func i64(b []byte, at int) int64  { return int64(binary.LittleEndian.Uint64(b[at:])) }
