package run

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Bounds of what is kept of rejected rows.
const (
	maxRowBytes        = 4 << 10  // of one row, encoded
	maxQuarantineBytes = 64 << 20 // of one run's file; rows past it are counted only
	maxSampleRows      = 20       // in a Result
)

// quarantine collects the rows of one run that are not published, as NDJSON of host.RejectedRow.
type quarantine struct {
	store drivers.Store
	name  string

	mu      sync.Mutex
	f       *file
	count   int64 // rows rejected, also those that the file has no room for
	samples []host.RejectedRow
	err     error // the first failure of the file
}

// add sets rows aside.
func (q *quarantine) add(ctx context.Context, rows ...host.RejectedRow) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, row := range rows {
		q.count++
		row = fit(row)
		if len(q.samples) < maxSampleRows {
			q.samples = append(q.samples, row)
		}
		if q.err == nil {
			q.err = q.write(ctx, row)
		}
	}
	return q.err
}

func (q *quarantine) write(ctx context.Context, row host.RejectedRow) error {
	b, err := json.Marshal(row)
	if err != nil {
		return err
	}
	if q.f == nil {
		if q.f, err = createFile(ctx, q.store, q.name); err != nil {
			return err
		}
	}
	if q.f.size+int64(len(b)) > maxQuarantineBytes {
		return nil
	}
	q.f.rows++
	_, err = q.f.Write(append(b, '\n'))
	return err
}

// close completes the file; nil when no row was rejected.
func (q *quarantine) close() (*host.FileRef, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil || q.f == nil {
		return nil, q.err
	}
	ref, err := q.f.close()
	return &ref, err
}

// fit cuts a row to the size that is kept: long texts first, then as many columns as there is room for, the short ones
// before the long ones.
func fit(r host.RejectedRow) host.RejectedRow {
	const textBytes = 256
	r.Raw = shorten(r.Raw, maxRowBytes)
	if b, err := json.Marshal(r.Row); err == nil && len(b) <= maxRowBytes {
		return r
	}
	type column struct {
		name  string
		value any
		size  int
	}
	var columns []column
	for name, v := range r.Row {
		if s, ok := v.(string); ok && len(s) > textBytes {
			v = shorten(s, textBytes) + "…"
		}
		b, err := json.Marshal(map[string]any{name: v})
		if err == nil {
			columns = append(columns, column{name, v, len(b)})
		}
	}
	slices.SortFunc(columns, func(a, b column) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.name, b.name)) })
	r.Row = map[string]any{}
	for room := maxRowBytes; len(columns) > 0 && columns[0].size <= room; columns = columns[1:] {
		r.Row[columns[0].name] = columns[0].value
		room -= columns[0].size
	}
	return r
}

// shorten cuts a text to at most n bytes, between characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// ReadRejected reads up to limit rows of a quarantine file, its hash verified.
func ReadRejected(ctx context.Context, s drivers.Store, ref host.FileRef, limit int) ([]host.RejectedRow, error) {
	b, err := readFile(ctx, s, ref)
	if err != nil {
		return nil, err
	}
	var out []host.RejectedRow
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for len(out) < limit && lines.Scan() {
		var row host.RejectedRow
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return out, host.Errorf(host.CodeTableDamaged, "%s: %w", ref.Location, err)
		}
		out = append(out, row)
	}
	return out, lines.Err()
}
