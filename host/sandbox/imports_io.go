package sandbox

import (
	"math"
	"math/rand/v2"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/cdata"
)

// emit is adp_v1.emit(port i32, array i32) → status.
//
// The batch at array stays the guest's. NotFound (no such port), NotNow, and fatal: OutOfBounds, Misaligned, BadArray
// (not a batch of the port's schema), LimitExceeded (output limit, or the run has failed already).
func (i *Instance) emit(stack []uint64) {
	port := uint32(stack[0])
	stack[0] = uint64(i.emitBatch(port, uint32(stack[1])))
}

func (i *Instance) emitBatch(port, array uint32) abi.Status {
	if status := i.effective(); status != abi.OK {
		return status
	}
	if int64(port) >= int64(len(i.outputs)) {
		return abi.NotFound
	}
	rec, status := i.take("output "+i.spec.Product.Outputs[port].Name, i.outputs[port], array)
	if rec == nil {
		return status
	}
	defer rec.Release()
	ctx, cancel := i.bounded()
	defer cancel()
	if err := i.apart(func() error { return i.calls.Emit(ctx, int(port), rec) }); err != nil {
		i.failHost(err)
		return abi.LimitExceeded
	}
	return abi.OK
}

// effective tells whether calls with effects mean something now.
func (i *Instance) effective() abi.Status {
	switch {
	case i.phase != running:
		return abi.NotNow
	case i.failure != nil:
		return abi.LimitExceeded
	}
	return abi.OK
}

// failHost notes an error of the host. One that comes of the guest's deadline is named as that.
func (i *Instance) failHost(err error) {
	if late := i.overdue(); late != nil {
		err = late
	}
	i.fail(err)
}

// take copies a batch out of the guest. It is nil when it was refused, and also when it has no rows (status OK).
func (i *Instance) take(port string, r *cdata.Reader, array uint32) (arrow.RecordBatch, abi.Status) {
	return i.takeFrom(port, r, i.mem.bytes(), array)
}

// takeFrom is take of a batch that lies in other bytes than the guest's memory.
func (i *Instance) takeFrom(port string, r *cdata.Reader, mem []byte, array uint32) (arrow.RecordBatch, abi.Status) {
	bytes, err := r.Measure(mem, array)
	if err != nil {
		return nil, i.badBatch(port, err)
	}
	i.meter.chargeBytes(bytes)
	i.meter.charge(int64(r.Arrays()) * arrayCost)
	if room := i.limits.Output - i.usage.BytesOut; bytes > room {
		i.fail(host.Errorf(host.CodeGuestOutput, "the guest emitted more than its output limit of %s", size(i.limits.Output)).
			WithHint("raise limits.output"))
		return nil, abi.LimitExceeded
	}
	if bytes > i.limits.Memory {
		i.fail(host.Errorf(host.CodeGuestBatch, "%s: the guest emitted a batch of %s with all buffers expanded, more than its memory can be", port, size(bytes)))
		return nil, abi.BadArray
	}
	i.usage.BytesOut += bytes
	rec, err := r.Take()
	if err != nil {
		return nil, i.badBatch(port, err)
	}
	if rec.NumRows() == 0 {
		rec.Release()
		return nil, abi.OK
	}
	return rec, abi.OK
}

func (i *Instance) badBatch(port string, err error) abi.Status {
	i.fail(host.Errorf(host.CodeGuestBatch, "%s: the guest emitted a batch that is not what it claims: %w", port, err).
		WithHint("adp abi check holds a module against every clause of the ABI"))
	if e, ok := err.(*cdata.Error); ok {
		return e.Status
	}
	return abi.BadArray
}

// logMessage is adp_v1.log(level i32, ptr i32, len i32) → OK, BadArgument (level), TooLarge, OutOfBounds, LimitExceeded
// (the run's log limit, which fails the run).
func (i *Instance) logMessage(stack []uint64) {
	level, n := int32(stack[0]), uint32(stack[2])
	b, ok := i.view(stack[1], stack[2])
	switch {
	case level < abi.LogDebug || level > abi.LogError:
		stack[0] = uint64(abi.BadArgument)
	case n > abi.MaxLogMessage:
		stack[0] = uint64(abi.TooLarge)
	case !ok:
		stack[0] = uint64(i.outOfBounds(stack[1], stack[2]))
	case !i.log.say(level, string(b)):
		stack[0] = uint64(i.flooded())
	default:
		i.meter.chargeBytes(int64(n))
		stack[0] = uint64(abi.OK)
	}
}

// flooded fails the run because the log is full.
func (i *Instance) flooded() abi.Status {
	i.fail(host.Errorf(host.CodeGuestLogs, "the guest logged more than its limit of %s", size(i.limits.Logs)).
		WithHint("log less for each row, or raise limits.logs"))
	return abi.LimitExceeded
}

// config is adp_v1.config(key i32, key_len i32, buf i32, cap i32) → i64: the length of a setting of the product.
// NotFound, OutOfBounds, BadArgument (empty key), TooLarge, NotNow (before open: initialisation knows no product).
func (i *Instance) config(stack []uint64) {
	key, status := i.key(stack[0], stack[1], abi.MaxKey)
	if status == abi.OK && i.phase != running {
		status = abi.NotNow
	}
	if status != abi.OK {
		stack[0] = negated(status)
		return
	}
	value, ok := i.spec.Product.Config[string(key)]
	if !ok {
		stack[0] = negated(abi.NotFound)
		return
	}
	stack[0] = i.fill(stack[2], stack[3], []byte(value))
}

// clock is adp_v1.clock() → i64: ns since the epoch on the virtual clock.
func (i *Instance) clock(stack []uint64) { stack[0] = uint64(i.meter.now()) }

// randomBytes is adp_v1.random(ptr i32, len i32) → OK, TooLarge, OutOfBounds.
func (i *Instance) randomBytes(stack []uint64) {
	stack[0] = uint64(i.fillRandom(i.random, stack[0], stack[1]))
}

func (i *Instance) fillRandom(from *rand.ChaCha8, ptr, length uint64) abi.Status {
	if uint32(length) > abi.MaxRandom {
		return abi.TooLarge
	}
	b, ok := i.view(ptr, length)
	if !ok {
		return i.outOfBounds(ptr, length)
	}
	_, _ = from.Read(b) // it never fails
	i.meter.chargeBytes(4 * int64(len(b)))
	return abi.OK
}

// maxMetrics bounds the names of metrics of one run: each lives on in the host.
const maxMetrics = 256

// metric is adp_v1.metric(kind i32, name i32, name_len i32, value f64) → OK, BadArgument (kind, value not a number, name
// not UTF-8), TooLarge, OutOfBounds, LimitExceeded (too many names), NotNow.
func (i *Instance) metric(stack []uint64) {
	kind, value := int32(stack[0]), math.Float64frombits(stack[3])
	name, status := i.key(stack[1], stack[2], abi.MaxName)
	switch {
	case status != abi.OK:
	case i.phase != running:
		status = abi.NotNow
	case kind != abi.MetricCounter && kind != abi.MetricGauge, math.IsNaN(value), !utf8.Valid(name):
		status = abi.BadArgument
	case !i.metrics[string(name)] && len(i.metrics) >= maxMetrics:
		i.fail(host.Errorf(host.CodeGuestCallLimit, "the guest has more than %d metrics", maxMetrics))
		status = abi.LimitExceeded
	default:
		i.metrics[string(name)] = true
		i.calls.Metric(kind, string(name), value)
	}
	stack[0] = uint64(status)
}
