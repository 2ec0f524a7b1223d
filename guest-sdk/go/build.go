package adp

import (
	"unsafe"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// Builder collects the values of one column of an output. Each row takes one call: the method of the column's kind, or Null.
// A call for another kind panics, which fails the run.
type Builder struct {
	field    *Field
	n        int
	nulls    int
	validity []byte // nil until the first null
	values   []byte
	offsets  []int32 // n+1 of them, for strings, binaries and lists
	children []Builder
}

func (b *Builder) init(f *Field) {
	*b = Builder{field: f}
	switch f.Kind {
	case KindString, KindBinary, KindList:
		b.offsets = append(make([]int32, 0, 64), 0)
	}
	b.children = make([]Builder, len(f.Fields))
	for i := range b.children {
		b.children[i].init(&f.Fields[i])
	}
}

// reset drops the rows and keeps the memory.
func (b *Builder) reset() {
	b.n, b.nulls, b.values = 0, 0, b.values[:0]
	b.validity = b.validity[:0]
	if b.offsets != nil {
		b.offsets = b.offsets[:1]
	}
	for i := range b.children {
		b.children[i].reset()
	}
}

// bytes is what the values of the rows take.
func (b *Builder) bytes() int {
	n := len(b.values)
	for i := range b.children {
		n += b.children[i].bytes()
	}
	return n
}

// Len is the number of rows so far.
func (b *Builder) Len() int { return b.n }

// Field is the column's declaration.
func (b *Builder) Field() *Field { return b.field }

// Bool adds a row to a bool column.
func (b *Builder) Bool(v bool) {
	b.must(KindBool)
	if b.n&7 == 0 {
		b.values = append(b.room(1), 0)
	}
	if v {
		b.values[b.n>>3] |= 1 << (b.n & 7)
	}
	b.present()
}

// Int32 adds a row to an int32 column.
func (b *Builder) Int32(v int32) { b.must(KindInt32); push(b, v) }

// Int64 adds a row to an int64 column.
func (b *Builder) Int64(v int64) { b.must(KindInt64); push(b, v) }

// Float32 adds a row to a float32 column.
func (b *Builder) Float32(v float32) { b.must(KindFloat32); push(b, v) }

// Float64 adds a row to a float64 column.
func (b *Builder) Float64(v float64) { b.must(KindFloat64); push(b, v) }

// Decimal adds a row to a decimal column; v is unscaled.
func (b *Builder) Decimal(v Decimal) { b.must(KindDecimal); push(b, v) }

// Date adds a row to a date column.
func (b *Builder) Date(v Date) { b.must(KindDate); push(b, v) }

// Time adds a row to a time column.
func (b *Builder) Time(v Time) { b.must(KindTime); push(b, v) }

// Timestamp adds a row to a timestamp or timestamptz column.
func (b *Builder) Timestamp(v Timestamp) {
	if b.field.Kind != KindTimestamp {
		b.must(KindTimestampTZ)
	}
	push(b, v)
}

// String adds a row to a string column. Text that is not UTF-8 is refused by the host.
func (b *Builder) String(v string) { b.must(KindString); pushBytes(b, v) }

// Binary adds a row to a binary column.
func (b *Builder) Binary(v []byte) { b.must(KindBinary); pushBytes(b, v) }

// Elem takes the elements of a list column; EndList makes a row of them.
func (b *Builder) Elem() *Builder { b.must(KindList); return &b.children[0] }

// EndList adds a row to a list column: the elements added since the row before.
func (b *Builder) EndList() {
	b.must(KindList)
	b.offsets = append(b.offsets, int32(b.children[0].n))
	b.present()
}

// Member takes a member's value of a struct column; EndStruct makes a row of them.
func (b *Builder) Member(name string) *Builder {
	b.must(KindStruct)
	for i := range b.children {
		if b.children[i].field.Name == name {
			return &b.children[i]
		}
	}
	panic("adp: struct " + b.field.Name + " has no member " + name + didYouMean(name, b.field.Fields))
}

// EndStruct adds a row to a struct column. Every member must have got its value; those that got none become null.
func (b *Builder) EndStruct() {
	b.must(KindStruct)
	for i := range b.children {
		if b.children[i].n == b.n {
			b.children[i].Null()
		}
	}
	b.present()
}

// Null adds a row without a value. The column must be nullable.
func (b *Builder) Null() {
	if !b.field.Nullable {
		panic("adp: column " + b.field.Name + " is required: it takes no null")
	}
	b.absent()
}

// Int64s adds rows to an int64 column, and Float64s to a float64 column: a copy of memory.
func (b *Builder) Int64s(v []int64) { b.must(KindInt64); pushAll(b, v) }

// Float64s adds rows to a float64 column.
func (b *Builder) Float64s(v []float64) { b.must(KindFloat64); pushAll(b, v) }

func (b *Builder) must(k Kind) {
	if b.field.Kind != k {
		panic("adp: column " + b.field.Name + " is " + b.field.String() + ", not " + k.String())
	}
}

func push[T any](b *Builder, v T) {
	const first = 64 // small objects of Go are not always aligned
	at, size := len(b.values), int(unsafe.Sizeof(v))
	if cap(b.values)-at < size {
		b.grow(max(size, first))
	}
	b.values = b.values[:at+size]
	*(*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b.values)), at)) = v
	b.present()
}

