package file

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host/failpoint"
)

// Files and folders of a store are readable by their owner only: what may be read by whom is decided on the way out
// of the host, not by the file system.
const (
	storeFileMode = 0o600
	storeDirMode  = 0o700
)

// writeBuffer is large enough that page-sized writes of Parquet and JSON writers become few system calls.
const writeBuffer = 64 << 10

// ErrName is wrapped by errors about names that a store does not take: absolute, with "..", empty elements or
// backslashes.
var ErrName = errors.New("not a relative slash-separated name")

// Failpoints lists the steps of stores and of folders that effects go to at which a test can end the process.
var Failpoints = []string{
	"store.after-create", "store.after-write", "store.before-file-sync", "store.after-file-sync", "store.after-folder-sync",
	"sink.after-fence", "sink.after-draft", "sink.after-rename", "sink.after-folder-sync", "sink.after-mark",
}

// Store is a drivers.Store below one local folder. Names cannot leave the folder, neither by ".." nor through symbolic
// links. It is safe for concurrent use.
type Store struct {
	root    *os.Root
	path    string // absolute, slash separated
	dirs    durableDirs
	folders handles[*os.Root]           // in which files were made last
	files   handles[*os.File]           // complete, and not synced yet
	fail    func(op, name string) error // a test has one call to the system fail; nil: none does

	// prune keeps Remove from deleting an empty folder between the making of it and the making of the file in it.
	prune sync.RWMutex
}

var _ drivers.Store = (*Store)(nil)

// NewStore opens the folder root, which is made when missing.
func NewStore(root string) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if err := makeDurable(abs, storeDirMode); err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	return &Store{root: r, path: slashed(abs), folders: handles[*os.Root]{most: maxEntered}, files: handles[*os.File]{most: maxFresh}}, nil
}

// makeDurable makes a folder and those above it that are missing, each entry durable.
func makeDurable(dir string, mode fs.FileMode) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeDurable(parent, mode); err != nil {
		return err
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(d), d.Close())
}

// slashed is an absolute path as it stands after file:// in a URI.
func slashed(abs string) string {
	p := filepath.ToSlash(abs)
	if !strings.HasPrefix(p, "/") { // a drive letter
		p = "/" + p
	}
	return strings.TrimSuffix(p, "/")
}

// Close releases the folder's handle. Files that their users have open stay open.
func (s *Store) Close() error {
	s.folders.close()
	s.files.close()
	return s.root.Close()
}

// at makes a call to the system, unless a test has it fail.
func (s *Store) at(op, name string, call func() error) error {
	if s.fail != nil {
		if err := s.fail(op, name); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return call()
}

// local checks a name and gives its form for the operating system.
func local(op, name string) (string, error) {
	if !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, '\\') || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", &fs.PathError{Op: op, Path: name, Err: ErrName}
	}
	return filepath.FromSlash(name), nil
}

// Create makes a new file; it fails with fs.ErrExist when the name is taken. A file whose writer fails is removed by
// Close, so that a full disk does not stay full of halves.
func (s *Store) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := local("create", name)
	if err != nil {
		return nil, err
	}
	s.prune.RLock()
	defer s.prune.RUnlock()
	f, err := s.create(p)
	if err != nil {
		return nil, err
	}
	w := &storeWriter{store: s, name: p, f: f}
	w.buf = buffers.Get().(*bufio.Writer)
	w.buf.Reset(unbuffered{w})
	failpoint.Hit("store.after-create")
	return w, nil
}

func (s *Store) create(p string) (f *os.File, err error) {
	err = s.at("create", p, func() error { f, err = s.openNew(p); return err })
	return f, err
}

// buffers are those of writers that are closed: most files are small, and there are five in a commit.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, writeBuffer) }}

// storeWriter buffers. The buffer keeps the first error, so that Close cannot make a file with a hole complete.
type storeWriter struct {
	store *Store
	name  string
	f     *os.File
	buf   *bufio.Writer
}

