package table

import (
	"iter"
	"math/bits"
)

// bitmap is a set of row positions. The zero value is empty. A bitmap that belongs to a state is never changed: clone it.
type bitmap struct {
	words []uint64
	n     int64
}

// add puts i into the set and reports whether it was not there.
func (b *bitmap) add(i int64) bool {
	w := int(i >> 6)
	if w >= len(b.words) {
		b.words = append(b.words, make([]uint64, w+1-len(b.words))...)
	}
	mask := uint64(1) << (i & 63)
	if b.words[w]&mask != 0 {
		return false
	}
	b.words[w] |= mask
	b.n++
	return true
}

func (b *bitmap) has(i int64) bool {
	w := int(i >> 6)
	return b != nil && w < len(b.words) && b.words[w]>>(i&63)&1 != 0
}

// count is the number of positions; a nil bitmap has none.
func (b *bitmap) count() int64 {
	if b == nil {
		return 0
	}
	return b.n
}

func (b *bitmap) clone() *bitmap {
	if b == nil {
		return &bitmap{}
	}
	return &bitmap{words: append([]uint64(nil), b.words...), n: b.n}
}

// within counts the positions in [from, to).
func (b *bitmap) within(from, to int64) int64 {
	if b == nil {
		return 0
	}
	var n int64
	for w := from >> 6; w < int64(len(b.words)) && w<<6 < to; w++ {
		word := b.words[w]
		if lo := from - w<<6; lo > 0 {
			word &= ^uint64(0) << lo
		}
		if hi := to - w<<6; hi < 64 {
			word &= 1<<hi - 1
		}
		n += int64(bits.OnesCount64(word))
	}
	return n
}

// all yields the positions in rising order.
func (b *bitmap) all() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		if b == nil {
			return
		}
		for w, word := range b.words {
			for word != 0 {
				if !yield(int64(w)<<6 + int64(bits.TrailingZeros64(word))) {
					return
				}
				word &= word - 1
			}
		}
	}
}
