//go:build !unix

package file

import "os"

// syncDir does nothing where folders cannot be synced: their entries are journalled by the file system.
func syncDir(*os.File) error { return nil }
