package placement

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestPlanKeepsEverything: no product is lost or doubled, every limit and need is kept (I6), nothing new goes where
// nothing new may go, and what fits somewhere runs.
func TestPlanKeepsEverything(t *testing.T) {
	forAll(t, 8000, anyState, func(s State, _ *rand.Rand) error {
		moves := Plan(s)
		if err := wellFormed(s, moves); err != nil {
			return err
		}
		return oraclePlaced(apply(s, moves))
	})
}

// wellFormed checks each move against the state it was made for.
func wellFormed(s State, moves []Move) error {
	at, seen := indexOf(s), map[host.ProductID]bool{}
	for _, m := range moves {
		i, ok := at[m.Product]
		if !ok || seen[m.Product] {
			return fmt.Errorf("%s: unknown, or moved twice", m)
		}
		seen[m.Product] = true
		p := s.Products[i]
		owner, to := node(s, m.From), node(s, m.To)
		alive := owner != nil && owner.Alive
		ok = m.From == p.Owner && m.Epoch == p.Epoch && m.Reason != ""
		switch m.Kind {
		case Release:
			ok = ok && m.To == "" && p.Wish != ""
		case Assign:
			ok = ok && !alive && m.To != p.Wish
		case Stay:
			ok = ok && m.To == m.From && p.Wish != p.Owner
		case Hand:
			ok = ok && alive && m.To != m.From && m.To != p.Wish
		default:
			ok = false
		}
		if m.Kind == Assign || m.Kind == Hand {
			ok = ok && to != nil && to.Alive && !to.Cordoned && !to.Draining
		}
		if !ok {
			return fmt.Errorf("%+v of %+v", m, p)
		}
	}
	return nil
}

// TestPlanIsFixedPoint: I8. Neither after the moves nor while they are under way is there anything more to plan.
func TestPlanIsFixedPoint(t *testing.T) {
	forAll(t, 8000, anyState, func(s State, _ *rand.Rand) error {
		moves := Plan(s)
		if again := Plan(apply(s, moves)); len(again) > 0 {
			return fmt.Errorf("after the plan: %v", again)
		}
		if again := Plan(intend(s, moves)); len(again) > 0 {
			return fmt.Errorf("while the plan is carried out: %v", again)
		}
		return nil
	})
}

// TestPlanIgnoresOrder: the same state in another order gives the same plan.
func TestPlanIgnoresOrder(t *testing.T) {
	forAll(t, 3000, anyState, func(s State, r *rand.Rand) error {
		other := clone(s)
		r.Shuffle(len(other.Nodes), func(i, j int) { other.Nodes[i], other.Nodes[j] = other.Nodes[j], other.Nodes[i] })
		r.Shuffle(len(other.Products), func(i, j int) {
			other.Products[i], other.Products[j] = other.Products[j], other.Products[i]
		})
		before := clone(s)
		a, b := Plan(s), Plan(other)
		if !reflect.DeepEqual(a, b) {
			return fmt.Errorf("%v\nin another order: %v", a, b)
		}
		if !reflect.DeepEqual(s, before) {
			return fmt.Errorf("the plan changed its state")
		}
		return nil
	})
}

// TestPlanCarriedOutInAnyOrder: owners release and nodes claim when they like, each claim checked by Fits against what
// is owned at that moment. Limits that held never break, nothing waits for ever, and the end is what was planned.
func TestPlanCarriedOutInAnyOrder(t *testing.T) {
	forAll(t, 3000, anyState, func(s State, r *rand.Rand) error {
		s = carriedOut(s)
		for i := range s.Nodes {
			s.Nodes[i].Draining = s.Nodes[i].Draining || sometimes(r, 4)
			s.Nodes[i].Alive = s.Nodes[i].Alive && !sometimes(r, 6)
		}
		moves := Plan(s)
		want := apply(s, moves)
		s = intend(s, moves)
		tally := s.Owned()
		var pending []int
		for i, p := range s.Products {
			if p.Wish != p.Owner {
				pending = append(pending, i)
			}
		}
		for len(pending) > 0 {
			progress := false
			r.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
			var left []int
			for _, i := range pending {
				done, acted := act(&s, i, tally)
				progress = progress || acted
				if !done {
					left = append(left, i)
				}
				if err := oracleLimits(State{Nodes: s.Nodes, Products: owned(s), Quotas: s.Quotas}); err != nil {
					return err
				}
			}
			if !progress {
				return fmt.Errorf("%d products wait for each other", len(left))
			}
			pending = left
		}
		for i, p := range s.Products {
			if end := want.Products[i].Wish; p.Owner != end {
				return fmt.Errorf("%s ended on %q, not on %q", p.ID, p.Owner, end)
			}
		}
		return nil
	})
}

