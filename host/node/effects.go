package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

// courier delivers the effects of one product beside its runs. It is at work only while some wait: a target that is down
// holds up the effects behind it, and no run. Pausing the product does not stop it, since what it delivers is committed.
type courier struct {
	o  *owner
	wg sync.WaitGroup

	mu      sync.Mutex
	total   int64 // effects that the product has committed
	done    host.Delivered
	err     error         // of the last delivery; nil when it succeeded
	working bool          // until everything is delivered
	resting bool          // between two deliveries, of which the first failed
	again   bool          // something was committed since the delivery under way has looked
	mended  chan struct{} // capacity 1: something has changed that may end a rest
}

// committed takes note of a product's newest head.
func (c *courier) committed(ctx context.Context, h *host.Head) {
	if h == nil || h.Effects == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Effects.Total <= c.done.Total {
		return
	}
	c.total, c.again = h.Effects.Total, true
	c.show()
	if !c.working {
		c.working = true
		c.wg.Go(func() { c.work(ctx) })
	}
}

// mend has a delivery that failed tried again at once.
func (c *courier) mend() {
	select {
	case c.mended <- struct{}{}:
	default:
	}
}

// work delivers until nothing waits any more.
func (c *courier) work(ctx context.Context) {
	wait := retryFirst
	for {
		c.begin()
		at, err := c.deliver(ctx)
		if c.finished(ctx, at, err) {
			return
		}
		if err == nil {
			wait = retryFirst
			continue
		}
		c.o.n.log.Warn("effects are not delivered", "product", c.o.id.URL(), "error", err)
		select {
		case <-ctx.Done():
		case <-c.mended:
		case <-time.After(wait):
		}
		wait = min(2*wait, retryLast)
	}
}

// begin starts a delivery, which sees everything that has happened before.
func (c *courier) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again, c.resting = false, false
	select {
	case <-c.mended:
	default:
	}
}

// deliver makes one delivery, as far as it comes.
func (c *courier) deliver(ctx context.Context) (host.Delivered, error) {
	if err := c.o.n.awaitLease(ctx); err != nil {
		return host.Delivered{}, err
	}
	c.o.mu.Lock()
	p, own := c.o.product, c.o.own
	c.o.mu.Unlock()
	at, err := c.o.n.runner.Deliver(ctx, p, own)
	if errors.Is(err, errLostOwner) && ctx.Err() == nil && c.o.ownership() == own {
		c.o.reclaim(ctx)
		c.mend()
	}
	return at, err
}

// finished takes note of how a delivery ended, and reports whether there is nothing left to do.
func (c *courier) finished(ctx context.Context, at host.Delivered, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done.Before(at) {
		c.done = at
	}
	c.show()
	if ctx.Err() != nil || err == nil && !c.again {
		c.working, c.err = false, nil
		return true
	}
	c.err, c.resting = err, err != nil
	return false
}

// show sets the product's gauge.
func (c *courier) show() {
	c.o.n.metrics.waiting.WithLabelValues(c.o.id.Domain, c.o.id.Name).Set(float64(max(0, c.total-c.done.Total)))
}

// busy reports whether a delivery is under way.
func (c *courier) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.working && !c.resting
}

// lastError is why effects wait, nil when nothing has failed.
func (c *courier) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// end waits for the delivery under way, whose context has ended. Whoever owns the product next counts what waits.
func (c *courier) end() {
	c.wg.Wait()
	c.o.n.metrics.waiting.DeleteLabelValues(c.o.id.Domain, c.o.id.Name)
}

// effectStatus is how far the effects of a product are delivered, as its newest head and the mesh say; nil when it never
// had any. Why they wait is known where the product runs.
func (n *Node) effectStatus(ctx context.Context, id host.ProductID, head *host.Head) (*host.EffectStatus, error) {
	if head == nil || head.Effects == nil {
		return nil, nil
	}
	at, ok := n.told.delivered(ctx, id)
	if !ok {
		return nil, ctx.Err()
	}
	st := &host.EffectStatus{Delivered: at.Total, Waiting: max(0, head.Effects.Total-at.Total)}
	if o := n.owner(id); o != nil && st.Waiting > 0 {
		if err := o.effects.lastError(); err != nil {
			st.Error, st.Hint = err.Error(), host.HintOf(err)
		}
	}
	return st, nil
}

// Sink gives the driver that a guest writes to, after the access decision.
func (b bindings) Sink(_ context.Context, id host.ProductID, binding, uri string) (drivers.Sink, error) {
	d := b.n.policy.Decide(policy.Request{Subject: policy.Product(id), Action: policy.ActionDriverWrite,
		Resource: policy.Resource{Product: id, Port: binding, URI: uri}})
	if !d.Allow {
		return nil, host.Errorf(host.CodePolicyDenied, "%s may not write to %s: %s", id.URL(), uri, d.Reason)
	}
	drv, err := b.n.driver(uri)
	if err != nil {
		return nil, err
	}
	sink, ok := drv.(drivers.Sink)
	if !ok {
		return nil, host.Errorf(host.CodeDriverUnknown, "the driver of %s cannot be written to", uri)
	}
	return codedSink{sink}, nil
}

// codedSink gives the errors of a driver their codes.
type codedSink struct{ drivers.Sink }

func (s codedSink) Deliver(ctx context.Context, d drivers.Delivery) error {
	err := s.Sink.Deliver(ctx, d)
	if errors.Is(err, drivers.ErrFenced) {
		return err // the run knows what it means
	}
	return driverError(err)
}
