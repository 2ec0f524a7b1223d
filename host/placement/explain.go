package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// Explanation says where a product is and, for every node, whether it could be there: why here, or why nowhere.
type Explanation struct {
	Product host.ProductID `json:"product"`
	Owner   string         `json:"owner,omitempty"` // id of the node that owns it
	Wish    string         `json:"wish,omitempty"`  // id of the node where it is wanted
	Summary string         `json:"summary"`         // one line
	Nodes   []NodeVerdict  `json:"nodes"`           // by id
}

// NodeVerdict is what one node would say to the product if it came now. For the node where the product is, it says
// whether it would be taken again.
type NodeVerdict struct {
	Node string `json:"node"` // id
	Here bool   `json:"here"` // the product is there or on its way there
	Verdict
	Load  Load    `json:"load"`  // of the node now, the product counted where it is
	Share float64 `json:"share"` // weight a slot
}

// Explain explains one product. To explain several of one state, use an Explainer.
func Explain(s State, id host.ProductID) (Explanation, bool) { return NewExplainer(s).Explain(id) }

// Explainer explains products of one state; what they have in common is counted once.
type Explainer struct {
	nodes    []Node // by id
	products map[host.ProductID]*Product
	quotas   map[string]Quota
	tally    *Tally
}

// NewExplainer counts what is where.
func NewExplainer(s State) *Explainer {
	e := &Explainer{nodes: slices.Clone(s.Nodes), products: make(map[host.ProductID]*Product, len(s.Products)), quotas: s.Quotas, tally: s.Wished()}
	slices.SortStableFunc(e.nodes, func(a, b Node) int { return strings.Compare(a.ID, b.ID) })
	for i := range s.Products {
		e.products[s.Products[i].ID] = &s.Products[i]
	}
	return e
}

// Explain returns false when the state has no such product.
func (e *Explainer) Explain(id host.ProductID) (Explanation, bool) {
	p, ok := e.products[id]
	if !ok {
		return Explanation{}, false
	}
	x := Explanation{Product: id, Owner: p.Owner, Wish: p.Wish, Nodes: make([]NodeVerdict, len(e.nodes))}
	for i := range e.nodes {
		n := &e.nodes[i]
		load := e.tally.Node(n.ID)
		x.Nodes[i] = NodeVerdict{Node: n.ID, Here: n.ID == p.Wish, Load: load,
			Share:   float64(load.Weight) / float64(n.slots()),
			Verdict: Fits(*p, *n, e.quotas[id.Tenant], e.tally.Usage(*p, n.ID, p.Wish))}
	}
	x.Summary = x.summary(p, e.nodes)
	return x, true
}

func (x *Explanation) summary(p *Product, nodes []Node) string {
	var verdicts []Obstacle
	fit := 0
	here := -1
	for i := range x.Nodes {
		v := &x.Nodes[i]
		verdicts = append(verdicts, v.Obstacle)
		if v.OK() {
			fit++
		}
		if v.Here {
			here = i
		}
	}
	say := func(i int) string { return lasting(verdicts[i], p, &nodes[i]) }
	switch {
	case p.Retired:
		return "it is retired: it runs nowhere"
	case p.Wish == "" && fit > 0:
		return fmt.Sprintf("runs nowhere yet: %d of %d nodes fit", fit, len(x.Nodes))
	case p.Wish == "":
		return "runs nowhere: " + nowhereFits(verdicts, say)
	}
	text := "on node " + p.Wish
	if p.arriving() {
		text = "on its way to node " + p.Wish
	}
	v := NodeVerdict{Verdict: Verdict{Obstacle: NodeDead, Reason: "node " + p.Wish + " is not alive"}}
	if here >= 0 {
		v = x.Nodes[here]
	}
	switch {
	case v.OK() && fit == 1:
		return text + ", the only one of " + fmt.Sprint(len(x.Nodes)) + " that fits"
	case v.OK():
		return fmt.Sprintf("%s, one of %d nodes that fit", text, fit)
	case fit > 0:
		return fmt.Sprintf("%s, though %s; other nodes that fit: %d", text, v.Reason, fit)
	}
	return fmt.Sprintf("%s, though %s: %s", text, v.Reason, nowhereFits(verdicts, say))
}
