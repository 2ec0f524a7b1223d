package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxEntered bounds the folders whose handles are kept. A commit under way needs three.
const maxEntered = 192

// openNew makes a file, and the folders above it that are missing.
func (s *Store) openNew(p string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	dir := filepath.Dir(p)
	err := error(fs.ErrClosed)
	// Another process may prune a folder between the opening of it and the making of the file, and a handle may be closed
	// to make room for another: try again.
	for try := 0; try < 8 && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrClosed)); try++ {
		r, ok := s.folders.get(dir)
		if !ok {
			if r, err = s.enter(dir); err != nil {
				continue
			}
		}
		var f *os.File
		f, err = r.OpenFile(filepath.Base(p), flags, storeFileMode)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return f, named(p, err)
		}
		for d := dir; d != "." && errors.Is(err, fs.ErrNotExist); d = filepath.Dir(d) { // whoever pruned it may have made it again
			s.vanished(d)
		}
	}
	// A link to elsewhere within the store can be followed from its root alone.
	if dir != "." {
		if err := s.root.MkdirAll(dir, storeDirMode); err != nil {
			return nil, err
		}
	}
	return s.root.OpenFile(p, flags, storeFileMode)
}

// enter walks down to a folder and makes what is missing on the way. It keeps the handles that the next Sync needs: of the
// folder, of those that were made, and of the one above these. Older handles of the folders on the way are replaced, so
// that a handle is never older than those of the folders below it.
func (s *Store) enter(dir string) (*os.Root, error) {
	at, name, kept := s.root, ".", false
	if dir == "." {
		return at, nil
	}
	for elem := range strings.SplitSeq(dir, string(filepath.Separator)) {
		below := filepath.Join(name, elem)
		next, err := at.OpenRoot(elem)
		if errors.Is(err, fs.ErrNotExist) {
			kept = true
			s.vanished(below)
			if err = at.Mkdir(elem, storeDirMode); err == nil || errors.Is(err, fs.ErrExist) {
				next, err = at.OpenRoot(elem)
			}
		}
		s.leave(name, at, kept)
		if err != nil {
			return nil, err
		}
		at, name = next, below
	}
	s.leave(name, at, true)
	return at, nil
}

// leave keeps a folder's handle, or closes it.
func (s *Store) leave(name string, r *os.Root, keep bool) {
	if name == "." {
		return
	}
	if _, ok := s.folders.get(name); ok || keep {
		s.folders.put(name, r)
	} else {
		_ = r.Close()
	}
}

// vanished forgets a folder that is not there, or not the one that was: another process has pruned it.
func (s *Store) vanished(dir string) {
	s.folders.forget(dir)
	s.dirs.vanished(dir)
}

// openOld opens a file that there is.
func (s *Store) openOld(p string, flags int) (*os.File, error) {
	if r, ok := s.folders.get(filepath.Dir(p)); ok {
		if f, err := r.OpenFile(filepath.Base(p), flags, 0); err == nil {
			return f, nil
		}
	}
	return s.root.OpenFile(p, flags, 0)
}

// named is an error about a file of a folder, said of its name in the store.
func named(p string, err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return &fs.PathError{Op: e.Op, Path: p, Err: e.Err}
	}
	return err
}
