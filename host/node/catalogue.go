package node

import (
	"maps"
	"slices"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
)

// listing is a product of the mesh as this node knows it, wherever it runs.
type listing struct {
	spec    host.Spec
	product *host.Product // with the spec's overrides applied; nil while only its owner or place is known
	loaded  loaded
	place   cluster.Placement
	own     cluster.Owner
}

// belongs takes note of who owns the product. The reply to a claim of this node's and what the watch tells come in any order, where
// the process was stopped in between: what a later epoch has overtaken is not believed again.
func (l *listing) belongs(o cluster.Owner) {
	if o.Epoch >= l.own.Epoch {
		l.own = o
	}
}

// listing returns what is known of a registered product; A001 when there is none.
func (n *Node) listing(id host.ProductID) (listing, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if l, ok := n.catalogue[id]; ok && l.product != nil {
		return l, nil
	}
	return listing{}, host.Errorf(host.CodeAccessUnknown, "no product %s in this mesh", id.URL()).
		WithHint("see what there is: adp find")
}

// change changes what is known of a product.
func (n *Node) change(id host.ProductID, f func(*listing)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.catalogue[id]
	f(&l)
	n.catalogue[id] = l
}

// listings are all registered products, by id.
func (n *Node) listings() []listing {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make([]listing, 0, len(n.catalogue))
	for _, l := range n.catalogue {
		if l.product != nil {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b listing) int { return a.product.ID.Compare(b.product.ID) })
	return out
}

// product is the compiled product of a registration, nil when there is none.
func (n *Node) product(id host.ProductID) *host.Product {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.catalogue[id].product
}

// compiled is every registered product by id.
func (n *Node) compiled() map[host.ProductID]*host.Product {
	out := map[host.ProductID]*host.Product{}
	for _, l := range n.listings() {
		out[l.product.ID] = l.product
	}
	return out
}

// paused reports whether a product is there and paused.
func (n *Node) paused(id host.ProductID) bool {
	l, err := n.listing(id)
	return err == nil && l.spec.Paused
}

// owner is the loop that runs a product here, nil when another node runs it or none does.
func (n *Node) owner(id host.ProductID) *owner {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.owners[id]
}

// owned are the loops of this node.
func (n *Node) owned() []*owner {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Collect(maps.Values(n.owners))
}
