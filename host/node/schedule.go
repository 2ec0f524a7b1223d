package node

import (
	"context"
	"slices"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/placement"
)

// replanEvery is how often the elected scheduler looks without being told: what it was told may have been refused.
const replanEvery = 10 * time.Second

// settleDown joins the changes of one event: a node that goes is one plan, not one for each of its products.
const settleDown = 5 * time.Millisecond

// planShare bounds what planning takes of a core while changes never end: one part in so many, beside one for the plan.
const planShare = 5

// schedule is what the elected node does for the term: whenever nodes, registrations or owners change, it plans and
// writes where products are to run.
func (n *Node) schedule(ctx context.Context, t cluster.Term) {
	n.replan()
	pause := settleDown
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.planning:
		case <-time.After(replanEvery):
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		began := time.Now()
		failpoint.Hit("node.before-plan")
		n.elect(ctx, t)
		wishes := n.wishes()
		pause = max(settleDown, planShare*time.Since(began))
		if len(wishes) == 0 {
			continue
		}
		failpoint.Hit("node.after-plan")
		if err := n.cluster.Place(ctx, t, wishes); err != nil && ctx.Err() == nil {
			n.log.Warn("cannot place products", "error", err)
			time.AfterFunc(retake, n.replan)
			continue
		}
		failpoint.Hit("node.after-place")
		n.releaseForTheDead(ctx, t, wishes)
	}
}

// releaseForTheDead ends ownerships that their node cannot end any more: of products that are to run nowhere. They would
// count against their tenant for ever.
func (n *Node) releaseForTheDead(ctx context.Context, t cluster.Term, wishes map[host.ProductID]cluster.Placement) {
	mesh := n.cluster.During(t)
	for id, w := range wishes {
		l, err := n.listing(id)
		if err != nil || w.Node != "" || l.own.Node == "" || n.heard(l.own.Node) {
			continue
		}
		own, err := mesh.Claim(ctx, id)
		if err == nil {
			err = mesh.Release(ctx, own)
		}
		if err != nil && ctx.Err() == nil {
			n.log.Warn("cannot release a product of a node that is gone", "product", id.URL(), "node", l.own.Node, "error", err)
		}
	}
}

// heard reports whether a node is alive.
func (n *Node) heard(id string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.ContainsFunc(n.fleet.Nodes, func(info cluster.NodeInfo) bool { return info.ID == id })
}

// replan asks for a plan. It never blocks.
func (n *Node) replan() {
	select {
	case n.planning <- struct{}{}:
	default:
	}
}

// wishes is what a plan changes about where products are to run. A product that fits nowhere is told so, once. A node that does
// not see itself among those that live has not heard of the others either, or has just lost its lease: it wishes nothing, and plans
// as soon as it hears.
func (n *Node) wishes() map[host.ProductID]cluster.Placement {
	if !n.heard(n.cfg.Name) {
		return nil
	}
	s := n.placementState()
	out := map[host.ProductID]cluster.Placement{}
	for _, m := range placement.Plan(s) {
		out[m.Product] = cluster.Placement{Node: m.To, Reason: m.Reason}
	}
	var explainer *placement.Explainer
	for _, l := range n.listings() {
		if _, moved := out[l.product.ID]; moved || l.place.Node != "" || l.spec.Retired {
			continue
		}
		if explainer == nil {
			explainer = placement.NewExplainer(s)
		}
		if x, ok := explainer.Explain(l.product.ID); ok && x.Summary != l.place.Reason {
			out[l.product.ID] = cluster.Placement{Reason: x.Summary}
		}
	}
	return out
}

// placementState is the mesh as plans see it.
func (n *Node) placementState() placement.State {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var s placement.State
	known := map[string]bool{}
	for _, info := range n.fleet.Nodes {
		known[info.ID] = true
		s.Nodes = append(s.Nodes, placementNode(info, configOf(n.fleet, info.ID)))
	}
	for _, l := range n.catalogue {
		if l.product == nil {
			continue
		}
		s.Products = append(s.Products, placementProduct(l))
		for _, id := range []string{l.own.Node, l.place.Node} {
			if id != "" && !known[id] { // it may come back
				known[id] = true
				s.Nodes = append(s.Nodes, placement.Node{ID: id})
			}
		}
	}
	return s
}

func placementNode(info cluster.NodeInfo, cfg cluster.NodeConfig) placement.Node {
	return placement.Node{ID: info.ID, Labels: info.Labels, Features: info.Features, Alive: true,
		Cordoned: cfg.Cordoned, Draining: cfg.Draining,
		Capacity: placement.Capacity{Slots: info.Slots, Products: info.Products, Memory: info.Memory}}
}

func placementProduct(l listing) placement.Product {
	p := placement.Product{ID: l.product.ID, Retired: l.spec.Retired, Owner: l.own.Node, Epoch: l.own.Epoch}
	need := l.product.Placement
	p.Need = placement.Need{Node: need.Node, Labels: need.Labels, Features: need.Features, Memory: need.Memory,
		Weight: need.Weight, RunMemory: l.product.Limits.Memory}
	if p.Wish = l.place.Node; l.place == (cluster.Placement{}) { // no plan has had it yet
		p.Wish = l.own.Node
	}
	return p
}
