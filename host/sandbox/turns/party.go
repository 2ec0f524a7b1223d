package turns

import (
	"math"
	"time"
)

// party is a tenant, a product of one, or a run of that.
type party struct {
	share     Share
	had       float64 // fuel for its weight
	active    int     // runs from Admit to Done
	runs      int     // admitted
	computing int     // that have a slot or wait for one
	memory    int64   // of the runs admitted
	tokens    float64 // fuel that it may have now; below zero it waits
	filled    time.Time

	parties // that share what it gets
}

// parties are those that share something with one another.
type parties struct {
	of    map[string]*party
	floor float64 // the least that any of them that computes has had; it never falls
}

// remembered is how many parties are kept before those that do nothing are forgotten.
const remembered = 1 << 10

// come finds a party, and counts its run.
func (ps *parties) come(name string) *party {
	p := ps.of[name]
	if p == nil {
		if len(ps.of) >= remembered {
			ps.forget()
		}
		p = &party{parties: parties{of: map[string]*party{}}}
		ps.of[name] = p
	}
	p.active++
	return p
}

// forget drops who does nothing and owes no fuel. It begins anew like anybody who did not compute for a while.
func (ps *parties) forget() {
	now := time.Now()
	for name, p := range ps.of {
		if p.active == 0 && p.fill(now) == 0 {
			delete(ps.of, name)
		}
	}
}

// join counts a run that wants to compute. A party that did not begins at most its credit before the others.
func (ps *parties) join(p *party, slice int64) {
	if p.computing++; p.computing == 1 {
		p.had = max(p.had, ps.floor-float64(credit*slice)/float64(p.weight()))
	}
}

func (p *party) weight() int64 { return max(p.share.Weight, 1) }

// burst is the part of a second whose fuel may be had at once.
const burst = 0.25

// fill adds the fuel that time has brought, and tells how long it takes until there is some.
func (p *party) fill(now time.Time) time.Duration {
	rate := float64(p.share.FuelPerSecond)
	if rate <= 0 {
		p.tokens, p.filled = 0, now
		return 0
	}
	most := rate * burst
	if p.filled.IsZero() {
		p.tokens = most
	} else {
		p.tokens = min(p.tokens+rate*now.Sub(p.filled).Seconds(), most)
	}
	p.filled = now
	if p.tokens >= 0 {
		return 0
	}
	return time.Duration(math.Ceil(-p.tokens / rate * float64(time.Second)))
}
