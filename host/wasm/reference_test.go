package wasm

import (
	"encoding/binary"
	"math"
)

// Reference is a slow interpreter, written for being right: it executes one instruction after another and pays for each
// when it comes to it. It shares the decoder and the price list with the rewriter, and nothing else. NaNs that
// arithmetic gives are canonical.
type Reference struct {
	Fuel    int64 // spent
	Steps   int   // instructions left to execute; below zero, the call gives up
	Counts  int   // instructions executed
	NaNs    bool  // arithmetic has given a NaN: other engines may differ in its bits
	Memory  []byte
	Globals []Word
	Heard   []uint32 // what the host was told

	m      *Module
	bodies []refBody
	table  []uint64 // function index + 1; 0 is null
	max    [2]uint32
	elems  [][]uint64 // nil when dropped
	datas  [][]byte
}

// Word is a value: lo alone, but for vectors.
type Word struct{ Lo, Hi uint64 }

// RefTrap is what a call that does not return gives.
type RefTrap string

func (t RefTrap) Error() string { return string(t) }

// Traps, in the words of the engine; and giving up, which is none.
const (
	TrapUnreachable RefTrap = "wasm error: unreachable"
	TrapDivide      RefTrap = "wasm error: integer divide by zero"
	TrapOverflow    RefTrap = "wasm error: integer overflow"
	TrapConversion  RefTrap = "wasm error: invalid conversion to integer"
	TrapMemory      RefTrap = "wasm error: out of bounds memory access"
	TrapTable       RefTrap = "wasm error: invalid table access"
	TrapSignature   RefTrap = "wasm error: indirect call type mismatch"
	TooLong         RefTrap = "the reference gives up"
)

// refBody is a function taken apart.
type refBody struct {
	typ    *FuncType
	locals []ValueType
	code   []refInstr
}

type refInstr struct {
	op      *opcode
	x, y    uint32
	c       Word // constant; for memory, the offset; for shuffles, the lanes
	block   *FuncType
	targets []uint32
	end     int // of block, loop and if: the place of its end
	other   int // of if: the place of its else, or 0
}

// NewReference takes a module apart and instantiates it. Its only import may be a function of the host, (i32) -> (i32).
func NewReference(m *Module) *Reference {
	r := &Reference{m: m, bodies: make([]refBody, len(m.bodies))}
	for i := range m.bodies {
		r.bodies[i] = r.takeApart(&m.bodies[i])
	}
	if len(m.memories) > 0 {
		r.Memory, r.max[0] = make([]byte, int(m.memories[0].Min)<<16), m.memories[0].Max
	}
	if len(m.tables) > 0 {
		r.table, r.max[1] = make([]uint64, m.tables[0].size.Min), m.tables[0].size.Max
	}
	r.globals()
	r.segments()
	return r
}

func (r *Reference) takeApart(b *body) refBody {
	m := r.m
	out := refBody{typ: &m.types[b.typ], locals: m.localTypes(nil, b)}
	d := &decoder{}
	d.begin(m, b.code, b.end)
	var open []int
	var in instr
	for d.next(&in) {
		i := refInstr{op: in.op, x: in.x, y: in.y, block: in.block}
		at := reader{b: m.raw, pos: in.start + 1, end: in.end}
		if in.op.code > 0xff {
			at.u32()
		}
		for _, imm := range in.op.imm {
			switch imm {
			case immI32:
				i.c.Lo = uint64(uint32(at.signed(32)))
			case immI64:
				i.c.Lo = uint64(at.signed(64))
			case immF32:
				i.c.Lo = uint64(binary.LittleEndian.Uint32(at.bytes(4)))
			case immF64:
				i.c.Lo = binary.LittleEndian.Uint64(at.bytes(8))
			case immV128, immShuffle:
				i.c = Word{binary.LittleEndian.Uint64(at.bytes(8)), binary.LittleEndian.Uint64(at.bytes(8))}
			case immMem:
				at.u32()
				i.c.Lo = uint64(at.u32())
			case immLane:
				i.x = uint32(at.u8())
			case immLabels:
				i.targets = append([]uint32(nil), d.targets...)
			}
		}
		switch in.op.code {
		case opBlock, opLoop, opIf:
			open = append(open, len(out.code))
		case opElse:
			out.code[open[len(open)-1]].other = len(out.code)
		case opEnd:
			if len(open) > 0 {
				out.code[open[len(open)-1]].end = len(out.code)
				open = open[:len(open)-1]
			}
		}
		out.code = append(out.code, i)
	}
	return out
}

