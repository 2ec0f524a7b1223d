//go:build linux || darwin

package sandbox

import (
	"errors"
	"syscall"
	"time"
)

// later is how much this process steps back for others: whoever waits for a module waits for a while anyway.
const later = 5

// bound limits this process: beyond its memory allocation fails, beyond its processor time it is killed.
func bound(memory uint64, processor time.Duration) error {
	seconds := uint64(processor / time.Second)
	return errors.Join(
		syscall.Setpriority(syscall.PRIO_PROCESS, 0, later),
		syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: memory, Max: memory}),
		syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: seconds, Max: seconds}),
	)
}
