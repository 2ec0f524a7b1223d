package run

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"
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

// Names of quarantine files in an attempt's folder.
const (
	lastingFile = "quarantine.ndjson"         // rows that later attempts do not see again
	passingFile = "quarantine-passing.ndjson" // rows that every attempt sees: of snapshots, and for ports that are replaced
	earlierFile = "quarantine-earlier.ndjson" // what several earlier attempts have set aside
)

// quarantine collects the rows of one run that are not published, as NDJSON of host.RejectedRow.
type quarantine struct {
	store   drivers.Store
	dir     string
	seq     host.Seq
	passing map[string]bool // ports whose rows every attempt sees again

	mu      sync.Mutex
	files   map[string]*file // by name
	count   int64            // rows rejected, also those that the files have no room for
	samples []host.RejectedRow
	err     error // the first failure of a file
}

func newQuarantine(s drivers.Store, dir string, seq host.Seq, p *host.Product) *quarantine {
	q := &quarantine{store: s, dir: dir, seq: seq, passing: map[string]bool{}, files: map[string]*file{}}
	for i := range p.Inputs {
		q.passing[p.Inputs[i].Name] = p.Inputs[i].Mode == host.Snapshot
	}
	for i := range p.Outputs {
		q.passing[p.Outputs[i].Name] = p.Outputs[i].Mode == host.Replace
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
		row.Seq = q.seq
		row = fit(row)
		if len(q.samples) < maxSampleRows {
			q.samples = append(q.samples, row)
		}
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
	if f.size+int64(len(b)) > maxQuarantineBytes {
		return nil
	}
	f.rows++
	_, err = f.Write(append(b, '\n'))
	return err
}

// close completes the files, the lasting one before the passing one; none when no row was rejected.
func (q *quarantine) close() ([]host.FileRef, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var refs []host.FileRef
	for _, name := range []string{lastingFile, passingFile} {
		f := q.files[name]
		if f == nil || q.err != nil {
			continue
		}
		ref, err := f.close()
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
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

// maxEarlier is how many files of earlier attempts a head names before they are put into one.
const maxEarlier = 16

// earlier are the files of rows that earlier attempts set aside and that are still missing. A rebuild reads everything
// again, and a held attempt is replaced by the next one: what those set aside counts no longer.
func (t *attempt) earlier(ctx context.Context, v host.Verdict) []host.FileRef {
	if t.base.head == nil || v == host.Published && t.plan.rebuild {
		return nil
	}
	attemptDir := path.Dir(t.base.pointer.Location) + "/"
	var refs []host.FileRef
	for _, ref := range t.base.head.Quarantine {
		ofAttempt := strings.HasPrefix(ref.Location, attemptDir)
		if path.Base(ref.Location) == passingFile || ofAttempt && t.base.head.Verdict == host.Held && path.Base(ref.Location) == lastingFile {
			continue
		}
		refs = append(refs, ref)
	}
	if len(refs) < maxEarlier {
		return refs
	}
	one, err := t.join(ctx, refs)
	if err != nil { // a longer list does no harm
		t.r.trouble(t.a.Product.ID, err)
		return refs
	}
	return []host.FileRef{one}
}

// join puts files into one. What there is no room for is the oldest.
func (t *attempt) join(ctx context.Context, refs []host.FileRef) (host.FileRef, error) {
	var parts [][]byte
	size, rows := 0, int64(0)
	for _, ref := range slices.Backward(refs) {
		b, err := readFile(ctx, t.r.Store, ref)
		if err != nil {
			return host.FileRef{}, err
		}
		if size += len(b); size > maxQuarantineBytes {
			break
		}
		parts, rows = append(parts, b), rows+ref.Rows
	}
	slices.Reverse(parts)
	name := t.dir + "/" + earlierFile
	t.files = append(t.files, name)
	ref, err := writeFile(ctx, t.r.Store, name, bytes.Join(parts, nil))
	ref.Rows = rows
	return ref, err
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
