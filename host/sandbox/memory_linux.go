package sandbox

import (
	"syscall"
	"unsafe"
)

// reserve maps zeroed pages that take no memory until they are touched, and promise none.
func reserve(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
}

// addressOf is where reserved memory lies, for what maps over it.
func addressOf(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
