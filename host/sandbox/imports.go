package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// hostFunc is a function that a guest may import. The table of them is what admission allows and what is linked.
//
// Functions read their parameters from the stack and leave their result at stack[0]. A bad pointer, index or moment
// gives a status, never a panic. The statuses that abi/SPEC.md calls fatal also fail the run, whatever the guest makes of
// them. Each call costs callCost, and bytes that are moved cost more.
type hostFunc struct {
	name      string
	signature string
	call      func(i *Instance, stack []uint64)
}

// callCost is the fuel of a call into the host, what a switch between the two worlds and a few checks take.
const callCost = 100

// guestImports are the functions of abi.ImportModule.
func guestImports() []hostFunc {
	return []hostFunc{
		{abi.ImportEmit, "i32 i32 -> i32", (*Instance).emit},
		{abi.ImportLog, "i32 i32 i32 -> i32", (*Instance).logMessage},
		{abi.ImportConfig, "i32 i32 i32 i32 -> i64", (*Instance).config},
		{abi.ImportClock, "-> i64", (*Instance).clock},
		{abi.ImportRandom, "i32 i32 -> i32", (*Instance).randomBytes},
		{abi.ImportMetric, "i32 i32 i32 f64 -> i32", (*Instance).metric},
		{abi.ImportStateGet, "i32 i32 i32 i32 -> i64", (*Instance).stateGet},
		{abi.ImportStatePut, "i32 i32 i32 i32 -> i32", (*Instance).statePut},
		{abi.ImportStateDelete, "i32 i32 -> i32", (*Instance).stateDelete},
		{abi.ImportStateScan, "i32 i32 i32 i32 i32 i32 -> i64", (*Instance).stateScan},
		{abi.ImportDriverOpen, "i32 i32 i32 -> i64", (*Instance).driverOpen},
		{abi.ImportDriverNext, "i32 i32 i32 -> i64", (*Instance).driverNext},
		{abi.ImportDriverClose, "i32 -> i32", (*Instance).driverClose},
		{abi.ImportDriverWrite, "i32 i32 -> i32", (*Instance).driverWrite},
		{abi.ImportDecide, "i32 i32 i32 i32 -> i64", (*Instance).decide},
	}
}

// link defines the host's modules in a runtime.
func link(ctx context.Context, rt wazero.Runtime) error {
	meter := []hostFunc{{abi.MeterRefill, "i64 -> i64", func(i *Instance, stack []uint64) {
		stack[0] = uint64(i.refill(int64(stack[0])))
	}}}
	for _, m := range []struct {
		name  string
		funcs []hostFunc
		cost  int64
	}{{abi.MeterModule, meter, 0}, {abi.ImportModule, guestImports(), callCost}, {abi.WASIModule, wasiImports(), callCost}} {
		b := rt.NewHostModuleBuilder(m.name)
		for _, f := range m.funcs {
			t := wasm.MustFuncType(f.signature)
			b.NewFunctionBuilder().WithGoFunction(enter(m.name, f, len(t.Results) > 0, m.cost), valueTypes(t.Params), valueTypes(t.Results)).Export(f.name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// enter finds the instance that calls and takes the price of the call.
func enter(module string, f hostFunc, answers bool, cost int64) api.GoFunc {
	return func(ctx context.Context, stack []uint64) {
		i := ctx.(*guestContext).instance
		if cost == 0 {
			f.call(i, stack)
			return
		}
		i.meter.charge(cost)
		if w, ok := i.calls.(Watcher); ok {
			i.watched(w, module, f, answers, stack)
			return
		}
		f.call(i, stack)
	}
}

// watched is a call that somebody looks at, and may answer in the function's place.
func (i *Instance) watched(w Watcher, module string, f hostFunc, answers bool, stack []uint64) {
	params := len(wasm.MustFuncType(f.signature).Params)
	result, instead := w.Calling(module, f.name, stack[:params:params])
	if !instead {
		f.call(i, stack)
		if answers {
			result = stack[0]
		}
	} else if answers {
		stack[0] = result
	}
	w.Called(module, f.name, result)
}

// valueTypes are the same bytes in both packages: those of the binary format.
func valueTypes(in []wasm.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(in))
	for i, t := range in {
		out[i] = api.ValueType(t)
	}
	return out
}

// view is a piece of guest memory, nil and false when it leaves memory. It is good until the guest runs again.
func (i *Instance) view(ptr, length uint64) ([]byte, bool) {
	mem := i.mem.bytes()
	at, n := uint64(uint32(ptr)), uint64(uint32(length))
	if at+n > uint64(len(mem)) {
		return nil, false
	}
	return mem[at : at+n : at+n], true
}

// key reads a key or name of 1 to limit bytes. The result is a copy.
func (i *Instance) key(ptr, length uint64, limit int) ([]byte, abi.Status) {
	switch n := uint32(length); {
	case n == 0:
		return nil, abi.BadArgument
	case int64(n) > int64(limit):
		return nil, abi.TooLarge
	}
	b, ok := i.view(ptr, length)
	if !ok {
		return nil, i.outOfBounds(ptr, length)
	}
	i.meter.chargeBytes(int64(len(b)))
	return append([]byte(nil), b...), abi.OK
}

// fill writes a value into the guest's buffer if all of it fits, and gives its length or the negated status.
func (i *Instance) fill(ptr, capacity uint64, value []byte) uint64 {
	buf, status := i.buffer(ptr, capacity)
	if status != abi.OK {
		return negated(status)
	}
	if len(value) <= len(buf) {
		copy(buf, value)
		i.meter.chargeBytes(int64(len(value)))
	}
	return uint64(len(value))
}

// buffer is a buffer to be filled. One without capacity is not looked at.
func (i *Instance) buffer(ptr, capacity uint64) ([]byte, abi.Status) {
	if uint32(capacity) == 0 {
		return nil, abi.OK
	}
	b, ok := i.view(ptr, capacity)
	if !ok {
		return nil, i.outOfBounds(ptr, capacity)
	}
	return b, abi.OK
}

// outOfBounds fails the run: its code has lost its way.
func (i *Instance) outOfBounds(ptr, length uint64) abi.Status {
	i.fail(host.Errorf(host.CodeGuestABI, "the guest gave the host %d bytes at %d, which leave its memory of %d", uint32(length), uint32(ptr), i.mem.size))
	return abi.OutOfBounds
}

// negated is a status as the result of a function that fills a buffer.
func negated(s abi.Status) uint64 { return uint64(-int64(s)) }
