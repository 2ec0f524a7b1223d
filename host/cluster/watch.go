package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// EventKind says what an Event is about.
type EventKind string

const (
	SpecChanged EventKind = "spec" // Event.Spec is the registration as it is now
	HeadChanged EventKind = "head" // Event.Pointer is the newest head
)

// Event is one change of the mesh.
type Event struct {
	Kind     EventKind
	Product  host.ProductID
	Spec     host.Spec
	Pointer  host.Pointer
	Revision int64 // rises from event to event
}

// Watch calls fn for every registration and head that exists, then for every change, in the order in which they
// happened, until ctx ends or the cluster closes; the error is then that of the context. Nothing is missed: after an
// interruption the changes since are listed, and of several changes of one key the last. fn must not block for long.
func (c *Cluster) Watch(ctx context.Context, fn func(Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	var seen int64 // all changes up to this revision have been told
	wait := resendFirst
	for ctx.Err() == nil {
		at, err := c.catchUp(ctx, seen, fn)
		if err == nil {
			wait = resendFirst
			seen = c.follow(ctx, at, fn)
			continue
		}
		if ctx.Err() == nil {
			c.log.Warn("cannot list the mesh", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, resendLast)
	}
	return ctx.Err()
}

// catchUp tells the changes after the revision since and returns the revision that it listed at.
func (c *Cluster) catchUp(ctx context.Context, since int64, fn func(Event)) (int64, error) {
	var events []Event
	collect := func(key string, value []byte, mod int64) error {
		if e, ok := c.event(key, value, mod); ok {
			events = append(events, e)
		}
		return nil
	}
	at, err := c.list(ctx, prefixSpec, 0, since, collect)
	if err != nil {
		return 0, err
	}
	if _, err := c.list(ctx, prefixHead, at, since, collect); err != nil {
		return 0, err
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.Revision, b.Revision) })
	for _, e := range events {
		fn(e)
	}
	return at, nil
}

// follow tells the changes after the revision at, until the watch breaks (a compaction, a lost connection), and returns
// the revision up to which all have been told. One watch over all keys keeps specs and heads in order.
func (c *Cluster) follow(ctx context.Context, at int64, fn func(Event)) int64 {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for res := range c.watch.Watch(ctx, root, clientv3.WithPrefix(), clientv3.WithRev(at+1), clientv3.WithFilterDelete()) {
		if res.Err() != nil {
			break
		}
		for _, ev := range res.Events {
			if e, ok := c.event(string(ev.Kv.Key), ev.Kv.Value, ev.Kv.ModRevision); ok {
				fn(e)
			}
			at = ev.Kv.ModRevision
		}
	}
	return at
}

// event reads a key's new value; ok is false for keys that nobody watches and for what cannot be read.
func (c *Cluster) event(key string, value []byte, mod int64) (e Event, ok bool) {
	e.Revision = mod
	var tail string
	var err error
	switch {
	case strings.HasPrefix(key, prefixSpec):
		e.Kind, tail = SpecChanged, key[len(prefixSpec):]
		e.Spec, err = parseSpec(key, value)
	case strings.HasPrefix(key, prefixHead):
		e.Kind, tail = HeadChanged, key[len(prefixHead):]
		e.Pointer, err = parsePointer(key, value)
	default:
		return e, false
	}
	if err == nil {
		e.Product, err = host.ParseProductID(tail)
	}
	if err != nil {
		c.log.Error("cannot read what the mesh says", "key", key, "error", err)
	}
	return e, err == nil
}
