package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// EventKind says what an Event is about.
type EventKind string

const (
	SpecChanged  EventKind = "spec"  // Event.Spec is the registration as it is now
	HeadChanged  EventKind = "head"  // Event.Pointer is the newest head
	PlaceChanged EventKind = "place" // Event.Placement is where the product is to run
	OwnerChanged EventKind = "own"   // Event.Owner is who owns the product now
)

// Event is one change of the mesh.
type Event struct {
	Kind      EventKind
	Product   host.ProductID
	Spec      host.Spec
	Pointer   host.Pointer
	Placement Placement
	Owner     Owner
	Revision  int64 // rises from event to event
}

// Watch calls fn for every registration, head, placement and owner that exists, then for every change, in the order in which they
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
	for _, prefix := range []string{prefixHead, prefixPlace, prefixOwn} {
		if _, err := c.list(ctx, prefix, at, since, collect); err != nil {
			return 0, err
		}
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
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx)) // a member that is cut off from the others would be silent
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
	case strings.HasPrefix(key, prefixPlace):
		e.Kind, tail = PlaceChanged, key[len(prefixPlace):]
		err = json.Unmarshal(value, &e.Placement)
	case strings.HasPrefix(key, prefixOwn):
		var o owner
		e.Kind, tail = OwnerChanged, key[len(prefixOwn):]
		err = json.Unmarshal(value, &o)
		e.Owner = Owner{Node: o.Node, Epoch: o.Epoch}
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

// Fleet is all nodes as of one moment.
type Fleet struct {
	Nodes   []NodeInfo   // alive, by id
	Configs []NodeConfig // of all nodes that an operator ever spoke of, by id
}

// WatchNodes calls fn with the nodes that there are, and again whenever one comes, goes or is changed, until ctx ends or
// the cluster closes. Nodes are few, so each call has all of them.
func (c *Cluster) WatchNodes(ctx context.Context, fn func(Fleet)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	var known int64 // revision as of which fn knows everything
	for ctx.Err() == nil {
		fleet, at, err := c.fleet(ctx)
		if err != nil {
			if ctx.Err() == nil {
				c.log.Warn("cannot list the nodes", "error", err)
			}
			pause(ctx, resendLast)
			continue
		}
		if known = at; ctx.Err() == nil {
			fn(fleet)
		}
		c.nodesChange(ctx, known)
	}
}

func (c *Cluster) fleet(ctx context.Context) (f Fleet, at int64, err error) {
	if f.Nodes, at, err = listed[NodeInfo](ctx, c, prefixNode); err != nil {
		return f, at, err
	}
	f.Configs, _, err = listed[NodeConfig](ctx, c, prefixNodeConfig)
	return f, at, err
}

// nodesChange returns when a node came, went or was changed after the revision, or when that cannot be told.
func (c *Cluster) nodesChange(ctx context.Context, since int64) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for res := range c.watch.Watch(ctx, prefixNode[:len(prefixNode)-1], clientv3.WithPrefix(), clientv3.WithRev(since+1)) { // node/ and nodecfg/
		if res.Err() != nil || len(res.Events) > 0 {
			return
		}
	}
}
