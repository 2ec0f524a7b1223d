package adp

import "unsafe"

// memory is the guest's own linear memory: an address is a pointer.
type memory struct{}

func (memory) view(addr, n uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(addr))), n)
}

// addr is where b lies, 0 when it is empty. The caller keeps b alive while the address is in use.
func (memory) addr(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

func newMemory() memory { return memory{} }
