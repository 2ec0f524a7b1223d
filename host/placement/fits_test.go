package placement

import (
	"strings"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestFitsWords holds each obstacle and its words, and that one less of it would fit.
func TestFitsWords(t *testing.T) {
	id := host.ProductID{Tenant: "acme", Domain: "d", Name: "p"}
	alive := Node{ID: "edge-1", Alive: true}
	with := func(change func(*Node)) Node {
		n := alive
		change(&n)
		return n
	}
	carries := func(products int, memory int64) Load { return Load{Products: products, Memory: memory} }
	for _, c := range []struct {
		want   Obstacle
		reason string
		p      Product
		n      Node
		q      Quota
		u      Usage
	}{
		{want: "", reason: "fits", n: alive},
		{want: Retired, reason: "it is retired", p: Product{Retired: true}, n: alive},
		{want: NodeDead, reason: "node edge-1 is not alive", n: with(func(n *Node) { n.Alive = false })},
		{want: NodeDraining, reason: "node edge-1 is draining", n: with(func(n *Node) { n.Draining, n.Cordoned = true, true })},
		{want: NodeCordoned, reason: "node edge-1 is cordoned", n: with(func(n *Node) { n.Cordoned = true })},
		{want: OtherNode, reason: "it runs on node n2 only, this is edge-1", p: Product{Need: Need{Node: "n2"}}, n: alive},
		{want: "", reason: "fits", p: Product{Need: Need{Node: "edge-1"}}, n: alive},
		{want: LabelMissing, reason: "node edge-1 lacks label region=eu", p: Product{Need: Need{Labels: map[string]string{"region": "eu"}}}, n: alive},
		{want: LabelMissing, reason: "node edge-1 has label region=us instead of eu", p: Product{Need: Need{Labels: map[string]string{"region": "eu"}}},
			n: with(func(n *Node) { n.Labels = map[string]string{"region": "us"} })},
		{want: LabelMissing, reason: "node edge-1 lacks label flag=", p: Product{Need: Need{Labels: map[string]string{"flag": ""}}}, n: alive},
		{want: FeatureMissing, reason: "node edge-1 cannot do duckdb", p: Product{Need: Need{Features: []string{"gpu", "duckdb"}}},
			n: with(func(n *Node) { n.Features = []string{"gpu"} })},
		{want: RunMemory, reason: "a run needs 64 MiB of memory, node edge-1 gives 32 MiB to one", p: Product{Need: Need{RunMemory: 64 << 20}},
			n: with(func(n *Node) { n.Capacity.RunMemory = 32 << 20 })},
		{want: NodeProducts, reason: "node edge-1 owns 3 products of at most 3", n: with(func(n *Node) { n.Capacity.Products = 3 }), u: Usage{Node: carries(3, 0)}},
		{want: "", reason: "fits", n: with(func(n *Node) { n.Capacity.Products = 3 }), u: Usage{Node: carries(2, 0)}},
		{want: NodeMemory, reason: "it takes 1.5 GiB, node edge-1 has 1 GiB free of 4 GiB", p: Product{Need: Need{Memory: 3 << 29}},
			n: with(func(n *Node) { n.Capacity.Memory = 4 << 30 }), u: Usage{Node: carries(9, 3<<30)}},
		{want: "", reason: "fits", p: Product{Need: Need{Memory: 1 << 30}}, n: with(func(n *Node) { n.Capacity.Memory = 4 << 30 }), u: Usage{Node: carries(9, 3<<30)}},
		{want: TenantNodeProducts, reason: "tenant acme has 2 products of at most 2 on node edge-1", n: alive, q: Quota{NodeProducts: 2}, u: Usage{TenantOnNode: carries(2, 0)}},
		{want: TenantNodeMemory, reason: "it takes 10 B, tenant acme has 5 B free of 20 B on node edge-1", p: Product{Need: Need{Memory: 10}}, n: alive,
			q: Quota{NodeMemory: 20}, u: Usage{TenantOnNode: carries(2, 15)}},
		{want: TenantProducts, reason: "tenant acme has 2 products of at most 2", n: alive, q: Quota{Products: 2}, u: Usage{Tenant: carries(2, 0)}},
		{want: "", reason: "fits", n: alive, q: Quota{Products: 2}, u: Usage{Tenant: carries(1, 0)}},
		{want: TenantMemory, reason: "it takes 1020 B, tenant acme has 0 B free of 10 B", p: Product{Need: Need{Memory: 1020}}, n: alive,
			q: Quota{Memory: 10}, u: Usage{Tenant: carries(2, 15)}},
	} {
		c.p.ID = id
		v := Fits(c.p, c.n, c.q, c.u)
		if v.Obstacle != c.want || v.Reason != c.reason || v.OK() != (c.want == "") {
			t.Errorf("%q: %q, want %q: %q", v.Obstacle, v.Reason, c.want, c.reason)
		}
	}
}

// TestTally: what is added and removed again leaves nothing, and a product is never counted against itself.
func TestTally(t *testing.T) {
	s := freeState(2, 3, one)
	for i := range s.Products {
		s.Products[i].Owner, s.Products[i].Wish, s.Products[i].Need.Memory = "n000", "n000", 5
	}
	s.Products[2].Wish = "n001"
	owned, wished := s.Owned(), s.Wished()
	if got := owned.Node("n000"); got != (Load{Products: 3, Memory: 15, Weight: 3}) {
		t.Errorf("owned: %+v", got)
	}
	if got := wished.Node("n001"); got != (Load{Products: 1, Memory: 5, Weight: 1}) {
		t.Errorf("wished: %+v", got)
	}
	if got := owned.Tenant("local"); got.Products != 3 {
		t.Errorf("tenant: %+v", got)
	}
	want := Usage{Node: Load{Products: 2, Memory: 10, Weight: 2}, TenantOnNode: Load{Products: 2, Memory: 10, Weight: 2}, Tenant: Load{Products: 2, Memory: 10, Weight: 2}}
	if got := owned.Usage(s.Products[0], "n000", "n000"); got != want {
		t.Errorf("usage: %+v", got)
	}
	for _, p := range s.Products {
		owned.Remove(p, "n000")
	}
	if got := owned.Usage(s.Products[0], "n000", ""); got != (Usage{}) {
		t.Errorf("after all are removed: %+v", got)
	}
}

// TestExplain: why here, why nowhere, why still there.
func TestExplain(t *testing.T) {
	id := func(name string) host.ProductID { return host.ProductID{Tenant: "local", Domain: "d", Name: name} }
	eu := Need{Labels: map[string]string{"region": "eu"}}
	s := State{
		Nodes: []Node{
			{ID: "b", Alive: true, Cordoned: true, Labels: map[string]string{"region": "eu"}},
			{ID: "a", Alive: true, Capacity: Capacity{Slots: 2}},
			{ID: "c"},
		},
		Products: []Product{
			{ID: id("here"), Owner: "a", Wish: "a"},
			{ID: id("arriving"), Owner: "b", Wish: "a"},
			{ID: id("nowhere"), Need: eu},
			{ID: id("kept"), Need: eu, Owner: "b", Wish: "b"},
			{ID: id("new")},
			{ID: id("old"), Retired: true, Owner: "a", Wish: "a"},
			{ID: id("lost"), Owner: "z", Wish: "z"},
			{ID: id("waits"), Owner: "c", Wish: "c", Need: Need{Node: "c"}},
		},
	}
	for name, want := range map[string]string{
		"here":     "on node a, the only one of 3 that fits",
		"arriving": "on its way to node a, the only one of 3 that fits",
		"nowhere":  "runs nowhere: none of 3 nodes fits (node a lacks label region=eu, and another likewise; node b is cordoned)",
		"kept":     "on node b, though node b is cordoned: none of 3 nodes fits (node a lacks label region=eu, and another likewise; node b is cordoned)",
		"new":      "runs nowhere yet: 1 of 3 nodes fit",
		"old":      "it is retired: it runs nowhere",
		"lost":     "on node z, though node z is not alive; other nodes that fit: 1",
		"waits":    "on node c, though node c is not alive: none of 3 nodes fits (it runs on node c only; node c is not alive)",
	} {
		x, ok := Explain(s, id(name))
		if !ok || x.Summary != want {
			t.Errorf("%s: %q, want %q", name, x.Summary, want)
		}
		if len(x.Nodes) != 3 || x.Nodes[0].Node != "a" || x.Nodes[1].Node != "b" || x.Nodes[2].Node != "c" {
			t.Errorf("%s: nodes %+v", name, x.Nodes)
		}
	}
	x, _ := Explain(s, id("nowhere"))
	if got := x.Nodes[0]; got.Reason != "node a lacks label region=eu" || got.Here || got.Load.Products != 3 || got.Share != 1.5 {
		t.Errorf("%+v", got)
	}
	full := State{Nodes: []Node{{ID: "a", Alive: true, Capacity: Capacity{Products: 1}}}, Products: s.Products[:1], Quotas: map[string]Quota{"local": {Products: 1}}}
	if x, _ := Explain(full, id("here")); x.Summary != "on node a, the only one of 1 that fits" {
		t.Errorf("a product was counted against itself: %s", x.Summary)
	}
	if _, ok := Explain(s, id("other")); ok {
		t.Error("a product that does not exist was explained")
	}
}

// TestExplainAgreesWithPlan: where Explain sees a node that fits, nothing is left without a place by a plan.
func TestExplainAgreesWithPlan(t *testing.T) {
	s := apply(picky(10, 300), Plan(picky(10, 300)))
	s.Nodes[3].Draining = true
	for i := range s.Nodes {
		s.Nodes[i].Capacity.Products = 31
	}
	s = apply(s, Plan(s))
	e := NewExplainer(s)
	for _, p := range s.Products {
		x, _ := e.Explain(p.ID)
		for _, v := range x.Nodes {
			if v.OK() && !v.Here && (p.Owner == "" || p.Owner == "n003") {
				t.Errorf("%s is on %q, though %s: %s", p.ID, p.Owner, v.Node, v.Reason)
			}
		}
	}
}

// TestReasons: the words of moves.
func TestReasons(t *testing.T) {
	p := func(name, owner string) Product {
		return Product{ID: host.ProductID{Tenant: "t", Domain: "d", Name: name}, Owner: owner, Wish: owner}
	}
	up := func(id string) Node { return Node{ID: id, Alive: true} }
	pinned := p("pinned", "n1")
	pinned.Need.Node = "n7"
	recalled := p("recalled", "n1")
	recalled.Wish = "n2"
	retired := p("retired", "n1")
	retired.Retired = true
	drained, cordoned := up("n1"), up("n2")
	drained.Draining, cordoned.Cordoned = true, true
	for _, c := range []struct {
		nodes    []Node
		products []Product
		want     string
	}{
		{[]Node{up("n1")}, []Product{p("new", "")}, "assign t/d/new to n1: it ran nowhere; n1 is the only node that fits"},
		{[]Node{up("n1"), {ID: "n2"}}, []Product{p("p", "n2")}, "assign t/d/p from n2 to n1: node n2 is not alive; n1 is the only node that fits"},
		{[]Node{drained, up("n2")}, []Product{p("p", "n1")}, "hand t/d/p from n1 to n2: node n1 is draining; n2 is the only node that fits"},
		{[]Node{up("n1"), up("n2")}, []Product{pinned}, "release t/d/pinned from n1: it runs on node n7 only, this is n1; none of 2 nodes fits (it runs on node n7 only)"},
		{[]Node{up("n1"), cordoned}, []Product{recalled}, "stay t/d/recalled from n1 to n1: node n2 is cordoned; its owner may keep it"},
		{[]Node{up("n1")}, []Product{retired}, "release t/d/retired from n1: it is retired"},
		{[]Node{up("n1"), up("n2")}, []Product{p("a", "n1"), p("b", "n1")}, "balance: node n1 carries 2 a slot, node n2 0"},
	} {
		moves := Plan(State{Nodes: c.nodes, Products: c.products})
		if len(moves) != 1 || !strings.HasSuffix(moves[0].String(), c.want) {
			t.Errorf("%v, want %s", moves, c.want)
		}
	}
}
