package placement

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/adp-host/adp/host"
)

// totals are the weight and slots of all nodes, and the heaviest product.
func totals(s State) (weight, slots, heaviest int64) {
	for i := range s.Products {
		w := s.Products[i].load().Weight
		weight, heaviest = weight+w, max(heaviest, w)
	}
	for i := range s.Nodes {
		slots += s.Nodes[i].slots()
	}
	return weight, slots, heaviest
}

// TestJoinTakesItsShare: a node that joins gets its share and at most one product beyond it. Between the others nothing
// moves if products are equal; if not, hardly anything: a heavy product that left may have been more than its node had
// to give.
func TestJoinTakesItsShare(t *testing.T) {
	forAll(t, 2000, randomFree, func(s State, r *rand.Rand) error {
		s = apply(s, Plan(s))
		s.Nodes = append(s.Nodes, Node{ID: "new", Alive: true, Capacity: Capacity{Slots: oneOf(r, 1, 2, 4, 16)}})
		weight, slots, heaviest := totals(s)
		taken, others, at := int64(0), 0, indexOf(s)
		for _, m := range Plan(s) {
			if m.To != "new" {
				others++
				continue
			}
			taken += s.Products[at[m.Product]].load().Weight
		}
		if share := weight * s.Nodes[len(s.Nodes)-1].slots() / slots; taken > share+heaviest {
			return fmt.Errorf("the new node takes %d of %d, its share is %d", taken, weight, share)
		}
		return fewOthers(s, others, heaviest)
	})
}

// fewOthers bounds the moves between nodes that neither came nor went.
func fewOthers(s State, others int, heaviest int64) error {
	if heaviest <= 1 && others > 0 || others > len(s.Nodes) {
		return fmt.Errorf("%d moves between nodes that neither came nor went", others)
	}
	return nil
}

// TestJoinOfEqualProducts states the bound exactly: of P equal products over n nodes, a node that joins takes
// P/(n+1), rounded down or up, and at least that less 1/64.
func TestJoinOfEqualProducts(t *testing.T) {
	for _, c := range []struct{ nodes, products int }{{1, 2}, {2, 9}, {3, 1000}, {9, 10_000}, {99, 10_000}} {
		s := freeState(c.nodes, c.products, one)
		s = apply(s, Plan(s))
		s.Nodes = append(s.Nodes, Node{ID: "new", Alive: true, Capacity: Capacity{Slots: 4}})
		moves := Plan(s)
		share := c.products / (c.nodes + 1)
		if len(moves) < share-share/stopAt || len(moves) > share+1 {
			t.Errorf("%d products over %d nodes: the next node takes %d, its share is %d", c.products, c.nodes, len(moves), share)
		}
	}
}

// TestJoinLeavesOthersAlone: nodes that differ, but not by enough to begin with, are not levelled because one joins.
func TestJoinLeavesOthersAlone(t *testing.T) {
	s := freeState(30, 30*95, one)
	for i := range s.Products {
		n := i % 30
		if i >= 30*90 {
			n = 2 * (i % 15) // every second node carries 100 instead of 90
		}
		s.Products[i].Owner, s.Products[i].Wish = s.Nodes[n].ID, s.Nodes[n].ID
	}
	if moves := Plan(s); len(moves) > 0 {
		t.Fatalf("100 and 90 are near enough: %v", moves[0])
	}
	s.Nodes = append(s.Nodes, Node{ID: "new", Alive: true, Capacity: Capacity{Slots: 4}})
	moves := Plan(s)
	for _, m := range moves {
		if m.To != "new" {
			t.Fatalf("%s", m)
		}
	}
	if len(moves) < 80 || len(moves) > 93 {
		t.Errorf("the new node takes %d of %d", len(moves), len(s.Products))
	}
}

