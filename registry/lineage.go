package registry

import (
	"cmp"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// Edge says that an input of a product reads an output port of another.
type Edge struct {
	From  host.ProductID `json:"from"`
	Port  string         `json:"port"` // output of From
	To    host.ProductID `json:"to"`
	Input string         `json:"input"` // of To
	Mode  host.InputMode `json:"mode"`
}

// Lineage is who feeds whom, as the products' inputs declare it. It is not changed after it was made.
type Lineage struct {
	known map[host.ProductID]bool
	into  map[host.ProductID][]Edge // by To
	outOf map[host.ProductID][]Edge // by From
}

// NewLineage reads the inputs of products. An input that names a product which is not among them is an edge all the
// same: Missing lists those.
func NewLineage(products []*host.Product) *Lineage {
	l := &Lineage{known: map[host.ProductID]bool{}, into: map[host.ProductID][]Edge{}, outOf: map[host.ProductID][]Edge{}}
	for _, p := range products {
		l.known[p.ID] = true
		for i := range p.Inputs {
			in := &p.Inputs[i]
			if up, port, ok := in.Upstream(p.ID.Tenant); ok {
				e := Edge{From: up, Port: port, To: p.ID, Input: in.Name, Mode: in.Mode}
				l.into[e.To] = append(l.into[e.To], e)
				l.outOf[e.From] = append(l.outOf[e.From], e)
			}
		}
	}
	for _, edges := range []map[host.ProductID][]Edge{l.into, l.outOf} {
		for _, e := range edges {
			slices.SortFunc(e, compareEdges)
		}
	}
	return l
}

func compareEdges(a, b Edge) int {
	return cmp.Or(compareIDs(a.From, b.From), cmp.Compare(a.Port, b.Port), compareIDs(a.To, b.To), cmp.Compare(a.Input, b.Input))
}

func compareIDs(a, b host.ProductID) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name))
}

// Upstream returns the edges over which a product is fed, nearest first, over at most depth steps; 0 means all.
func (l *Lineage) Upstream(id host.ProductID, depth int) []Edge {
	return walk(id, depth, l.into, func(e Edge) host.ProductID { return e.From })
}

// Downstream returns the edges over which a product feeds others, nearest first, over at most depth steps; 0 means all.
func (l *Lineage) Downstream(id host.ProductID, depth int) []Edge {
	return walk(id, depth, l.outOf, func(e Edge) host.ProductID { return e.To })
}

// walk goes breadth first; each product is entered once, so that a cycle ends.
func walk(id host.ProductID, depth int, edges map[host.ProductID][]Edge, next func(Edge) host.ProductID) (out []Edge) {
	entered := map[host.ProductID]bool{id: true}
	for level := []host.ProductID{id}; len(level) > 0; depth-- {
		var following []host.ProductID
		for _, at := range level {
			for _, e := range edges[at] {
				out = append(out, e)
				if n := next(e); !entered[n] {
					entered[n] = true
					following = append(following, n)
				}
			}
		}
		if depth == 1 {
			break
		}
		level = following
	}
	return out
}

// Missing returns the edges that come from products which are not there.
func (l *Lineage) Missing() (out []Edge) {
	for id, edges := range l.outOf {
		if !l.known[id] {
			out = append(out, edges...)
		}
	}
	slices.SortFunc(out, compareEdges)
	return out
}

// Cycle is a path of products that feed each other, from a product back to itself; nil when there is none.
func (l *Lineage) Cycle() []host.ProductID {
	const onPath, done = 1, 2
	state := map[host.ProductID]int{}
	var path []host.ProductID
	var visit func(id host.ProductID) []host.ProductID
	visit = func(id host.ProductID) []host.ProductID {
		switch state[id] {
		case done:
			return nil
		case onPath:
			return append(slices.Clone(path[slices.Index(path, id):]), id)
		}
		state[id], path = onPath, append(path, id)
		for _, e := range l.outOf[id] {
			if cycle := visit(e.To); cycle != nil {
				return cycle
			}
		}
		state[id], path = done, path[:len(path)-1]
		return nil
	}
	ids := make([]host.ProductID, 0, len(l.known))
	for id := range l.known {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, compareIDs)
	for _, id := range ids {
		if cycle := visit(id); cycle != nil {
			return cycle
		}
	}
	return nil
}

// Cycle reports products that would feed each other, directly or over others, with the path. nil: there are none.
func Cycle(products []*host.Product) error {
	cycle := NewLineage(products).Cycle()
	if cycle == nil {
		return nil
	}
	names := make([]string, len(cycle))
	for i, id := range cycle {
		names[i] = nameOf(id)
	}
	return host.Errorf(host.CodeNodeCycle, "products would feed each other: %s", strings.Join(names, " → ")).
		WithHint("a product may read others only if none of them reads it; let one of the inputs come from elsewhere")
}
