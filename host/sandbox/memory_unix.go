//go:build darwin || freebsd || netbsd || openbsd

package sandbox

import "syscall"

// reserve maps zeroed pages that take no memory until they are touched.
func reserve(size int) ([]byte, error) {
	return syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}
