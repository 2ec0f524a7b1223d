package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/adp-host/adp/drivers"
)

const (
	// maxTail is how many bytes of records a cursor carries itself before they become a segment.
	maxTail = 1 << 10
	// maxTailAlone is the same for a driver without a ledger.
	maxTailAlone = 2 << 10
	// maxKept bounds the records of segments kept in memory.
	maxKept = 1 << 20
)

// ledger keeps, in immutable files named by their content, which files of incremental sources have been read. A
// cursor names its segments, so a segment that was written for a commit that never came is only litter.
type ledger struct {
	store drivers.Store // nil: there is none

	mu    sync.Mutex
	kept  map[string]map[string]record // segments in memory, by name
	count int                          // records in kept
	fresh map[string]bool              // segments of this process: Collect leaves them
}

func newLedger(s drivers.Store) *ledger {
	return &ledger{store: s, kept: map[string]map[string]record{}, fresh: map[string]bool{}}
}

// seen is what a cursor says has been read.
type seen struct {
	segments []map[string]record
	tail     map[string]record
}

func (s *seen) find(name string) (record, bool) {
	if r, ok := s.tail[name]; ok {
		return r, true
	}
	for _, m := range slices.Backward(s.segments) { // the newest first: a file that was set aside may have been read since
		if r, ok := m[name]; ok {
			return r, true
		}
	}
	return record{}, false
}

// load reads what a cursor refers to.
func (l *ledger) load(ctx context.Context, c cursor) (*seen, error) {
	s := &seen{tail: make(map[string]record, len(c.Tail))}
	for _, r := range c.Tail {
		s.tail[r.name] = r
	}
	for _, seg := range c.Segments {
		m, err := l.segment(ctx, seg)
		if err != nil {
			return nil, err
		}
		s.segments = append(s.segments, m)
	}
	return s, nil
}

func (l *ledger) segment(ctx context.Context, seg segment) (map[string]record, error) {
	l.mu.Lock()
	m := l.kept[seg.Name]
	l.mu.Unlock()
	if m != nil {
		return m, nil
	}
	b, err := l.read(ctx, seg.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, restart("the ledger of the files that were read is gone", err)
	case errors.Is(err, errDamaged):
		return nil, restart("the ledger of the files that were read is damaged", err)
	case err != nil:
		return nil, &drivers.Error{Kind: drivers.ErrUnavailable, Message: "the ledger cannot be read", Err: err}
	}
	records, err := decodeSegment(b)
	if err != nil || int64(len(records)) != seg.Files {
		return nil, restart("the ledger of the files that were read is damaged", err)
	}
	m = make(map[string]record, len(records))
	for _, r := range records {
		m[r.name] = r
	}
	l.keep(seg.Name, m)
	return m, nil
}

func (l *ledger) keep(name string, m map[string]record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count += len(m); l.count > maxKept {
		clear(l.kept)
		l.count = len(m)
	}
	l.kept[name] = m
}

var errDamaged = errors.New("its bytes do not match its name")

// read returns a segment's bytes, checked against its name.
func (l *ledger) read(ctx context.Context, name string) ([]byte, error) {
	if l.store == nil {
		return nil, fmt.Errorf("this driver has no ledger: %w", fs.ErrNotExist)
	}
	f, err := l.store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	if digest, _, _ := strings.Cut(name, "-"); digest != digestOf(b) {
		return nil, errDamaged
	}
	return b, nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// extend is the cursor after more files. What it refers to is durable when it returns.
//
// Segments are merged so that each is more than twice as large as the next: there are at most log₂ of the files, and
// each record is rewritten that often over the life of a source.
func (l *ledger) extend(ctx context.Context, c cursor, more []record) (cursor, error) {
	next := cursor{Version: cursorVersion, Files: c.Files + int64(len(more)), Segments: slices.Clone(c.Segments)}
	next.Tail = append(slices.Clone(c.Tail), more...)
	size := 0
	for _, r := range next.Tail {
		b, _ := r.MarshalJSON()
		size += len(b)
	}
	if size <= maxTail || l.store == nil && size <= maxTailAlone {
		return next, nil
	}
	if l.store == nil {
		return next, &drivers.Error{Kind: drivers.ErrRequest, Message: fmt.Sprintf("%d files are too many for a driver without a ledger", next.Files)}
	}
	all := map[string]record{}
	for _, r := range next.Tail {
		all[r.name] = r
	}
	next.Tail = nil
	for n := len(next.Segments); n > 0 && next.Segments[n-1].Files <= 2*int64(len(all)); n-- {
		m, err := l.segment(ctx, next.Segments[n-1])
		if err != nil {
			return next, err
		}
		for name, r := range m {
			if _, newer := all[name]; !newer {
				all[name] = r
			}
		}
		next.Segments = next.Segments[:n-1]
	}
	name, err := l.write(ctx, encodeSegment(all))
	if err != nil {
		return next, &drivers.Error{Kind: drivers.ErrUnavailable, Message: "the ledger cannot be written", Err: err}
	}
	l.keep(name, all)
	next.Segments = append(next.Segments, segment{Name: name, Files: int64(len(all))})
	return next, nil
}

// write makes a segment durable. A file of its name that is not it (a write that was cut off, or one under way in
// another process) is left alone: the segment gets a number behind its digest.
func (l *ledger) write(ctx context.Context, b []byte) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	digest := digestOf(b)
	for i := range 100 {
		name := digest
		if i > 0 {
			name = fmt.Sprintf("%s-%d", digest, i)
		}
		w, err := l.store.Create(ctx, name)
		switch {
		case errors.Is(err, fs.ErrExist):
			if have, err := l.read(ctx, name); err != nil || !bytes.Equal(have, b) {
				continue
			}
		case err != nil:
			return "", err
		default:
			if _, err = w.Write(b); err != nil {
				return "", errors.Join(err, w.Close())
			}
			if err = w.Close(); err != nil {
				return "", err
			}
		}
		l.fresh[name] = true
		return name, l.store.Sync(ctx, name)
	}
	return "", fmt.Errorf("a hundred damaged files of the name %s", digest)
}

