package wasm

// instr is one decoded instruction.
type instr struct {
	op         *opcode
	start, end int       // in the module
	x, y       uint32    // indices and depths, in the order of the binary
	block      *FuncType // of block, loop and if
	types      []ValueType
}

// decoder reads instructions of one body. What it returns exists: every index is checked, but for labels and locals,
// which only the validator and the body know.
type decoder struct {
	reader
	m       *Module
	table   *opcodeTable
	targets []uint32 // of the last br_table, default last; reused
}

// begin turns to the code or body at [start, end) of m.
func (d *decoder) begin(m *Module, start, end int) {
	d.m, d.table = m, opcodes()
	d.reader = reader{b: m.raw, pos: start, end: end}
}

// next decodes the instruction at the current position. It returns false at the end of the code or on an error.
func (d *decoder) next(in *instr) bool {
	if !d.more() {
		return false
	}
	*in = instr{start: d.pos}
	in.op = d.opcode()
	if in.op == nil {
		return false
	}
	d.immediate(in, 0, &in.x)
	if in.op.imm[1] != immNone {
		d.immediate(in, 1, &in.y)
	}
	in.end = d.pos
	return d.err == nil
}

func (d *decoder) opcode() *opcode {
	at := d.pos
	b := d.u8()
	n := uint32(b)
	var op *opcode
	switch t := d.table; b {
	case prefixMisc:
		if n = d.u32(); int(n) < len(t.misc) {
			op = t.misc[n]
		}
	case prefixVector:
		if n = d.u32(); n < uint32(len(t.vector)) {
			op = t.vector[n]
		}
	default:
		op = t.core[b]
	}
	if op == nil {
		d.failAt(at, "no instruction %#x %#x of the supported features", b, n)
	}
	return op
}

// immediate decodes the k-th immediate into *x, or into the field of in that is made for it.
func (d *decoder) immediate(in *instr, k int, x *uint32) {
	at := d.pos
	switch in.op.imm[k] {
	case immNone:
	case immBlock:
		in.block = d.blockType()
	case immLabel, immLocal:
		*x = d.u32()
	case immLabels:
		d.labels()
	case immFunc:
		*x = d.index("function", len(d.m.funcs))
	case immType:
		*x = d.index("type", len(d.m.types))
	case immGlobal:
		*x = d.index("global", len(d.m.globals))
	case immTable:
		*x = d.index("table", len(d.m.tables))
	case immElem:
		*x = d.index("element segment", len(d.m.elems))
	case immData:
		if !d.m.hasDatas {
			d.failAt(at, "data segment named without a data count section")
		}
		*x = d.index("data segment", d.m.datas)
	case immMemory:
		if d.memory(); d.u8() != 0 {
			d.failAt(at, "memory index is not 0")
		}
	case immMem:
		d.memory()
		if a := d.u32(); a > uint32(in.op.align) {
			d.failAt(at, "alignment 2^%d is more than natural", a)
		}
		d.u32()
	case immLane:
		if l := d.u8(); l >= in.op.lanes {
			d.failAt(at, "no lane %d", l)
		}
	case immI32:
		d.signed(32)
	case immI64:
		d.signed(64)
	case immF32:
		d.bytes(4)
	case immF64:
		d.bytes(8)
	case immV128:
		d.bytes(16)
	case immShuffle:
		for _, l := range d.bytes(16) {
			if l >= 32 {
				d.failAt(at, "no lane %d", l)
			}
		}
	case immRef:
		*x = uint32(d.refType())
	case immTypes:
		n := d.vec(1)
		if in.types = asTypes(d.bytes(n)); n != 1 || !in.types[0].valid() {
			d.failAt(at, "select of %d types", n)
		}
	}
}

func (d *decoder) index(what string, count int) uint32 {
	at := d.pos
	x := d.u32()
	if int64(x) >= int64(count) {
		d.failAt(at, "no %s %d", what, x)
		return 0
	}
	return x
}

func (d *decoder) memory() {
	if len(d.m.memories) == 0 {
		d.fail("no memory")
	}
}

func (d *decoder) labels() {
	n := d.vec(1)
	d.targets = d.targets[:0]
	for ; n >= 0 && d.err == nil; n-- {
		d.targets = append(d.targets, d.u32())
	}
}

// noTypes and oneType are block types that need no entry in the type section.
var (
	noTypes FuncType
	oneType = func() (t [256]FuncType) {
		for i := range t {
			t[i].Results = []ValueType{ValueType(i)}
		}
		return
	}()
)

func (d *decoder) blockType() *FuncType {
	at := d.pos
	t := d.signed(33)
	if t >= 0 {
		if t >= int64(len(d.m.types)) {
			d.failAt(at, "no type %d", t)
			return &noTypes
		}
		return &d.m.types[t]
	}
	if t == -64 {
		return &noTypes
	}
	if v := ValueType(t & 0x7f); t >= -64 && v.valid() {
		return &oneType[v]
	}
	d.failAt(at, "no block type %d", t)
	return &noTypes
}
