package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/adp-host/adp/host"
)

// deed is an operation on one product as its caller asked for it.
type deed struct {
	verb       string
	product    host.ProductID
	node       string
	epoch      host.Epoch // of the ownership that it was asked under
	prev, next string     // heads, by seq and run
}

// answer is what came back.
type answer struct {
	unknown bool // nothing: it happened at some time after it was asked for, or never
	refused bool
	node    string
	epoch   host.Epoch
	head    string
}

// register is all that one product is to the protocol.
type register struct {
	owner string // "": nobody
	epoch host.Epoch
	head  string
}

func named(p host.Pointer) string {
	if p.Seq == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%s", p.Seq, p.Run)
}

// step is the protocol in one place: the states in which a product may be after a deed that got an answer.
func (r register) step(d deed, a answer) []register {
	owns := r.owner == d.node && r.epoch == d.epoch && d.node != ""
	after := r
	switch d.verb {
	case "claim":
		if a.refused {
			return r.only(r.owner != "" && r.owner != d.node)
		}
		after.owner, after.epoch = d.node, r.epoch+1
		if !a.unknown {
			return after.only(after.epoch == a.epoch)
		}
	case "commit":
		after.head = d.next
		if !a.unknown {
			return after.only(owns && r.head == d.prev)
		}
		if !owns || r.head != d.prev {
			return []register{r}
		}
	case "overtaken": // what the answer to a refused commit claims
		return r.only(r.head != d.next && (!owns || r.head != d.prev))
	case "release":
		if owns {
			after.owner = ""
		}
		if !a.unknown {
			return []register{after}
		}
	case "head":
		return r.only(r.head == a.head)
	case "owner":
		return r.only(r.owner == a.node && r.epoch == a.epoch)
	}
	return []register{r, after} // nobody knows
}

func (r register) only(if_ bool) []register {
	if if_ {
		return []register{r}
	}
	return nil
}

// protocol is what every history has to be explained by.
var protocol = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{register{}} },
	Step: func(state, input, output any) (next []any) {
		for _, r := range state.(register).step(input.(deed), output.(answer)) {
			next = append(next, r)
		}
		return next
	},
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[host.ProductID][]porcupine.Operation{}
		for _, op := range history {
			id := op.Input.(deed).product
			by[id] = append(by[id], op)
		}
		return slices.Collect(maps.Values(by))
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}).ToModel()

// history is what several nodes did at a time, and what they were told.
type history struct {
	began time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
	tally map[string]int
}

func newHistory() *history { return &history{began: time.Now(), tally: map[string]int{}} }

func (h *history) now() int64 { return int64(time.Since(h.began)) }

func (h *history) add(client int, d deed, called, returned int64, a answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.unknown && returned < 0 {
		returned = math.MaxInt64
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: d, Call: called, Output: a, Return: returned})
}

func (h *history) count(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally[what]++
}

// check asks whether the protocol explains the history, no longer than is good for a test.
func (h *history) check() (porcupine.CheckResult, time.Duration) {
	began := time.Now()
	result := porcupine.CheckOperationsTimeout(protocol, h.ops, time.Minute)
	return result, time.Since(began)
}

// lost is how many commits that were acknowledged are not on the chain that leads to the newest heads, and stale how many
// on it build on what was not the newest: the heads tell by themselves, without a model.
func (h *history) chains(newest map[host.ProductID]string) (commits, lost int) {
	prev := map[string]string{}
	acknowledged := map[host.ProductID][]string{}
	for _, op := range h.ops {
		if d, a := op.Input.(deed), op.Output.(answer); d.verb == "commit" {
			prev[d.product.Name+d.next] = d.prev
			if !a.unknown {
				acknowledged[d.product] = append(acknowledged[d.product], d.next)
			}
		}
	}
	for id, head := range newest {
		chain := map[string]bool{}
		for ; head != ""; head = prev[id.Name+head] {
			chain[head] = true
			commits++
		}
		for _, next := range acknowledged[id] {
			if !chain[next] {
				lost++
			}
		}
	}
	return commits, lost
}

// author is one node that writes history.
type author struct {
	h      *history
	number int
	c      *Cluster
	owned  map[host.ProductID]host.Ownership
	runs   int
}

func (a *author) claim(ctx context.Context, id host.ProductID) {
	called := a.h.now()
	own, err := a.c.Claim(ctx, id)
	d := deed{verb: "claim", product: id, node: a.c.node}
	if returned := a.h.now(); returned-called > int64(a.c.lease.ttl) && !errors.Is(err, ErrUnknown) {
		// Long enough for one claim to happen, be overtaken before its reply came, and be made anew.
		a.h.add(a.number, d, called, returned, answer{unknown: true})
	}
	switch {
	case err == nil:
		a.owned[id] = own
		a.h.count("claims")
		a.h.add(a.number, d, called, a.h.now(), answer{epoch: own.Epoch})
	case errors.Is(err, ErrUnknown):
		a.h.count("unknown")
		a.h.add(a.number, d, called, -1, answer{unknown: true})
	case host.CodeOf(err) == host.CodeRunLostOwner:
		a.h.add(a.number, d, called, a.h.now(), answer{refused: true})
	}
}