// Collect removes the ledger's segments that none of the cursors refers to. keep must hold the cursors, and the tried
// cursors, of every retained head of every product that reads with this ledger. Segments that this process wrote stay: a commit may
// be under way. It returns how many it removed.
func (d *Driver) Collect(ctx context.Context, keep []json.RawMessage) (int, error) {
	l := d.ledger
	if l.store == nil {
		return 0, nil
	}
	needed := map[string]bool{}
	for _, raw := range keep {
		var c cursor
		if len(raw) == 0 {
			continue
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			return 0, restart("a cursor to keep is damaged", err)
		}
		for _, s := range c.Segments {
			needed[s.Name] = true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	removed := 0
	for info, err := range l.store.List(ctx, "") {
		if err != nil {
			return removed, err
		}
		if needed[info.Name] {
			delete(l.fresh, info.Name) // committed: from here on the heads say how long it stays
			continue
		}
		if l.fresh[info.Name] {
			continue
		}
		if err := l.store.Remove(ctx, info.Name); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// segmentMagic begins a segment: its format and version.
const segmentMagic = "adp-ledger 1\n"

// encodeSegment writes records by name: for each the bytes its name shares with the one before, the rest of the name,
// size, time and hash.
func encodeSegment(records map[string]record) []byte {
	names := slices.Sorted(maps.Keys(records))
	b := []byte(segmentMagic)
	b = binary.AppendUvarint(b, uint64(len(names)))
	last := ""
	for _, name := range names {
		shared := 0
		for shared < len(last) && shared < len(name) && last[shared] == name[shared] {
			shared++
		}
		r := records[name]
		b = binary.AppendUvarint(b, uint64(shared))
		b = binary.AppendUvarint(b, uint64(len(name)-shared))
		b = append(b, name[shared:]...)
		b = binary.AppendUvarint(b, uint64(r.size))
		b = binary.AppendVarint(b, r.mtime)
		b = append(b, r.hash[:]...)
		last = name
	}
	return b
}

var errSegment = errors.New("not a segment of a ledger")

// decodeSegment is the inverse of encodeSegment. It trusts nothing: a segment may be old or foreign.
func decodeSegment(b []byte) ([]record, error) {
	if !bytes.HasPrefix(b, []byte(segmentMagic)) {
		return nil, errSegment
	}
	d := segmentDecoder{b: b[len(segmentMagic):]}
	n := d.uvarint()
	if n > uint64(len(d.b)) { // a record is longer than a byte
		return nil, errSegment
	}
	out := make([]record, 0, n)
	last := ""
	for range n {
		shared, rest := d.uvarint(), d.uvarint()
		if shared > uint64(len(last)) {
			return nil, errSegment
		}
		var r record
		r.name = last[:shared] + string(d.take(rest))
		r.size = int64(d.uvarint())
		r.mtime = d.varint()
		copy(r.hash[:], d.take(uint64(len(r.hash))))
		if d.bad {
			return nil, errSegment
		}
		out = append(out, r)
		last = r.name
	}
	if len(d.b) > 0 {
		return nil, errSegment
	}
	return out, nil
}

type segmentDecoder struct {
	b   []byte
	bad bool
}

func (d *segmentDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, n, v = true, 0, 0
	}
	d.b = d.b[n:]
	return v
}

func (d *segmentDecoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, n, v = true, 0, 0
	}
	d.b = d.b[n:]
	return v
}

func (d *segmentDecoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}
