// Package turns shares processors among guests: who may begin, who computes now, and who goes next.
//
// There are as many slots as guests may compute at once. A run holds one while its guest executes, and offers it back at
// every refill of its fuel: then it goes on, or others come first. Those who wait are chosen by the fuel that their tenant
// has had for its weight, within a tenant by what their product has had, and within a product by their own, so that neither
// many products nor long runs get more than their share. Who has not computed for a while comes a little before those who always do.
//
// Nothing here knows of engines or clocks of guests: fuel is a number.
package turns

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Share is what a tenant or product may have. Zero values are no limits.
type Share struct {
	Weight        int64 // against others of its kind; 0: 1
	FuelPerSecond int64 // on average; up to a quarter of a second's may be had at once
	Runs          int   // at once
	Memory        int64 // bytes, the limits of the runs at once together
}

// Config of Turns.
type Config struct {
	Slots  int // guests that compute at once; at least 1
	Guests int // runs at once, computing or not; 0: no limit
	// Slice is how much more fuel a run may have had than one that waits before it gives way. 0: 2,000,000, a millisecond or
	// so.
	Slice int64
	// Shares gives the shares of a tenant and of one of its products; nil: nobody has limits. It is asked once for each run.
	Shares func(tenant, product string) (ofTenant, ofProduct Share)
}

// levels of those who share: tenants, their products, and their runs.
const levels = 3

// credit is how many slices somebody who did not compute for a while may come before others. More is forgotten: whoever has
// been idle for a day does not have a day's fuel to catch up.
const credit = 10

// Turns is safe for concurrent use.
type Turns struct {
	cfg     Config
	lookout *lookout

	mu       sync.Mutex
	free     int // slots
	guests   int // runs admitted
	parties      // the tenants
	holding  []*Run
	waiting  []*waiter // for a slot
	entering []*waiter // to be admitted
	alarm    *time.Timer
}

// waiter is a run that waits, for a slot or to be admitted.
type waiter struct {
	run   *Run
	ready chan struct{}
}

// Run is one run of a product. It is used by one goroutine.
type Run struct {
	t      *Turns
	line   [levels]*party // its tenant, its product, and itself
	name   [2]string
	memory int64
	holds  bool
}

// New makes Turns.
func New(c Config) *Turns {
	c.Slots = max(c.Slots, 1)
	if c.Slice <= 0 {
		c.Slice = 2_000_000
	}
	return &Turns{cfg: c, lookout: newLookout(c.Slots), free: c.Slots, parties: parties{of: map[string]*party{}}}
}

// TooLarge is the error of a run that can never begin.
type TooLarge struct {
	Whose       string // "tenant NAME" or "product NAME"
	Bytes, Most int64
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("a run may take %d bytes of memory, %s has %d for all", e.Bytes, e.Whose, e.Most)
}

