//go:build unix

package file

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/adp-host/adp/drivers"
)

// How often, and how long, a lock that another holds is asked for.
const (
	lockRetry = 2 * time.Millisecond
	lockWait  = 10 * time.Second
)

// waitLock takes a lock on an open file. The lock ends with the file's handle, so also with a killed process; a process
// that was stopped keeps it, and then waiting ends with an error.
func waitLock(ctx context.Context, f *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errLocked)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockRetry):
		}
	}
}

var errLocked = &drivers.Error{Kind: drivers.ErrUnavailable, Message: "another process has been delivering to this folder for 10 s",
	Hint: "a process of adp that is stopped holds the lock: continue or end it"}
