package file

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/adp-host/adp/drivers"
)

// Pending tells whether there is something to read. Files that do not rest yet are not counted; watchers of the source
// are called when they do.
func (d *Driver) Pending(ctx context.Context, r drivers.Request) (bool, error) {
	s, err := d.source(r.URI, r.Options, r.Schema)
	if err != nil {
		return false, err
	}
	c, err := parseCursor(r.Cursor, r.Mode)
	if err != nil {
		return false, err
	}
	l, err := s.list(ctx)
	if err != nil {
		return false, err
	}
	defer l.close()
	if r.Mode == drivers.Snapshot {
		return d.pendingSnapshot(ctx, s, l, c)
	}
	fresh, err := d.unread(ctx, s, l, c)
	return len(fresh) > 0, err
}

// unread returns the files that rest and are not in the ledger, or were set aside in another version. Any other file
// that is in the ledger and changed since is an error that wraps drivers.ErrChanged.
func (d *Driver) unread(ctx context.Context, s *source, l *listing, c cursor) ([]entry, error) {
	read, err := d.ledger.load(ctx, c)
	if err != nil {
		return nil, err
	}
	var (
		fresh []entry
		now   = time.Now()
		later time.Time
	)
	for _, e := range l.entries {
		known, was := read.find(e.name)
		if was && known.entry == e {
			continue
		}
		was = was && known.hash != setAside
		if was && known.size != e.size {
			return nil, changed(e, known)
		}
		if at := l.restsAt(s, e, now); at.After(now) {
			later = earliest(later, at)
			continue
		}
		switch {
		case was:
			if err := d.sameContent(ctx, l, e, known); err != nil {
				return nil, err
			}
		case e.size > 0: // an empty file is one that nothing was written to yet
			fresh = append(fresh, e)
		}
	}
	d.callAt(s.path, later)
	return fresh, nil
}

// unfinished is how many times longer a text must rest whose last line has no end: that is how a file looks that is
// being written.
const unfinished = 10

// restsAt is when a file will have rested.
func (l *listing) restsAt(s *source, e entry, now time.Time) time.Time {
	at := e.quietAt(s.opts.quiet, now)
	long := e.quietAt(unfinished*s.opts.quiet, now)
	if f := s.opts.formatOf(e.name); !long.After(now) || f.kind == FormatParquet || f.gzip || l.endsLine(e) {
		return at
	}
	return long
}

// endsLine reports whether the last byte of a file ends a line. What cannot be told is found when the file is read.
func (l *listing) endsLine(e entry) bool {
	f, err := l.root.Open(l.inRoot(e.name))
	if err != nil || e.size == 0 {
		return true
	}
	defer f.Close()
	var last [1]byte
	if n, _ := f.ReadAt(last[:], e.size-1); n == 0 {
		return true
	}
	return last[0] == '\n' || last[0] == '\r'
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// sameContent accepts a file of another time and the same bytes: a copy, a checkout, a restored backup.
func (d *Driver) sameContent(ctx context.Context, l *listing, e entry, known record) error {
	h, err := d.contentOf(ctx, l, e)
	if err == nil && h != known.hash {
		err = changed(e, known)
	}
	return err
}

func changed(e entry, known record) error {
	was := fmt.Sprintf("had %d bytes of %s when it was read and has %d of %s", known.size, stamp(known.mtime), e.size, stamp(e.mtime))
	return &drivers.Error{Kind: drivers.ErrChanged, Origin: e.name, Message: was,
		Hint: "restore the file and put corrections into a new one, or rebuild the product from the beginning"}
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000Z") }

// pendingSnapshot compares what is there with the version that the cursor names.
func (d *Driver) pendingSnapshot(ctx context.Context, s *source, l *listing, c cursor) (bool, error) {
	if c.Listing == listingHash(l.entries) {
		return false, nil
	}
	if at := restsAt(s, l); !at.IsZero() {
		d.callAt(s.path, at)
		return false, nil
	}
	if c.Content == "" || c.Files != int64(len(l.entries)) {
		return true, nil
	}
	hashes := make([]contentHash, len(l.entries))
	for i, e := range l.entries {
		var err error
		if hashes[i], err = d.contentOf(ctx, l, e); err != nil {
			return false, err
		}
	}
	return contentHashOf(l.entries, hashes) != c.Content, nil
}

// restsAt is when all files will rest; the zero time when they do.
func restsAt(s *source, l *listing) time.Time {
	var latest time.Time
	now := time.Now()
	for _, e := range l.entries {
		if at := l.restsAt(s, e, now); at.After(now) && at.After(latest) {
			latest = at
		}
	}
	return latest
}

// listingHash tells whether names, sizes and times are those of before.
func listingHash(entries []entry) string {
	h := sha256.New()
	var b []byte
	for _, e := range entries {
		b = binary.AppendUvarint(b[:0], uint64(len(e.name)))
		b = append(b, e.name...)
		b = binary.AppendVarint(b, e.size)
		b = binary.AppendVarint(b, e.mtime)
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// contentHashOf tells whether names and contents are those of before.
func contentHashOf(entries []entry, hashes []contentHash) string {
	h := sha256.New()
	var b []byte
	for i, e := range entries {
		b = binary.AppendUvarint(b[:0], uint64(len(e.name)))
		b = append(b, e.name...)
		b = append(b, hashes[i][:]...)
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
