package placement

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/adp-host/adp/host"
)

// forAll checks a property on random states. What fails is made as small as it goes before it is shown with its seed.
func forAll(t *testing.T, states int, random func(*rand.Rand) State, property func(State, *rand.Rand) error) {
	t.Helper()
	if testing.Short() {
		states /= 4
	}
	for seed := uint64(1); seed <= uint64(states); seed++ {
		again := func(s State) error { return property(s, rand.New(rand.NewPCG(seed, 2))) }
		s := random(rand.New(rand.NewPCG(seed, 1)))
		if err := again(s); err != nil {
			s = shrink(s, func(s State) bool { return again(s) != nil })
			t.Fatalf("seed %d: %v\nsmallest state: %v\n%s", seed, err, again(s), show(s))
		}
	}
}

// shrink takes away products, nodes and quotas as long as the failure stays.
func shrink(s State, fails func(State) bool) State {
	for again := true; again; {
		again = false
		for size := max(len(s.Products), len(s.Nodes), 1); size > 0; size /= 2 {
			for at := 0; at+size <= len(s.Products); {
				if c := (State{s.Nodes, slices.Delete(slices.Clone(s.Products), at, at+size), s.Quotas}); fails(c) {
					s, again = c, true
				} else {
					at += size
				}
			}
			for at := 0; at+size <= len(s.Nodes); {
				if c := (State{slices.Delete(slices.Clone(s.Nodes), at, at+size), s.Products, s.Quotas}); fails(c) {
					s, again = c, true
				} else {
					at += size
				}
			}
		}
		for _, tenant := range slices.Sorted(maps.Keys(s.Quotas)) {
			c := State{s.Nodes, s.Products, maps.Clone(s.Quotas)}
			delete(c.Quotas, tenant)
			if fails(c) {
				s, again = c, true
			}
		}
	}
	return s
}

func show(s State) string {
	var b strings.Builder
	for _, n := range s.Nodes {
		fmt.Fprintf(&b, "  node %+v\n", n)
	}
	for _, p := range s.Products {
		fmt.Fprintf(&b, "  product %s owner %q wish %q retired %v epoch %d need %+v\n", p.ID, p.Owner, p.Wish, p.Retired, p.Epoch, p.Need)
	}
	fmt.Fprintf(&b, "  quotas %+v\n  plan:\n", s.Quotas)
	for _, m := range Plan(s) {
		fmt.Fprintf(&b, "    %s\n", m)
	}
	return b.String()
}

