package placement

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestHistories lets a mesh live: nodes come, die, return, are cordoned and drained, products come and are retired,
// loads change, while plans are made and carried out in part. At no moment is a limit exceeded by what is owned; when
// it gets quiet, the plans come to rest with everything where it should be.
func TestHistories(t *testing.T) {
	forAll(t, 200, anyState, func(s State, r *rand.Rand) error {
		for i := range s.Nodes {
			s.Nodes[i].Alive = true // whatever is on one that is dead fitted there once
		}
		s = carriedOut(s)
		tally := s.Owned()
		for event := range 40 {
			happen(&s, r, event)
			for range r.IntN(3) {
				s = intend(s, Plan(s))
				for _, i := range r.Perm(len(s.Products)) {
					if sometimes(r, 3) {
						continue
					}
					if s.Products[i].Wish == s.Products[i].Owner {
						continue
					}
					act(&s, i, tally)
					if err := oracleLimits(State{Nodes: s.Nodes, Products: owned(s), Quotas: s.Quotas}); err != nil {
						return fmt.Errorf("after event %d: %w", event, err)
					}
				}
			}
		}
		return rest(s, r, tally)
	})
}

// happen changes something that lowers no limit.
func happen(s *State, r *rand.Rand, event int) {
	if len(s.Nodes) > 0 {
		n := &s.Nodes[r.IntN(len(s.Nodes))]
		switch r.IntN(8) {
		case 0:
			n.Alive = false
		case 1, 2:
			n.Alive = true
		case 3:
			n.Cordoned = !n.Cordoned
		case 4:
			n.Draining = !n.Draining
		}
	}
	if len(s.Products) > 0 {
		p := &s.Products[r.IntN(len(s.Products))]
		switch r.IntN(6) {
		case 0:
			p.Retired = true
		case 1:
			p.Need.Weight = r.Int64N(40)
		}
	}
	switch r.IntN(8) {
	case 0:
		s.Nodes = append(s.Nodes, Node{ID: fmt.Sprintf("m%d", event), Alive: true, Capacity: Capacity{Slots: 1 + r.IntN(4), Products: r.IntN(9)}})
	case 1, 2, 3:
		s.Products = append(s.Products, Product{ID: host.ProductID{Tenant: oneOf(r, "t1", "t2", "t3"), Domain: "new", Name: fmt.Sprintf("q%d", event)},
			Need: Need{Weight: r.Int64N(9), Memory: r.Int64N(9)}})
	}
}

// rest carries plans out until there is nothing to plan and nothing to carry out.
func rest(s State, r *rand.Rand, tally *Tally) error {
	for range 100 {
		moves := Plan(s)
		s = intend(s, moves)
		quiet := len(moves) == 0
		for _, i := range r.Perm(len(s.Products)) {
			if s.Products[i].Wish != s.Products[i].Owner {
				if _, acted := act(&s, i, tally); acted {
					quiet = false
				}
			}
		}
		if quiet {
			for _, p := range s.Products {
				if p.Owner != p.Wish {
					return fmt.Errorf("at rest, %s is on %q, though wanted on %q", p.ID, p.Owner, p.Wish)
				}
			}
			return oraclePlaced(s)
		}
	}
	return fmt.Errorf("no rest after 100 plans")
}
