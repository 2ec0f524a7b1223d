package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// Balance begins where the load a slot of one node exceeds that of another by more than 1/startAt of its own, and ends
// where it does not by more than 1/stopAt. The room between the two is what keeps small changes of load from moving
// anything.
const (
	startAt = 8
	stopAt  = 64
)

// balance moves products between nodes that take part until none is far from another that could take something from
// it, and reports whether anything was moved.
func (p *planner) balance() bool {
	moved := false
	for r := p.beginRound(); r != nil; r = p.beginRound() {
		p.turn(r, true) // almost always enough, and what falls below the mean would have to be filled up again
		p.turn(r, false)
		moved = true
	}
	return moved
}

// round is one levelling: only nodes that were far above another when it began give, only those far below take. So a
// node that joins takes from all, and the others leave each other alone.
type round struct {
	from          []int     // nodes that give
	to            []bool    // by node: it takes
	on            [][]int32 // by giving node: its items, heaviest first
	weight, slots int64     // of all nodes that take part: the mean
}

// beginRound finds who gives and who takes; nil when nobody is far from anybody.
func (p *planner) beginRound() *round {
	if !p.farApart() {
		return nil
	}
	r := &round{to: make([]bool, len(p.nodes)), on: make([][]int32, len(p.nodes))}
	for i := range p.items {
		if at := p.items[i].at; at != nowhere {
			r.on[at] = append(r.on[at], int32(i))
		}
	}
	for h := range p.nodes {
		if closed(&p.nodes[h]) != "" {
			continue
		}
		r.weight, r.slots = r.weight+p.load[h].Weight, r.slots+p.slots[h]
		gives := false
		for _, i := range r.on[h] {
			it := &p.items[i]
			for _, l := range p.classes[it.class].open {
				l := int(l)
				if gives && r.to[l] || !p.above(h, l, startAt) || !p.levels(it, h, l) || p.room(it, l) != "" {
					continue
				}
				gives, r.to[l] = true, true
			}
		}
		if gives {
			r.from = append(r.from, h)
		}
	}
	if len(r.from) == 0 {
		return nil
	}
	for _, h := range r.from {
		slices.SortFunc(r.on[h], func(a, b int32) int {
			x, y := &p.items[a], &p.items[b]
			return cmp.Or(cmp.Compare(y.load.Weight, x.load.Weight), cmp.Compare(x.hash, y.hash), cmp.Compare(a, b))
		})
	}
	return r
}

// farApart is a quick no: the extremes are not far from each other.
func (p *planner) farApart() bool {
	high, low := nowhere, nowhere
	for n := range p.nodes {
		if closed(&p.nodes[n]) != "" {
			continue
		}
		if high == nowhere || p.above(n, high, 0) {
			high = n
		}
		if low == nowhere || p.above(low, n, 0) {
			low = n
		}
	}
	return high != nowhere && p.above(high, low, startAt)
}

// turn lets the giving node that carries most give one product after another, until none has anything more to give;
// with floor, none gives what would take it below the mean.
func (p *planner) turn(r *round, floor bool) {
	from, next := slices.Clone(r.from), make([]int, len(p.nodes))
	for len(from) > 0 {
		k := 0
		for i := range from {
			if p.above(from[i], from[k], 0) {
				k = i
			}
		}
		if !p.give(r, from[k], &next[from[k]], floor) {
			from = slices.Delete(from, k, k+1)
		}
	}
}

// give moves the next product that node h can give, and reports false when there is none.
func (p *planner) give(r *round, h int, next *int, floor bool) bool {
	for *next < len(r.on[h]) {
		it := &p.items[r.on[h][*next]]
		*next++
		if it.at != h || floor && (p.load[h].Weight-it.load.Weight)*r.slots < r.weight*p.slots[h] {
			continue
		}
		if l := p.taker(r, it, h); l != nowhere {
			p.relieve(it, h, l)
			return true
		}
	}
	return false
}

// taker is the node that is to take a product from node h, nowhere if none would be nearer to h for it.
func (p *planner) taker(r *round, it *item, h int) int {
	best := nowhere
	for _, l := range p.classes[it.class].open {
		l := int(l)
		if !r.to[l] || !p.above(h, l, stopAt) || !p.levels(it, h, l) || p.room(it, l) != "" {
			continue
		}
		if best == nowhere || p.lighter(it, l, best) {
			best = l
		}
	}
	return best
}

func (p *planner) relieve(it *item, h, l int) {
	if it.cause == "" && it.Wish != "" {
		it.cause = fmt.Sprintf("balance: node %s carries %.4g a slot, node %s %.4g",
			p.nodes[h].ID, p.perSlot(h), p.nodes[l].ID, p.perSlot(l))
	}
	p.put(it, l)
}

func (p *planner) perSlot(n int) float64 { return float64(p.load[n].Weight) / float64(p.slots[n]) }

// above reports whether the load a slot of h exceeds that of l by more than 1/part of its own; part 0: at all.
func (p *planner) above(h, l int, part int64) bool {
	high := p.load[h].Weight * p.slots[l]
	gap := high - p.load[l].Weight*p.slots[h]
	if part == 0 {
		return gap > 0
	}
	return gap*part > high
}

// levels reports whether h would still carry no less than l with the product moved from h to l. Each such move lowers
// the sum of load² / slots over all nodes, so that levelling ends.
func (p *planner) levels(it *item, h, l int) bool {
	gap := p.load[h].Weight*p.slots[l] - p.load[l].Weight*p.slots[h]
	return it.load.Weight*(p.slots[h]+p.slots[l]) <= gap
}
