package wasm

// A loop that is tested at its top, as AssemblyScript writes them, is so short that a charge and a check in each turn cost a
// third of it:
//
//	loop                 loop O
//	    test                 check
//	    if                   loop I
//	        work                 fuel -= 2 × (test + work)
//	        br 1                 test
//	    end                      if
//	end                              work
//	                                 test
//	                                 if
//	                                     work
//	                                     fuel >= 0: br I, else br O
//	                                 end
//	                                 fuel -= test + work
//	                             end
//	                             fuel += (test + work) + work
//
// So it is written several times over and pays for all turns at once; who leaves early takes back what he skips. The sum is
// what it was. Only straight code is treated so: nothing in it calls, so nobody sees the counter in between.

const (
	turns        = 2  // of an unrolled loop, for each charge
	mostUnrolled = 40 // instructions of a turn
)

// topTested is a loop that can be unrolled, as instructions.
type topTested struct {
	test, work []instr
}

// size is how many instructions the loop has, without its own.
func (t *topTested) size() int { return len(t.test) + len(t.work) + 4 } // if, br, end, end

// topTested looks whether such a loop follows. d is behind its first instruction and stays there.
func (d decoder) topTested(loop *FuncType, t *topTested) bool {
	t.test, t.work = t.test[:0], t.work[:0]
	if len(loop.Params)+len(loop.Results) > 0 {
		return false
	}
	var in instr
	height := 0
	straight := func(to []instr) []instr {
		for len(to) <= mostUnrolled && d.next(&in) && in.op.straight() {
			pops, pushes := in.op.arity()
			height += pushes - pops
			to = append(to, in)
		}
		return to
	}
	if t.test = straight(t.test); in.op.code != opIf || len(in.block.Params)+len(in.block.Results) > 0 {
		return false
	}
	if t.work = straight(t.work); in.op.code != opBr || in.x != 1 || len(t.test)+len(t.work) > mostUnrolled {
		return false
	}
	if height != 1 { // the condition; a branch may leave operands behind, which would be in the way
		return false
	}
	for range 2 {
		if !d.next(&in) || in.op.code != opEnd {
			return false
		}
	}
	return true
}

// straight: neither control nor a price that follows a length.
func (op *opcode) straight() bool {
	return !op.dynamic && (op.code > opCallIndirect || op.code == 0x01)
}

// unroll writes the loop whose first instruction is in.
func (w *bodyRewriter) unroll(in *instr) {
	t := &w.shape.unrolled
	turn, work := w.segmentAt(w.now+1), -w.segmentAt(w.now+t.size())
	w.copy(in)
	w.check()
	w.copy(in)
	w.spend(turns * turn)
	for range turns {
		w.straight(t.test)
		w.code.op(opIf, 0x40)
		w.straight(t.work)
	}
	w.code.index(opLocalGet, w.fuel)
	w.code.i64(0)
	w.code.op(opI64GeS, opIf, 0x40)
	w.code.index(opBr, turns+1)
	w.code.op(opEnd)
	w.code.index(opBr, turns+1)
	for range turns - 1 {
		w.code.op(opEnd)
		w.spend(turn)
	}
	w.code.op(opEnd)
	w.spend(-(turns-1)*turn - work)
	w.code.op(opEnd, opEnd)
	for range t.size() {
		w.src.next(in)
		w.now++
	}
}

// segmentAt takes the charge of the segment at an instruction.
func (w *bodyRewriter) segmentAt(at int) (fuel int64) {
	for ; w.segment < len(w.plan.segments) && w.plan.segments[w.segment].at <= at; w.segment++ {
		fuel += w.plan.segments[w.segment].cost + w.plan.segments[w.segment].adjust
	}
	return fuel
}

func (w *bodyRewriter) straight(ins []instr) {
	for i := range ins {
		w.note(&ins[i])
		w.instruction(&ins[i])
	}
}
