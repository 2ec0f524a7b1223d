package quality

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
)

// mask marks rows of a batch, one bit a row. Bits past the last row are never set.
type mask []uint64

// cleared gives an empty mask for n rows, in m's memory where that is large enough.
func (m mask) cleared(n int) mask {
	words := (n + 63) / 64
	if cap(m) < words {
		return make(mask, words)
	}
	m = m[:words]
	clear(m)
	return m
}

func (m mask) set(row int)      { m[row>>6] |= 1 << (row & 63) }
func (m mask) has(row int) bool { return m[row>>6]&(1<<(row&63)) != 0 }

func (m mask) count() int64 {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return int64(n)
}

func (m mask) or(other mask) {
	for i, w := range other {
		m[i] |= w
	}
}

func (m mask) andNot(other mask) {
	for i, w := range other {
		m[i] &^= w
	}
}

// rows calls fn for the marked rows in order, until it returns false.
func (m mask) rows(fn func(row int) bool) {
	for i, w := range m {
		for ; w != 0; w &= w - 1 {
			if !fn(i<<6 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

// setNulls marks the nulls of a column.
func (m mask) setNulls(col arrow.Array) {
	if col.NullN() == 0 {
		return
	}
	valid, from, n := col.NullBitmapBytes(), col.Data().Offset(), col.Len()
	if len(valid) == 0 { // a column of type null has no bitmap: all of it is
		for i := range n {
			m.set(i)
		}
		return
	}
	for i := range m {
		w := ^word(valid, from+i<<6)
		if left := n - i<<6; left < 64 {
			w &= 1<<left - 1
		}
		m[i] |= w
	}
}

// clearNulls unmarks the nulls of a column.
func (m mask) clearNulls(col arrow.Array) {
	valid := col.NullBitmapBytes()
	if col.NullN() == 0 || len(valid) == 0 {
		return
	}
	from := col.Data().Offset()
	for i := range m {
		if m[i] != 0 {
			m[i] &= word(valid, from+i<<6)
		}
	}
}

// word reads 64 bits of a bitmap from bit at; what lies past its end is zero.
func word(bitmap []byte, at int) uint64 {
	i, shift := at>>3, at&7
	if i+8 <= len(bitmap) {
		w := binary.LittleEndian.Uint64(bitmap[i:]) >> shift
		if shift > 0 && i+8 < len(bitmap) {
			w |= uint64(bitmap[i+8]) << (64 - shift)
		}
		return w
	}
	var w uint64
	for k := len(bitmap) - 1; k >= i; k-- {
		w = w<<8 | uint64(bitmap[k])
	}
	return w >> shift
}
