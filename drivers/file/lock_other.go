//go:build !unix

package file

import (
	"context"
	"os"
)

// waitLock does nothing: on these systems one delivery at a time may write to a folder.
func waitLock(context.Context, *os.File) error { return nil }
