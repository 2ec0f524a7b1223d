package wasm

// branch writes a branch. What goes to a loop goes to its inner label while fuel lasts; what returns goes to the
// end of the block around the body.
func (w *bodyRewriter) branch(in *instr) {
	switch in.op.code {
	case opReturn:
		if w.leavesPlainly() {
			w.code.op(opReturn)
			return
		}
		w.code.index(opBr, uint32(w.depth))
	case opBr:
		w.branchTo(w.target(in.x), 0)
	case opBrIf:
		w.branchIf(w.target(in.x))
	case opBrTable:
		w.code.index(opBrTable, uint32(len(w.src.targets)-1))
		for _, d := range w.src.targets {
			l := w.target(d)
			place := l.inner
			if l.op == opLoop {
				place-- // the outer label: a table cannot ask for the fuel
			}
			w.code = appendU(w.code, uint32(w.depth-place))
		}
	}
}

// leavesPlainly: nothing has to happen at the end of the function.
func (w *bodyRewriter) leavesPlainly() bool { return w.direct && w.frame == 0 }

func (w *bodyRewriter) target(depth uint32) *label { return &w.labels[len(w.labels)-1-int(depth)] }

// branchTo branches unconditionally, from within extra more labels than are counted.
func (w *bodyRewriter) branchTo(l *label, extra int) {
	depth := uint32(w.depth - l.inner + extra)
	if l.op != opLoop {
		w.code.index(opBr, depth)
		return
	}
	w.code.index(opLocalGet, w.fuel)
	w.code.i64(0)
	w.code.op(opI64GeS)
	w.code.begin(opIf, w.blockType(l.carry, l.carry))
	w.code.index(opBr, depth+1)
	w.code.op(opEnd)
	w.code.index(opBr, depth+1)
}

// branchIf writes a conditional branch. To a loop, with a refund, and anywhere in a loop, it becomes an if around a
// branch. The last is for speed alone: where the edge is critical, wazero 1.12 does not fuse a br_if with the
// comparison before it, but it does fuse an if; C's row kernel runs at 0.87 of the original that way, and at 1.05
// without.
func (w *bodyRewriter) branchIf(l *label) {
	var back int64
	if w.refund < len(w.plan.refunds) && w.plan.refunds[w.refund].at == w.now {
		back = w.plan.refunds[w.refund].fuel
		w.refund++
	}
	if l.op != opLoop && back == 0 && (w.loops == 0 || len(l.carry) > 0) {
		w.code.index(opBrIf, uint32(w.depth-l.inner))
		return
	}
	w.code.begin(opIf, w.blockType(l.carry, l.carry))
	w.spend(-back)
	w.branchTo(l, 1)
	w.code.op(opEnd)
}
