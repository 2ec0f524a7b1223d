package sandbox

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// errDead is what every call gives after one has failed.
var errDead = errors.New("the instance has failed and can only be closed")

// errKilled unwinds a guest; the reason is in Instance.failure.
var errKilled = errors.New("killed")

// call calls one function of the guest. Its result is a status, a pointer or a version: at most one value.
func (i *Instance) call(ctx context.Context, p phase, f api.Function, params ...uint64) (int32, error) {
	i.stack = [2]uint64{}
	copy(i.stack[:], params)
	err := i.visit(ctx, p, f, func() error { return f.CallWithStack(&i.ctx, i.stack[:]) })
	return int32(i.stack[0]), err
}

// visit has do call functions of the guest, f above all, while the run holds a slot and until its deadline.
func (i *Instance) visit(ctx context.Context, p phase, f api.Function, do func() error) error {
	if i.dead {
		return errDead
	}
	m := &i.meter
	i.ctx.Context, i.phase, i.mem.denied = ctx, p, false
	if err := i.turn.Enter(ctx); err != nil {
		return i.end(err)
	}
	start := time.Now()
	m.until, m.idle = start.Add(m.left), 0
	if err := i.overdue(); err != nil {
		i.turn.Leave()
		return i.end(err)
	}
	err := do()
	m.left -= time.Since(start) - m.idle
	i.spend()
	i.turn.Leave()
	i.ctx.Context, i.phase = nil, outside
	i.usage.MemoryBytes = i.mem.together() // it never shrinks
	if err != nil {
		i.log.flush()
		return i.end(i.fault(f.Definition(), err))
	}
	if i.failure != nil {
		return i.end(i.failure)
	}
	return nil
}

// run calls a function of the product and turns its status into an error.
func (i *Instance) run(ctx context.Context, f api.Function, params ...uint64) error {
	status, err := i.call(ctx, running, f, params...)
	if err != nil || status == int32(abi.OK) {
		return err
	}
	i.log.flush()
	e := host.Errorf(host.CodeGuestStatus, "%s returned status %d%s%s", exportName(f.Definition()), status, statusName(status), i.log.lastWords())
	if i.mem.denied {
		e = e.WithHint("it was refused memory beyond %s: limits.memory may be too small", size(i.limits.Memory))
	}
	return i.end(e)
}

// end marks the instance as failed.
func (i *Instance) end(err error) error {
	i.dead = true
	return err
}

// fail notes why the run must fail. The guest goes on until it returns or is next asked to pay; the first reason counts.
func (i *Instance) fail(err error) {
	if i.failure == nil {
		i.failure = err
	}
}

// kill unwinds the guest from within a host function.
func (i *Instance) kill(err error) {
	i.fail(err)
	panic(errKilled)
}

// span is a piece of guest memory.
type span struct{ ptr, size uint32 }

// inside are the whole units of a span.
func (s span) inside(unit int) (from, to int) {
	from = (int(s.ptr) + unit - 1) / unit * unit
	return from, max((int(s.ptr)+int(s.size))/unit*unit, from)
}

// alloc asks the guest for memory that belongs to it.
func (i *Instance) alloc(ctx context.Context, bytes int64) (span, error) {
	ptr, err := i.call(ctx, initialize, i.funcs.alloc, uint64(bytes))
	if err != nil {
		return span{}, err
	}
	s := span{uint32(ptr), uint32(bytes)}
	if s.ptr == 0 {
		return span{}, i.end(host.Errorf(host.CodeGuestMemory, "the guest has no room for %s of data in its memory of at most %s", size(bytes), size(i.limits.Memory)).
			WithHint("raise limits.memory"))
	}
	return s, i.usable(s)
}

// usable fails for what no guest may give out as memory.
func (i *Instance) usable(s span) error {
	switch end := int64(s.ptr) + int64(s.size); {
	case s.ptr%abi.Alignment != 0:
		return i.end(host.Errorf(host.CodeGuestABI, "%s(%d) returned %d, which is not aligned to %d", abi.ExportAlloc, s.size, s.ptr, abi.Alignment))
	case end > int64(i.mem.size):
		return i.end(host.Errorf(host.CodeGuestABI, "%s(%d) returned %d, which leaves its memory of %d", abi.ExportAlloc, s.size, s.ptr, i.mem.size))
	}
	return nil
}

// ensureArena makes the arena of input batches large enough. It is one allocation of the guest, kept from batch to batch.
func (i *Instance) ensureArena(ctx context.Context, bytes int64) error {
	if bytes <= int64(i.arena.size) {
		return nil
	}
	if i.arena.size > 0 {
		old := i.arena
		i.arena = span{}
		if _, err := i.call(ctx, initialize, i.funcs.free, uint64(old.ptr), uint64(old.size)); err != nil {
			return err
		}
	}
	const step = 64 << 10 // batches of a stream vary a little
	var err error
	i.arena, err = i.alloc(ctx, min((bytes+bytes/8+step-1)/step*step, max(bytes, 1<<31)))
	return err
}