// act lets the node whose turn it is release or claim product i; for a dead owner the scheduler releases.
func act(s *State, i int, tally *Tally) (done, acted bool) {
	p := &s.Products[i]
	if owner := node(*s, p.Owner); p.Wish == "" || owner != nil && owner.Alive {
		tally.Remove(*p, p.Owner)
		p.Owner = ""
		return p.Wish == "", true
	}
	if !Fits(*p, *node(*s, p.Wish), s.Quotas[p.ID.Tenant], tally.Usage(*p, p.Wish, p.Owner)).OK() {
		return false, false
	}
	if p.Owner != "" {
		tally.Remove(*p, p.Owner)
	}
	tally.Add(*p, p.Wish)
	p.Owner = p.Wish
	return true, true
}

func owned(s State) []Product {
	out := make([]Product, len(s.Products))
	for i, p := range s.Products {
		p.Wish = p.Owner
		out[i] = p
	}
	return out
}

// TestPlanConverges: when only some moves of each plan are carried out, what is left gets done by later plans, and it
// ends.
func TestPlanConverges(t *testing.T) {
	forAll(t, 2000, anyState, func(s State, r *rand.Rand) error {
		for range 200 {
			moves := Plan(s)
			if len(moves) == 0 {
				return oraclePlaced(s)
			}
			done := moves[:0:0]
			for _, m := range moves {
				if sometimes(r, 2) {
					done = append(done, m)
				}
			}
			s = apply(s, done)
		}
		return fmt.Errorf("still moving after 200 plans")
	})
}

// TestPlanLeavesAlone: a cordoned node loses only what may not stay, and products that come find places without
// anybody having to move.
func TestPlanLeavesAlone(t *testing.T) {
	forAll(t, 3000, anyState, func(s State, _ *rand.Rand) error {
		limits, at := oracleLimits(s), indexOf(s)
		for _, m := range Plan(s) {
			p := s.Products[at[m.Product]]
			n := node(s, p.Owner)
			if m.Kind == Hand && p.Wish == p.Owner && n.Cordoned && !n.Draining && oracleSuits(p, *n) && limits == nil {
				return fmt.Errorf("%s: taken from a cordoned node for no reason", m)
			}
		}
		return nil
	})
	forAll(t, 1000, randomFree, func(s State, r *rand.Rand) error {
		for i := range s.Products {
			s.Products[i].Need.Weight = 1
		}
		all := clone(s)
		s.Products = slices.DeleteFunc(s.Products, func(p Product) bool { return sometimes(r, 3) })
		owners := map[host.ProductID]string{}
		for _, p := range apply(s, Plan(s)).Products {
			owners[p.ID] = p.Owner
		}
		for i, p := range all.Products {
			all.Products[i].Owner, all.Products[i].Wish = owners[p.ID], owners[p.ID]
		}
		for _, m := range Plan(all) {
			if m.From != "" {
				return fmt.Errorf("%s: others came", m)
			}
		}
		return nil
	})
}

func busy(s State, n Node) float64 {
	w := int64(0)
	for _, p := range s.Products {
		if p.Wish == n.ID {
			w += max(1, p.Need.Weight)
		}
	}
	return float64(w) / float64(max(1, n.Capacity.Slots))
}

