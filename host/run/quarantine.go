package run

import (
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
	maxQuarantineBytes = 64 << 20 // of a file; rows past it are counted only
	maxSampleRows      = 20       // in a Result
)

// Names of quarantine files in an attempt's folder.
const (
	lastingFile = "quarantine.ndjson"         // rows that later attempts do not see again
	passingFile = "quarantine-passing.ndjson" // rows that every attempt judges anew: of snapshots, and for ports that are computed whole
	earlierFile = "quarantine-earlier.ndjson" // what several earlier attempts have set aside
)

// quarantine collects the rows of one run that are not published, as NDJSON of host.RejectedRow.
type quarantine struct {
	store   drivers.Store
	dir     string
	seq     host.Seq
	run     string
	passing map[string]bool // ports whose rows every attempt sees again

	mu       sync.Mutex
	files    map[string]*file // by name
	unlisted map[string]int64 // rows that a file has no room for, by its name
	count    int64            // rows rejected, also the unlisted ones
	samples  []host.RejectedRow
	err      error // the first failure of a file
}

func newQuarantine(s drivers.Store, dir string, seq host.Seq, run string, p *host.Product) *quarantine {
	q := &quarantine{store: s, dir: dir, seq: seq, run: run, passing: map[string]bool{}, files: map[string]*file{}, unlisted: map[string]int64{}}
	wholeTables := len(p.Inputs) > 0 // and nothing else: every run computes from all the rows there are
	for i := range p.Inputs {
		snapshot := p.Inputs[i].Mode == host.Snapshot
		wholeTables = wholeTables && snapshot
		q.passing[p.Inputs[i].Name] = snapshot
	}
	for i := range p.Outputs {
		q.passing[p.Outputs[i].Name] = wholeTables || p.Outputs[i].Mode == host.Replace
	}
	for i := range p.Bindings {
		q.passing[p.Bindings[i].Name] = true
	}
	return q
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
		row.Seq, row.Run = q.seq, q.run
		name := lastingFile
		if q.passing[row.Port] {
			name = passingFile
		}
		if q.err == nil {
			q.err = q.write(ctx, name, row)
		}
	}
	return q.err
}

func (q *quarantine) write(ctx context.Context, name string, row host.RejectedRow) error {
	b, err := json.Marshal(row)
	if err != nil {
		return err
	}
	f := q.files[name]
	if f == nil {
		if f, err = createFile(ctx, q.store, q.dir+"/"+name); err != nil {
			return err
		}
		q.files[name] = f
	}
	if b = append(b, '\n'); f.size+int64(len(b)) > maxQuarantineBytes {
		q.unlisted[name]++
		return nil
	}
	f.rows++
	_, err = f.Write(b)
	return err
}

// close completes the files, the lasting one before the passing one; none when no row was rejected.
func (q *quarantine) close() ([]host.QuarantineRef, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var refs []host.QuarantineRef
	for _, name := range []string{lastingFile, passingFile} {
		f := q.files[name]
		if f == nil || q.err != nil {
			continue
		}
		ref, err := f.close()
		if err != nil {
			return nil, err
		}
		refs = append(refs, host.QuarantineRef{FileRef: ref, Unlisted: q.unlisted[name]})
	}
	return refs, q.err
}

// discard gives up the files and names them.
func (q *quarantine) discard() (names []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range q.files {
		names = append(names, discard(f)...)
	}
	return names
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
