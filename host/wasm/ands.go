package wasm

// wazero 1.12's compiler for amd64 takes 0 < (a & b) for (a & b) < 0, and so with all comparisons that have an order: where one
// side is zero and the other an "and" nearby, it tests the "and" and forgets which side it was on. Its interpreter is right.
// Guests in C, Rust and Go put the constant on the other side; generated modules found it. So that the same module does the
// same in both engines, an "and" on the right of such a comparison goes through an "or" with zero, which the compiler does
// not look through. TestComparedAnds says when that is no longer needed.

// origin is what the compiler may see behind an operand.
type origin byte

const (
	perhapsZero origin = iota // a constant zero, or unknown
	other                     // certainly neither
	anAnd
)

// ands follows where operands and locals come from. An "and" is looked through in straight code only; a constant from anywhere.
type ands struct {
	stack  []origin // the topmost operands; those below are unknown
	locals map[uint32]origin
}

func (a *ands) forget() {
	a.stack = a.stack[:0]
	clear(a.locals)
}

// at is the origin of the operand n below the topmost.
func (a *ands) at(n int) origin {
	if n >= len(a.stack) {
		return perhapsZero
	}
	return a.stack[len(a.stack)-1-n]
}

// follow is told of an instruction before it happens. zero says that it is a constant, and zero.
func (a *ands) follow(in *instr, zero bool) {
	if !in.op.straight() {
		if in.op.code != opBlock { // which an engine does not see
			a.forget()
		}
		return
	}
	result := other
	switch in.op.code {
	case opLocalGet:
		result = a.locals[in.x]
	case opLocalSet, opLocalTee:
		result = a.at(0)
		a.locals[in.x] = result
	case opI32And, opI64And:
		result = anAnd
	case opI32Shl, opI32Shl + 1, opI32Shl + 2, opI64Shl, opI64Shl + 1, opI64ShrU: // by nothing they are nothing
		result = a.at(1)
	}
	if zero {
		result = perhapsZero
	}
	pops, pushes := in.op.arity()
	a.stack = a.stack[:max(0, len(a.stack)-pops)]
	if pushes > 0 {
		a.stack = append(a.stack, result)
	}
}

// arity is how many operands straight code takes and gives.
func (op *opcode) arity() (pops, pushes int) {
	if op.typed {
		return len(op.params), len(op.results)
	}
	switch op.code {
	case opLocalGet, opGlobalGet, opRefNull, opRefFunc:
		return 0, 1
	case opLocalTee, opTableGet, opRefIsNull:
		return 1, 1
	case opDrop, opLocalSet, opGlobalSet:
		return 1, 0
	case opTableSet:
		return 2, 0
	}
	return 3, 1 // select
}

// ordered: a comparison of integers that is not the same both ways.
func (op *opcode) ordered() bool {
	return op.code >= opI32LtS && op.code <= opI32GeU || op.code >= opI64LtS && op.code <= opI64GeU
}

// guard makes the right side of a comparison something else than an "and".
func (w *bodyRewriter) guard(in *instr) {
	if in.op.ordered() && w.ands.at(0) == anAnd && w.ands.at(1) == perhapsZero {
		if in.op.code <= opI32GeU {
			w.code.i32(0)
			w.code.op(opI32Or)
		} else {
			w.code.i64(0)
			w.code.op(opI64Or)
		}
	}
	w.ands.follow(in, w.zero(in))
}

// zero reports whether an instruction is an integer constant, and zero.
func (w *bodyRewriter) zero(in *instr) bool {
	if in.op.code != opI32Const && in.op.code != opI64Const {
		return false
	}
	r := &reader{b: w.m.raw, pos: in.start + 1, end: in.end}
	return r.signed(64) == 0
}
