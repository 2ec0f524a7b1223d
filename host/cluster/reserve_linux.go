package cluster

import (
	"errors"
	"os"
	"syscall"
)

// reserve gives a file that much room beyond its present size without changing the size, so that it can grow on a disk
// that has become full.
func reserve(name string, room int64) error {
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	err = syscall.Fallocate(int(f.Fd()), keepSize, 0, info.Size()+room)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return nil // a file system that cannot; nothing is worse than without
	}
	return err
}