func (w *storeWriter) Write(b []byte) (int, error) {
	if w.f == nil {
		return 0, fs.ErrClosed
	}
	return w.buf.Write(b)
}

// unbuffered is what the buffer writes to.
type unbuffered struct{ w *storeWriter }

func (u unbuffered) Write(b []byte) (n int, err error) {
	err = u.w.store.at("write", u.w.name, func() error { n, err = u.w.f.Write(b); return err })
	return n, err
}

func (w *storeWriter) Close() error {
	if w.f == nil {
		return fs.ErrClosed
	}
	err := w.buf.Flush() // repeats the first error of a write
	if cerr := w.store.at("close", w.name, func() error { return nil }); err == nil {
		err = cerr
	}
	w.buf.Reset(nil)
	buffers.Put(w.buf)
	if err == nil {
		w.store.files.put(w.name, w.f) // for Sync: opening it again is a walk down from the root
	} else {
		_ = w.f.Close()
		_ = w.store.root.Remove(w.name)
	}
	w.f, w.buf = nil, nil
	failpoint.Hit("store.after-write")
	return err
}

// Open fails with fs.ErrNotExist when there is no such file.
func (s *Store) Open(ctx context.Context, name string) (drivers.StoreFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := local("open", name)
	if err != nil {
		return nil, err
	}
	f, err := s.openOld(p, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist} // a folder is not a file of the store
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &storeFile{File: f, size: st.Size()}, nil
}

type storeFile struct {
	*os.File
	size int64
}

func (f *storeFile) Size() int64 { return f.size }

// List yields the regular files whose names begin with prefix, ordered by name within each folder. Files that vanish meanwhile are left
// out; symbolic links are never followed.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[drivers.StoreInfo, error] {
	return func(yield func(drivers.StoreInfo, error) bool) {
		dir := "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			dir = prefix[:i]
		}
		if !fs.ValidPath(dir) {
			yield(drivers.StoreInfo{}, &fs.PathError{Op: "list", Path: prefix, Err: ErrName})
			return
		}
		err := fs.WalkDir(s.root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case d.IsDir():
				// Only folders on the way to the prefix, or below it, can hold matches.
				if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
					return fs.SkipDir
				}
				return nil
			case !d.Type().IsRegular() || !strings.HasPrefix(name, prefix):
				return nil
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if !yield(drivers.StoreInfo{Name: name, Size: info.Size()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(drivers.StoreInfo{}, err)
		}
	}
}

// Remove deletes a file, and the folders above it that have become empty. A file that is not there is no error: a
// removal that was interrupted can be repeated.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := local("remove", name)
	if err != nil {
		return err
	}
	if st, err := s.root.Lstat(p); err == nil && st.IsDir() {
		return &fs.PathError{Op: "remove", Path: name, Err: errors.New("is a folder")}
	}
	s.files.forget(p)
	err = s.at("remove", p, func() error { return s.root.Remove(p) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.prune.Lock()
	defer s.prune.Unlock()
	for dir := filepath.Dir(p); dir != "."; dir = filepath.Dir(dir) {
		if s.root.Remove(dir) != nil {
			break // not empty
		}
		s.folders.forget(dir)
		s.dirs.forget(dir)
	}
	return nil
}

// URI is file:// and the absolute path, as it is: table formats compare and cut addresses as text and do not unescape.
func (s *Store) URI(name string) string { return "file://" + s.path + "/" + name }

// Name is the inverse of URI; it also takes the one-slash form file:/… that some writers of table formats use.
func (s *Store) Name(uri string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, "file:")
	if !ok {
		return "", false
	}
	if r, ok := strings.CutPrefix(rest, "//"); ok {
		rest = r
	}
	name, ok := strings.CutPrefix(rest, s.path+"/")
	if !ok {
		return "", false
	}
	if _, err := local("name", name); err != nil {
		return "", false
	}
	return name, true
}

// Path is where the files lie, for messages.
func (s *Store) Path() string { return filepath.FromSlash(s.path) }
