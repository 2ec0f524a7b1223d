package sandbox

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/turns"
)

// A guest computes only while its run holds a slot: from a call's begin to its end, but for host functions that may wait for
// something else. The time that it waits for a slot is not the guest's, and does not count for its deadline.

// admit waits until a run of a product may begin.
func (e *Engine) admit(ctx context.Context, id host.ProductID, memory int64) (*turns.Run, error) {
	r, err := e.turns.Admit(ctx, id.Tenant, id.Domain+"/"+id.Name, memory)
	var large *turns.TooLarge
	if errors.As(err, &large) {
		return nil, host.Errorf(host.CodeGuestShare, "a run of %s may take %s of memory, but %s has %s on this node for all its runs",
			id.URL(), size(large.Bytes), large.Whose, size(large.Most)).WithHint("lower limits.memory, or ask for a larger share")
	}
	if err == nil && e.cfg.Started != nil {
		e.cfg.Started(id)
	}
	return r, err
}

// enter waits for a slot again within a call.
func (i *Instance) enter() error {
	start := time.Now()
	err := i.turn.Enter(i.ctx.Context)
	i.meter.rested(time.Since(start))
	return err
}

// yield accounts for the fuel that was used, and lets others pass where they come first.
func (i *Instance) yield() {
	othersFirst := i.spend()
	i.meter.rested(i.turn.Look())
	if !othersFirst || !i.turn.Leave() {
		runtime.Gosched()
		return
	}
	if err := i.enter(); err != nil {
		i.kill(err)
	}
}

// spend accounts for the fuel that was used since the last time, and reports whether others come first.
func (i *Instance) spend() bool {
	used := i.meter.used()
	fuel := used - i.meter.accounted
	i.meter.accounted = used
	return i.turn.Spend(fuel)
}

// apart calls a function of the host that may wait for something else than the guest, without the slot.
func (i *Instance) apart(do func() error) error {
	if !i.turn.Leave() {
		return do()
	}
	err := do()
	if late := i.enter(); late != nil && err == nil {
		err = late
	}
	return err
}
