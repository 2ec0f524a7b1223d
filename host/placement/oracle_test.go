package placement

import "fmt"

// The oracle says again, as plainly as possible and without the package's own counting, what must hold.

func oracleSuits(p Product, n Node) bool {
	if p.Need.Node != "" && p.Need.Node != n.ID {
		return false
	}
	for k, v := range p.Need.Labels {
		if n.Labels[k] != v { // the labels of the tests are not empty
			return false
		}
	}
	have := map[string]bool{}
	for _, f := range n.Features {
		have[f] = true
	}
	for _, f := range p.Need.Features {
		if !have[f] {
			return false
		}
	}
	return n.Capacity.RunMemory == 0 || p.Need.RunMemory <= n.Capacity.RunMemory
}

// oracleLimits finds a capacity or quota that is exceeded by what is placed; of nodes, by those that are alive.
func oracleLimits(s State) error {
	type sum struct {
		products int
		memory   int64
	}
	over := func(what string, have sum, products int, memory int64) error {
		if products > 0 && have.products > products || memory > 0 && have.memory > memory {
			return fmt.Errorf("%s: %+v exceeds %d products, %d bytes", what, have, products, memory)
		}
		return nil
	}
	nodes, tenants, on := map[string]sum{}, map[string]sum{}, map[string]sum{}
	add := func(m map[string]sum, key string, p Product) {
		m[key] = sum{m[key].products + 1, m[key].memory + p.Need.Memory}
	}
	for _, p := range s.Products {
		if p.Wish != "" {
			add(nodes, p.Wish, p)
			add(tenants, p.ID.Tenant, p)
			add(on, p.ID.Tenant+" on "+p.Wish, p)
		}
	}
	for _, n := range s.Nodes {
		if !n.Alive {
			continue
		}
		if err := over("node "+n.ID, nodes[n.ID], n.Capacity.Products, n.Capacity.Memory); err != nil {
			return err
		}
	}
	for tenant, q := range s.Quotas {
		if err := over("tenant "+tenant, tenants[tenant], q.Products, q.Memory); err != nil {
			return err
		}
		for _, n := range s.Nodes {
			if !n.Alive {
				continue
			}
			if err := over("tenant "+tenant+" on "+n.ID, on[tenant+" on "+n.ID], q.NodeProducts, q.NodeMemory); err != nil {
				return err
			}
		}
	}
	return nil
}

// oracleFits reports whether product i could be on the node instead of where it is: by trying.
func oracleFits(s State, i int, n Node) bool {
	if s.Products[i].Retired || !n.Alive || n.Cordoned || n.Draining || !oracleSuits(s.Products[i], n) {
		return false
	}
	try := clone(s)
	try.Products[i].Wish = n.ID
	return oracleLimits(try) == nil
}

// oraclePlaced checks a state that has been planned.
func oraclePlaced(s State) error {
	if err := oracleLimits(s); err != nil {
		return err
	}
	for i, p := range s.Products {
		n := node(s, p.Wish)
		alive := n != nil && n.Alive
		switch {
		case p.Retired && p.Wish != "":
			return fmt.Errorf("%s is retired and on node %s", p.ID, p.Wish)
		case p.Wish != "" && !alive && p.Wish != p.Owner:
			return fmt.Errorf("%s was sent to node %s, which is not alive", p.ID, p.Wish)
		case alive && !oracleSuits(p, *n):
			return fmt.Errorf("%s does not suit node %s", p.ID, n.ID)
		case alive && !n.Draining:
			continue
		}
		for _, m := range s.Nodes {
			if oracleFits(s, i, m) {
				return fmt.Errorf("%s is on node %q, though node %s fits", p.ID, p.Wish, m.ID)
			}
		}
	}
	return nil
}