// TestPlanBalances: without constraints, no two nodes are left far apart, beyond what the size of products explains.
func TestPlanBalances(t *testing.T) {
	forAll(t, 1000, randomFree, func(s State, _ *rand.Rand) error {
		s = apply(s, Plan(s))
		for _, h := range s.Nodes {
			for _, l := range s.Nodes {
				high, low := busy(s, h), busy(s, l)
				if high-low <= high/startAt {
					continue
				}
				for _, p := range s.Products {
					step := float64(p.Need.Weight) * (1/float64(h.Capacity.Slots) + 1/float64(l.Capacity.Slots))
					if p.Owner == h.ID && step < high-low-1e-9 {
						return fmt.Errorf("%s carries %v a slot, %s %v, and %s (%d) would level that", h.ID, high, l.ID, low, p.ID, p.Need.Weight)
					}
				}
			}
		}
		return nil
	})
}

// randomFree is a mesh without constraints, anything owned by anybody.
func randomFree(r *rand.Rand) State {
	heavy := oneOf[int64](r, 1, 3, 30)
	s := freeState(1+r.IntN(12), r.IntN(200), func(int) int64 { return 1 + r.Int64N(heavy) })
	for i := range s.Nodes {
		s.Nodes[i].Capacity.Slots = oneOf(r, 1, 2, 4, 16)
	}
	for i := range s.Products {
		if !sometimes(r, 3) {
			s.Products[i].Owner = s.Nodes[r.IntN(len(s.Nodes))].ID
			s.Products[i].Wish = s.Products[i].Owner
		}
	}
	return s
}

// TestPlanHostileFigures: numbers beyond all sense overflow nothing.
func TestPlanHostileFigures(t *testing.T) {
	odd := []int64{math.MinInt64, -1, 0, 1, maxWeight, maxMemory, math.MaxInt64 - 1, math.MaxInt64}
	forAll(t, 1000, func(r *rand.Rand) State {
		s := anyState(r)
		for i := range s.Products {
			n := &s.Products[i].Need
			n.Weight, n.Memory, n.RunMemory = oneOf(r, odd...), oneOf(r, odd...), oneOf(r, odd...)
		}
		for i := range s.Nodes {
			s.Nodes[i].Capacity = Capacity{Slots: int(oneOf(r, odd...)), Products: int(oneOf(r, odd...)), Memory: oneOf(r, odd...), RunMemory: oneOf(r, odd...)}
		}
		for k := range s.Quotas {
			s.Quotas[k] = Quota{Products: int(oneOf(r, odd...)), Memory: oneOf(r, odd...), NodeProducts: int(oneOf(r, odd...)), NodeMemory: oneOf(r, odd...)}
		}
		return s
	}, func(s State, _ *rand.Rand) error {
		moves := Plan(s)
		if err := wellFormed(s, moves); err != nil {
			return err
		}
		after := apply(s, moves)
		for id, l := range after.Owned().nodes {
			if l.Memory < 0 || l.Weight < 0 {
				return fmt.Errorf("node %s: %+v", id, l)
			}
		}
		if again := Plan(after); len(again) > 0 {
			return fmt.Errorf("after the plan: %v", again)
		}
		return nil
	})
}

// TestPlanTwins: two entries with one id do not make two products or two nodes.
func TestPlanTwins(t *testing.T) {
	s := freeState(2, 4, one)
	s.Nodes = append(s.Nodes, s.Nodes...)
	s.Products = append(s.Products, s.Products...)
	moves := Plan(s)
	if len(moves) != 4 {
		t.Fatalf("4 products, %d moves: %v", len(moves), moves)
	}
	on := map[string]int{}
	for _, m := range moves {
		on[m.To]++
	}
	if on["n000"] != 2 || on["n001"] != 2 {
		t.Fatalf("2 nodes, 4 products: %v", on)
	}
}

