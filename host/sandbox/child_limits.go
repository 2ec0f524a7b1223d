//go:build linux || darwin

package sandbox

import (
	"errors"
	"syscall"
	"time"
)

// bound limits this process: beyond its memory allocation fails, beyond its processor time it is killed.
func bound(memory uint64, processor time.Duration) error {
	seconds := uint64(processor / time.Second)
	return errors.Join(
		syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: memory, Max: memory}),
		syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: seconds, Max: seconds}),
	)
}