// TestJoinTakesFromEverywhere: what a node gets is no domain as a whole, so that what is used together is not lost
// together.
func TestJoinTakesFromEverywhere(t *testing.T) {
	s := freeState(3, 1700, one)
	s = apply(s, Plan(s))
	s.Nodes = append(s.Nodes, Node{ID: "new", Alive: true, Capacity: Capacity{Slots: 4}})
	domains := map[string]int{}
	for _, m := range Plan(s) {
		domains[m.Product.Domain]++
	}
	for domain, n := range domains {
		if n > 50 { // of 100
			t.Errorf("%d products of domain %s", n, domain)
		}
	}
	if len(domains) != 17 {
		t.Errorf("%d of 17 domains", len(domains))
	}
}

// TestTiesScatter: where nodes are equal to a product, each product has an order of its own.
func TestTiesScatter(t *testing.T) {
	all := freeState(4, 1000, one)
	on := map[string]int{}
	for i := range all.Products {
		on[Plan(State{Nodes: all.Nodes, Products: all.Products[i : i+1]})[0].To]++
	}
	for _, n := range all.Nodes {
		if on[n.ID] < 200 || on[n.ID] > 300 {
			t.Errorf("node %s gets %d of 1000", n.ID, on[n.ID])
		}
	}
}

// TestLeaveMovesItsOwnOnly: when a node dies, is drained or is forgotten, all its products move and, as with a join,
// hardly any other.
func TestLeaveMovesItsOwnOnly(t *testing.T) {
	forAll(t, 2000, randomFree, func(s State, r *rand.Rand) error {
		if len(s.Nodes) < 2 {
			return nil
		}
		s = apply(s, Plan(s))
		i := r.IntN(len(s.Nodes))
		gone, kind := s.Nodes[i].ID, Assign
		switch r.IntN(3) {
		case 0:
			s.Nodes[i].Alive = false
		case 1:
			s.Nodes[i].Draining, kind = true, Hand
		case 2:
			s.Nodes = append(s.Nodes[:i:i], s.Nodes[i+1:]...)
		}
		moves, its := Plan(s), 0
		for _, p := range s.Products {
			if p.Owner == gone {
				its++
			}
		}
		others := 0
		for _, m := range moves {
			switch {
			case m.From != gone:
				others++
			case m.Kind != kind:
				return fmt.Errorf("%s: %s left", m, gone)
			}
		}
		if len(moves)-others != its {
			return fmt.Errorf("%d of %d products moved away", len(moves)-others, its)
		}
		_, _, heaviest := totals(s)
		return fewOthers(s, others, heaviest)
	})
}

// TestReturnCostsItsShare: a node that was away for a moment gets no more back than it gave.
func TestReturnCostsItsShare(t *testing.T) {
	s := freeState(5, 1000, one)
	s = apply(s, Plan(s))
	s.Nodes[2].Alive = false
	away := Plan(s)
	s = apply(s, away)
	s.Nodes[2].Alive = true
	if back := Plan(s); len(away) != 200 || len(back) > 200 || len(back) < 190 {
		t.Errorf("%d products moved away, %d back", len(away), len(back))
	}
}

// TestNoPingPong: while loads change by two percent all the time and every plan is carried out, no product moves twice.
func TestNoPingPong(t *testing.T) {
	forAll(t, 500, func(r *rand.Rand) State {
		s := randomFree(r)
		for i := range s.Products {
			s.Products[i].Need.Weight *= 1000
		}
		return s
	}, func(s State, r *rand.Rand) error {
		s = apply(s, Plan(s))
		base := clone(s)
		moved := map[host.ProductID]Move{}
		for range 40 {
			for i := range s.Products {
				w := base.Products[i].Need.Weight
				s.Products[i].Need.Weight = w - w/50 + r.Int64N(w/25+1)
			}
			moves := Plan(s)
			for _, m := range moves {
				if last, ok := moved[m.Product]; ok {
					return fmt.Errorf("%s\nafter %s", m, last)
				}
				moved[m.Product] = m
			}
			s = apply(s, moves)
		}
		return nil
	})
}