// oneOf picks an element; sometimes is true once in n.
func oneOf[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
func sometimes(r *rand.Rand, n int) bool   { return r.IntN(n) == 0 }
func subset[T any](r *rand.Rand, of ...T) (out []T) {
	for _, x := range of {
		if sometimes(r, 2) {
			out = append(out, x)
		}
	}
	return out
}

// anyState is a state with everything in it: dead, cordoned and drained nodes, owners that are gone, products on their
// way, limits that are broken already.
func anyState(r *rand.Rand) State {
	s := State{Quotas: map[string]Quota{}}
	tight := sometimes(r, 2) // limits are near what is needed
	nodes := r.IntN(9)
	perNode := 1 + r.IntN(12)
	limit := func(n int) int {
		if !tight && !sometimes(r, 6) {
			return 0
		}
		return 1 + r.IntN(n)
	}
	for i := range nodes {
		n := Node{ID: fmt.Sprintf("n%d", i), Alive: !sometimes(r, 5), Cordoned: sometimes(r, 8), Draining: sometimes(r, 8),
			Labels: map[string]string{}, Features: subset(r, "duckdb", "gpu"),
			Capacity: Capacity{Slots: oneOf(r, 0, 1, 2, 4, 16), Products: limit(2 * perNode), Memory: int64(limit(8 * perNode)), RunMemory: int64(limit(4))}}
		for _, key := range subset(r, "region", "disk") {
			n.Labels[key] = oneOf(r, "a", "b")
		}
		s.Nodes = append(s.Nodes, n)
	}
	node := func() string {
		if nodes == 0 || sometimes(r, 12) {
			return "gone"
		}
		return s.Nodes[r.IntN(nodes)].ID
	}
	heavy := oneOf(r, 1, 1, 3, 40)
	for i := range r.IntN(perNode*max(nodes, 1) + 1) {
		p := Product{ID: host.ProductID{Tenant: oneOf(r, "t1", "t2", "t3"), Domain: oneOf(r, "x", "y"), Name: fmt.Sprintf("p%03d", i)},
			Epoch: host.Epoch(r.IntN(9)), Retired: sometimes(r, 20),
			Need: Need{Weight: int64(r.IntN(heavy + 1)), Memory: int64(r.IntN(9)), RunMemory: int64(r.IntN(3)), Labels: map[string]string{}}}
		if sometimes(r, 4) {
			p.Need.Labels["region"] = oneOf(r, "a", "b")
		}
		if sometimes(r, 8) {
			p.Need.Features = subset(r, "duckdb", "gpu")
		}
		if nodes > 0 && sometimes(r, 12) {
			p.Need.Node = node()
		}
		if !sometimes(r, 4) {
			p.Owner = node()
		}
		switch p.Wish = p.Owner; r.IntN(12) {
		case 0, 1:
			p.Wish = node()
		case 2:
			p.Wish = ""
		}
		s.Products = append(s.Products, p)
	}
	for _, t := range subset(r, "t1", "t2", "t3") {
		s.Quotas[t] = Quota{Products: limit(perNode * 3), Memory: int64(limit(perNode * 12)), NodeProducts: limit(perNode), NodeMemory: int64(limit(perNode * 4))}
	}
	return s
}

// freeState is a mesh without constraints: every product fits every node, and each is owned or owned by nobody.
func freeState(nodes, products int, weight func(i int) int64) State {
	s := State{}
	for i := range nodes {
		s.Nodes = append(s.Nodes, Node{ID: fmt.Sprintf("n%03d", i), Alive: true, Capacity: Capacity{Slots: 4}})
	}
	for i := range products {
		s.Products = append(s.Products, Product{ID: host.ProductID{Tenant: "local", Domain: fmt.Sprintf("d%02d", i%17), Name: fmt.Sprintf("p%05d", i)},
			Need: Need{Weight: weight(i)}})
	}
	return s
}

func one(int) int64 { return 1 }

// clone copies the lists, so that a state can be changed.
func clone(s State) State {
	return State{Nodes: slices.Clone(s.Nodes), Products: slices.Clone(s.Products), Quotas: s.Quotas}
}

func indexOf(s State) map[host.ProductID]int {
	at := map[host.ProductID]int{}
	for i, p := range s.Products {
		at[p.ID] = i
	}
	return at
}

// intend is the state right after the scheduler has written its moves: nobody has released or claimed anything.
func intend(s State, moves []Move) State {
	s = clone(s)
	at := indexOf(s)
	for _, m := range moves {
		p := &s.Products[at[m.Product]]
		p.Wish = m.To
	}
	return s
}

// apply is the state after the moves have been carried out.
func apply(s State, moves []Move) State {
	s = clone(s)
	at := indexOf(s)
	for _, m := range moves {
		p := &s.Products[at[m.Product]]
		p.Owner, p.Wish = m.To, m.To
		p.Epoch++
	}
	return s
}

// carriedOut is a planned state with every wish fulfilled.
func carriedOut(s State) State {
	s = apply(s, Plan(s))
	for i := range s.Products {
		s.Products[i].Owner = s.Products[i].Wish
	}
	return s
}

func node(s State, id string) *Node {
	for i := range s.Nodes {
		if s.Nodes[i].ID == id {
			return &s.Nodes[i]
		}
	}
	return nil
}
