package sandbox

import (
	"context"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// meter is the account of one instance: fuel, time and the virtual clock that follows from both.
//
// The guest counts its own fuel down in a global. When the counter falls below zero it calls refill, which is the only
// place where a guest that never calls the host can be stopped, and the place where others get their turn.
type meter struct {
	counter api.MutableGlobal // what is left of granted; exact whenever a host function runs
	granted int64
	limit   int64
	quantum int64

	lost bool // the guest trapped: what it had left died with it

	left  time.Duration // of the deadline, for calls to come
	until time.Time     // when the current call must have ended
	idle  time.Duration // that the current call has waited for a slot

	accounted int64 // fuel that the run's share has been charged for

	base   time.Time // of the realtime clock
	opened int64     // ticks at base
	waited int64     // ns the guest has slept, on the virtual clock
}

// used is the fuel spent so far; after a trap, all that was granted.
func (m *meter) used() int64 {
	if m.lost {
		return m.granted
	}
	return m.granted - int64(m.counter.Get())
}

// charge takes fuel for work of the host. The counter may fall below zero: the guest notices at its next check.
func (m *meter) charge(fuel int64) { m.counter.Set(uint64(int64(m.counter.Get()) - fuel)) }

// bytesPerUnit prices what the host copies, validates and hands on for a guest.
const bytesPerUnit = 4

func (m *meter) chargeBytes(n int64) { m.charge(n / bytesPerUnit) }

// ticks is the time the guest has lived by its own clock, in ns: one for each unit of fuel, and its waits.
func (m *meter) ticks() int64 { return add(m.used(), m.waited) }

// now is the virtual realtime clock, in ns since the epoch.
func (m *meter) now() int64 { return add(m.base.UnixNano(), m.ticks()-m.opened) }

// setClock makes the realtime clock begin at t.
func (m *meter) setClock(t time.Time) { m.base, m.opened = t, m.ticks() }

// wait lets the virtual clock pass.
func (m *meter) wait(ns int64) { m.waited = add(m.waited, ns) }

// add saturates: a guest may ask to sleep for ever.
func add(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// rested notes time that passed while the guest could not compute, and that is not its own.
func (m *meter) rested(d time.Duration) {
	m.until = m.until.Add(d)
	m.idle += d
}

// refill is adp_meter.refill: left is the counter, below zero; the counter continues with the result.
func (i *Instance) refill(left int64) int64 {
	m := &i.meter
	if left == wasm.StackExhausted {
		i.kill(host.Errorf(host.CodeGuestStack, "the guest recursed past its stack budget of %s", size(i.limits.Stack)).
			WithHint("end the recursion, or raise limits.stack"))
	}
	m.counter.Set(uint64(left)) // for whoever asks when the guest does not survive this
	i.mustGoOn()
	i.yield()
	if m.granted-left > m.limit {
		i.kill(host.Errorf(host.CodeGuestFuel, "the guest used up its fuel of %d", m.limit).
			WithHint("look for a loop that does not end, or raise limits.fuel"))
	}
	grant := min(m.quantum-left, m.limit-m.granted)
	m.granted += grant
	return left + grant
}

// mustGoOn kills the guest when the run is over: failed, cancelled or past its deadline.
func (i *Instance) mustGoOn() {
	if i.failure != nil {
		i.kill(i.failure)
	}
	if err := i.overdue(); err != nil {
		i.kill(err)
	}
}

// overdue is the reason why the current call must end, nil while there is none.
func (i *Instance) overdue() error {
	if !time.Now().Before(i.meter.until) {
		return host.Errorf(host.CodeGuestDeadline, "the guest ran past its deadline of %s", i.limits.Deadline).
			WithHint("look for a loop that does not end, or raise limits.deadline")
	}
	if err := i.ctx.Err(); err != nil {
		return context.Cause(i.ctx.Context)
	}
	return nil
}

// bounded is the context for a call of the host that may block: it ends with the guest's deadline.
func (i *Instance) bounded() (context.Context, context.CancelFunc) {
	return context.WithDeadline(i.ctx.Context, i.meter.until)
}
