package cdata

import (
	"strings"
	"unsafe"
)

// allocate makes the block that a batch is copied into, aligned for Arrow, its content undefined: every byte is about
// to be written, and zeroing first would cost as much as the copy. strings.Builder is the standard library's only door
// to memory that is not zeroed; the string it makes is never seen, so that nobody can observe it change.
func allocate(size int64) []byte {
	const slack = 63
	var b strings.Builder
	b.Grow(int(size) + slack)
	b.WriteByte(0) // the pointer of an empty string is not defined
	p := unsafe.Pointer(unsafe.StringData(b.String()))
	skip := -uintptr(p) & slack
	return unsafe.Slice((*byte)(unsafe.Add(p, skip)), size)
}
