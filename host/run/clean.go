package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"regexp"
	"strconv"
	"strings"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// CleanFailpoints lists the steps of Clean at which a test can end the process, in their order.
var CleanFailpoints = []string{"clean.after-walk", "clean.after-mark", "clean.after-expiry", "clean.after-oldest-head", "clean.before-remove", "clean.after-remove"}

// Cleaning says what to clean, and for whom.
type Cleaning struct {
	Own       host.Ownership
	Retention host.Retention // zero values are the defaults
}

// Cleaned is what a clean-up has done so far.
type Cleaned struct {
	Kept    host.Seq // the oldest snapshot that stays readable
	Tip     host.Seq // the newest when it began
	Files   int      // removed
	Bytes   int64
	Stopped bool // the end: nothing is left to do
}

// Clean expires snapshots that are older than the product's retention, and removes every file that nothing refers to
// and nothing ever will: first it records, guarded by the ownership, which snapshot is the oldest that stays; then it
// removes what no snapshot from that one on refers to, if its folder names an epoch before the ownership's, or the
// ownership's epoch and a seq that is not newer than the newest head's. No file is judged by its age.
//
// It works in small steps and yields after each; whoever stops in between, or is killed, leaves nothing behind that a
// later Clean does not find. Runs may be made between two steps: what they commit refers to what was kept or is newer.
// But a Rollback must not be between two steps, and no two Cleans of a product may overlap. With an error nothing more is
// removed.
func (r *Runner) Clean(ctx context.Context, c Cleaning) iter.Seq2[Cleaned, error] {
	return func(yield func(Cleaned, error) bool) {
		s := &sweep{r: r, c: c, live: map[string]bool{}, followed: map[string]bool{}}
		s.pause = func() bool { return yield(s.done, nil) }
		err := s.run(ctx)
		if errors.Is(err, errStopped) {
			return
		}
		s.done.Stopped = err == nil
		yield(s.done, err)
	}
}

// errStopped says that nobody wants the next step.
var errStopped = errors.New("stopped")

// sweep is one Clean.
type sweep struct {
	r     *Runner
	c     Cleaning
	pause func() bool
	done  Cleaned

	kept     host.Kept // as recorded before
	tip      host.Pointer
	oldest   *host.Head      // that stays
	live     map[string]bool // names of files that are referred to
	followed map[string]bool // metadata whose references are known
}

func (s *sweep) run(ctx context.Context) error {
	id := s.c.Own.Product
	// The order matters: what an earlier owner has recorded, expired or committed is seen, since it happened before the
	// claim; and what is delivered or committed from here on only adds to what is kept.
	kept, err := s.r.Keeping.Kept(ctx, id)
	if err != nil {
		return err
	}
	delivered, err := s.r.Outboxes.Delivered(ctx, id)
	if err != nil {
		return err
	}
	if s.tip, err = s.r.Heads.Head(ctx, id); err != nil {
		return err
	}
	s.kept = kept
	s.done.Kept, s.done.Tip = max(kept.From, 1), s.tip.Seq
	if s.tip.Seq > 0 {
		if err := s.snapshots(ctx); err != nil {
			return err
		}
		if err := s.outboxes(ctx, delivered); err != nil {
			return err
		}
	}
	if err := s.undecided(ctx); err != nil {
		return err
	}
	failpoint.Hit("clean.after-mark")
	if err := s.expire(ctx); err != nil {
		return err
	}
	return s.remove(ctx)
}

func (s *sweep) step() error {
	if !s.pause() {
		return errStopped
	}
	return nil
}

// snapshots marks what the snapshots that stay refer to, from the newest back.
func (s *sweep) snapshots(ctx context.Context) error {
	keep := s.c.Retention.WithDefaults()
	since := s.r.now().Add(-keep.For)
	ref, published := HeadRef(s.tip), false
	for left := keep.Snapshots; ; left-- {
		h, err := LoadHead(ctx, s.r.Store, ref)
		if err != nil {
			return err
		}
		// The one before h was the newest until h was committed.
		recent := committed(h).After(since)
		if err := s.mark(ctx, ref, h); err != nil {
			return err
		}
		s.oldest, s.done.Kept = h, h.Seq
		published = published || h.Verdict == host.Published || len(h.Outputs) == 0
		if h.Prev == nil || h.Seq <= s.kept.From || published && left <= 1 && !recent {
			break
		}
		ref = *h.Prev
		if err := s.step(); err != nil {
			return err
		}
	}
	failpoint.Hit("clean.after-walk")
	return nil
}

// mark keeps a head with everything that it refers to.
func (s *sweep) mark(ctx context.Context, ref host.HeadRef, h *host.Head) error {
	s.keepHead(ref)
	files := []*host.FileRef{h.Outbox, h.Recorded}
	for i := range h.Quarantine {
		files = append(files, &h.Quarantine[i].FileRef)
	}
	if h.State != nil {
		files = append(files, h.State.Base)
		for i := range h.State.Deltas {
			files = append(files, &h.State.Deltas[i])
		}
	}
	for _, f := range files {
		if f != nil {
			s.live[f.Location] = true
		}
	}
	follow := func(name string) bool {
		known := s.followed[name]
		s.followed[name] = true
		return !known
	}
	for port, out := range h.Outputs {
		err := s.r.References.References(ctx, out, follow, func(name string) { s.live[name] = true })
		if err != nil {
			return fmt.Errorf("nothing is removed, since what snapshot %d refers to on port %s cannot be told: %w", h.Seq, port, err)
		}
	}
	return nil
}

