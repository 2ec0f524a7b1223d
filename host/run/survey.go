package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Found is what the store alone tells of a product: its history without etcd.
type Found struct {
	Product host.ProductID
	Tip     host.Pointer // the newest head that is known to be committed; Seq 0: none is
	Head    *host.Head   // of Tip
	Kept    host.Kept    // Undecided are the heads after Tip that may have been committed
	Epoch   host.Epoch   // the greatest that a folder names
	Notes   []string     // what is odd, in words
}

// Survey looks at everything that products have in the store, while no node runs.
//
// A head is known to be committed if another one was built upon it, since attempts build upon what etcd says; or if the
// mark lies beside it that is left after a commit; or if known, e.g. from a backup, names it. A head whose successor in
// seq has another one before it, or after whose epoch somebody claimed the product and began at the same seq, was never
// committed. What is left, one head or several of one epoch after the newest that is known, may have been: nobody can tell.
func Survey(ctx context.Context, s drivers.Store, known map[host.ProductID]host.Pointer) ([]Found, error) {
	all := map[host.ProductID]*survey{}
	at := func(id host.ProductID) *survey {
		if all[id] == nil {
			all[id] = &survey{s: s, id: id, committed: map[string]host.Digest{}, epochs: map[host.Seq]host.Epoch{}, found: Found{Product: id}}
		}
		return all[id]
	}
	for info, err := range s.List(ctx, "products/") {
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, storeError("list", err)
		}
		p := strings.SplitN(info.Name, "/", 5)
		if len(p) < 5 {
			continue
		}
		if epoch, seq, ok := attemptOf(p[4]); ok {
			at(host.ProductID{Tenant: p[1], Domain: p[2], Name: p[3]}).file(info.Name, epoch, seq)
		}
	}
	for id, p := range known {
		if p.Seq > 0 {
			at(id).committed[p.Location] = p.Hash
		}
	}
	var out []Found
	for id, v := range all {
		if err := v.decide(ctx, known[id]); err != nil {
			return nil, err
		}
		out = append(out, v.found)
	}
	slices.SortFunc(out, func(a, b Found) int { return a.Product.Compare(b.Product) })
	return out, nil
}

// survey is one product's part of a Survey.
type survey struct {
	s     drivers.Store
	id    host.ProductID
	names []string // of heads
	marks []string
	// epochs is, by seq, the greatest epoch of an attempt at it.
	epochs    map[host.Seq]host.Epoch
	committed map[string]host.Digest // heads that are known to be, by location
	heads     []sighted
	found     Found
}

// sighted is a head that was read.
type sighted struct {
	ref  host.HeadRef
	head *host.Head
}

func (v *survey) file(name string, epoch host.Epoch, seq host.Seq) {
	v.found.Epoch = max(v.found.Epoch, epoch)
	v.epochs[seq] = max(v.epochs[seq], epoch)
	switch path.Base(name) {
	case "head.json":
		v.names = append(v.names, name)
	case path.Base(committedMark(name)):
		v.marks = append(v.marks, name)
	}
}

func (v *survey) note(format string, args ...any) {
	v.found.Notes = append(v.found.Notes, fmt.Sprintf(format, args...))
}

func (v *survey) decide(ctx context.Context, known host.Pointer) error {
	if err := v.read(ctx); err != nil {
		return err
	}
	tip := v.newest()
	if tip.head != nil {
		h := tip.head
		v.found.Head = h
		v.found.Tip = host.Pointer{Seq: h.Seq, Epoch: h.Epoch, Run: h.Run.ID, Hash: tip.ref.Hash, Location: tip.ref.Location}
	}
	if known.Seq > v.found.Tip.Seq {
		v.note("snapshot %d was committed, and the store does not have it any more", known.Seq)
	}
	v.undecided()
	return v.kept(ctx)
}

