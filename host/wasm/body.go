package wasm

// bodyRewriter is the third pass: it writes a body anew with the charges of its plan.
//
//	function                          loop
//	    stack -= frame                    loop O
//	    if stack < 0: refill(exhausted)       if fuel < 0: fuel = refill(fuel)
//	    fuel = adp_fuel - cost                loop I
//	    if fuel < 0: fuel = refill(fuel)          fuel -= cost
//	    block                                     body
//	        body
//	    end                               br to the loop
//	    adp_fuel = fuel                       fuel >= 0: br I, else br O
//	    stack += frame
//
// fuel is a local. Around calls it goes through the global adp_fuel. An engine keeps what lives across a call in memory, so
// the hot loop I holds no call of refill.
type bodyRewriter struct {
	*rewriter
	src    decoder
	shape  shape
	plan   plan
	locals []ValueType
	code   code

	body   *body
	fuel   uint32 // the local that holds the counter
	length uint32 // the local that holds a length

	ands      ands
	chooser   chooser
	nanLocals map[ValueType]uint32 // where results wait that may be NaNs
	direct    bool                 // no local: one charge of the global is all
	frame     int32                // what a call takes of the stack budget, 0 for nothing
	labels    []label
	depth     int // labels open in the rewritten body
	loops     int // loops open
	segment   int // next to charge
	refund    int // next to give
	now       int // current instruction
	trace     *[]place
}

// label is an open construct of the original body, and where it went.
type label struct {
	op    uint16
	inner int         // place of its label among those of the rewritten body: for loops, the inner of the two
	carry []ValueType // what a branch to it takes
}

// place pairs an offset in the rewritten body with one in the original module.
type place struct{ to, from int }

// smallLeaf is the fuel up to which a function without calls and loops leaves it to its caller to notice that
// the counter is below zero.
const smallLeaf = 256

// rewrite returns the new body of the i-th defined function; it is valid until the next call.
func (w *bodyRewriter) rewrite(i int) []byte {
	w.body = &w.m.bodies[i]
	t := &w.m.types[w.body.typ]
	w.locals = w.m.localTypes(w.locals[:0], w.body)
	w.restart()
	w.shape.measure(&w.src, w.body, w.locals, w.options)
	w.restart()
	w.plan.make(&w.src, &w.shape, len(t.Results), w.options.everyInstruction)

	w.code, w.labels = w.code[:0], w.labels[:0]
	w.segment, w.refund, w.now, w.depth, w.loops = 0, 0, 0, 0, 0
	w.direct = !w.shape.calls && !w.shape.loops && !w.shape.dynamic && w.plan.charges() == 1
	w.frame = w.frameCharge()
	w.declareLocals()
	w.enter()
	wrapped := w.shape.leaves && !(w.direct && w.frame == 0)
	w.labels = append(w.labels, label{op: opBlock, inner: 0, carry: t.Results})
	if wrapped {
		w.code.begin(opBlock, w.blockType(nil, t.Results))
	}
	w.restart()
	var in instr
	for ; w.src.next(&in); w.now++ {
		w.charge()
		w.note(&in)
		if len(w.labels) == 1 && in.op.code == opEnd {
			break
		}
		w.instruction(&in)
	}
	if wrapped {
		w.code.op(opEnd)
	}
	w.leave()
	w.code.op(opEnd)
	return w.code
}

func (w *bodyRewriter) restart() { w.src.begin(w.m, w.body.code, w.body.end) }

// charges counts the segments that cost something.
func (p *plan) charges() (n int) {
	for i := range p.segments {
		if p.segments[i].cost+p.segments[i].adjust != 0 || i == 0 {
			n++
		}
	}
	return n
}