// constant evaluates what the generator makes of constant expressions: one constant, or a function.
func (r *Reference) constant(p *sectionParser) Word {
	op := p.u8()
	var w Word
	switch op {
	case opI32Const:
		w.Lo = uint64(uint32(p.signed(32)))
	case opI64Const:
		w.Lo = uint64(p.signed(64))
	case opF32Const:
		w.Lo = uint64(binary.LittleEndian.Uint32(p.bytes(4)))
	case opF64Const:
		w.Lo = binary.LittleEndian.Uint64(p.bytes(8))
	case prefixVector:
		p.u32()
		w = Word{binary.LittleEndian.Uint64(p.bytes(8)), binary.LittleEndian.Uint64(p.bytes(8))}
	}
	p.u8()
	return w
}

func (r *Reference) section(id int) *sectionParser {
	s := r.m.sections[id]
	return &sectionParser{Module: r.m, reader: reader{b: r.m.raw, pos: s.start, end: s.end}}
}

func (r *Reference) globals() {
	p := r.section(secGlobal)
	if !r.m.sections[secGlobal].present {
		return
	}
	for n := p.vec(1); n > 0; n-- {
		p.globalType()
		r.Globals = append(r.Globals, r.constant(p))
	}
}

// segments reads the element segments (active and passive, of indices) and data segments, and lays the active ones down.
func (r *Reference) segments() {
	if r.m.sections[secElement].present {
		p := r.section(secElement)
		for n := p.vec(1); n > 0; n-- {
			flag, at := p.u32(), 0
			if flag == 0 {
				at = int(r.constant(p).Lo)
			} else {
				p.u8()
			}
			var fs []uint64
			for k := p.vec(1); k > 0; k-- {
				fs = append(fs, uint64(p.u32())+1)
			}
			if flag == 0 {
				copy(r.table[at:], fs)
				fs = nil
			}
			r.elems = append(r.elems, fs)
		}
	}
	if r.m.sections[secData].present {
		p := r.section(secData)
		for n := p.vec(1); n > 0; n-- {
			active, at := p.u32() == 0, 0
			if active {
				at = int(r.constant(p).Lo)
			}
			b := p.bytes(p.vec(1))
			if active {
				copy(r.Memory[at:], b)
				b = nil
			}
			r.datas = append(r.datas, b)
		}
	}
}

// Call calls a function by its export. The error is a RefTrap.
func (r *Reference) Call(export string, args ...uint64) (results []uint64, err error) {
	defer func() {
		switch t := recover().(type) {
		case nil:
		case RefTrap:
			err = t
		default:
			panic(t)
		}
	}()
	for _, x := range r.m.Exports {
		if x.Name == export {
			var ws []Word
			for _, a := range args {
				ws = append(ws, Word{Lo: a})
			}
			for _, w := range r.call(x.Index, ws) {
				results = append(results, w.Lo)
			}
			return results, nil
		}
	}
	panic("no export " + export)
}

func (r *Reference) call(f uint32, args []Word) []Word {
	if int(f) < r.m.importedFuncs {
		r.Heard = append(r.Heard, uint32(args[0].Lo))
		return []Word{{Lo: uint64(uint32(args[0].Lo)*3 + 1)}}
	}
	b := &r.bodies[int(f)-r.m.importedFuncs]
	r.Fuel += entryCost + int64(len(b.locals)/localsPerUnit)
	x := &refFrame{Reference: r, body: b, locals: append(args[:len(args):len(args)], make([]Word, len(b.locals)-len(args))...)}
	x.run()
	return x.stack[len(x.stack)-len(b.typ.Results):]
}

// refFrame is a call.
type refFrame struct {
	*Reference
	body   *refBody
	locals []Word
	stack  []Word
	labels []refLabel
	pc     int
}

type refLabel struct {
	height, carry int
	to            int // where a branch goes
}

func (x *refFrame) push(v uint64)     { x.stack = append(x.stack, Word{Lo: v}) }
func (x *refFrame) pushWord(w Word)   { x.stack = append(x.stack, w) }
func (x *refFrame) pop() uint64       { return x.popWord().Lo }
func (x *refFrame) pop32() uint32     { return uint32(x.pop()) }
func (x *refFrame) push32(v uint32)   { x.push(uint64(v)) }
func (x *refFrame) pushF32(f float32) { x.push32(math.Float32bits(f)) }
func (x *refFrame) pushF64(f float64) { x.push(math.Float64bits(f)) }
func (x *refFrame) popF32() float32   { return math.Float32frombits(x.pop32()) }
func (x *refFrame) popF64() float64   { return math.Float64frombits(x.pop()) }
func (x *refFrame) top() Word         { return x.stack[len(x.stack)-1] }
func (x *refFrame) must(ok bool, t RefTrap) {
	if !ok {
		panic(t)
	}
}

func (x *refFrame) pushBool(b bool) {
	if b {
		x.push(1)
	} else {
		x.push(0)
	}
}

func (x *refFrame) popWord() Word {
	w := x.top()
	x.stack = x.stack[:len(x.stack)-1]
	return w
}

func (x *refFrame) popN(n int) []Word {
	ws := append([]Word(nil), x.stack[len(x.stack)-n:]...)
	x.stack = x.stack[:len(x.stack)-n]
	return ws
}