// read loads all heads, and notes which others they vouch for.
func (v *survey) read(ctx context.Context) error {
	for _, name := range v.names {
		b, err := readAll(ctx, v.s, name)
		if err != nil {
			return err
		}
		h := &host.Head{}
		if err := json.Unmarshal(b, h); err != nil || h.Format != host.HeadFormat || h.Product != v.id {
			v.note("%s is no head of the product: it was not written to its end, or damaged", name)
			continue
		}
		v.heads = append(v.heads, sighted{host.HeadRef{Seq: h.Seq, Hash: digest(b), Location: name}, h})
		for _, ref := range refs(h) {
			v.committed[ref.Location] = ref.Hash
		}
		if h.Effects != nil && h.Effects.Last != nil {
			v.committed[h.Effects.Last.Location] = h.Effects.Last.Hash
		}
	}
	for _, name := range v.marks {
		b, err := readAll(ctx, v.s, name)
		if err != nil {
			return err
		}
		v.mark(path.Join(path.Dir(name), "head.json"), host.Digest(b))
	}
	return nil
}

// mark takes in that a mark lies beside a head. It is written after the commit and not made durable, so that the power may
// have failed in the middle of it: that it is there says all, and a hash that is whole says what the head was.
func (v *survey) mark(head string, hash host.Digest) {
	if v.committed[head] != "" {
		return
	}
	for _, h := range v.heads {
		if h.ref.Location != head {
			continue
		}
		if len(hash) != len(h.ref.Hash) || !strings.HasPrefix(string(hash), "sha256:") {
			hash = h.ref.Hash
		}
		v.committed[head] = hash
	}
}

// newest is the newest head that is known to be committed.
func (v *survey) newest() sighted {
	var tip sighted
	for _, h := range v.heads {
		hash, known := v.committed[h.ref.Location]
		if !known {
			continue
		}
		if hash != h.ref.Hash {
			v.note("snapshot %d was altered after it was committed: %s", h.head.Seq, h.ref.Location)
			continue
		}
		if tip.head == nil || cmp.Or(cmp.Compare(h.head.Seq, tip.head.Seq), cmp.Compare(h.head.Epoch, tip.head.Epoch)) > 0 {
			tip = h
		}
	}
	return tip
}

// undecided finds the heads after the tip of which nobody knows.
func (v *survey) undecided() {
	tip := v.found.Tip
	for _, h := range v.heads {
		_, known := v.committed[h.ref.Location]
		after := h.head.Prev == nil && tip.Seq == 0 || h.head.Prev != nil && *h.head.Prev == HeadRef(tip)
		if !known && after && h.head.Seq == tip.Seq+1 && h.head.Epoch >= v.epochs[h.head.Seq] {
			v.found.Kept.Undecided = append(v.found.Kept.Undecided, h.ref)
		}
	}
	slices.SortFunc(v.found.Kept.Undecided, func(a, b host.HeadRef) int { return cmp.Compare(a.Location, b.Location) })
}

// kept finds how far back the chain is whole.
func (v *survey) kept(ctx context.Context) error {
	at := map[string]sighted{}
	for _, h := range v.heads {
		at[h.ref.Location] = h
	}
	h, ok := at[v.found.Tip.Location]
	for ok {
		for port, out := range h.head.Outputs {
			f, err := v.s.Open(ctx, out.Metadata)
			if errors.Is(err, fs.ErrNotExist) {
				if ok = false; h.head.Seq == v.found.Tip.Seq {
					v.note("what the newest snapshot has on port %s is missing: %s", port, out.Metadata)
				}
				continue
			}
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				return storeError("read", err)
			}
		}
		if !ok && h.head.Seq != v.found.Tip.Seq {
			return nil
		}
		if h.head.Prev == nil {
			v.found.Kept.From = 0
			return nil
		}
		v.found.Kept.From = h.head.Seq
		prev, found := at[h.head.Prev.Location]
		h, ok = prev, ok && found && prev.ref == *h.head.Prev
	}
	return nil
}

