package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// Deliver hands the effects of committed runs to their targets, in the order in which they were written, until none
// waits or one fails; it returns how far they are delivered then. Effects of a later snapshot never overtake those of an
// earlier one. It may run beside an attempt of the same product, since it looks only at what is committed, but not
// beside another Deliver of it: that fails with R008.
//
// An effect goes to where p declares its binding now, so that a wrong address can be mended; if p does not declare the
// binding any more, to where it led when the effect was written. The error is R005 when own is not the ownership any
// more; else that of the target. What a failed or interrupted delivery did is repeated by the next one, identically.
func (r *Runner) Deliver(ctx context.Context, p *host.Product, own host.Ownership) (host.Delivered, error) {
	o, err := r.takeOutbox(p.ID)
	if err != nil {
		return host.Delivered{}, err
	}
	defer r.putOutbox(o)
	if err := r.catchUp(ctx, o, own); err != nil {
		return o.at, err
	}
	d := &handover{r: r, p: p, own: own, sinks: map[string]drivers.Sink{}}
	for len(o.waiting) > 0 {
		next := o.waiting[0]
		to, err := d.snapshot(ctx, next, o.at)
		if to != o.at {
			if aerr := r.acknowledgeEffects(ctx, o, to); aerr != nil {
				return o.at, errors.Join(aerr, err)
			}
		}
		if err != nil {
			return o.at, err
		}
		o.waiting = o.waiting[1:]
	}
	return o.at, nil
}

// handover is one call of Deliver.
type handover struct {
	r     *Runner
	p     *host.Product
	own   host.Ownership
	sinks map[string]drivers.Sink // by binding and address: one access decision each
}

// snapshot delivers what is left of the effects of one head, and returns how far it came.
func (d *handover) snapshot(ctx context.Context, ref host.HeadRef, at host.Delivered) (host.Delivered, error) {
	h, err := LoadHead(ctx, d.r.Store, ref)
	if err != nil {
		return at, err
	}
	done := int64(0)
	if at.Seq == h.Seq-1 {
		done = at.Ordinal
	}
	for fr, err := range ReadFrames(ctx, d.r.Store, *h.Outbox) {
		if err != nil {
			return at, err
		}
		if fr.Ordinal > done {
			failpoint.Hit("run.before-delivery")
			err = d.effect(ctx, h.Seq, fr)
			failpoint.Hit("run.after-delivery")
		}
		fr.Record.Release()
		if err != nil {
			return at, err
		}
		if fr.Ordinal > done {
			done = fr.Ordinal
			at = host.Delivered{Seq: h.Seq - 1, Ordinal: done, Total: at.Total + 1}
		}
	}
	return host.Delivered{Seq: h.Seq, Total: h.Effects.Total}, nil
}

// effect delivers one frame of an outbox.
func (d *handover) effect(ctx context.Context, seq host.Seq, fr Frame) error {
	uri, options := fr.URI, fr.Options
	for i := range d.p.Bindings {
		if b := &d.p.Bindings[i]; b.Name == fr.Binding && b.Access == "write" {
			uri, options = b.URI, b.Options
		}
	}
	sink, err := d.sink(ctx, fr.Binding, uri)
	if err == nil {
		err = sink.Deliver(ctx, drivers.Delivery{URI: uri, Options: options, Epoch: int64(d.own.Epoch), Record: fr.Record,
			Key: drivers.Key{Product: d.p.ID.String(), Seq: int64(seq), Ordinal: fr.Ordinal}})
	}
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, drivers.ErrFenced):
		return host.Errorf(host.CodeRunLostOwner, "effect %d of snapshot %d to %s: %w", fr.Ordinal, seq, fr.Binding, err)
	}
	return fmt.Errorf("effect %d of snapshot %d to %s: %w", fr.Ordinal, seq, fr.Binding, err)
}

func (d *handover) sink(ctx context.Context, binding, uri string) (drivers.Sink, error) {
	key := binding + " " + uri
	if s := d.sinks[key]; s != nil {
		return s, nil
	}
	if d.r.Sinks == nil {
		return nil, host.Errorf(host.CodeDriverUnknown, "this node delivers nothing to drivers")
	}
	s, err := d.r.Sinks.Sink(ctx, d.p.ID, binding, uri)
	if err == nil {
		d.sinks[key] = s
	}
	return s, err
}

// acknowledgeEffects makes progress durable. Like a commit it outlives the context for a moment; when nobody knows its
// result, the next call reads what is recorded.
func (r *Runner) acknowledgeEffects(ctx context.Context, o *outbox, to host.Delivered) error {
	ctx, cancel := r.outlive(ctx)
	defer cancel()
	err := r.Outboxes.Acknowledge(ctx, o.own, o.at, to)
	failpoint.Hit("run.after-delivery-acknowledge")
	if err != nil {
		o.own = host.Ownership{}
		return err
	}
	o.at = to
	return nil
}
