//go:build !linux

package sandbox

// pages are the memory of an image. Without the means of Linux an instance gets a copy of it.
type pages struct {
	content []byte
	size    int64 // of content
}

// pageBytes is the unit of what is kept.
const pageBytes = 4 << 10

// newPages keeps the contents of a memory, up to the last byte that is not zero.
func newPages(mem []byte) (*pages, error) {
	n := len(mem)
	for n > 0 && isZero(mem[max(n-pageBytes, 0):n]) {
		n = max(n-pageBytes, 0)
	}
	return &pages{content: append([]byte(nil), mem[:n]...), size: int64(n)}, nil
}

// restore makes a memory what it was, and returns how many bytes it has to itself: all.
func (p *pages) restore(l *linear, _ span) (own int64, err error) {
	clear(l.bytes()[copy(l.bytes(), p.content):])
	return int64(l.size), nil
}

func (p *pages) close() error { return nil }