// Trust takes the undecided head for committed, once its files are verified and durable, which its run may not have come to:
// they are made so together with it. It fails when a file is missing or torn, and when there is no such head or more than one.
func (f *Found) Trust(ctx context.Context, s drivers.Store) error {
	if n := len(f.Kept.Undecided); n != 1 {
		return fmt.Errorf("%d heads of %s may have been committed: there is no newest to trust", n, f.Product.URL())
	}
	ref := f.Kept.Undecided[0]
	h, err := LoadHead(ctx, s, ref)
	if err != nil {
		return err
	}
	dir := path.Dir(ref.Location) + "/"
	for _, own := range filesOf(h) {
		if !strings.HasPrefix(own.Location, dir) {
			continue // of an earlier head, which was committed
		}
		file, err := openVerified(ctx, s, own)
		if err != nil {
			return fmt.Errorf("snapshot %d cannot be trusted: %w", h.Seq, err)
		}
		_ = file.Close()
	}
	var names []string
	for file, err := range s.List(ctx, dir) {
		if err != nil {
			return storeError("list", err)
		}
		names = append(names, file.Name)
	}
	if err := s.Sync(ctx, names...); err != nil {
		return storeError("sync", err)
	}
	f.Tip = host.Pointer{Seq: h.Seq, Epoch: h.Epoch, Run: h.Run.ID, Hash: ref.Hash, Location: ref.Location}
	f.Head, f.Kept.Undecided = h, nil
	return nil
}

// filesOf are the files that a head names with their hashes; those that a table's metadata names are not among them.
func filesOf(h *host.Head) []host.FileRef {
	var out []host.FileRef
	for _, o := range h.Outputs {
		out = append(out, host.FileRef{Location: o.Metadata, Hash: o.Hash})
		out = append(out, o.Changes...)
	}
	if st := h.State; st != nil {
		if st.Base != nil {
			out = append(out, *st.Base)
		}
		out = append(out, st.Deltas...)
	}
	for _, q := range h.Quarantine {
		out = append(out, q.FileRef)
	}
	for _, f := range []*host.FileRef{h.Outbox, h.Recorded} {
		if f != nil {
			out = append(out, *f)
		}
	}
	return slices.DeleteFunc(out, func(f host.FileRef) bool { return f.Location == "" })
}

// Undelivered is how far effects must have been delivered, judged by what the store still has of them, if recorded is
// the last that is known. What follows it may be delivered a second time, under the same keys.
func Undelivered(ctx context.Context, s drivers.Store, newest host.HeadRef, recorded host.Delivered) (host.Delivered, error) {
	for ref, newer := newest, (*host.Head)(nil); ref.Seq > recorded.Seq; {
		h, err := LoadHead(ctx, s, ref)
		if errors.Is(err, fs.ErrNotExist) && newer != nil { // effects stay until they are delivered
			own, err := countFrames(ctx, s, newer.Outbox)
			return host.Delivered{Seq: ref.Seq, Total: newer.Effects.Total - own}, err
		}
		if err != nil {
			return recorded, err
		}
		if h.Effects == nil || h.Effects.Last == nil {
			break
		}
		ref, newer = *h.Effects.Last, h
	}
	return recorded, nil
}

func countFrames(ctx context.Context, s drivers.Store, outbox *host.FileRef) (n int64, err error) {
	if outbox == nil {
		return 0, nil
	}
	for fr, err := range ReadFrames(ctx, s, *outbox) {
		if err != nil {
			return 0, err
		}
		if fr.Record != nil {
			fr.Record.Release()
		}
		n++
	}
	return n, nil
}

// readAll reads a file whatever its hash.
func readAll(ctx context.Context, s drivers.Store, name string) ([]byte, error) {
	f, err := openFile(ctx, s, host.FileRef{Location: name})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, f.Size())
	_, err = f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, storeError("read", err)
}