func pushAll[T any](b *Builder, v []T) {
	b.values = append(b.room(len(v)*int(unsafe.Sizeof(*new(T)))), bytesOf(v)...)
	b.presents(len(v))
}

func pushBytes[T string | []byte](b *Builder, v T) {
	b.values = append(b.room(len(v)), v...)
	b.offsets = append(b.offsets, int32(len(b.values)))
	b.present()
}

// room is values with place for n bytes more, in memory that is aligned for every kind.
func (b *Builder) room(n int) []byte {
	if cap(b.values)-len(b.values) < n {
		b.grow(max(n, 64))
	}
	return b.values
}

func (b *Builder) grow(n int) {
	v := make([]byte, len(b.values), max(2*cap(b.values), len(b.values)+n))
	copy(v, b.values)
	b.values = v
}

// present counts a row that has a value.
func (b *Builder) present() {
	if len(b.validity) > 0 {
		if b.n&7 == 0 {
			b.validity = append(b.validity, 0)
		}
		b.validity[b.n>>3] |= 1 << (b.n & 7)
	}
	b.n++
}

// presents counts n rows that have values.
func (b *Builder) presents(n int) {
	if len(b.validity) == 0 {
		b.n += n
		return
	}
	for range n {
		b.present()
	}
}

// absent counts a row that has none, with something in its place.
func (b *Builder) absent() {
	if len(b.validity) == 0 { // the first: everything before was there
		b.validity = append(b.validity, make([]byte, b.n>>3+1)...)
		for i := range b.validity {
			b.validity[i] = 0xff
		}
		b.validity[b.n>>3] = 1<<(b.n&7) - 1
	} else if b.n&7 == 0 {
		b.validity = append(b.validity, 0)
	}
	b.nulls++
	b.filler()
	b.n++
}

// blank adds a row to a column whose value does not matter.
func (b *Builder) blank() {
	if b.field.Nullable {
		b.absent()
		return
	}
	b.filler()
	b.present()
}

func (b *Builder) filler() {
	switch b.field.Kind {
	case KindBool:
		if b.n&7 == 0 {
			b.values = append(b.room(1), 0)
		}
	case KindString, KindBinary:
		b.offsets = append(b.offsets, int32(len(b.values)))
	case KindList:
		b.offsets = append(b.offsets, int32(b.children[0].n))
	case KindStruct:
		for i := range b.children {
			b.children[i].blank()
		}
	default:
		var zero [16]byte
		w := widths[b.field.Kind]
		b.values = append(b.room(w), zero[:w]...)
	}
}

// Copy adds row i of a column of the same type.
func (b *Builder) Copy(c *Column, i int) {
	if c.IsNull(i) {
		b.Null()
		return
	}
	k := b.field.Kind
	c.must(k)
	switch k {
	case KindBool:
		b.Bool(Bits{c.values, c.bit, c.n}.At(i))
	case KindString, KindBinary:
		pushBytes(b, c.values[c.offsets[i]:c.offsets[i+1]])
	case KindList:
		for j := c.offsets[i]; j < c.offsets[i+1]; j++ {
			b.children[0].Copy(&c.children[0], int(j))
		}
		b.EndList()
	case KindStruct:
		for j := range b.children {
			b.children[j].Copy(&c.children[j], i)
		}
		b.present()
	default:
		w := widths[k]
		b.values = append(b.room(w), c.values[i*w:i*w+w]...)
		b.present()
	}
}

// layout writes ArrowArrays for builders into one block of memory.
type layout struct {
	m     memory
	block []byte
	base  uint32
	at    uint32
}

// blockSize is what layout.array needs for b.
func blockSize(b *Builder) int {
	n := abi.ArraySize + 16 + (4*len(b.children)+7)&^7 // at most three buffers
	for i := range b.children {
		n += blockSize(&b.children[i])
	}
	return n
}

func (l *layout) take(n uint32) (b []byte, addr uint32) {
	at := l.at
	l.at += (n + 7) &^ 7
	return l.block[at : at+n], l.base + at
}

// array lays b down and returns the address of its ArrowArray.
func (l *layout) array(b *Builder) uint32 {
	a, addr := l.take(abi.ArraySize)
	clear(a)
	putI64(a, abi.ArrayLength, int64(b.n))
	putI64(a, abi.ArrayNullCount, int64(b.nulls))
	buffers, at := l.take(12)
	clear(buffers)
	putU32(a, abi.ArrayBuffers, at)
	count := int64(2)
	putU32(buffers, 0, l.m.addr(b.validity))
	switch b.field.Kind {
	case KindString, KindBinary:
		count = 3
		putU32(buffers, 4, l.m.addr(bytesOf(b.offsets)))
		putU32(buffers, 8, l.m.addr(b.values))
	case KindList:
		putU32(buffers, 4, l.m.addr(bytesOf(b.offsets)))
	case KindStruct:
		count = 1
	default:
		putU32(buffers, 4, l.m.addr(b.values))
	}
	putI64(a, abi.ArrayNBuffers, count)
	if len(b.children) > 0 {
		pointers, at := l.take(uint32(4 * len(b.children)))
		putI64(a, abi.ArrayNChildren, int64(len(b.children)))
		putU32(a, abi.ArrayChildren, at)
		for i := range b.children {
			putU32(pointers, i*4, l.array(&b.children[i]))
		}
	}
	return addr
}
