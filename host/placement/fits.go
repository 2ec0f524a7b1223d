package placement

import (
	"fmt"
	"maps"
	"slices"
)

// Obstacle is what keeps a product from a node; "" when nothing does.
type Obstacle string

// Every obstacle, in the order in which Fits looks for them: what will not change by itself comes first.
const (
	Retired            Obstacle = "retired"              // the product runs nowhere
	OtherNode          Obstacle = "other-node"           // the product names another node
	LabelMissing       Obstacle = "label-missing"        // the node lacks a label, or has it with another value
	FeatureMissing     Obstacle = "feature-missing"      // the build of the node lacks a feature
	NodeDead           Obstacle = "node-dead"            // the lease of the node ran out
	NodeDraining       Obstacle = "node-draining"        // the node is being emptied
	NodeCordoned       Obstacle = "node-cordoned"        // the node gets nothing new
	RunMemory          Obstacle = "run-memory"           // one run needs more memory than the node gives to one
	NodeProducts       Obstacle = "node-products"        // the node would own too many products
	NodeMemory         Obstacle = "node-memory"          // the node's memory would not do
	TenantNodeProducts Obstacle = "tenant-node-products" // the tenant would have too many products on the node
	TenantNodeMemory   Obstacle = "tenant-node-memory"   // the tenant would take too much memory of the node
	TenantProducts     Obstacle = "tenant-products"      // the tenant would have too many products in all
	TenantMemory       Obstacle = "tenant-memory"        // the tenant would take too much memory in all
)

// Verdict is the answer to "may this node take this product?".
type Verdict struct {
	Obstacle Obstacle `json:"obstacle,omitempty"` // "" when it fits
	Reason   string   `json:"reason"`             // in words
}

// OK reports whether the product fits.
func (v Verdict) OK() bool { return v.Obstacle == "" }

// Fits says whether node n may take product p, of whose tenant q is the quota, when u is in use already. It is the one
// test of this kind: Plan places by it and a node accepts a claim by it, so that they can only disagree about what they
// have seen. What fits goes on to fit when u gets less.
func Fits(p Product, n Node, q Quota, u Usage) Verdict {
	o := obstacle(&p, &n, &q, &u)
	if o == "" {
		return Verdict{Reason: "fits"}
	}
	return Verdict{Obstacle: o, Reason: words(o, &p, &n, &q, &u)}
}

func obstacle(p *Product, n *Node, q *Quota, u *Usage) Obstacle {
	if p.Retired {
		return Retired
	}
	if o := unsuited(&p.Need, n); o != "" {
		return o
	}
	if o := closed(n); o != "" {
		return o
	}
	return full(&p.Need, p.load(), n, q, u)
}

// closed says why a node takes nothing, whatever it is.
func closed(n *Node) Obstacle {
	switch {
	case !n.Alive:
		return NodeDead
	case n.Draining:
		return NodeDraining
	case n.Cordoned:
		return NodeCordoned
	}
	return ""
}

// unsuited says what of a product's need a node is not, whatever runs there. It looks at Node, Labels and Features
// only: Plan asks once for all products that have those in common.
func unsuited(need *Need, n *Node) Obstacle {
	if need.Node != "" && need.Node != n.ID {
		return OtherNode
	}
	for key, want := range need.Labels {
		if have, ok := n.Labels[key]; !ok || have != want {
			return LabelMissing
		}
	}
	for _, f := range need.Features {
		if !slices.Contains(n.Features, f) {
			return FeatureMissing
		}
	}
	return ""
}

// full says which limit one more product with load l would break.
func full(need *Need, l Load, n *Node, q *Quota, u *Usage) Obstacle {
	c := &n.Capacity
	switch {
	case c.RunMemory > 0 && need.RunMemory > c.RunMemory:
		return RunMemory
	case c.Products > 0 && u.Node.Products+l.Products > c.Products:
		return NodeProducts
	case c.Memory > 0 && u.Node.Memory+l.Memory > c.Memory:
		return NodeMemory
	case q.NodeProducts > 0 && u.TenantOnNode.Products+l.Products > q.NodeProducts:
		return TenantNodeProducts
	case q.NodeMemory > 0 && u.TenantOnNode.Memory+l.Memory > q.NodeMemory:
		return TenantNodeMemory
	case q.Products > 0 && u.Tenant.Products+l.Products > q.Products:
		return TenantProducts
	case q.Memory > 0 && u.Tenant.Memory+l.Memory > q.Memory:
		return TenantMemory
	}
	return ""
}

