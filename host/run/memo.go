package run

import (
	"context"

	"github.com/adp-host/adp/host"
)

// memo is what the runner remembers of a product between two attempts. All of it can be read again from the store.
type memo struct {
	busy   bool
	used   int64 // Runner.clock of the last use
	tip    host.Pointer
	head   *host.Head // of tip
	recent recentRefs

	state   keys
	stateOf host.Digest // the head that state belongs to; "" none
	counted int64       // of it in Runner.cached
	acked   host.Digest // the head whose cursors have been acknowledged
}

const defaultCacheBytes = 256 << 20

// take reserves a product for one attempt.
func (r *Runner) take(id host.ProductID) (*memo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.memos == nil {
		r.memos = map[host.ProductID]*memo{}
	}
	m := r.memos[id]
	if m == nil {
		m = &memo{}
		r.memos[id] = m
	}
	if m.busy {
		return nil, host.Errorf(host.CodeRunBusy, "a run of %s is under way", id.URL())
	}
	r.clock++
	m.busy, m.used = true, r.clock
	return m, nil
}

// put ends the reservation and, when the states kept outgrow their bound, forgets those of products that have not run
// for longest.
func (r *Runner) put(m *memo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.busy = false
	r.cached += m.stateCost() - m.counted
	m.counted = m.stateCost()
	limit := r.CacheBytes
	if limit == 0 {
		limit = defaultCacheBytes
	}
	for r.cached > limit {
		var oldest *memo
		for _, o := range r.memos {
			if !o.busy && o.counted > 0 && (oldest == nil || o.used < oldest.used) {
				oldest = o
			}
		}
		if oldest == nil {
			return
		}
		r.cached -= oldest.counted
		oldest.state, oldest.stateOf, oldest.counted = keys{}, "", 0
	}
}

// stateCost is about what the state kept costs in memory.
func (m *memo) stateCost() int64 {
	const keyNodeBytes = 96 // beside a key's own bytes
	return m.state.bytes + m.state.count*keyNodeBytes
}

// base is what a run builds upon.
type base struct {
	pointer host.Pointer // Seq 0: nothing has been committed yet
	head    *host.Head   // nil then
}

// base reads the newest head of a product.
func (r *Runner) base(ctx context.Context, id host.ProductID, m *memo) (base, error) {
	p, err := r.Heads.Head(ctx, id)
	if err != nil || p.Seq == 0 {
		return base{}, err
	}
	if m.head == nil || m.tip != p {
		h, err := LoadHead(ctx, r.Store, HeadRef(p))
		if err != nil {
			return base{}, err
		}
		m.tip, m.head = p, h
	}
	return base{p, m.head}, nil
}

// state is the guest's state as of the base.
func (r *Runner) state(ctx context.Context, b base, m *memo) (keys, error) {
	if b.head == nil {
		return keys{}, nil
	}
	if m.stateOf == b.pointer.Hash {
		return m.state, nil
	}
	k, err := loadState(ctx, r.Store, b.head.State)
	if err == nil {
		m.state, m.stateOf = k, b.pointer.Hash
	}
	return k, err
}
