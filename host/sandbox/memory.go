package sandbox

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"
)

// pageSize is a Wasm page.
const pageSize = 64 << 10

// maxMemory is the most an instance can have: wazero counts a memory's bytes in 32 bits, so the last page is out.
const maxMemory = 1<<32 - pageSize

// linear is the linear memory of one instance: address space reserved up to the limit once, so that its base never
// moves and growing costs nothing but the pages that are touched.
type linear struct {
	reserved []byte
	size     int    // in use
	pages    *pages // of the image that it is mapped to; nil while there is none
	denied   bool
	beside   *linear // whose bytes count for this one's limit too; nil: there is none
}

// newLinear reserves limit bytes, a multiple of pageSize.
func newLinear(limit int64) (*linear, error) {
	b, err := reserve(int(limit))
	if err != nil {
		return nil, fmt.Errorf("reserving %d bytes for a guest's memory: %w", limit, err)
	}
	return &linear{reserved: b}, nil
}

// bytes is the memory as it is now.
func (l *linear) bytes() []byte { return l.reserved[:l.size:l.size] }

// Allocate implements experimental.MemoryAllocator. An instance has one memory.
func (l *linear) Allocate(_, _ uint64) experimental.LinearMemory { return l }

// Reallocate implements experimental.LinearMemory: nil beyond the limit, which the guest sees as memory.grow giving −1.
func (l *linear) Reallocate(size uint64) []byte {
	if size+uint64(l.together())-uint64(l.size) > uint64(len(l.reserved)) {
		l.denied = true
		if l.beside != nil {
			l.beside.denied = true
		}
		return nil
	}
	l.size = int(size)
	return l.bytes()
}

// together is the size of the memory and of the one beside it.
func (l *linear) together() int64 {
	if l.beside == nil {
		return int64(l.size)
	}
	return int64(l.size) + int64(l.beside.size)
}

// Free implements experimental.LinearMemory. It may be called more than once.
func (l *linear) Free() {
	if l.reserved != nil {
		release(l.reserved)
		l.reserved, l.size = nil, 0
	}
}
