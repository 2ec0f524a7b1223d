package registry

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is the folder of a layout. Files appear in it whole or not at all: they are written beside their place, synced
// and renamed. Every call to the operating system passes fail, so that a test can have exactly that one fail.
type disk struct {
	root string
	fail func(op, name string) error // nil: nothing fails
}

func (d *disk) at(op, name string, call func() error) error {
	if d.fail != nil {
		if err := d.fail(op, name); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return call()
}

func (d *disk) path(name string) string { return filepath.Join(d.root, filepath.FromSlash(name)) }

// mkdir makes a folder of the layout and its entry durable.
func (d *disk) mkdir(name string) error {
	err := d.at("mkdir", name, func() error { return os.MkdirAll(d.path(name), 0o755) })
	if err != nil {
		return err
	}
	return d.syncDir(filepath.ToSlash(filepath.Dir(filepath.FromSlash(name))))
}

// write puts a file in its place, durable but for its folder's entry: syncDir follows, once for many files.
func (d *disk) write(name string, b []byte) (err error) {
	var f *os.File
	err = d.at("create", name, func() (err error) {
		f, err = os.CreateTemp(d.path(ingestDir), "new-*")
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = d.at("write", name, func() error { _, err := f.Write(b); return err })
	if err == nil {
		err = d.at("sync", name, f.Sync)
	}
	if cerr := d.at("close", name, f.Close); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.at("rename", name, func() error { return os.Rename(f.Name(), d.path(name)) })
	}
	return err
}

func (d *disk) syncDir(name string) error {
	return d.at("sync folder", name, func() error {
		f, err := os.Open(d.path(name))
		if err != nil {
			return err
		}
		return errors.Join(syncFolder(f), f.Close())
	})
}

// read returns a file of at most most bytes; larger ones are errTooLarge.
func (d *disk) read(name string, most int64) (b []byte, err error) {
	err = d.at("read", name, func() error {
		f, err := os.Open(d.path(name))
		if err != nil {
			return err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if st.Size() > most {
			return errTooLarge
		}
		b = make([]byte, st.Size())
		_, err = io.ReadFull(f, b)
		return err
	})
	return b, err
}

var errTooLarge = errors.New("larger than it may be")

func (d *disk) remove(name string) error {
	return d.at("remove", name, func() error { return os.Remove(d.path(name)) })
}
