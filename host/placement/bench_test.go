package placement

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkPlan plans 10,000 products from nothing, after the loss of a node, after a join, with every product asking
// for something, and with nothing to do.
func BenchmarkPlan(b *testing.B) {
	for _, nodes := range []int{3, 10, 100} {
		for name, s := range benchStates(nodes, 10_000) {
			b.Run(fmt.Sprintf("nodes=%d/%s", nodes, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Plan(s)
				}
			})
		}
	}
}

func benchStates(nodes, products int) map[string]State {
	fresh := freeState(nodes, products, one)
	idle := apply(fresh, Plan(fresh))
	lost, join := clone(idle), clone(idle)
	lost.Nodes[0].Alive = false
	join.Nodes = append(join.Nodes, Node{ID: "new", Alive: true, Capacity: Capacity{Slots: 4}})
	full := clone(fresh)
	for i := range full.Nodes {
		full.Nodes[i].Capacity.Products = products / nodes / 2
	}
	return map[string]State{"fresh": fresh, "idle": idle, "lost": lost, "join": join, "full": full, "picky": picky(nodes, products),
		"skewed": skewed(nodes, products)}
}

// picky products each have a need, a weight, a memory and a tenant of their own.
func picky(nodes, products int) State {
	s := freeState(nodes, products, func(i int) int64 { return int64(1 + i%97) })
	s.Quotas = map[string]Quota{}
	for i := range s.Nodes {
		s.Nodes[i].Labels = map[string]string{"zone": fmt.Sprint(i % 3), "disk": fmt.Sprint(i % 2)}
		s.Nodes[i].Capacity = Capacity{Slots: 1 + i%8, Memory: int64(products) << 22}
	}
	for i := range s.Products {
		p := &s.Products[i]
		p.ID.Tenant = fmt.Sprintf("t%04d", i%1000)
		p.Need.Memory = int64(1+i%64) << 20
		p.Need.Labels = map[string]string{"zone": fmt.Sprint(i % 3)}
		if i%2 == 0 {
			p.Need.Labels["disk"] = fmt.Sprint(i % 4 / 2)
		}
		s.Quotas[p.ID.Tenant] = Quota{Products: 20, NodeProducts: 5}
	}
	return s
}

// skewed has everything on one node, in weights that differ, and half of it may not move.
func skewed(nodes, products int) State {
	r := rand.New(rand.NewPCG(1, 1))
	s := freeState(nodes, products, func(int) int64 { return 1 + r.Int64N(1000) })
	for i := range s.Products {
		s.Products[i].Owner, s.Products[i].Wish = s.Nodes[0].ID, s.Nodes[0].ID
		if i%2 == 0 {
			s.Products[i].Need.Node = s.Nodes[0].ID
		}
	}
	return s
}

// TestPlanAtSize: at full size, too, limits are kept and nothing is left to plan.
func TestPlanAtSize(t *testing.T) {
	for name, s := range benchStates(100, 10_000) {
		started := time.Now()
		moves := Plan(s)
		t.Logf("%s: %d moves in %v", name, len(moves), time.Since(started))
		if after := apply(s, moves); len(Plan(after)) > 0 {
			t.Errorf("%s: not a fixed point", name)
		} else if name != "full" {
			if err := oraclePlacedLarge(after); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// oraclePlacedLarge is oraclePlaced without what is quadratic in it.
func oraclePlacedLarge(s State) error {
	for _, p := range s.Products {
		if n := node(s, p.Wish); n == nil || !oracleSuits(p, *n) {
			return fmt.Errorf("%s is on %q", p.ID, p.Wish)
		}
	}
	return oracleLimits(s)
}
