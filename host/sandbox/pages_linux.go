package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pages are the memory of an image, in a file without a name. Instances map it privately: what they do not write they
// share, and what they write is theirs until it is thrown away.
type pages struct {
	file   *os.File // sealed
	length int      // up to the last page that is not zero; what follows takes no file
	size   int64    // of the pages that are not zero: what the file takes of the machine's memory, in bytes
}

var pageBytes = os.Getpagesize()

// newPages keeps the contents of a memory.
func newPages(mem []byte) (*pages, error) {
	fd, err := unix.MemfdCreate("adp-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("a file in memory: %w", err)
	}
	p := &pages{file: os.NewFile(uintptr(fd), "adp-image")}
	if err := p.fill(mem); err != nil {
		return nil, errors.Join(fmt.Errorf("an image of memory: %w", err), p.close())
	}
	return p, nil
}

func (p *pages) fill(mem []byte) error {
	for at := 0; at < len(mem); at += pageBytes {
		page := mem[at:min(at+pageBytes, len(mem))]
		if isZero(page) {
			continue
		}
		if _, err := p.file.WriteAt(page, int64(at)); err != nil {
			return err
		}
		p.length = at + len(page)
		p.size += int64(len(page))
	}
	const sealed = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, err := unix.FcntlInt(p.file.Fd(), unix.F_ADD_SEALS, sealed)
	return err
}

// restore makes a memory what it was. The bytes of keep, zero in the image, are cleared and stay where they are. It returns how
// many bytes the memory has to itself from now on.
func (p *pages) restore(l *linear, keep span) (own int64, err error) {
	if l.pages != p { // not mapped yet: what was there goes
		if p.length > 0 {
			_, err := unix.MmapPtr(int(p.file.Fd()), 0, addressOf(l.reserved), uintptr(p.length),
				unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
			if err != nil {
				return 0, fmt.Errorf("mapping an image of memory: %w", err)
			}
		}
		l.pages = p
	}
	from, to := keep.inside(pageBytes)
	clear(l.reserved[from:to])
	return int64(to - from), errors.Join(drop(l.reserved[:from]), drop(l.reserved[to:l.size]))
}

// drop gives back what was written to mapped pages: they are again what they are mapped to.
func drop(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return unix.Madvise(b, unix.MADV_DONTNEED)
}

func (p *pages) close() error { return p.file.Close() }
