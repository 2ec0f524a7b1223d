package run

import (
	"context"
	"slices"

	"github.com/adp-host/adp/host"
)

// outbox is what the runner remembers of the effects of a product between two deliveries. All of it can be read again.
type outbox struct {
	busy    bool
	own     host.Ownership // that at was read under; the zero value: at is not known
	at      host.Delivered
	waiting []host.HeadRef // heads with effects after at, oldest first
	seen    host.Seq       // heads up to it have been looked at
}

// takeOutbox reserves a product's effects for one delivery.
func (r *Runner) takeOutbox(id host.ProductID) (*outbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outboxes == nil {
		r.outboxes = map[host.ProductID]*outbox{}
	}
	o := r.outboxes[id]
	if o == nil {
		o = &outbox{}
		r.outboxes[id] = o
	}
	if o.busy {
		return nil, host.Errorf(host.CodeRunBusy, "effects of %s are being delivered", id.URL())
	}
	o.busy = true
	return o, nil
}

func (r *Runner) putOutbox(o *outbox) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.busy = false
}

// catchUp finds the heads whose effects wait: from the newest head back to what has been looked at, by the references that
// lead from one head with effects to the one before it.
func (r *Runner) catchUp(ctx context.Context, o *outbox, own host.Ownership) error {
	if o.own != own {
		at, err := r.Outboxes.Delivered(ctx, own.Product)
		if err != nil {
			return err
		}
		o.own, o.at, o.waiting, o.seen = own, at, nil, at.Seq
	}
	tip, err := r.Heads.Head(ctx, own.Product)
	if err != nil || tip.Seq <= o.seen {
		return err
	}
	var found []host.HeadRef
	for ref := HeadRef(tip); ref.Seq > o.seen; {
		h, err := LoadHead(ctx, r.Store, ref)
		if err != nil {
			return err
		}
		if h.Effects == nil {
			break
		}
		if h.Outbox != nil {
			found = append(found, ref)
		}
		if h.Effects.Last == nil {
			break
		}
		ref = *h.Effects.Last
	}
	slices.Reverse(found)
	o.waiting, o.seen = append(o.waiting, found...), tip.Seq
	return nil
}

// effects says, in the head that the attempt commits, where its effects and those of earlier runs are.
func (t *attempt) effects(outbox *host.FileRef) *host.Effects {
	var e host.Effects
	if h := t.base.head; h != nil && h.Effects != nil {
		e = *h.Effects
		if h.Outbox != nil {
			last := HeadRef(t.base.pointer)
			e.Last = &last
		}
	}
	if outbox != nil {
		e.Total += t.calls.writes
	}
	if e.Total == 0 {
		return nil
	}
	return &e
}
