//go:build cgo && duckdb_arrow && (linux || darwin)

package main

import (
	"errors"
	"syscall"
)

// later is how much this process steps back for the node that started it.
const later = 5

// limit takes from this process what it never needs: to write files, and to leave its memory behind when it ends.
func limit() error {
	return errors.Join(
		syscall.Setpriority(syscall.PRIO_PROCESS, 0, later),
		syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{}),
		syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}),
	)
}
