//go:build linux || darwin || freebsd || netbsd || openbsd

package sandbox

import "syscall"

func release(b []byte) {
	_ = syscall.Munmap(b) // it fails only for what reserve did not return
}
