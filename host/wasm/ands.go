package wasm

// wazero 1.12's compiler for amd64 takes 0 < (a & b) for (a & b) < 0, and so with all comparisons that have an order: where one
// side is zero and the other an "and" nearby, it tests the "and" and forgets which side it was on. Its interpreter is right.
// Guests in C, Rust and Go put the constant on the other side; generated modules found it. So that the same module does the
// same in both engines, an "and" on the right of such a comparison goes through an "or" with zero, which the compiler does
// not look through. TestComparedAnds says when that is no longer needed.

// ands follows which operands and locals hold the result of an "and", through straight code: further the compiler does not
// look.
type ands struct {
	stack  []bool // the topmost operands; below them, no
	locals map[uint32]bool
}

func (a *ands) forget() {
	a.stack = a.stack[:0]
	clear(a.locals)
}

func (a *ands) top() bool { return len(a.stack) > 0 && a.stack[len(a.stack)-1] }

// follow is told of an instruction before it happens.
func (a *ands) follow(in *instr) {
	if !in.op.straight() {
		if in.op.code != opBlock { // which an engine does not see
			a.forget()
		}
		return
	}
	top := a.top()
	switch in.op.code {
	case opLocalGet:
		a.stack = append(a.stack, a.locals[in.x])
		return
	case opLocalSet, opLocalTee:
		if top {
			a.locals[in.x] = true
		} else {
			delete(a.locals, in.x)
		}
		if in.op.code == opLocalTee {
			return
		}
	}
	pops, pushes := in.op.arity()
	a.stack = a.stack[:max(0, len(a.stack)-pops)]
	if pushes > 0 {
		a.stack = append(a.stack, in.op.code == opI32And || in.op.code == opI64And)
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
	if in.op.ordered() && w.ands.top() {
		if in.op.code <= opI32GeU {
			w.code.i32(0)
			w.code.op(opI32Or)
		} else {
			w.code.i64(0)
			w.code.op(opI64Or)
		}
	}
	w.ands.follow(in)
}
