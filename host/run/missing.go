package run

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path"
	"slices"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// maxEarlier is how many files of earlier attempts a head names before they are put into one.
const maxEarlier = 16

// earlier are the files of rows that earlier attempts set aside and that are still missing. A rebuild reads everything
// again, and a held attempt is replaced by the next one: what those set aside counts no longer.
func (t *attempt) earlier(ctx context.Context, v host.Verdict) []host.QuarantineRef {
	base := t.base.head
	if base == nil || v == host.Published && t.plan.rebuild {
		return nil
	}
	replaced := "" // the folder of the held attempt before this one
	if base.Verdict == host.Held {
		replaced = path.Dir(t.base.pointer.Location)
	}
	var refs, lasting, passing []host.QuarantineRef
	for _, ref := range base.Quarantine {
		name := path.Base(ref.Location)
		switch {
		case name != earlierFile && path.Dir(ref.Location) == replaced:
			continue
		case name != passingFile:
			lasting = append(lasting, ref)
		case v == host.Published: // it has judged them anew
			continue
		default:
			passing = append(passing, ref)
		}
		refs = append(refs, ref)
	}
	if len(lasting) < maxEarlier {
		return refs
	}
	one, err := t.join(ctx, lasting)
	if err != nil { // a longer list does no harm; the next attempt tries again
		t.r.trouble(t.a.Product.ID, err)
		return refs
	}
	return append([]host.QuarantineRef{one}, passing...)
}

// join puts files, oldest first, into one that has the rows of the newest first. The oldest rows, which there is no room
// for, are counted, and so are those of a file that is damaged.
func (t *attempt) join(ctx context.Context, refs []host.QuarantineRef) (host.QuarantineRef, error) {
	f, err := createFile(ctx, t.r.Store, t.dir+"/"+earlierFile)
	if err != nil {
		return host.QuarantineRef{}, err
	}
	unlisted := int64(0)
	for _, ref := range slices.Backward(refs) {
		b, e := readFile(ctx, t.r.Store, ref.FileRef)
		if host.CodeOf(e) == host.CodeTableDamaged {
			t.r.trouble(t.a.Product.ID, e)
		} else if e != nil {
			err = e
			break
		}
		b = wholeLines(b, maxQuarantineBytes-f.size)
		rows := int64(bytes.Count(b, []byte{'\n'}))
		f.rows += rows
		unlisted += ref.Unlisted + ref.Rows - rows
		if _, err = f.Write(b); err != nil {
			break
		}
	}
	ref, cerr := f.close()
	if err == nil {
		err = cerr
	}
	if err != nil {
		return host.QuarantineRef{}, errors.Join(err, t.r.Store.Remove(ctx, f.name))
	}
	t.files = append(t.files, f.name)
	return host.QuarantineRef{FileRef: ref, Unlisted: unlisted}, nil
}

// wholeLines are the first lines that n bytes have room for.
func wholeLines(b []byte, n int64) []byte {
	if int64(len(b)) <= n {
		return b
	}
	return b[:bytes.LastIndexByte(b[:n], '\n')+1]
}

// Rejected lists at most limit rows that a head says are missing from its outputs, those of the newest attempt first,
// and counts them all, also those that no file has room for.
func Rejected(ctx context.Context, s drivers.Store, h *host.Head, limit int) (rows []host.RejectedRow, total int64, err error) {
	for _, ref := range slices.Backward(h.Quarantine) {
		total += ref.Rows + ref.Unlisted
		if len(rows) >= limit {
			continue
		}
		more, err := ReadRejected(ctx, s, ref, limit-len(rows))
		if err != nil {
			return nil, 0, err
		}
		rows = append(rows, more...)
	}
	return rows, total, nil
}

// ReadRejected reads up to limit rows of a quarantine file, its hash verified.
func ReadRejected(ctx context.Context, s drivers.Store, ref host.QuarantineRef, limit int) ([]host.RejectedRow, error) {
	b, err := readFile(ctx, s, ref.FileRef)
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
