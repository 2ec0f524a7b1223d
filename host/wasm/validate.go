package wasm

import (
	"slices"
	"sort"
)

// validator checks one body by the algorithm of the specification's appendix: a stack of operand types and a stack of
// open constructs. It also takes the measures that admission asks for.
type validator struct {
	decoder
	params  []ValueType
	groups  []localGroup
	ops     []ValueType
	ctl     []control
	body    *body
	results FuncType // the function's own label
	tables  int      // br_tables so far
	popped  []ValueType
	walk    walk
}

// localGroup is a run of declared locals of one type.
type localGroup struct {
	end int // index behind the last
	typ ValueType
}

// control is an open construct.
type control struct {
	op          uint16 // opBlock, opLoop, opIf, opElse
	unreachable bool
	height      int // of the operand stack at its beginning
	block       *FuncType
	table       int   // the last br_table that went here
	above, join int64 // the depth of the block before it, and the least of those that branch to its label
}

// Opcodes that the code names. Their numbers are those of the specification.
const (
	opUnreachable  = 0x00
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opSelectTyped  = 0x1c
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableGet     = 0x25
	opTableSet     = 0x26
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32Eqz       = 0x45
	opI32LtS       = 0x48
	opI32GeU       = 0x4f
	opI64LtS       = 0x53
	opI64GeS       = 0x59
	opI64GeU       = 0x5a
	opF32Eq        = 0x5b
	opF64Eq        = 0x61
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32And       = 0x71
	opI32Or        = 0x72
	opI32Shl       = 0x74
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64And       = 0x83
	opI64Or        = 0x84
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad

	opI32ReinterpretF32 = 0xbc
	opI64ReinterpretF64 = 0xbd
	opF32ReinterpretI32 = 0xbe
	opF64ReinterpretI64 = 0xbf

	opRefNull   = 0xd0
	opRefIsNull = 0xd1
	opRefFunc   = 0xd2
	opTableInit = 0xfc0c
	opTableCopy = 0xfc0e
	opTableGrow = 0xfc0f
	opTableFill = 0xfc11

	// Behind prefixVector.
	opV128Const  = 0x0c
	opI64x2Splat = 0x12
	opF32x4Eq    = 0x41
	opF64x2Eq    = 0x47
	opBitselect  = 0x52
)

// validate checks a body whose place and type are known, and fills in the rest of it.
func (p *sectionParser) validate(b *body) *Error {
	t := &p.types[b.typ]
	v := &p.validator
	v.body, v.params, v.results = b, t.Params, FuncType{Results: t.Results}
	v.groups, v.ops, v.ctl, v.walk = v.groups[:0], v.ops[:0], v.ctl[:0], walk{}
	v.begin(p.Module, b.start, b.end)
	v.localTypes()
	b.code, b.blocks = v.pos, 1
	v.push(opBlock, &v.results)
	var in instr
	for len(v.ctl) > 0 && v.next(&in) {
		b.instructions++
		v.step(&in)
	}
	if v.err == nil && len(v.ctl) > 0 {
		v.fail("body ends inside a block")
	}
	if v.err == nil && v.more() {
		v.fail("code behind the end of the body")
	}
	if v.err != nil {
		return v.err.(*Error)
	}
	b.walk = int(v.walk.steps)
	return nil
}

func (v *validator) localTypes() {
	total := len(v.params)
	for _, t := range v.params {
		if t == V128 {
			v.body.vectors++
		}
	}
	for n := v.vec(2); n > 0 && v.err == nil; n-- {
		at := v.pos
		count := v.u32()
		t := v.valueType()
		if int64(total)+int64(count) > maxLocals {
			v.failAt(at, "more than %d locals", maxLocals)
			return
		}
		total += int(count)
		if t == V128 {
			v.body.vectors += int(count)
		}
		v.groups = append(v.groups, localGroup{total, t})
	}
	v.body.locals = total
}

func (v *validator) local(i uint32) ValueType {
	if int(i) < len(v.params) {
		return v.params[i]
	}
	g := sort.Search(len(v.groups), func(k int) bool { return int(i) < v.groups[k].end })
	if g == len(v.groups) {
		v.fail("no local %d", i)
		return anyType
	}
	return v.groups[g].typ
}

