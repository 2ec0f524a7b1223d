// Package wasm is the bytecode work that makes a foreign module safe to run: it parses and validates a WebAssembly
// binary, admits it against limits and a policy, and rewrites it so that it counts its own fuel and stack.
//
//	m, err := wasm.Parse(b)                  // every index, type and length checked; never panics
//	err = m.Admit(wasm.DefaultLimits, pol)   // size, shape, imports, exports
//	out, err := wasm.Meter(m, wasm.Options{StackBudget: 16 << 20})
//	// out.Bytes is what the sandbox compiles
//
// The package is pure: bytes in, bytes out. It runs nothing and knows no engine.
//
// # What a metered module looks like from outside
//
// One import is added, adp_meter.refill (left i64) -> (counter i64), and two exports, the mutable globals adp_fuel
// (i64) and adp_stack (i32). A start section becomes the export adp_start, so that instantiation runs no code of the
// guest.
//
//   - adp_fuel is what is left of the fuel granted so far. Whenever a host function runs it is exact: the host may read it,
//     and charge its own work by lowering it, below zero if need be. The guest notices at its next check.
//   - refill is called when the counter has fallen below zero. left is the counter (negative: the guest's debt), and the
//     counter continues with what refill returns, which must not be negative: a host that grants q returns left+q. A host
//     that grants nothing does not return: it panics or exits the instance. While refill runs, adp_fuel is stale.
//   - refill(StackExhausted) says that a call would not have fitted into the stack budget. It must not return; if it does, the guest
//     traps.
//   - adp_stack is what is left of the stack budget, in bytes. It starts at Options.StackBudget.
//
// A trap leaves both globals wherever they were: bill all granted fuel, and set both again before the instance is used for
// anything else. That holds for a trap in a call that a host function makes back into the guest as well: the whole run has
// failed. A host function that does heavy work should look at the sign of adp_fuel itself.
//
// # What is charged
//
// Each instruction has a price (opcodes.txt). A stretch of code that is always executed together is charged at its
// beginning, so the sum over a completed call is exact and the same in every engine; see segments.go. Operations that work
// on a length pay for the length before they happen. What an engine does before any code runs has a price too, which whoever
// instantiates takes: Instantiable.Start.
package wasm

// Version is that of the rewriter. Together with CostHash and Options it determines the rewritten bytes: all three belong
// in the key of any cache of them (see Options.Key).
const Version = "11"

// Names that metering adds. No guest may use them.
const (
	MeterModule = "adp_meter"
	MeterRefill = "refill"
	ExportFuel  = "adp_fuel"  // mutable global, i64
	ExportStack = "adp_stack" // mutable global, i32
	ExportStart = "adp_start" // function, () -> (); only where the original had a start section
)

// StackExhausted is the argument of refill that means: the stack budget is used up. No fuel counter can hold it.
const StackExhausted int64 = -1 << 63
