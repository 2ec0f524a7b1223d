package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/placement"
)

// takers is how many products are taken up or given up at a time. Each waits for etcd most of the time.
const takers = 32

// Steps, beside those of a run, at which a test can end a node's process: when products move, when it hears of a head and
// wakes who reads it, and when it plans for all.
var (
	MoveFailpoints   = []string{"node.before-claim", "node.after-claim", "node.before-give-up", "node.before-release", "node.after-release"}
	NotifyFailpoints = []string{"node.before-notify", "node.after-notify"}
	PlanFailpoints   = []string{"node.before-plan", "node.after-plan", "node.after-place"}
)

// retake is how long a product that could not be taken up is left alone, unless something changes.
const retake = 250 * time.Millisecond

// turnover takes up the products that are to run here and gives up those that are not, one step at a time for each.
type turnover struct {
	n    *Node
	mu   sync.Mutex
	todo map[host.ProductID]bool // true: its turn has not come; false: at work, look again afterwards
	next chan host.ProductID
}

func newTurnover(n *Node) *turnover {
	return &turnover{n: n, todo: map[host.ProductID]bool{}, next: make(chan host.ProductID)}
}

// look has a product looked at soon. It never blocks.
func (t *turnover) look(id host.ProductID) {
	t.mu.Lock()
	waits, known := t.todo[id]
	if known && waits {
		t.mu.Unlock()
		return
	}
	t.todo[id] = true
	t.mu.Unlock()
	if !known {
		go func() {
			select {
			case t.next <- id:
			case <-t.n.ctx.Done():
			}
		}()
	}
}

// work looks at products until the node closes.
func (t *turnover) work() {
	for {
		select {
		case <-t.n.ctx.Done():
			return
		case id := <-t.next:
			t.one(id)
		}
	}
}

// one looks at a product until nothing about it is new.
func (t *turnover) one(id host.ProductID) {
	for {
		t.mu.Lock()
		t.todo[id] = false
		t.mu.Unlock()
		if err := t.n.settleOwnership(t.n.ctx, id); err != nil && t.n.ctx.Err() == nil {
			t.n.log.Warn("cannot take up product", "product", id.URL(), "error", err)
			time.AfterFunc(retake, func() { t.look(id) })
		}
		t.mu.Lock()
		again := t.todo[id]
		if !again {
			delete(t.todo, id)
		}
		t.mu.Unlock()
		if !again {
			return
		}
	}
}

// busy reports whether any product is still to be looked at.
func (t *turnover) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.todo) > 0
}

// settleOwnership makes what runs here agree with what is to run here.
func (n *Node) settleOwnership(ctx context.Context, id host.ProductID) error {
	l, err := n.listing(id)
	if err != nil {
		return nil // not registered yet: its registration comes
	}
	o := n.owner(id)
	if o != nil && o.ended() { // it lost its product to another node
		n.forget(o)
		o = nil
	}
	here := l.place.Node == n.cfg.Name
	switch {
	case here && o == nil && !l.spec.Retired:
		return n.takeUp(ctx, l)
	case !here && o != nil && l.place != (cluster.Placement{}):
		return n.giveUp(ctx, o)
	case !here && o == nil && l.own.Node == n.cfg.Name && l.place != (cluster.Placement{}):
		return n.handOver(ctx, id)
	}
	return nil
}