func (v *validator) push(op uint16, block *FuncType) {
	if len(v.ctl) >= maxNesting {
		v.fail("blocks nested deeper than %d", maxNesting)
		return
	}
	v.ctl = append(v.ctl, control{op: op, height: len(v.ops), block: block, above: v.walk.depth, join: unled})
	v.pushAll(block.Params)
	v.body.nesting = max(v.body.nesting, len(v.ctl)-1)
}

func (v *validator) pushAll(ts []ValueType) {
	if len(v.ops)+len(ts) > maxOperands {
		v.fail("more than %d operands", maxOperands)
		return
	}
	v.ops = append(v.ops, ts...)
}

// pop takes one operand of the wanted type; anyType takes any.
func (v *validator) pop(want ValueType) ValueType {
	c := &v.ctl[len(v.ctl)-1]
	if len(v.ops) == c.height {
		if !c.unreachable {
			v.fail("operand missing: want %s", want)
		}
		return anyType
	}
	got := v.ops[len(v.ops)-1]
	v.ops = v.ops[:len(v.ops)-1]
	if got != want && want != anyType && got != anyType {
		v.fail("operand is %s, want %s", got, want)
	}
	return got
}

func (v *validator) popAll(ts []ValueType) {
	c := &v.ctl[len(v.ctl)-1]
	n := len(v.ops) - len(ts)
	if n >= c.height && sameTypes(v.ops[n:], ts) {
		v.ops = v.ops[:n]
		return
	}
	if n < c.height && c.unreachable && sameTypes(v.ops[c.height:], ts[c.height-n:]) {
		v.ops = v.ops[:c.height]
		return
	}
	for i := len(ts) - 1; i >= 0 && v.err == nil; i-- {
		v.pop(ts[i])
	}
}

// popControl closes the innermost construct.
func (v *validator) popControl() control {
	c := v.ctl[len(v.ctl)-1]
	v.popAll(c.block.Results)
	if len(v.ops) != c.height {
		v.fail("%d operands left over at the end of a block", len(v.ops)-c.height)
	}
	v.ctl = v.ctl[:len(v.ctl)-1]
	return c
}

func (v *validator) unreachable() {
	c := &v.ctl[len(v.ctl)-1]
	v.ops = v.ops[:c.height]
	c.unreachable = true
}

// label is what a branch of the given depth takes.
func (v *validator) label(depth uint32) []ValueType {
	if int64(depth) >= int64(len(v.ctl)) {
		v.fail("no label %d", depth)
		return nil
	}
	c := &v.ctl[len(v.ctl)-1-int(depth)]
	if c.op == opLoop {
		return c.block.Params
	}
	return c.block.Results
}

// step applies one instruction.
func (v *validator) step(in *instr) {
	if in.op.typed {
		v.popAll(in.op.params)
		v.pushAll(in.op.results)
		return
	}
	switch in.op.code {
	case opBlock, opLoop, opIf, opElse, opEnd, opBrIf: // these begin a basic block
		v.body.blocks++
		v.follow(in)
		v.control(in)
	case opUnreachable, opBr, opBrTable, opReturn:
		v.follow(in)
		v.control(in)
	case opCall:
		v.body.calls++
		t := v.m.funcType(in.x)
		v.popAll(t.Params)
		v.pushAll(t.Results)
	case opCallIndirect:
		v.body.calls++
		if v.m.tables[in.y].elem != FuncRef {
			v.fail("call_indirect through a table of %s", v.m.tables[in.y].elem)
		}
		v.pop(I32)
		t := &v.m.types[in.x]
		v.popAll(t.Params)
		v.pushAll(t.Results)
	case opLocalGet:
		v.ops = append(v.ops, v.local(in.x))
	case opLocalSet:
		v.pop(v.local(in.x))
	case opLocalTee:
		t := v.local(in.x)
		v.pop(t)
		v.ops = append(v.ops, t)
	case opGlobalGet:
		v.ops = append(v.ops, v.m.globals[in.x].value)
	case opGlobalSet:
		if !v.m.globals[in.x].mutable {
			v.fail("global %d is immutable", in.x)
		}
		v.pop(v.m.globals[in.x].value)
	default:
		v.reference(in)
	}
	if len(v.ops) > maxOperands {
		v.fail("more than %d operands", maxOperands)
	}
}