// words says an obstacle as a person would.
func words(o Obstacle, p *Product, n *Node, q *Quota, u *Usage) string {
	name, tenant, l := n.ID, p.ID.Tenant, p.load()
	switch o {
	case Retired:
		return "it is retired"
	case NodeDead:
		return "node " + name + " is not alive"
	case NodeDraining:
		return "node " + name + " is draining"
	case NodeCordoned:
		return "node " + name + " is cordoned"
	case OtherNode:
		return fmt.Sprintf("it runs on node %s only, this is %s", p.Need.Node, name)
	case LabelMissing:
		return "node " + name + " " + lackedLabel(&p.Need, n)
	case FeatureMissing:
		return fmt.Sprintf("node %s cannot do %s", name, lackedFeature(&p.Need, n))
	case RunMemory:
		return fmt.Sprintf("a run needs %s of memory, node %s gives %s to one", bytes(p.Need.RunMemory), name, bytes(n.Capacity.RunMemory))
	case NodeProducts:
		return fmt.Sprintf("node %s owns %d products of at most %d", name, u.Node.Products, n.Capacity.Products)
	case NodeMemory:
		return fmt.Sprintf("it takes %s, node %s has %s free of %s", bytes(l.Memory), name, free(n.Capacity.Memory, u.Node.Memory), bytes(n.Capacity.Memory))
	case TenantNodeProducts:
		return fmt.Sprintf("tenant %s has %d products of at most %d on node %s", tenant, u.TenantOnNode.Products, q.NodeProducts, name)
	case TenantNodeMemory:
		return fmt.Sprintf("it takes %s, tenant %s has %s free of %s on node %s", bytes(l.Memory), tenant, free(q.NodeMemory, u.TenantOnNode.Memory), bytes(q.NodeMemory), name)
	case TenantProducts:
		return fmt.Sprintf("tenant %s has %d products of at most %d", tenant, u.Tenant.Products, q.Products)
	case TenantMemory:
		return fmt.Sprintf("it takes %s, tenant %s has %s free of %s", bytes(l.Memory), tenant, free(q.Memory, u.Tenant.Memory), bytes(q.Memory))
	}
	return string(o)
}

// lasting says an obstacle as long as it lasts in the same words: without figures that change with every product that comes or
// goes. Summaries are kept in etcd, and written again when they change.
func lasting(o Obstacle, p *Product, n *Node) string {
	switch o {
	case OtherNode:
		return fmt.Sprintf("it runs on node %s only", p.Need.Node)
	case NodeProducts:
		return fmt.Sprintf("node %s owns all of the %d products that it may", n.ID, n.Capacity.Products)
	case NodeMemory:
		return fmt.Sprintf("it takes %s, and node %s has too little free of %s", bytes(p.load().Memory), n.ID, bytes(n.Capacity.Memory))
	case TenantNodeProducts:
		return fmt.Sprintf("tenant %s has all the products on node %s that it may", p.ID.Tenant, n.ID)
	case TenantNodeMemory:
		return fmt.Sprintf("tenant %s has too little memory free on node %s", p.ID.Tenant, n.ID)
	case TenantProducts:
		return fmt.Sprintf("tenant %s has all the products that it may", p.ID.Tenant)
	case TenantMemory:
		return fmt.Sprintf("tenant %s has too little memory free", p.ID.Tenant)
	}
	return words(o, p, n, &Quota{}, &Usage{})
}

func lackedLabel(need *Need, n *Node) string {
	for _, key := range slices.Sorted(maps.Keys(need.Labels)) {
		switch have, ok := n.Labels[key]; {
		case !ok:
			return fmt.Sprintf("lacks label %s=%s", key, need.Labels[key])
		case have != need.Labels[key]:
			return fmt.Sprintf("has label %s=%s instead of %s", key, have, need.Labels[key])
		}
	}
	return "has every label"
}

func lackedFeature(need *Need, n *Node) string {
	for _, f := range need.Features {
		if !slices.Contains(n.Features, f) {
			return f
		}
	}
	return ""
}

// bytes is a size as people say it, exact where it is a whole number of a unit.
func bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.4g %s", v, units[i])
}

func free(limit, used int64) string { return bytes(max(0, limit-used)) }