func (s *sweep) keepHead(ref host.HeadRef) {
	s.live[ref.Location] = true
	s.live[committedMark(ref.Location)] = true
}

// outboxes keeps the effects that are not delivered yet, with the heads that lead to them, however old they are.
func (s *sweep) outboxes(ctx context.Context, d host.Delivered) error {
	for ref := HeadRef(s.tip); ref.Seq > d.Seq; {
		h, err := LoadHead(ctx, s.r.Store, ref)
		if err != nil {
			return err
		}
		if h.Effects == nil {
			return nil
		}
		s.keepHead(ref)
		if h.Outbox != nil {
			s.live[h.Outbox.Location] = true
		}
		if h.Effects.Last == nil {
			return nil
		}
		ref = *h.Effects.Last
		if err := s.step(); err != nil {
			return err
		}
	}
	return nil
}

// undecided keeps heads that a person has to decide about.
func (s *sweep) undecided(ctx context.Context) error {
	for _, ref := range s.kept.Undecided {
		h, err := LoadHead(ctx, s.r.Store, ref)
		if err == nil {
			err = s.mark(ctx, ref, h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// expire records which snapshot is the oldest that stays, before anything of an older one goes.
func (s *sweep) expire(ctx context.Context) error {
	if s.oldest == nil || s.oldest.Seq <= max(s.kept.From, 1) {
		return nil
	}
	next := s.kept
	next.From = s.oldest.Seq
	if err := s.r.Keeping.Keep(ctx, s.c.Own, s.kept, next); err != nil {
		return err
	}
	failpoint.Hit("clean.after-expiry")
	// The head before goes first: the chain ends there also for those who know nothing but the chain.
	if prev := s.oldest.Prev; prev != nil && !s.live[prev.Location] {
		if err := s.r.Store.Remove(ctx, prev.Location); err != nil {
			return storeError("remove", err)
		}
		failpoint.Hit("clean.after-oldest-head")
	}
	return nil
}

// remove deletes what is not marked and never will be.
func (s *sweep) remove(ctx context.Context) error {
	prefix := Folder(s.c.Own.Product) + "/"
	for info, err := range s.r.Store.List(ctx, prefix) {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return storeError("list", err)
		}
		if !s.orphan(strings.TrimPrefix(info.Name, prefix), info.Name) {
			continue
		}
		failpoint.Hit("clean.before-remove")
		if err := s.r.Store.Remove(ctx, info.Name); err != nil {
			return storeError("remove", err)
		}
		failpoint.Hit("clean.after-remove")
		s.done.Files++
		s.done.Bytes += info.Size
		if err := s.step(); err != nil {
			return err
		}
	}
	return nil
}

// orphan is the rule: a file that nothing refers to, of an ownership that has ended, or of this one and an attempt that is
// over. tail is its name in the product's folder.
func (s *sweep) orphan(tail, name string) bool {
	epoch, seq, ok := attemptOf(tail)
	if !ok || s.live[name] {
		return false
	}
	return epoch < s.c.Own.Epoch || epoch == s.c.Own.Epoch && seq <= s.tip.Seq
}

// Folder is where the files of a product lie in the store.
func Folder(id host.ProductID) string { return "products/" + id.String() }

// attemptForm is the part of a name, in its product's folder, that says which attempt made the file.
var attemptForm = regexp.MustCompile(`^e([0-9]{1,18})/s([0-9]{1,18})/[^/]+/`)

// attemptOf reads epoch and seq of the attempt that made a file.
func attemptOf(tail string) (host.Epoch, host.Seq, bool) {
	m := attemptForm.FindStringSubmatch(tail)
	if m == nil {
		return 0, 0, false
	}
	epoch, _ := strconv.ParseInt(m[1], 10, 64)
	seq, _ := strconv.ParseInt(m[2], 10, 64)
	return host.Epoch(epoch), host.Seq(seq), true
}

// stillKept fails with T005 when a snapshot has expired.
func (r *Runner) stillKept(ctx context.Context, id host.ProductID, seq host.Seq) error {
	if r.Keeping == nil {
		return nil
	}
	kept, err := r.Keeping.Kept(ctx, id)
	if err != nil {
		return err
	}
	return Expired(id, kept, seq)
}

// Expired is the error T005 of a snapshot that is older than what is kept; nil when it is not.
func Expired(id host.ProductID, kept host.Kept, seq host.Seq) error {
	if seq >= kept.From {
		return nil
	}
	return host.Errorf(host.CodeTableSnapshot, "snapshot %d of %s has expired and is not kept any more; the oldest is %d", seq, id.URL(), kept.From).
		WithHint("how long snapshots stay is the product's retention: {snapshots: …, for: …}")
}

// History gives the heads of a product that are kept: from the newest back to the oldest, then those that a person has to
// decide about. After an error it ends.
func History(ctx context.Context, s drivers.Store, newest host.HeadRef, kept host.Kept) iter.Seq2[*host.Head, error] {
	return func(yield func(*host.Head, error) bool) {
		for ref := newest; ref.Seq > 0; {
			h, err := LoadHead(ctx, s, ref)
			if !yield(h, err) || err != nil {
				return
			}
			if h.Prev == nil || h.Seq <= kept.From {
				break
			}
			ref = *h.Prev
		}
		for _, ref := range kept.Undecided {
			h, err := LoadHead(ctx, s, ref)
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}
