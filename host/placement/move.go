package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// Kind is what a move does to a product.
type Kind string

// The kinds of moves, in the order in which a plan lists them.
const (
	Release Kind = "release" // ends its ownership: it runs nowhere
	Assign  Kind = "assign"  // gives it, owned by nobody alive, to a node
	Stay    Kind = "stay"    // calls it back: it stays with its owner after all
	Hand    Kind = "hand"    // from its owner, which must release it, to another node
)

var kinds = []Kind{Release, Assign, Stay, Hand}

// Move is a change of where one product is wanted: To becomes its Wish. From then releases it, if it is alive, and To
// claims it as soon as Fits says so. A release from a node that is dead is for the scheduler to carry out; otherwise the
// product would go on counting against its tenant. Moves may be carried out in any order and a few at a time; as releasing waits for
// nobody, they never wait for each other in a circle.
type Move struct {
	Kind    Kind           `json:"kind"`
	Product host.ProductID `json:"product"`
	From    string         `json:"from,omitempty"` // id of its owner; "" when there is none
	To      string         `json:"to,omitempty"`   // id of the node that is to own it; "" for a release
	Epoch   host.Epoch     `json:"epoch"`          // of the ownership that the plan saw
	Reason  string         `json:"reason"`
}

func (m Move) String() string {
	what := string(m.Kind) + " " + m.Product.String()
	if m.From != "" {
		what += " from " + m.From
	}
	if m.To != "" {
		what += " to " + m.To
	}
	return what + ": " + m.Reason
}

// moves lists what differs between where products are and where the planner has put them: by kind, then by id.
func (p *planner) moves() []Move {
	var out []Move
	for i := range p.items {
		it := &p.items[i]
		to := ""
		if it.at != nowhere {
			to = p.nodes[it.at].ID
		}
		if to == it.Wish {
			continue
		}
		m := Move{Product: it.ID, From: it.Owner, To: to, Epoch: it.Epoch}
		switch {
		case to == "":
			m.Kind, m.Reason = Release, p.releaseReason(it)
		case to == it.Owner:
			m.Kind, m.Reason = Stay, cmp.Or(it.cause, "it was to run nowhere")+"; its owner may keep it"
		case it.owner == nowhere || !p.nodes[it.owner].Alive:
			m.Kind, m.Reason = Assign, p.assignReason(it)
		default:
			m.Kind, m.Reason = Hand, p.assignReason(it)
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b Move) int {
		return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind))
	})
	return out
}

func (p *planner) assignReason(it *item) string {
	cause := it.cause
	if cause == "" {
		cause = "it ran nowhere"
	}
	name := p.nodes[it.at].ID
	switch {
	case it.fit == 0: // moved for balance only
		return cause
	case it.fit == 1:
		return cause + "; " + name + " is the only node that fits"
	}
	return fmt.Sprintf("%s; %s carries least of %d nodes that fit", cause, name, it.fit)
}

func (p *planner) releaseReason(it *item) string {
	if it.Retired {
		return it.cause
	}
	verdicts, quota := make([]Obstacle, p.known), &p.tenants[it.tenant].quota
	for n := range verdicts {
		u := p.usage(it, n)
		verdicts[n] = obstacle(it.Product, &p.nodes[n], quota, &u)
	}
	return it.cause + "; " + nowhereFits(verdicts, func(n int) string { return lasting(verdicts[n], it.Product, &p.nodes[n]) })
}

// ofNoNode are obstacles that are said without a node.
var ofNoNode = []Obstacle{Retired, OtherNode, TenantProducts, TenantMemory}

// nowhereFits sums up why no node takes a product, the most frequent obstacle first; say says the obstacle of the i-th
// node in words, and one node speaks for all that have the same.
func nowhereFits(verdicts []Obstacle, say func(i int) string) string {
	if len(verdicts) == 0 {
		return "there are no nodes"
	}
	count, first := map[Obstacle]int{}, map[Obstacle]int{}
	var seen []Obstacle
	for i, o := range verdicts {
		if count[o]++; count[o] == 1 {
			seen, first[o] = append(seen, o), i
		}
	}
	slices.SortFunc(seen, func(a, b Obstacle) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	parts := make([]string, len(seen))
	for i, o := range seen {
		parts[i] = say(first[o])
		switch others := count[o] - 1; {
		case slices.Contains(ofNoNode, o):
		case others == 1:
			parts[i] += ", and another likewise"
		case others > 1:
			parts[i] += fmt.Sprintf(", and %d others likewise", others)
		}
	}
	none := fmt.Sprintf("none of %d nodes fits", len(verdicts))
	if len(verdicts) == 1 {
		none = "the only node does not fit"
	}
	return none + " (" + strings.Join(parts, "; ") + ")"
}