func (v *validator) control(in *instr) {
	switch in.op.code {
	case opUnreachable:
		v.unreachable()
	case opBlock, opLoop:
		v.popAll(in.block.Params)
		v.push(in.op.code, in.block)
	case opIf:
		v.pop(I32)
		v.popAll(in.block.Params)
		v.push(opIf, in.block)
		v.walk.enter(v.walk.depth)
	case opElse:
		if c := v.popControl(); c.op != opIf {
			v.fail("else without if")
		} else {
			v.push(opElse, c.block)
			v.ctl[len(v.ctl)-1].join = c.join
		}
	case opEnd:
		c := v.popControl()
		if c.op == opIf && !sameTypes(c.block.Params, c.block.Results) {
			v.fail("if without else changes types")
		}
		if len(v.ctl) > 0 {
			v.pushAll(c.block.Results)
		}
	case opBr:
		v.popAll(v.label(in.x))
		v.unreachable()
	case opBrIf:
		v.pop(I32)
		t := v.label(in.x)
		v.popAll(t)
		v.pushAll(t)
	case opBrTable:
		v.branchTable()
	case opReturn:
		v.popAll(v.results.Results)
		v.unreachable()
	}
}

func (v *validator) branchTable() {
	v.pop(I32)
	last := len(v.targets) - 1
	v.body.targets = max(v.body.targets, last)
	v.body.ways += last
	arity := len(v.label(v.targets[last]))
	v.tables++
	for _, depth := range v.targets {
		t := v.label(depth)
		if len(t) != arity {
			v.fail("targets of br_table take %d and %d operands", arity, len(t))
		}
		if v.err != nil {
			return
		}
		if c := &v.ctl[len(v.ctl)-1-int(depth)]; c.table != v.tables { // once for each label
			c.table = v.tables
			v.checkTop(t)
		}
	}
	v.unreachable()
}

// checkTop checks the topmost operands and leaves them as they are.
func (v *validator) checkTop(ts []ValueType) {
	if len(ts) == 0 {
		return
	}
	v.popped = v.popped[:0]
	for i := len(ts) - 1; i >= 0; i-- {
		v.popped = append(v.popped, v.pop(ts[i]))
	}
	slices.Reverse(v.popped)
	v.pushAll(v.popped)
}

// reference checks drop, select and what works on references and tables.
func (v *validator) reference(in *instr) {
	switch in.op.code {
	case opDrop:
		v.pop(anyType)
	case opSelect:
		v.pop(I32)
		b := v.pop(anyType)
		a := v.pop(b)
		if a == anyType {
			a = b
		}
		if a.ref() {
			v.fail("select of references names no type")
		}
		if a.chosenByBits() {
			v.body.choices = append(v.body.choices, choice{uint32(in.start), a})
		}
		v.ops = append(v.ops, a)
	case opSelectTyped:
		v.pop(I32)
		v.pop(in.types[0])
		v.pop(in.types[0])
		v.ops = append(v.ops, in.types[0])
	case opRefNull:
		v.ops = append(v.ops, ValueType(in.x))
	case opRefIsNull:
		if t := v.pop(anyType); !t.ref() && t != anyType {
			v.fail("ref.is_null of %s", t)
		}
		v.ops = append(v.ops, I32)
	case opRefFunc:
		if int(in.x) >= len(v.m.declared) || !v.m.declared[in.x] {
			v.fail("function %d is not declared as a reference", in.x)
		}
		v.ops = append(v.ops, FuncRef)
	default:
		v.table(in)
	}
}

func (v *validator) table(in *instr) {
	elem := func(t uint32) ValueType { return v.m.tables[t].elem }
	switch in.op.code {
	case opTableGet:
		v.pop(I32)
		v.ops = append(v.ops, elem(in.x))
	case opTableSet:
		v.pop(elem(in.x))
		v.pop(I32)
	case opTableGrow:
		v.pop(I32)
		v.pop(elem(in.x))
		v.ops = append(v.ops, I32)
	case opTableFill:
		v.pop(I32)
		v.pop(elem(in.x))
		v.pop(I32)
	case opTableCopy:
		if elem(in.x) != elem(in.y) {
			v.fail("table.copy between tables of %s and %s", elem(in.y), elem(in.x))
		}
		v.popAll([]ValueType{I32, I32, I32})
	case opTableInit:
		if v.m.elems[in.x] != elem(in.y) {
			v.fail("table.init of %s in a table of %s", v.m.elems[in.x], elem(in.y))
		}
		v.popAll([]ValueType{I32, I32, I32})
	}
}
