package node

import (
	"context"
	"sync"
	"time"

	"github.com/adp-host/adp/host"
)

// lastTold is what etcd said last, for readers: what was published stays readable while etcd says nothing. Runs never ask
// it, since they need the truth; what it says may have been overtaken, and was true.
type lastTold struct {
	n    *Node
	mu   sync.Mutex
	at   map[host.ProductID]host.Pointer
	next time.Time // before that etcd is not asked again; zero: it answers
}

const (
	// readersWait is how long a reader waits for etcd when something is known.
	readersWait = 2 * time.Second
	// askAgain is how long readers after it do not wait at all.
	askAgain = 3 * time.Second
)

// note takes note of a newest head. Pointers come from the watch and from reads, in any order.
func (h *lastTold) note(id host.ProductID, p host.Pointer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at[id].Seq < p.Seq {
		h.at[id] = p
	}
}

// pointer is the newest pointer of a product as etcd says now, or as it said last.
func (h *lastTold) pointer(ctx context.Context, id host.ProductID) (host.Pointer, error) {
	h.mu.Lock()
	last, known := h.at[id]
	h.mu.Unlock()
	if !known {
		p, err := h.n.cluster.Head(ctx, id)
		if err == nil && p.Seq > 0 {
			h.note(id, p)
		}
		return p, err
	}
	p := last
	h.ask(ctx, func(ctx context.Context) (err error) {
		p, err = h.n.cluster.Head(ctx, id)
		return err
	})
	if p.Seq < last.Seq {
		return last, ctx.Err()
	}
	h.note(id, p)
	return p, nil
}

// kept is how far back the history of a product reaches; while etcd says nothing, the store tells what is not there.
func (h *lastTold) kept(ctx context.Context, id host.ProductID) (k host.Kept, err error) {
	h.ask(ctx, func(ctx context.Context) (err error) {
		k, err = h.n.cluster.Kept(ctx, id)
		return err
	})
	return k, ctx.Err()
}

// delivered is how far the effects of a product are delivered; nothing is known of it while etcd says nothing.
func (h *lastTold) delivered(ctx context.Context, id host.ProductID) (d host.Delivered, ok bool) {
	ok = h.ask(ctx, func(ctx context.Context) (err error) {
		d, err = h.n.cluster.Delivered(ctx, id)
		return err
	})
	return d, ok
}

// ask asks etcd, unless it has just been found silent, and reports whether it answered.
func (h *lastTold) ask(ctx context.Context, question func(context.Context) error) bool {
	h.mu.Lock()
	silent := time.Now().Before(h.next)
	if !h.next.IsZero() && !silent {
		h.next = time.Now().Add(askAgain) // one asks, the others do not wait for its answer
	}
	h.mu.Unlock()
	if silent {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, readersWait)
	defer cancel()
	err := question(limited)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.next = time.Time{}
	case ctx.Err() == nil: // else it is the reader who has gone
		if h.next.IsZero() {
			h.n.log.Warn("etcd does not answer; what is published is read as it was known last", "error", err)
		}
		h.next = time.Now().Add(askAgain)
	}
	return err == nil
}
