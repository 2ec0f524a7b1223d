package node

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// janitor cleans up after one product, between its runs and a little at a time. It is used by the loop of its owner.
type janitor struct {
	o    *owner
	next func() (run.Cleaned, error, bool) // of the clean-up under way; nil: there is none
	end  func()

	spent   time.Duration // on the clean-up under way
	tip     host.Pointer  // the newest head when the last one began
	cleaned time.Time     // when it ended
}

const (
	// cleanSlice is how long a clean-up may hold up a run that comes due, and cleanRest how long runs come first then.
	cleanSlice = 20 * time.Millisecond
	cleanRest  = 5 * time.Millisecond
	// cleanShare bounds what clean-ups take of a product's time: the next one waits so many times as long as the last took.
	cleanShare = 50
	// cleanAnyway is after how long a product is cleaned up that has not committed: what expires by time, and what a
	// process left that was thought dead.
	cleanAnyway = 24 * time.Hour
)

// first is when to look for the first time: nodes own many products, which do not all come at once.
func (j *janitor) first() time.Duration {
	if j.o.n.runner.Keeping == nil { // nothing expires
		return math.MaxInt64
	}
	return rand.N(j.o.n.cfg.CleanEvery)
}

// tidy works for a moment, and says when to go on.
func (j *janitor) tidy(ctx context.Context) time.Duration {
	every := j.o.n.cfg.CleanEvery
	if j.next == nil {
		due, err := j.due(ctx)
		if err != nil || !due {
			return every
		}
		j.begin(ctx)
	}
	started := time.Now()
	done, err := j.steps(func() bool { return time.Since(started) < cleanSlice })
	j.spent += time.Since(started)
	switch {
	case err != nil:
		j.stop()
		if ctx.Err() == nil {
			j.o.n.log.Warn("cannot clean up", "product", j.o.id.URL(), "error", err)
		}
		return every
	case !done:
		return cleanRest
	}
	j.cleaned = time.Now()
	return max(every, cleanShare*j.spent)
}

// due reports whether there may be something to clean up, and remembers the newest head.
func (j *janitor) due(ctx context.Context) (bool, error) {
	tip, err := j.o.n.cluster.Head(ctx, j.o.id)
	if err != nil || tip == j.tip && time.Since(j.cleaned) < cleanAnyway {
		return false, err
	}
	j.tip = tip
	return true, nil
}

func (j *janitor) begin(ctx context.Context) {
	j.o.mu.Lock()
	c := run.Cleaning{Own: j.o.own}
	if j.o.product != nil {
		c.Retention = j.o.product.Retention
	}
	j.o.mu.Unlock()
	j.spent = 0
	j.next, j.end = iter.Pull2(j.o.n.runner.Clean(ctx, c))
}

// steps makes steps of the clean-up under way while more says so, and reports whether it has ended.
func (j *janitor) steps(more func() bool) (bool, error) {
	for more() {
		c, err, ok := j.next()
		if err != nil {
			return false, err
		}
		if !ok || c.Stopped {
			j.stop()
			if c.Files > 0 {
				j.o.n.log.Info("cleaned up", "product", j.o.id.URL(), "files", c.Files, "bytes", c.Bytes, "oldest_snapshot", c.Kept)
			}
			return true, nil
		}
	}
	return false, nil
}

// stop ends the clean-up under way; the next one begins anew.
func (j *janitor) stop() {
	if j.next != nil {
		j.end()
		j.next, j.end = nil, nil
	}
}

// Clean cleans up now after every product that this node owns, and then what no product needs any more.
func (n *Node) Clean(ctx context.Context) error {
	for _, o := range n.owned() {
		_, err := o.do(ctx, "clean", func(ctx context.Context) (run.Result, error) {
			o.janitor.begin(ctx)
			defer o.janitor.stop()
			_, err := o.janitor.steps(func() bool { return true })
			return run.Result{}, err
		})
		if err != nil {
			return err
		}
	}
	return n.collect(ctx)
}

// collectNowAndThen removes now and then what no product needs any more, while the node runs.
func (n *Node) collectNowAndThen() {
	for wait := rand.N(cleanAnyway); ; wait = cleanAnyway {
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := n.collect(n.ctx); err != nil && n.ctx.Err() == nil {
			n.log.Warn("cannot remove artifacts and records of sources that nothing refers to", "error", err)
		}
	}
}

// collect removes artifacts, and records of what file sources had, that no product and no snapshot which is kept refers
// to. Only a node alone does: what another node is about to commit is not known here.
func (n *Node) collect(ctx context.Context) error {
	if n.cfg.Fleet.Member != nil || len(n.cfg.Fleet.Endpoints) > 0 {
		return nil
	}
	n.registering.Lock()
	defer n.registering.Unlock()
	artifacts, cursors := map[host.Digest]bool{}, map[string]bool{}
	specs, err := n.cluster.Specs(ctx)
	if err != nil {
		return err
	}
	for _, s := range specs {
		artifacts[s.Artifact] = true
	}
	heads, err := n.cluster.Heads(ctx)
	if err != nil {
		return err
	}
	for id, ptr := range heads {
		kept, err := n.cluster.Kept(ctx, id)
		if err != nil {
			return err
		}
		for h, err := range run.History(ctx, n.store, headRef(ptr), kept) {
			if err != nil {
				return err
			}
			artifacts[h.Artifact] = true
			for _, cs := range []map[string]host.Cursor{h.Cursors, h.Tried} {
				for _, c := range cs {
					cursors[string(c)] = true
				}
			}
		}
	}
	removed, err := n.registry.Collect(ctx, slices.Collect(maps.Keys(artifacts)))
	if err != nil {
		return err
	}
	var keep []json.RawMessage
	for c := range cursors {
		keep = append(keep, json.RawMessage(c))
	}
	segments, err := n.drivers["file"].(*file.Driver).Collect(ctx, keep)
	if removed+segments > 0 {
		n.log.Info("removed what nothing refers to", "blobs", removed, "ledger_segments", segments)
	}
	return err
}

// errExpired is wrapped by errors about what is not kept any more.
var errExpired = errors.New("it has expired")

// ifExpired adds errExpired to the error of a file that is not there, if the snapshot that it belonged to has expired.
func (n *Node) ifExpired(ctx context.Context, id host.ProductID, seq host.Seq, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	kept, kerr := n.told.kept(ctx, id)
	if kerr == nil && seq < kept.From {
		return errors.Join(errExpired, err)
	}
	return err
}

// expired is err, or T005 where it is that of a file which is not there since its snapshot has expired.
func (n *Node) expired(ctx context.Context, id host.ProductID, seq host.Seq, err error) error {
	if errors.Is(n.ifExpired(ctx, id, seq, err), errExpired) {
		if kept, kerr := n.told.kept(ctx, id); kerr == nil {
			return run.Expired(id, kept, seq)
		}
	}
	return err
}
