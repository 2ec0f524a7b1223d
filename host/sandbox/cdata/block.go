package cdata

import "unsafe"

// allocate makes the block that a batch is copied into, aligned for Arrow.
func allocate(size int64) []byte {
	b := make([]byte, size+63)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) & 63
	return b[skip : skip+uintptr(size)]
}