// frameCharge is the stack of one call in bytes. Functions that call nothing cannot recurse: of those only
// large frames are charged, the others fit into the one floor that the budget does not count.
func (w *bodyRewriter) frameCharge() int32 {
	bytes := w.shape.frame.bytes() + scalarSlot*int64(len(w.plan.segments)+len(w.plan.refunds))
	if !w.shape.calls && bytes <= int64(w.floor) {
		return 0
	}
	return int32(min(max(bytes, int64(w.floor)), 1<<30))
}

// declareLocals copies the declarations of locals and adds those of the meter.
func (w *bodyRewriter) declareLocals() {
	r := &reader{b: w.m.raw, pos: w.body.start, end: w.body.code}
	groups, added := uint32(r.vec(2)), uint32(0)
	own := code{}
	w.nanLocals = make(map[ValueType]uint32, 3)
	w.ands = ands{stack: w.ands.stack[:0], locals: map[uint32]origin{}}
	w.fuel = uint32(w.body.locals)
	w.length = w.fuel + 1
	if !w.direct {
		added++
		own.op(1, byte(I64))
	}
	if w.shape.dynamic {
		added++
		own.op(1, byte(I32))
	}
	for _, t := range w.shape.frame.canonical {
		w.nanLocals[t] = w.fuel + added
		added++
		own.op(1, byte(t))
	}
	w.chooser.keep(w.fuel+added, w.shape.frame.chosen32, w.shape.frame.chosen64)
	for _, t := range chooserLocals(w.shape.frame.chosen32, w.shape.frame.chosen64) {
		added++
		own.op(1, byte(t))
	}
	w.code = appendU(w.code, groups+added)
	w.code.op(w.m.raw[r.pos:w.body.code]...)
	w.code.op(own...)
}

// enter charges the call.
func (w *bodyRewriter) enter() {
	if w.frame > 0 {
		w.moveStack(opI32Sub)
		w.code.index(opGlobalGet, w.stackGlobal)
		w.code.i32(0)
		w.code.op(opI32LtS, opIf, 0x40)
		w.code.i64(StackExhausted)
		w.code.index(opCall, w.refill)
		w.code.op(opDrop, opUnreachable, opEnd)
	}
	cost := entryCost + int64(w.body.locals/localsPerUnit)
	for ; w.segment < len(w.plan.segments) && w.plan.segments[w.segment].at == 0; w.segment++ {
		cost += w.plan.segments[w.segment].cost + w.plan.segments[w.segment].adjust
	}
	w.code.index(opGlobalGet, w.fuelGlobal)
	w.code.i64(cost)
	w.code.op(opI64Sub)
	if w.direct {
		w.code.index(opGlobalSet, w.fuelGlobal)
		if cost > smallLeaf {
			w.checkIn(opGlobalGet, opGlobalSet, w.fuelGlobal)
		}
		return
	}
	w.code.index(opLocalSet, w.fuel)
	if w.shape.calls || w.shape.loops || w.plan.total() > smallLeaf {
		w.check()
	}
}

// total is the most that code without loops can cost.
func (p *plan) total() (n int64) {
	for i := range p.segments {
		n += p.segments[i].cost
	}
	return n
}

// leave gives back what enter took of the stack, and the counter.
func (w *bodyRewriter) leave() {
	if !w.direct {
		w.save()
	}
	if w.frame > 0 {
		w.moveStack(opI32Add)
	}
}

func (w *bodyRewriter) moveStack(op byte) {
	w.code.index(opGlobalGet, w.stackGlobal)
	w.code.i32(w.frame)
	w.code.op(op)
	w.code.index(opGlobalSet, w.stackGlobal)
}

// check calls refill if the counter is below zero. The arm without the call comes first because wazero's register
// allocator takes the state in which both arms meet from the first: values stay in registers where nothing was called.
func (w *bodyRewriter) check() { w.checkIn(opLocalGet, opLocalSet, w.fuel) }

func (w *bodyRewriter) checkIn(get, set byte, counter uint32) {
	w.code.index(get, counter)
	w.code.i64(0)
	w.code.op(opI64GeS, opIf, 0x40, opElse)
	w.code.index(get, counter)
	w.code.index(opCall, w.refill)
	w.code.index(set, counter)
	w.code.op(opEnd)
}