// branch goes to a label.
func (x *refFrame) branch(depth uint32) {
	at := len(x.labels) - 1 - int(depth)
	if at < 0 {
		x.leave()
		return
	}
	l := x.labels[at]
	carried := x.popN(l.carry)
	x.stack = append(x.stack[:l.height], carried...)
	x.labels = x.labels[:at]
	x.pc = l.to // of a loop, the loop itself: it is entered, and paid, once more
}

func (x *refFrame) leave() {
	x.stack = append(x.stack[:0], x.popN(len(x.body.typ.Results))...)
	x.pc = len(x.body.code)
}

// pay pays for the instruction at pc, before it happens.
func (x *refFrame) pay(pc int) {
	op := x.body.code[pc].op
	x.Fuel += op.cost
	if op.dynamic {
		n := int64(uint32(x.top().Lo))
		if op.unitBits < 0 {
			n >>= -op.unitBits
		}
		x.Fuel += n << max(op.unitBits, 0)
	}
}

func (x *refFrame) run() {
	for x.pc < len(x.body.code) {
		i := &x.body.code[x.pc]
		x.Counts++
		if x.Steps--; x.Steps < 0 {
			panic(TooLong)
		}
		x.pay(x.pc)
		at := x.pc
		if x.control(i); x.pc == at {
			x.pc++
		}
	}
}

func (x *refFrame) enter(i *refInstr, to int, carry int) {
	x.labels = append(x.labels, refLabel{len(x.stack) - len(i.block.Params), carry, to})
}

func (x *refFrame) control(i *refInstr) {
	switch i.op.code {
	case opUnreachable:
		panic(TrapUnreachable)
	case opBlock:
		x.enter(i, i.end+1, len(i.block.Results))
	case opLoop:
		x.enter(i, x.pc, len(i.block.Params))
	case opIf:
		c := x.pop32()
		x.enter(i, i.end+1, len(i.block.Results))
		switch {
		case c != 0:
		case i.other > 0:
			x.pc = i.other + 1
		default:
			x.pc = i.end
		}
	case opElse: // the end of the first arm: its label is the innermost
		x.branchEnd()
	case opEnd:
		if len(x.labels) > 0 {
			x.labels = x.labels[:len(x.labels)-1]
		}
	case opBr:
		x.branch(i.x)
	case opBrIf:
		if x.pop32() != 0 {
			x.branch(i.x)
		}
	case opBrTable:
		n := min(int64(x.pop32()), int64(len(i.targets)-1))
		x.branch(i.targets[n])
	case opReturn:
		x.leave()
	case opCall:
		t := x.m.funcType(i.x)
		x.stack = append(x.stack, x.call(i.x, x.popN(len(t.Params)))...)
	case opCallIndirect:
		n := x.pop32()
		x.must(int64(n) < int64(len(x.table)) && x.table[n] != 0, TrapTable)
		f := uint32(x.table[n] - 1)
		t := x.m.funcType(f)
		x.must(t.Equal(x.m.types[i.x]), TrapSignature)
		x.stack = append(x.stack, x.call(f, x.popN(len(t.Params)))...)
	default:
		x.plain(i)
	}
}

// branchEnd leaves the innermost label at its end.
func (x *refFrame) branchEnd() {
	l := x.labels[len(x.labels)-1]
	x.labels = x.labels[:len(x.labels)-1]
	x.pc = l.to
}

// plain executes what is no control.
func (x *refFrame) plain(i *refInstr) {
	switch i.op.code {
	case opDrop:
		x.popWord()
	case opSelect, opSelectTyped:
		c, b, a := x.pop32(), x.popWord(), x.popWord()
		if c == 0 {
			a = b
		}
		x.pushWord(a)
	case opLocalGet:
		x.pushWord(x.locals[i.x])
	case opLocalSet:
		x.locals[i.x] = x.popWord()
	case opLocalTee:
		x.locals[i.x] = x.top()
	case opGlobalGet:
		x.pushWord(x.Globals[i.x])
	case opGlobalSet:
		x.Globals[i.x] = x.popWord()
	case opI32Const, opI64Const, opF32Const, opF64Const, prefixVector<<8 | opV128Const:
		x.pushWord(i.c)
	case opRefNull:
		x.push(0)
	case opRefFunc:
		x.push(uint64(i.x) + 1)
	case opRefIsNull:
		x.pushBool(x.pop() == 0)
	default:
		switch {
		case i.op.imm[0] == immMem:
			x.access(i)
		case i.op.code>>8 == prefixMisc && i.op.code&0xff >= 8, i.op.imm[0] != immNone && i.op.code < 0x100:
			x.bulk(i)
		case i.op.code>>8 == prefixVector:
			x.vector(i)
		default:
			x.numeric(i)
		}
	}
}
