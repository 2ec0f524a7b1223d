package table

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

// memStore is a drivers.Store in memory.
type memStore struct {
	mu    sync.Mutex
	files map[string][]byte
}

func newMemStore() *memStore { return &memStore{files: map[string][]byte{}} }

type memWriter struct {
	s    *memStore
	name string
	buf  bytes.Buffer
}

func (w *memWriter) Write(p []byte) (int, error) { return w.buf.Write(p) }

func (w *memWriter) Close() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.files[w.name] = w.buf.Bytes()
	return nil
}

func (s *memStore) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !fs.ValidPath(name) || name == "." {
		return nil, fs.ErrInvalid
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.files[name]; taken {
		return nil, fs.ErrExist
	}
	s.files[name] = nil
	return &memWriter{s: s, name: name}, nil
}

// memFile is also an fs.File, for iceberg-go.
type memFile struct {
	*bytes.Reader
	name string
}

func (f memFile) Close() error               { return nil }
func (f memFile) Size() int64                { return f.Reader.Size() }
func (f memFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f memFile) Name() string               { return f.name }
func (f memFile) Mode() fs.FileMode          { return 0o400 }
func (f memFile) ModTime() time.Time         { return time.Time{} }
func (f memFile) IsDir() bool                { return false }
func (f memFile) Sys() any                   { return nil }

func (s *memStore) Open(ctx context.Context, name string) (drivers.StoreFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return memFile{bytes.NewReader(b), name}, nil
}

func (s *memStore) List(ctx context.Context, prefix string) iter.Seq2[drivers.StoreInfo, error] {
	return func(yield func(drivers.StoreInfo, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(drivers.StoreInfo{}, err)
			return
		}
		s.mu.Lock()
		files := maps.Clone(s.files)
		s.mu.Unlock()
		for _, n := range slices.Sorted(maps.Keys(files)) {
			if strings.HasPrefix(n, prefix) && !yield(drivers.StoreInfo{Name: n, Size: int64(len(files[n]))}, nil) {
				return
			}
		}
	}
}

func (s *memStore) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !fs.ValidPath(name) || name == "." {
		return fs.ErrInvalid
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
	return nil
}

func (s *memStore) Sync(ctx context.Context, names ...string) error {
	for _, n := range names {
		f, err := s.Open(ctx, n)
		if err != nil {
			return err
		}
		f.Close()
	}
	return ctx.Err()
}

func (s *memStore) URI(name string) string { return "mem://store/" + name }

func (s *memStore) Name(uri string) (string, bool) {
	name, ok := strings.CutPrefix(uri, "mem://store/")
	return name, ok && fs.ValidPath(name)
}

// names lists what is stored.
func (s *memStore) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.files))
}

func TestMemStore(t *testing.T) {
	drivertest.Store(t, func(*testing.T) drivers.Store { return newMemStore() })
}
