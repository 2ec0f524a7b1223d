package file

import (
	"context"
	"encoding/base64"
	"io"
	"os"
	"sync"

	"github.com/zeebo/xxh3"
)

// contentHash tells contents apart; it need not resist people who can write to the source anyway.
type contentHash [16]byte

func (h contentHash) String() string { return base64.RawURLEncoding.EncodeToString(h[:]) }

func parseHash(s string) (h contentHash, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, false
	}
	copy(h[:], b)
	return h, true
}

// hasher hashes what passes through it and counts.
type hasher struct {
	h *xxh3.Hasher
	n int64
}

func newHasher() *hasher { return &hasher{h: xxh3.New()} }

func (h *hasher) Write(b []byte) (int, error) {
	h.n += int64(len(b))
	return h.h.Write(b)
}

func (h *hasher) sum() contentHash { return h.h.Sum128().Bytes() }

// hashFile hashes size bytes of a file without moving its position.
func hashFile(ctx context.Context, f *os.File, size int64) (contentHash, error) {
	h := newHasher()
	buf := make([]byte, min(1<<20, size))
	for h.n < size {
		if err := ctx.Err(); err != nil {
			return contentHash{}, err
		}
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-h.n)], h.n)
		_, _ = h.Write(buf[:n])
		if err == io.EOF && h.n < size {
			return contentHash{}, io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return contentHash{}, err
		}
	}
	return h.sum(), nil
}

// hashCache remembers the contents' hashes of files whose size and time it knows, so that a folder whose times were
// touched (a copy, a checkout) is read once to see that nothing changed, not at every look.
type hashCache struct {
	mu sync.Mutex
	by map[cacheKey]contentHash
}

type cacheKey struct {
	path        string
	size, mtime int64
}

func keyOf(dir string, e entry) cacheKey { return cacheKey{dir + "/" + e.name, e.size, e.mtime} }

// maxCached bounds the cache; clearing it costs reading, nothing else.
const maxCached = 100_000

func newHashCache() *hashCache { return &hashCache{by: map[cacheKey]contentHash{}} }

func (c *hashCache) put(dir string, e entry, h contentHash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.by) >= maxCached {
		clear(c.by)
	}
	c.by[keyOf(dir, e)] = h
}

func (c *hashCache) get(dir string, e entry) (contentHash, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.by[keyOf(dir, e)]
	return h, ok
}

// contentOf is the hash of a file as it was listed; drivers.ErrMoving when it is not that any more.
func (d *Driver) contentOf(ctx context.Context, l *listing, e entry) (contentHash, error) {
	if h, ok := d.hashes.get(l.root.Name(), e); ok {
		return h, nil
	}
	f, err := l.open(e.name)
	if err != nil {
		return contentHash{}, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !e.sameAs(st) {
		return contentHash{}, moving(e.name)
	}
	h, err := hashFile(ctx, f, e.size)
	if err == io.ErrUnexpectedEOF {
		return h, moving(e.name)
	}
	if err != nil {
		return h, unavailable(e.name, err)
	}
	if st, err := f.Stat(); err != nil || !e.sameAs(st) {
		return h, moving(e.name)
	}
	d.hashes.put(l.root.Name(), e, h)
	return h, nil
}
