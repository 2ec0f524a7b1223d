//go:build unix

package registry

import (
	"os"
	"syscall"
)

// lockFile waits until no other process holds the lock. The lock ends with the file's handle, so also with a killed process.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

func syncFolder(f *os.File) error { return f.Sync() }
