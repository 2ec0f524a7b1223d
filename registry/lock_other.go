//go:build !unix

package registry

import "os"

// lockFile does nothing: on these systems one process at a time may write a registry.
func lockFile(*os.File) error { return nil }

func syncFolder(*os.File) error { return nil }
