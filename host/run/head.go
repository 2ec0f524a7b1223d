package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// HeadRef is the reference of the head that a pointer names.
func HeadRef(p host.Pointer) host.HeadRef {
	return host.HeadRef{Seq: p.Seq, Hash: p.Hash, Location: p.Location}
}

// LoadHead reads a head and verifies its hash. It fails with T004 when the file is missing or is not what the reference
// says. The head is shared by nobody.
func LoadHead(ctx context.Context, s drivers.Store, ref host.HeadRef) (*host.Head, error) {
	b, err := readFile(ctx, s, host.FileRef{Location: ref.Location, Hash: ref.Hash})
	if err != nil {
		return nil, fmt.Errorf("snapshot %d: %w", ref.Seq, err)
	}
	h := &host.Head{}
	if err := json.Unmarshal(b, h); err != nil {
		return nil, host.Errorf(host.CodeTableDamaged, "%s is no head: %w", ref.Location, err)
	}
	if h.Format != host.HeadFormat || h.Seq != ref.Seq {
		return nil, host.Errorf(host.CodeTableDamaged, "%s is a head of format %d and snapshot %d, not of %d and %d",
			ref.Location, h.Format, h.Seq, host.HeadFormat, ref.Seq)
	}
	return h, nil
}

// HeadAt walks from a head back to the one of seq, in a number of steps that grows with the logarithm of the distance.
// It fails with T005 when there is no such snapshot.
func HeadAt(ctx context.Context, s drivers.Store, from host.HeadRef, seq host.Seq) (*host.Head, error) {
	if seq < 1 || seq > from.Seq {
		return nil, host.Errorf(host.CodeTableSnapshot, "there is no snapshot %d; the newest is %d", seq, from.Seq)
	}
	h, err := LoadHead(ctx, s, from)
	for err == nil && h.Seq != seq {
		next, ok := farthest(h, seq)
		if !ok {
			return nil, host.Errorf(host.CodeTableSnapshot, "snapshot %d is not kept any more", seq)
		}
		h, err = LoadHead(ctx, s, next)
	}
	return h, err
}

// HeadAsOf is the newest head that was committed at or before t; nil when there was none yet. It fails with T005 when
// that one is older than kept, the oldest that is still there.
func HeadAsOf(ctx context.Context, s drivers.Store, from host.HeadRef, kept host.Seq, t time.Time) (*host.Head, error) {
	h, err := LoadHead(ctx, s, from)
	if err != nil || !committed(h).After(t) {
		return h, err
	}
	// Invariant: h is too new. Jumps are taken from the longest on, each only while it stays too new.
	for {
		var next *host.Head
		for _, ref := range refs(h) {
			if ref.Seq < kept {
				continue
			}
			at, err := LoadHead(ctx, s, ref)
			if err != nil {
				return nil, err
			}
			if committed(at).After(t) {
				next = at
				break
			}
			if h.Prev != nil && ref.Seq == h.Prev.Seq {
				return at, nil
			}
		}
		switch {
		case next != nil:
			h = next
		case h.Prev != nil:
			return nil, host.Errorf(host.CodeTableSnapshot, "what was the newest snapshot at %s is not kept any more; the oldest is %d",
				t.UTC().Format(time.RFC3339), h.Seq)
		default:
			return nil, nil
		}
	}
}

// committed is when a head was committed, as well as the head itself can know.
func committed(h *host.Head) time.Time { return h.Run.Started.Add(h.Run.Duration) }

// refs are the heads that h names, oldest first, the one before it last.
func refs(h *host.Head) []host.HeadRef {
	out := make([]host.HeadRef, 0, len(h.Skips)+1)
	for i := len(h.Skips) - 1; i >= 0; i-- {
		out = append(out, h.Skips[i])
	}
	if h.Prev != nil {
		out = append(out, *h.Prev)
	}
	return out
}

// farthest is the oldest head that h names and that is not older than seq.
func farthest(h *host.Head, seq host.Seq) (host.HeadRef, bool) {
	for _, ref := range refs(h) {
		if ref.Seq >= seq {
			return ref, true
		}
	}
	return host.HeadRef{}, false
}

// chain names the heads that a new head after prev points to: the one before it, and those 2, 4, 8, … before it.
// recent saves loading heads that are known.
func chain(ctx context.Context, s drivers.Store, prev host.HeadRef, head *host.Head, recent *recentRefs) (*host.HeadRef, []host.HeadRef, error) {
	if head == nil {
		return nil, nil, nil
	}
	recent.add(prev)
	var skips []host.HeadRef
	next := prev.Seq + 1
	at := head
	for distance := host.Seq(2); next-distance >= 1; distance *= 2 {
		ref, ok := recent.at(next - distance)
		if !ok {
			var err error
			if at, err = headBack(ctx, s, at, skips, next-distance); errors.Is(err, fs.ErrNotExist) {
				break // it has expired
			} else if err != nil {
				return nil, nil, err
			}
			ref, ok = farthest(at, next-distance)
			if !ok || ref.Seq != next-distance {
				break // history before this is not kept
			}
		}
		skips = append(skips, ref)
	}
	return &prev, skips, nil
}

// headBack is a head that names the one of seq directly: the last skip is half the way there, and has a skip as long.
func headBack(ctx context.Context, s drivers.Store, prev *host.Head, skips []host.HeadRef, seq host.Seq) (*host.Head, error) {
	if len(skips) == 0 {
		return prev, nil
	}
	return LoadHead(ctx, s, skips[len(skips)-1])
}

// recentRefs remembers references of a product's newest heads, oldest first: few for the many products that ran once.
type recentRefs []host.HeadRef

// maxRecent bounds them.
const maxRecent = 64

func (r *recentRefs) add(ref host.HeadRef) {
	if len(*r) == maxRecent {
		copy(*r, (*r)[1:])
		*r = (*r)[:maxRecent-1]
	}
	*r = append(*r, ref)
}

func (r *recentRefs) at(seq host.Seq) (host.HeadRef, bool) {
	for _, ref := range slices.Backward(*r) {
		if ref.Seq == seq {
			return ref, true
		}
	}
	return host.HeadRef{}, false
}

// readFile reads a whole immutable file and verifies its hash; T004 when it is missing or differs.
func readFile(ctx context.Context, s drivers.Store, ref host.FileRef) ([]byte, error) {
	f, err := openFile(ctx, s, ref)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, f.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, storeError("read", err)
	}
	return b, verify(ref, digest(b))
}

// openVerified opens an immutable file that need not fit in memory, after it was read once to verify its hash; T004 when
// it is missing or differs.
func openVerified(ctx context.Context, s drivers.Store, ref host.FileRef) (drivers.StoreFile, error) {
	f, err := openFile(ctx, s, ref)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err = io.Copy(sum, f); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err = storeError("read", err); err == nil {
		err = verify(ref, host.Digest("sha256:"+hex.EncodeToString(sum.Sum(nil))))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func openFile(ctx context.Context, s drivers.Store, ref host.FileRef) (drivers.StoreFile, error) {
	f, err := s.Open(ctx, ref.Location)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, host.Errorf(host.CodeTableDamaged, "file %s is missing: %w", ref.Location, err)
	}
	return f, storeError("read", err)
}

func verify(ref host.FileRef, got host.Digest) error {
	if got != ref.Hash {
		return host.Errorf(host.CodeTableDamaged, "file %s does not match its hash: it has %s, its reference says %s", ref.Location, got, ref.Hash)
	}
	return nil
}

func digest(b []byte) host.Digest {
	sum := sha256.Sum256(b)
	return host.Digest("sha256:" + hex.EncodeToString(sum[:]))
}
