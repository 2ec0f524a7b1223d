package wasm

import "fmt"

// DefaultStackBudget is the stack of a guest in bytes, where Options names none.
const DefaultStackBudget = 16 << 20

// Options of Meter. The zero value is usable.
type Options struct {
	// StackBudget is the stack in bytes that calls of the guest may take together; 0 or less means DefaultStackBudget.
	// A frame is charged at least StackBudget/1900, so it is also a bound of the depth of calls.
	StackBudget int32
	// CanonicalNaNs makes every NaN that arithmetic gives the canonical one, for guests that look at their bits: results are
	// then the same in every engine, to the bit. Fuel is the same with and without.
	CanonicalNaNs bool
	// Limits hold for the original and again for the rewritten module, whose memory and table are also capped by them;
	// the zero value means DefaultLimits.
	Limits Limits

	everyInstruction bool // charge each instruction by itself: the reference that tests compare with
}

// Key names everything, beside the module itself, on which the rewritten bytes depend. It belongs in the key of caches.
func (o Options) Key() string {
	return fmt.Sprintf("wasm-%s %s %+v", Version, CostHash(), o.withDefaults())
}

func (o Options) withDefaults() Options {
	if o.StackBudget <= 0 {
		o.StackBudget = DefaultStackBudget
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits
	}
	return o
}

// Metered is a rewritten module.
type Metered struct {
	Bytes       []byte // the binary to compile
	Refill      uint32 // index of the imported function adp_meter.refill
	FuelGlobal  uint32 // index of the exported global adp_fuel
	StackGlobal uint32 // index of the exported global adp_stack
	HasStart    bool   // whether adp_start is exported and must be called once after instantiation
	StackBudget int32  // initial value of adp_stack
	FrameFloor  int32  // the least a frame is charged, in bytes
	Functions   int    // in the rewritten index space, imports included

	source  *Module
	module  *Module // that of Bytes
	options Options
}

// Position is a place in the author's module.
type Position struct {
	Func   uint32 // index in the original module
	Name   string // "main.step", or "$12" where the module names no functions
	Offset int    // in bytes from the beginning of the original module; 0 where only the function is known
}

func (p Position) String() string {
	if p.Offset == 0 {
		return p.Name
	}
	return fmt.Sprintf("%s+%#x", p.Name, p.Offset)
}
