package wasm

import "slices"

// frame bounds the native stack of one call. A compiler gives every value that it spills a slot of its own, so the bound
// counts definitions, not the greatest height of the operand stack: a function with one local can have a frame of 80 KB.
// Counted are the values that instructions define, parameters and locals, the values that meet where branches join
// (phis), and what the largest call passes on the stack.
type frame struct {
	m        *Module
	body     *body
	locals   []ValueType // parameters included
	assigned []int       // when each local was last assigned, counted in instructions
	now      int

	slots    int64 // in bytes, so far
	outgoing int64
	selects  int64 // without a type of their own
	vectors  bool
	builtins bool

	canonicalNaNs bool
	canonical     []ValueType // of the locals that results wait in which may be NaNs

	chosen32, chosen64 bool // there are selects of f32, of f64
}

const (
	frameBase   = 128
	builtinBase = 256 // registers saved around an engine's own function: growing, copying, filling
	scalarSlot  = 8
	vectorSlot  = 16
	frameDepths = 1_900 // frames in a whole stack budget: an interpreter stops at 2,000, host calls included
)

func slot(t ValueType) int64 {
	if t == V128 {
		return vectorSlot
	}
	return scalarSlot
}

func slots(ts []ValueType) (n int64) {
	for _, t := range ts {
		n += slot(t)
	}
	return n
}

// begin starts with a function's parameters and locals, reusing the memory of f.
func (f *frame) begin(m *Module, b *body, locals []ValueType, canonicalNaNs bool) {
	*f = frame{m: m, body: b, locals: locals, assigned: f.assigned[:0], slots: slots(locals), vectors: slices.Contains(locals, V128), canonicalNaNs: canonicalNaNs, canonical: f.canonical[:0]}
	for range locals {
		f.assigned = append(f.assigned, -1)
	}
}

// define counts what one instruction defines.
func (f *frame) define(in *instr) {
	f.now++
	f.builtins = f.builtins || in.op.dynamic || in.op.imm[0] == immTable
	if in.op.ordered() {
		f.slots += scalarSlot // see guard
	}
	if t := in.op.nans.local(); f.canonicalNaNs && in.op.nans != noNaNs {
		f.slots += 5 * slot(t) // the NaN, the comparison, the choice, and floats as bits and back
		if !slices.Contains(f.canonical, t) {
			f.canonical = append(f.canonical, t)
			f.slots += slot(t)
		}
	}
	if t, ok := f.body.choice(in); ok {
		f.choose(t)
	}
	if in.op.typed {
		n := slots(in.op.results)
		f.slots += n
		f.vectors = f.vectors || n == vectorSlot
		return
	}
	switch in.op.code {
	case opLocalSet, opLocalTee:
		f.assigned[in.x] = f.now
	case opGlobalGet:
		f.slots += slot(f.m.globals[in.x].value)
		f.vectors = f.vectors || f.m.globals[in.x].value == V128
	case opCall:
		f.call(f.m.funcType(in.x))
	case opCallIndirect:
		f.call(&f.m.types[in.x])
	case opSelect:
		f.selects++
	case opSelectTyped:
		f.slots += slot(in.types[0])
	case opTableGet, opTableGrow, opRefNull, opRefFunc, opRefIsNull:
		f.slots += scalarSlot
	}
}

// choose counts what the rewriter's way of a select defines beside its result, and the locals when the first needs them.
func (f *frame) choose(t ValueType) {
	if t == V128 {
		f.slots += 4*scalarSlot + vectorSlot
		return
	}
	f.slots += 3 * scalarSlot
	before := len(chooserLocals(f.chosen32, f.chosen64))
	f.chosen32, f.chosen64 = f.chosen32 || t == F32, f.chosen64 || t == F64
	f.slots += int64(len(chooserLocals(f.chosen32, f.chosen64))-before) * scalarSlot
}

func (f *frame) call(t *FuncType) {
	results := slots(t.Results)
	f.slots += results
	f.vectors = f.vectors || slices.Contains(t.Results, V128)
	f.outgoing = max(f.outgoing, slots(t.Params)+results)
}

// join counts the values that meet at the end of a construct, or at its beginning if it is a loop: operands that
// branches carry, and every local that was assigned inside of it.
func (f *frame) join(began int, carried []ValueType) {
	f.slots += slots(carried) + scalarSlot // and the fuel counter
	for i, when := range f.assigned {
		if when > began {
			f.slots += slot(f.locals[i])
		}
	}
}

// bytes is the bound.
func (f *frame) bytes() int64 {
	n := frameBase + f.slots + f.outgoing + f.selects*scalarSlot
	if f.builtins {
		n += builtinBase
	}
	if f.vectors {
		n += f.selects * (vectorSlot - scalarSlot)
	}
	return n
}
