package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
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
	root *os.Root
	path string // absolute, slash separated
	dirs durableDirs
	fail func(op, name string) error // a test has one call to the system fail; nil: none does

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
	return &Store{root: r, path: slashed(abs)}, nil
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

// Close releases the folder's handle. Files that are open stay open.
func (s *Store) Close() error { return s.root.Close() }

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
	w.buf = bufio.NewWriterSize(unbuffered{w}, writeBuffer)
	failpoint.Hit("store.after-create")
	return w, nil
}

func (s *Store) create(p string) (f *os.File, err error) {
	err = s.at("create", p, func() error { f, err = s.openNew(p); return err })
	return f, err
}

func (s *Store) openNew(p string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := s.root.OpenFile(p, flags, storeFileMode)
	// Most files go into a folder that exists. Another process may prune a folder between the two calls: try again.
	for range 8 {
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if dir := filepath.Dir(p); dir != "." {
			s.forgetMissing(dir)
			if err := s.root.MkdirAll(dir, storeDirMode); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		f, err = s.root.OpenFile(p, flags, storeFileMode)
	}
	return f, err
}

// forgetMissing forgets that folders were durable which another process has pruned since.
func (s *Store) forgetMissing(dir string) {
	for ; dir != "."; dir = filepath.Dir(dir) {
		if _, err := s.root.Lstat(dir); err == nil {
			return
		}
		s.dirs.vanished(dir)
	}
}

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
	if cerr := errors.Join(w.store.at("close", w.name, func() error { return nil }), w.f.Close()); err == nil {
		err = cerr
	}
	w.f, w.buf = nil, nil
	if err != nil {
		_ = w.store.root.Remove(w.name)
	}
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
	f, err := s.root.Open(p)
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

// Sync makes files, and the folders that name them, durable: each file and each folder once, at the same time.
func (s *Store) Sync(ctx context.Context, names ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	files, dirs := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		p, err := local("sync", name)
		if err != nil {
			return err
		}
		files[p] = true
		dirs[path.Dir(name)] = true
	}
	made, pruned := s.dirs.missing(dirs)
	for _, d := range made { // the entry of a folder is in the folder above it
		dirs[path.Dir(d)] = true
	}

	var jobs []func() error
	for p := range files {
		jobs = append(jobs, func() error { return s.syncFile(p) })
	}
	for d := range dirs {
		jobs = append(jobs, func() error { return s.syncFolder(d) })
	}
	if err := parallel(jobs); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	s.dirs.remember(made, pruned)
	return nil
}

func (s *Store) syncFile(p string) error {
	f, err := s.root.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	failpoint.Hit("store.before-file-sync")
	err = errors.Join(s.at("sync", p, f.Sync), f.Close())
	failpoint.Hit("store.after-file-sync")
	return err
}

func (s *Store) syncFolder(d string) error {
	f, err := s.root.Open(filepath.FromSlash(d))
	if err != nil {
		return err
	}
	err = errors.Join(s.at("sync folder", d, func() error { return syncDir(f) }), f.Close())
	failpoint.Hit("store.after-folder-sync")
	return err
}

// syncWorkers bounds fsyncs under way: enough that a journalling file system joins them into one commit.
const syncWorkers = 16

// parallel runs jobs and joins their errors.
func parallel(jobs []func() error) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		slot = make(chan struct{}, syncWorkers)
	)
	for _, job := range jobs {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			if err := job(); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
