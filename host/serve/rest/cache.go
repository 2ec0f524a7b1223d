package rest

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adp-host/adp/host"
)

// parquetCache keeps files that were made from snapshots. A snapshot never changes, so neither does its file: the only
// reason to drop one is space.
type parquetCache struct {
	dir   string
	max   int64
	slots chan struct{} // makers at work: the node's own work comes first

	mu     sync.Mutex
	making map[string]chan struct{} // closed when the file of that key is made, or could not be
}

const (
	cacheSuffix = ".parquet"
	cacheMakers = 2
)

func openParquetCache(dir string, max int64) (*parquetCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "Parquet cache: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "Parquet cache: %w", err)
	}
	for _, e := range entries { // left by a process that was killed
		if !strings.HasSuffix(e.Name(), cacheSuffix) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return &parquetCache{dir: dir, max: max, slots: make(chan struct{}, cacheMakers), making: map[string]chan struct{}{}}, nil
}

// open gives the file of a key, made by fill if it is not there. Of several callers at once one makes it; when that one
// fails or goes away, the next tries. The caller closes the file; it stays readable when it is evicted.
func (p *parquetCache) open(ctx context.Context, key string, fill func(io.Writer) error) (*os.File, error) {
	path := filepath.Join(p.dir, key+cacheSuffix)
	for {
		if f := reuse(path); f != nil {
			return f, nil
		}
		p.mu.Lock()
		done, busy := p.making[key]
		if !busy {
			done = make(chan struct{})
			p.making[key] = done
		}
		p.mu.Unlock()
		if !busy {
			f, err := p.make(ctx, path, fill)
			p.mu.Lock()
			delete(p.making, key)
			p.mu.Unlock()
			close(done)
			return f, storeError(err)
		}
		select {
		case <-done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// reuse opens a file that is there and marks it as used; nil when there is none.
func reuse(path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // the order of eviction; a stale one does no harm
	return f
}

// make writes a file beside its place and moves it there when it is complete.
func (p *parquetCache) make(ctx context.Context, path string, fill func(io.Writer) error) (f *os.File, err error) {
	if f := reuse(path); f != nil { // made between our look and our turn
		return f, nil
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	tmp, err := os.CreateTemp(p.dir, "making-*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	// The writer closes what it writes to if it can; the file must stay open.
	if err := fill(struct{ io.Writer }{tmp}); err != nil {
		return nil, err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return nil, err
	}
	p.evict(path)
	return tmp, nil
}

// evict removes the least recently used files beyond the limit, never the one just made.
func (p *parquetCache) evict(keep string) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return
	}
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(e.Name(), cacheSuffix) {
			continue
		}
		files = append(files, file{filepath.Join(p.dir, e.Name()), info.Size(), info.ModTime()})
		total += info.Size()
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, f := range files {
		if total <= p.max {
			return
		}
		if f.path != keep && os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}
