package node

import (
	"testing"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
)

// TestNoPlanBeforeItHears: a scheduler that has not heard which nodes live takes no product away from them.
func TestNoPlanBeforeItHears(t *testing.T) {
	id := host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: "p"}
	n := &Node{cfg: Config{Name: "a"}, catalogue: map[host.ProductID]listing{
		id: {product: &host.Product{ID: id}, place: cluster.Placement{Node: "b"}, own: cluster.Owner{Epoch: 1}}}}
	if w := n.wishes(); len(w) > 0 {
		t.Errorf("it wishes %v and has heard of nobody", w)
	}
	n.fleet.Nodes = []cluster.NodeInfo{{ID: "a"}}
	if w := n.wishes(); w[id].Node != "a" {
		t.Errorf("b is gone, and it wishes %v", w)
	}
}
