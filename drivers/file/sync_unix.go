//go:build unix

package file

import "os"

// syncDir makes the entries of a folder durable.
func syncDir(f *os.File) error { return f.Sync() }