// TestDeadNodeIsWaitedFor: what only a dead node can run waits for it, is nobody's meanwhile, and is asked again when
// the node is back.
func TestDeadNodeIsWaitedFor(t *testing.T) {
	p := Product{ID: host.ProductID{Tenant: "t", Domain: "d", Name: "p"}, Owner: "gpu-1", Wish: "gpu-1", Need: Need{Labels: map[string]string{"gpu": "yes"}}}
	s := State{Nodes: []Node{{ID: "n1", Alive: true}}, Products: []Product{p}, Quotas: map[string]Quota{"t": {Products: 1}}}
	if moves := Plan(s); len(moves) > 0 {
		t.Errorf("its node is gone: %v", moves)
	}
	other := p
	other.ID.Name, other.Owner, other.Wish, other.Need = "other", "", "", Need{}
	s.Products = append(s.Products, other)
	if moves := Plan(s); len(moves) > 0 {
		t.Errorf("it holds its place in the tenant's quota: %v", moves)
	}
	s.Nodes = append(s.Nodes, Node{ID: "gpu-1", Alive: true, Labels: map[string]string{"gpu": "yes"}})
	if moves := Plan(s); len(moves) > 0 {
		t.Errorf("its node is back: %v", moves)
	}
	s.Nodes[1].Labels = nil
	moves := Plan(s)
	if len(moves) != 2 || moves[0].Kind != Release || moves[0].Product != p.ID || moves[1].Kind != Assign || moves[1].Product != other.ID {
		t.Errorf("its node is back without its label: %v", moves)
	}
}

// TestWhoStays: of those that cannot all have a place, whoever is at home keeps it.
func TestWhoStays(t *testing.T) {
	product := func(name, owner, wish string, need Need) Product {
		return Product{ID: host.ProductID{Tenant: "t", Domain: "d", Name: name}, Owner: owner, Wish: wish, Need: need}
	}
	one := Capacity{Products: 1}
	for _, c := range []struct {
		name  string
		state State
		want  string
	}{
		{"at home before on its way", State{
			Nodes:    []Node{{ID: "n1", Alive: true, Capacity: one}, {ID: "n2", Alive: true}},
			Products: []Product{product("coming", "", "n1", Need{}), product("home", "n1", "n1", Need{})},
		}, "[assign t/d/coming to n2: node n1 owns 1 products of at most 1; n2 is the only node that fits]"},
		{"back with a cordoned owner rather than on", State{
			Nodes:    []Node{{ID: "n1", Alive: true, Cordoned: true}, {ID: "n2"}, {ID: "n3", Alive: true}},
			Products: []Product{product("p", "n1", "n2", Need{})},
		}, "[stay t/d/p from n1 to n1: node n2 is not alive; its owner may keep it]"},
		{"on a drained node that another leaves", State{
			Nodes:    []Node{{ID: "n1", Alive: true, Draining: true, Capacity: one}, {ID: "n2", Alive: true}},
			Products: []Product{product("fixed", "n1", "n9", Need{Node: "n1"}), product("free", "n1", "n1", Need{})},
		}, "[stay t/d/fixed from n1 to n1: it runs on node n1 only, this is n9; its owner may keep it hand t/d/free from n1 to n2: node n1 is draining; n2 is the only node that fits]"},
		{"where it must, though others could be there as well", State{
			Nodes:    []Node{{ID: "n1", Alive: true, Capacity: one}, {ID: "n2", Alive: true}},
			Products: []Product{product("any", "n1", "n1", Need{}), product("fixed", "n1", "n1", Need{Node: "n1"})},
		}, "[hand t/d/any from n1 to n2: node n1 owns 1 products of at most 1; n2 is the only node that fits]"},
		{"what ran before what is new", State{
			Nodes:    []Node{{ID: "n1", Alive: true, Capacity: one}},
			Products: []Product{product("a", "", "", Need{Weight: 9}), product("b", "n2", "n2", Need{})},
		}, "[assign t/d/b from n2 to n1: node n2 is not alive; n1 is the only node that fits]"},
		{"nowhere, released by a node that died", State{
			Nodes:    []Node{{ID: "n1", Alive: true}},
			Products: []Product{product("p", "n2", "", Need{Node: "n2"})},
		}, "[]"},
	} {
		if got := fmt.Sprint(Plan(c.state)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}