func (w *bodyRewriter) save() {
	w.code.index(opLocalGet, w.fuel)
	w.code.index(opGlobalSet, w.fuelGlobal)
}

// charge lowers the counter by the segments that begin at the current instruction.
func (w *bodyRewriter) charge() {
	var fuel int64
	for ; w.segment < len(w.plan.segments) && w.plan.segments[w.segment].at == w.now; w.segment++ {
		fuel += w.plan.segments[w.segment].cost + w.plan.segments[w.segment].adjust
	}
	w.spend(fuel)
}

func (w *bodyRewriter) spend(fuel int64) {
	if fuel == 0 {
		return
	}
	w.code.index(opLocalGet, w.fuel)
	w.code.i64(fuel)
	w.code.op(opI64Sub)
	w.code.index(opLocalSet, w.fuel)
}

func (w *bodyRewriter) note(in *instr) {
	if w.trace != nil {
		*w.trace = append(*w.trace, place{to: len(w.code), from: in.start})
	}
}

func (w *bodyRewriter) copy(in *instr) { w.code = append(w.code, w.m.raw[in.start:in.end]...) }

func (w *bodyRewriter) instruction(in *instr) {
	w.guard(in)
	switch in.op.code {
	case opBlock, opIf:
		w.copy(in)
		w.push(in)
	case opLoop:
		if !w.options.everyInstruction && w.src.topTested(in.block, &w.shape.unrolled) {
			w.unroll(in)
			return
		}
		w.copy(in)
		w.depth++
		w.check()
		w.copy(in)
		w.push(in)
	case opEnd:
		w.end()
	case opBr, opBrIf, opBrTable, opReturn:
		w.branch(in)
	case opCall, opCallIndirect:
		w.save()
		if in.op.code == opCall {
			w.code.index(opCall, w.shift(in.x))
		} else {
			w.copy(in)
		}
		w.code.index(opGlobalGet, w.fuelGlobal)
		w.code.index(opLocalSet, w.fuel)
	case opRefFunc:
		w.code.index(opRefFunc, w.shift(in.x))
	default:
		if t, ok := w.body.choice(in); ok {
			w.choose(t)
			return
		}
		if in.op.dynamic {
			w.spendLength(in.op)
		}
		w.copy(in)
		w.canonicalise(in.op.nans)
	}
}

func (w *bodyRewriter) push(in *instr) {
	w.depth++
	l := label{op: in.op.code, inner: w.depth, carry: in.block.Results}
	if l.op == opLoop {
		l.carry = in.block.Params
		w.loops++
	}
	w.labels = append(w.labels, l)
}

func (w *bodyRewriter) end() {
	l := w.labels[len(w.labels)-1]
	w.labels = w.labels[:len(w.labels)-1]
	w.depth--
	w.code.op(opEnd)
	if l.op == opLoop {
		w.loops--
		w.depth--
		w.code.op(opEnd)
	}
}

// spendLength charges an operation by its topmost operand, and looks at the counter before it happens. The length is an
// unsigned 32-bit number and its price at most 2^13 times that, so the counter cannot overflow.
func (w *bodyRewriter) spendLength(op *opcode) {
	w.code.index(opLocalSet, w.length)
	w.code.index(opLocalGet, w.fuel)
	w.code.index(opLocalGet, w.length)
	w.code.op(opI64ExtendU)
	switch {
	case op.unitBits > 0:
		w.code.i64(int64(op.unitBits))
		w.code.op(opI64Shl)
	case op.unitBits < 0:
		w.code.i64(int64(-op.unitBits))
		w.code.op(opI64ShrU)
	}
	w.code.op(opI64Sub)
	w.code.index(opLocalSet, w.fuel)
	w.check()
	w.code.index(opLocalGet, w.length)
}