func (a *author) release(ctx context.Context, id host.ProductID) {
	own := a.owned[id]
	delete(a.owned, id)
	called := a.h.now()
	err := a.c.Release(ctx, own)
	d := deed{verb: "release", product: id, node: own.Node, epoch: own.Epoch}
	switch {
	case err == nil:
		a.h.add(a.number, d, called, a.h.now(), answer{})
	case errors.Is(err, ErrUnknown):
		a.h.count("unknown")
		a.h.add(a.number, d, called, -1, answer{unknown: true})
	}
}

// head reads the newest head; ok is false when nothing came back.
func (a *author) head(ctx context.Context, id host.ProductID) (p host.Pointer, ok bool) {
	called := a.h.now()
	p, err := a.c.Head(ctx, id)
	if err != nil {
		return p, false
	}
	a.h.count("reads")
	a.h.add(a.number, deed{verb: "head", product: id}, called, a.h.now(), answer{head: named(p)})
	return p, true
}

func (a *author) owners(ctx context.Context, ids []host.ProductID) {
	called := a.h.now()
	owners, err := a.c.Owners(ctx)
	if err != nil {
		return
	}
	returned := a.h.now()
	for _, id := range ids {
		o := owners[id]
		a.h.add(a.number, deed{verb: "owner", product: id}, called, returned, answer{node: o.Node, epoch: o.Epoch})
	}
}

// commit moves a head from prev, within patience.
func (a *author) commit(ctx context.Context, id host.ProductID, prev host.Pointer) {
	own := a.owned[id]
	a.runs++
	next := pointer(prev.Seq+1, own, fmt.Sprintf("%s-%d", a.c.node, a.runs))
	d := deed{verb: "commit", product: id, node: own.Node, epoch: own.Epoch, prev: named(prev), next: named(next)}
	called := a.h.now()
	err := a.c.Commit(ctx, own, prev, next)
	switch {
	case err == nil:
		a.h.count("commits")
		a.h.add(a.number, d, called, a.h.now(), answer{})
	case errors.Is(err, ErrUnknown):
		a.h.count("unknown")
		a.h.add(a.number, d, called, -1, answer{unknown: true})
	case host.CodeOf(err) == host.CodeRunLostOwner: // it may have happened before somebody else went on from it
		a.h.count("refused")
		returned := a.h.now()
		a.h.add(a.number, d, called, returned, answer{unknown: true})
		d.verb = "overtaken"
		a.h.add(a.number, d, called, returned, answer{})
		delete(a.owned, id)
	}
}

// The check is checked: small histories that the protocol does not explain, and some that it does.
func TestProtocolModel(t *testing.T) {
	const never = -1
	claim := func(node string) deed { return deed{verb: "claim", product: strikes, node: node} }
	commit := func(node string, epoch host.Epoch, prev, next string) deed {
		return deed{verb: "commit", product: strikes, node: node, epoch: epoch, prev: prev, next: next}
	}
	read := deed{verb: "head", product: strikes}
	type op struct {
		deed
		from, to int64
		answer
	}
	for _, c := range []struct {
		name string
		want porcupine.CheckResult
		ops  []op
	}{
		{"in order", porcupine.Ok, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, 4, answer{}}, {read, 5, 6, answer{head: "x"}}}},
		{"a stale read", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, 4, answer{}}, {read, 5, 6, answer{}}}},
		{"an epoch twice", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {claim("b"), 3, 4, answer{epoch: 1}}}},
		{"an owner of yesterday commits", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {claim("b"), 3, 4, answer{epoch: 2}}, {commit("a", 1, "", "x"), 5, 6, answer{}}}},
		{"two commits on one head", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, 4, answer{}}, {commit("a", 1, "", "y"), 5, 6, answer{}}}},
		{"an unknown one happens late", porcupine.Ok, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, never, answer{unknown: true}},
			{read, 5, 6, answer{}}, {read, 7, 8, answer{head: "x"}}}},
		{"an unknown one happens and unhappens", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, never, answer{unknown: true}},
			{read, 5, 6, answer{head: "x"}}, {read, 7, 8, answer{}}}},
		{"an unknown one happens after its owner has gone", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, never, answer{unknown: true}},
			{claim("b"), 5, 6, answer{epoch: 2}}, {read, 7, 8, answer{}}, {read, 9, 10, answer{head: "x"}}}},
		{"refused without a reason", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, 4, answer{unknown: true}},
			{deed{verb: "overtaken", product: strikes, node: "a", epoch: 1, next: "x"}, 3, 4, answer{}}, {read, 5, 6, answer{head: "x"}}}},
		{"overtaken", porcupine.Ok, []op{{claim("a"), 1, 2, answer{epoch: 1}}, {commit("a", 1, "", "x"), 3, 12, answer{unknown: true}},
			{deed{verb: "overtaken", product: strikes, node: "a", epoch: 1, next: "x"}, 3, 12, answer{}},
			{claim("b"), 5, 6, answer{epoch: 2}}, {commit("b", 2, "x", "y"), 7, 8, answer{}}, {read, 13, 14, answer{head: "y"}}}},
		{"a claim refused though nobody owns it", porcupine.Illegal, []op{{claim("a"), 1, 2, answer{refused: true}}}},
	} {
		h := newHistory()
		for i, o := range c.ops {
			h.add(i, o.deed, o.from, o.to, o.answer)
		}
		if got, _ := h.check(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