// takeUp claims a product and starts its loop. A product whose owner is alive is left to it: the claim is tried again
// when the owner changes.
func (n *Node) takeUp(ctx context.Context, l listing) error {
	if v := n.accepts(l); !v.OK() {
		n.log.Warn("the scheduler places a product that does not fit", "product", l.product.ID.URL(), "reason", v.Reason)
		return nil
	}
	id := l.product.ID
	failpoint.Hit("node.before-claim")
	own, err := n.cluster.Claim(ctx, id)
	if host.CodeOf(err) == host.CodeRunLostOwner {
		return nil
	}
	if err != nil {
		return err
	}
	failpoint.Hit("node.after-claim")
	o := newOwner(n, id, own)
	newest := n.restoreState(ctx, o)
	o.adopt(l.spec, l.product, l.loaded)
	n.subscribe(o, l.product)
	n.mu.Lock()
	n.owners[id] = o
	now := n.catalogue[id]
	n.mu.Unlock()
	if now.spec.Generation > l.spec.Generation { // it was changed while it was claimed
		o.adopt(now.spec, now.product, now.loaded)
		n.subscribe(o, now.product)
	}
	n.change(id, func(l *listing) { l.belongs(cluster.Owner{Node: own.Node, Epoch: own.Epoch}) })
	o.wake()
	go o.loop(n.ctx, newest)
	return nil
}

// accepts asks the test by which products are placed whether this node may have one more.
func (n *Node) accepts(l listing) placement.Verdict {
	s, tally := n.glance()
	p := placementProduct(l)
	for _, node := range s.Nodes {
		if node.ID == n.cfg.Name {
			node.Alive, node.Draining, node.Cordoned = true, false, false // what is on its way may come
			return placement.Fits(p, node, s.Quotas[p.ID.Tenant], tally.Usage(p, node.ID, node.ID))
		}
	}
	return placement.Verdict{} // this node has only just come: the scheduler knew it
}

// glance is the mesh as plans see it, at most glanceAge old: a takeover asks for it for each of its products.
func (n *Node) glance() (placement.State, *placement.Tally) {
	n.glancing.Lock()
	defer n.glancing.Unlock()
	if n.seen.tally == nil || time.Since(n.seen.at) > glanceAge {
		n.seen.at, n.seen.state = time.Now(), n.placementState()
		n.seen.tally = n.seen.state.Wished()
	}
	return n.seen.state, n.seen.tally
}

const glanceAge = 50 * time.Millisecond

// giveUp ends a product's loop after the run that is under way, and releases the product to the node that is to have it.
func (n *Node) giveUp(ctx context.Context, o *owner) error {
	failpoint.Hit("node.before-give-up")
	o.leave()
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil
	}
	failpoint.Hit("node.before-release")
	if err := n.cluster.Release(ctx, o.ownership()); err != nil {
		return err
	}
	failpoint.Hit("node.after-release")
	n.forget(o)
	return nil
}

// handOver releases a product that stands under this node's name though nothing here runs it: an earlier process of the
// node owned it, or the reply to a claim or a release was lost. Others would wait for it for ever, since the node is alive.
func (n *Node) handOver(ctx context.Context, id host.ProductID) error {
	own, err := n.cluster.Claim(ctx, id)
	if host.CodeOf(err) == host.CodeRunLostOwner { // another has it already
		return nil
	}
	if err != nil {
		return err
	}
	return n.cluster.Release(ctx, own)
}

// forget removes an owner that has ended.
func (n *Node) forget(o *owner) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.owners[o.id] == o {
		delete(n.owners, o.id)
	}
	for _, readers := range n.readers {
		delete(readers, o)
	}
}

// awaitLease waits until the node's lease is fresh enough to start a run: a node that nobody hears may not own what it
// thinks it owns.
func (n *Node) awaitLease(ctx context.Context) error {
	for !n.cluster.MayStart() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// quiet waits until nothing is under way on this node: no run, no delivery, no product to be taken up.
func (n *Node) quiet(ctx context.Context) error {
	for n.busy() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.ctx.Done():
			return errors.New("the node has closed")
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (n *Node) busy() bool {
	if n.turnover.busy() {
		return true
	}
	for _, l := range n.listings() {
		if l.place == (cluster.Placement{}) && !l.spec.Retired { // the scheduler has not thought of it yet
			return true
		}
	}
	for _, o := range n.owned() {
		o.mu.Lock()
		busy := o.busy
		o.mu.Unlock()
		if busy || o.effects.busy() {
			return true
		}
	}
	return false
}
