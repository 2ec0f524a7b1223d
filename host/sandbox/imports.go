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
// them.
type hostFunc struct {
	name      string
	signature string
	// cost is the fuel of a call, taken before it does anything; bytes that are moved and arrays that are read cost more,
	// taken by the function itself. It bounds the rate of calls: a unit of fuel is about what a nanosecond of the host's
	// time does for a guest.
	cost int64
	// most is how often a run may call it, where a call reaches beyond the node or leaves a record behind; 0: as often as
	// the run's fuel pays for.
	most int64
	call func(i *Instance, stack []uint64)
}

// Prices of calls, in fuel. BenchmarkImports measures what they take.
const (
	callCost   = 100    // a switch between the two worlds and a few checks
	mapCost    = 300    // and a look into the run's state, settings or metrics
	editCost   = 1_000  // and a change of it
	batchCost  = 4_000  // a batch on its way, beside its bytes and arrays
	arrayCost  = 250    // each array of a batch: a dozen checks, a handful of allocations
	policyCost = 10_000 // a decision: JSON, rules, the audit log
	openCost   = 50_000 // a driver opens what it reads: a file, a connection
)

// Calls a run may make of what reaches beyond it.
const (
	mostOpens     = 10_000
	mostDecisions = 100_000
)

// guestImports are the functions of abi.ImportModule.
func guestImports() []hostFunc {
	return []hostFunc{
		{abi.ImportEmit, "i32 i32 -> i32", batchCost, 0, (*Instance).emit},
		{abi.ImportLog, "i32 i32 i32 -> i32", mapCost, 0, (*Instance).logMessage},
		{abi.ImportConfig, "i32 i32 i32 i32 -> i64", mapCost, 0, (*Instance).config},
		{abi.ImportClock, "-> i64", callCost, 0, (*Instance).clock},
		{abi.ImportRandom, "i32 i32 -> i32", callCost, 0, (*Instance).randomBytes},
		{abi.ImportMetric, "i32 i32 i32 f64 -> i32", mapCost, 0, (*Instance).metric},
		{abi.ImportStateGet, "i32 i32 i32 i32 -> i64", mapCost, 0, (*Instance).stateGet},
		{abi.ImportStatePut, "i32 i32 i32 i32 -> i32", editCost, 0, (*Instance).statePut},
		{abi.ImportStateDelete, "i32 i32 -> i32", editCost, 0, (*Instance).stateDelete},
		{abi.ImportStateScan, "i32 i32 i32 i32 i32 i32 -> i64", editCost, 0, (*Instance).stateScan},
		{abi.ImportDriverOpen, "i32 i32 i32 -> i64", openCost, mostOpens, (*Instance).driverOpen},
		{abi.ImportDriverNext, "i32 i32 i32 -> i64", batchCost, 0, (*Instance).driverNext},
		{abi.ImportDriverClose, "i32 -> i32", batchCost, 0, (*Instance).driverClose},
		{abi.ImportDriverWrite, "i32 i32 -> i32", batchCost, 0, (*Instance).driverWrite},
		{abi.ImportDecide, "i32 i32 i32 i32 -> i64", policyCost, mostDecisions, (*Instance).decide},
	}
}

// link defines the host's modules in a runtime.
func link(ctx context.Context, rt wazero.Runtime) error {
	meter := []hostFunc{{abi.MeterRefill, "i64 -> i64", 0, 0, func(i *Instance, stack []uint64) {
		stack[0] = uint64(i.refill(int64(stack[0])))
	}}}
	for _, m := range []struct {
		name  string
		funcs []hostFunc
	}{{abi.MeterModule, meter}, {abi.ImportModule, guestImports()}, {abi.WASIModule, wasiImports()}} {
		if err := define(ctx, rt, m.name, m.funcs); err != nil {
			return err
		}
	}
	return nil
}

// define makes a module of the host's functions in a runtime.
func define(ctx context.Context, rt wazero.Runtime, name string, funcs []hostFunc) error {
	b := rt.NewHostModuleBuilder(name)
	for _, f := range funcs {
		t := wasm.MustFuncType(f.signature)
		b.NewFunctionBuilder().WithGoFunction(enter(name, f, t), valueTypes(t.Params), valueTypes(t.Results)).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// enter finds the instance that calls, takes the price of the call and counts it where calls are counted.
func enter(module string, f hostFunc, t wasm.FuncType) api.GoFunc {
	return func(ctx context.Context, stack []uint64) {
		i := ctx.(*guestContext).instance
		if f.cost == 0 {
			f.call(i, stack)
			return
		}
		i.meter.charge(f.cost)
		if f.most > 0 {
			i.count(f)
		}
		if w, ok := i.calls.(Watcher); ok {
			i.watched(w, module, f, t, stack)
			return
		}
		f.call(i, stack)
	}
}

// watched is a call that somebody looks at, and may answer in the function's place.
func (i *Instance) watched(w Watcher, module string, f hostFunc, t wasm.FuncType, stack []uint64) {
	params := make([]uint64, len(t.Params))
	for n, v := range stack[:len(params)] {
		if params[n] = v; t.Params[n] == wasm.I32 {
			params[n] = uint64(uint32(v)) // the rest is undefined
		}
	}
	result, instead := w.Calling(module, f.name, params)
	if !instead {
		f.call(i, stack)
		if len(t.Results) > 0 {
			result = stack[0]
		}
	} else if len(t.Results) > 0 {
		stack[0] = result
	}
	w.Called(module, f.name, result)
}

// count fails the run of a guest that calls a function too often. The call finds out by itself.
func (i *Instance) count(f hostFunc) {
	if i.counted == nil {
		i.counted = map[string]int64{}
	}
	if i.counted[f.name]++; i.counted[f.name] > f.most {
		i.fail(host.Errorf(host.CodeGuestCallLimit, "the guest called %s more than %d times in one run", f.name, f.most).
			WithHint("ask for more with one call: a driver's reader gives many rows, a decision holds for the whole run"))
	}
}

// valueTypes are the same bytes in both packages: those of the binary format.
func valueTypes(in []wasm.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(in))
	for i, t := range in {
		out[i] = api.ValueType(t)
	}
	return out
}

// view is a piece of guest memory, nil and false when it leaves memory. It is good until the guest runs again. Nothing
// has no address: languages point anywhere for it.
func (i *Instance) view(ptr, length uint64) ([]byte, bool) {
	mem := i.mem.bytes()
	at, n := uint64(uint32(ptr)), uint64(uint32(length))
	if n == 0 {
		return nil, true
	}
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

// fill writes a value into the guest's buffer if all of it fits, and gives its length or the negated status. The value
// has been fetched either way, and is paid for.
func (i *Instance) fill(ptr, capacity uint64, value []byte) uint64 {
	i.meter.chargeBytes(int64(len(value)))
	buf, status := i.buffer(ptr, capacity)
	if status != abi.OK {
		return negated(status)
	}
	if len(value) <= len(buf) {
		copy(buf, value)
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