// Admit waits until a run that may take so much memory can begin; the caller ends it with Done. The error is a TooLarge or
// that of the context.
func (t *Turns) Admit(ctx context.Context, tenant, product string, memory int64) (*Run, error) {
	t.mu.Lock()
	r := &Run{t: t, name: [2]string{tenant, product}, memory: memory}
	r.line[0] = t.come(tenant)
	r.line[1] = r.line[0].come(product)
	r.line[2] = &party{}
	if t.cfg.Shares != nil {
		r.line[0].share, r.line[1].share = t.cfg.Shares(tenant, product)
	}
	for n, p := range r.line[:2] {
		if most := p.share.Memory; most > 0 && memory > most {
			r.part()
			t.mu.Unlock()
			return nil, &TooLarge{[]string{"tenant ", "product "}[n] + r.name[n], memory, most}
		}
	}
	w := &waiter{r, make(chan struct{})}
	t.entering = append(t.entering, w)
	t.admit()
	t.mu.Unlock()
	select {
	case <-w.ready:
		return r, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !remove(&t.entering, w) {
		r.leaveRoom()
	}
	r.part()
	t.admit()
	return nil, context.Cause(ctx)
}

// Done ends the run.
func (r *Run) Done() {
	r.Leave()
	t := r.t
	t.mu.Lock()
	defer t.mu.Unlock()
	r.leaveRoom()
	r.part()
	t.admit()
}

// part forgets the run.
func (r *Run) part() {
	for _, p := range r.line {
		p.active--
	}
}

func (r *Run) leaveRoom() {
	r.t.guests--
	for _, p := range r.line {
		p.runs--
		p.memory -= r.memory
	}
}

// Enter waits for a slot. A run that has one keeps it. The error is that of the context.
func (r *Run) Enter(ctx context.Context) error {
	if r.holds {
		return nil
	}
	t := r.t
	t.mu.Lock()
	for n, p := range r.line {
		r.among(n).join(p, t.cfg.Slice)
	}
	if t.free > 0 && len(t.waiting) == 0 && r.wait(time.Now()) == 0 {
		t.give(r)
		t.mu.Unlock()
		return nil
	}
	w := &waiter{r, make(chan struct{})}
	t.waiting = append(t.waiting, w)
	t.dispatch()
	t.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if remove(&t.waiting, w) {
		r.rest()
	} else {
		t.takeBack(r)
	}
	return context.Cause(ctx)
}

// rest notes that the run does not compute.
func (r *Run) rest() {
	for _, p := range r.line {
		p.computing--
	}
}

// Leave gives the slot back, and reports whether the run had one.
func (r *Run) Leave() bool {
	if !r.holds {
		return false
	}
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	r.t.takeBack(r)
	return true
}

// Spend notes fuel that the run has had, and reports whether it must give way: Leave, and Enter again.
func (r *Run) Spend(fuel int64) bool {
	t := r.t
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, p := range r.line {
		p.had += float64(fuel) / float64(p.weight())
		p.fill(now)
		p.tokens -= float64(fuel)
	}
	t.raise(r)
	if r.wait(now) > 0 {
		return true
	}
	best := t.best(now)
	return best != nil && best.run.before(r, float64(t.cfg.Slice))
}

// among are those that the run's party of a level shares with: all tenants, the products of its tenant, the runs of its
// product.
func (r *Run) among(level int) *parties {
	if level == 0 {
		return &r.t.parties
	}
	return &r.line[level-1].parties
}

// raise moves the floors of r's line up to the least that anybody has had who computes or could.
func (t *Turns) raise(r *Run) {
	var least [levels]float64
	for n, p := range r.line {
		least[n] = p.had
	}
	see := func(o *Run) {
		for n, p := range o.line {
			least[n] = min(least[n], p.had)
			if p != r.line[n] {
				break
			}
		}
	}
	for _, o := range t.holding {
		see(o)
	}
	for _, w := range t.waiting {
		see(w.run)
	}
	for n := range r.line {
		among := r.among(n)
		among.floor = max(among.floor, least[n])
	}
}

// before reports whether r comes before o by more than a margin.
func (r *Run) before(o *Run, margin float64) bool {
	for n, p := range r.line {
		if p != o.line[n] {
			return p.had+margin/float64(p.weight()) < o.line[n].had
		}
	}
	return false
}

// wait is how long it takes until the run may have fuel.
func (r *Run) wait(now time.Time) time.Duration {
	return max(r.line[0].fill(now), r.line[1].fill(now))
}

// give gives a run a free slot. The caller holds mu.
func (t *Turns) give(r *Run) {
	t.free--
	r.holds = true
	t.holding = append(t.holding, r)
}

func (t *Turns) takeBack(r *Run) {
	r.holds = false
	t.holding = slices.DeleteFunc(t.holding, func(o *Run) bool { return o == r })
	r.rest()
	t.free++
	t.dispatch()
}

// dispatch gives free slots to those who wait. The caller holds mu.
func (t *Turns) dispatch() {
	now := time.Now()
	for t.free > 0 {
		w := t.best(now)
		if w == nil {
			break
		}
		remove(&t.waiting, w)
		t.give(w.run)
		close(w.ready)
	}
	t.setAlarm(now)
}

// best is who goes next: of those who may, the one whose tenant, then whose product, and then who has had least, and of
// equals the one that has waited longest. nil when there is none.
func (t *Turns) best(now time.Time) *waiter {
	var best *waiter
	for _, w := range t.waiting {
		if w.run.wait(now) == 0 && (best == nil || w.run.before(best.run, 0)) {
			best = w
		}
	}
	return best
}

// setAlarm comes back when the first of those whose fuel has run out may have more.
func (t *Turns) setAlarm(now time.Time) {
	var first time.Duration
	for _, w := range t.waiting {
		if d := w.run.wait(now); d > 0 && (first == 0 || d < first) {
			first = d
		}
	}
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
	if first > 0 && t.free > 0 {
		t.alarm = time.AfterFunc(first, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.dispatch()
		})
	}
}

// admit lets in who can begin: of those for whom there is room, the one whose tenant has fewest runs, and of equals the one
// that has waited longest. The caller holds mu.
func (t *Turns) admit() {
	for t.cfg.Guests == 0 || t.guests < t.cfg.Guests {
		var best *waiter
		for _, w := range t.entering {
			if w.run.hasRoom() && (best == nil || w.run.line[0].runs < best.run.line[0].runs) {
				best = w
			}
		}
		if best == nil {
			return
		}
		remove(&t.entering, best)
		t.guests++
		for _, p := range best.run.line {
			p.runs++
			p.memory += best.run.memory
		}
		close(best.ready)
	}
}

func (r *Run) hasRoom() bool {
	for _, p := range r.line {
		if p.share.Runs > 0 && p.runs >= p.share.Runs || p.share.Memory > 0 && p.memory+r.memory > p.share.Memory {
			return false
		}
	}
	return true
}

// remove takes a waiter out of a list, false when it is not in it.
func remove(list *[]*waiter, w *waiter) bool {
	i := slices.Index(*list, w)
	if i < 0 {
		return false
	}
	*list = slices.Delete(*list, i, i+1)
	return true
}
