package wasm

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Generate makes a valid module at random: functions f0, f1 … of all kinds of instructions, with memory, a table, globals and
// segments, whose calls end soon. The same seed gives the same module.
func Generate(seed uint64) []byte {
	g := &generator{r: rand.New(rand.NewPCG(seed, 4)), types: map[string]int{}}
	g.sections[secImport] = [][]byte{appendU(append(appendName(appendName(nil, "env"), "host"), byte(KindFunc)), uint32(g.typ(FuncType{[]ValueType{I32}, []ValueType{I32}})))}
	g.funcs = []FuncType{{[]ValueType{I32}, []ValueType{I32}}}
	n := 1 + g.r.IntN(4)
	g.surroundings(n)
	for f := range n {
		g.function(f, n)
	}
	return g.module()
}

// scalars are the types that exported functions take and give.
var scalars = []ValueType{I32, I64, F32, F64}

const (
	genTableMax  = 16
	genMemoryMax = 3
	genPassive   = 12 // bytes of the passive data segment
)

type generator struct {
	r        *rand.Rand
	types    map[string]int
	typeSec  [][]byte
	sections [13][][]byte
	funcs    []FuncType // imports first
	globals  []ValueType

	// of the function
	code    code
	locals  []ValueType
	fixed   map[int]bool // counters of loops, which nothing else may set
	labels  []genLabel
	results []ValueType
	left    int // instructions that may still be written, more or less
	calls   bool
}

// genLabel is a construct that a branch may go to.
type genLabel struct {
	carry   []ValueType
	counter int // of a loop that a branch may only go to while it is positive; or -1
}

func (g *generator) typ(t FuncType) int {
	k := t.String()
	if _, ok := g.types[k]; !ok {
		g.types[k] = len(g.typeSec)
		e := append(appendU([]byte{0x60}, uint32(len(t.Params))), asBytes(t.Params)...)
		g.typeSec = append(g.typeSec, append(appendU(e, uint32(len(t.Results))), asBytes(t.Results)...))
	}
	return g.types[k]
}

func (g *generator) some(most int) []ValueType {
	var ts []ValueType
	for range g.r.IntN(most + 1) {
		ts = append(ts, scalars[g.r.IntN(len(scalars))])
	}
	return ts
}

// surroundings makes everything but the functions.
func (g *generator) surroundings(functions int) {
	g.sections[secMemory] = [][]byte{{1, byte(1 + g.r.IntN(2)), genMemoryMax}}
	size := 2 + g.r.IntN(8)
	g.sections[secTable] = [][]byte{{byte(FuncRef), 1, byte(size), genTableMax}}
	for range g.r.IntN(4) {
		t := scalars[g.r.IntN(len(scalars))]
		g.globals = append(g.globals, t)
		e := code{byte(t), 1}
		e.constant(t, g.bits(t))
		e.op(opEnd)
		g.sections[secGlobal] = append(g.sections[secGlobal], e)
	}
	// Functions in the table are among the first, which call nothing through it: so calls end.
	callable := max(1, functions/2)
	indices := func(n int) []byte {
		out := appendU(nil, uint32(n))
		for range n {
			out = appendU(out, uint32(g.r.IntN(callable+1)))
		}
		return out
	}
	active := append([]byte{0, opI32Const, 0, opEnd}, indices(1+g.r.IntN(size))...)
	g.sections[secElement] = [][]byte{active, append([]byte{1, 0, 3, 0}, indices(2)[1:]...)} // the host's function is declared
	text := make([]byte, 20)
	for i := range text {
		text[i] = byte(g.r.Uint32())
	}
	g.sections[secData] = [][]byte{append([]byte{0, opI32Const, 16, opEnd, byte(len(text))}, text...), append([]byte{1, genPassive}, text[:genPassive]...)}
}

func (g *generator) function(f, functions int) {
	t := FuncType{g.some(3), g.some(2)}
	if g.r.IntN(3) > 0 && len(t.Results) == 0 {
		t.Results = []ValueType{I32}
	}
	g.sections[secFunction] = append(g.sections[secFunction], appendU(nil, uint32(g.typ(t))))
	name := "f" + strconv.Itoa(f)
	g.sections[secExport] = append(g.sections[secExport], appendU(append(appendName(nil, name), byte(KindFunc)), uint32(len(g.funcs))))
	g.code, g.locals, g.fixed, g.labels = nil, slices.Clone(t.Params), map[int]bool{}, nil
	for range g.r.IntN(5) {
		g.local(slices.Concat(scalars, []ValueType{V128})[g.r.IntN(5)])
	}
	g.results = t.Results
	g.left = 10 + g.r.IntN(1<<(3+g.r.IntN(6)))
	g.calls = f >= max(1, functions/2)
	g.statements()
	for _, r := range t.Results {
		g.expr(r, 3)
	}
	g.code.op(opEnd)
	own := g.locals[len(t.Params):]
	body := appendU(nil, uint32(len(own)))
	for _, l := range own {
		body = append(body, 1, byte(l))
	}
	body = append(body, g.code...)
	g.sections[secCode] = append(g.sections[secCode], append(appendU(nil, uint32(len(body))), body...))
	g.funcs = append(g.funcs, t)
}

func (g *generator) local(t ValueType) uint32 {
	g.locals = append(g.locals, t)
	return uint32(len(g.locals) - 1)
}

func (g *generator) module() []byte {
	g.sections[secType] = g.typeSec
	g.sections[secExport] = append(g.sections[secExport], append(appendName(nil, "memory"), byte(KindMemory), 0))
	w := &sectionWriter{out: slices.Clone(magic)}
	for _, id := range []byte{secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secElement, secDataCount, secCode, secData} {
		if id == secDataCount {
			w.section(id, []byte{2})
		} else if entries := g.sections[id]; len(entries) > 0 {
			w.section(id, append(appendU(nil, uint32(len(entries))), slices.Concat(entries...)...))
		}
	}
	return w.out
}

// interesting are numbers at which arithmetic turns.
var interesting = []uint64{0, 1, 2, 3, 7, 31, 32, 63, 64, 255, 256, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1}

// bits of a value of a scalar type.
func (g *generator) bits(t ValueType) uint64 {
	v := interesting[g.r.IntN(len(interesting))]
	if g.r.IntN(3) == 0 {
		v = g.r.Uint64() >> g.r.IntN(64)
	}
	floats := []float64{0, math.Copysign(0, -1), 1, -1.5, 0.1, 1e10, -1e20, 2147483648, 4294967295.5, 9.3e18, math.Inf(1), math.SmallestNonzeroFloat64}
	f := floats[g.r.IntN(len(floats))]
	switch t {
	case F32:
		return uint64(math.Float32bits(float32(f)))
	case F64:
		return math.Float64bits(f)
	case I32:
		return uint64(uint32(v))
	}
	return v
}

func (c *code) constant(t ValueType, bits uint64) {
	switch t {
	case I32:
		c.i32(int32(bits))
	case I64:
		c.i64(int64(bits))
	case F32:
		*c = binary.LittleEndian.AppendUint32(append(*c, opF32Const), uint32(bits))
	case F64:
		*c = binary.LittleEndian.AppendUint64(append(*c, opF64Const), bits)
	case V128:
		*c = binary.LittleEndian.AppendUint64(append(*c, prefixVector, opV128Const), bits)
		*c = binary.LittleEndian.AppendUint64(*c, bits*0x9e3779b97f4a7c15)
	}
}

func (c *code) opcode(op *opcode) {
	if p := op.code >> 8; p != 0 {
		c.op(byte(p))
		*c = appendU(*c, uint32(op.code&0xff))
		return
	}
	c.op(byte(op.code))
}

// vectorsUsed are the operations on vectors that the reference knows.
var vectorsUsed = strings.Fields(`v128.load v128.store v128.load32_zero v128.load64_splat v128.not v128.and v128.or v128.xor v128.bitselect
	v128.any_true i8x16.add i32x4.add i32x4.mul i64x2.sub f32x4.add f32x4.mul f32x4.div f32x4.min f64x2.sub f64x2.div f64x2.max i32x4.splat
	f32x4.splat i64x2.splat f64x2.splat i32x4.extract_lane f32x4.extract_lane i64x2.extract_lane f64x2.extract_lane i8x16.shuffle`)

// pure are the instructions that give a type, and stores those that give none.
var pure = sync.OnceValues(func() (giving map[ValueType][]*opcode, stores []*opcode) {
	giving = map[ValueType][]*opcode{}
	t := opcodes()
	for _, op := range slices.Concat(t.core[:], t.misc[:], t.vector[:]) {
		if op == nil || !op.typed || op.dynamic || op.code>>8 == prefixVector && !slices.Contains(vectorsUsed, op.name) {
			continue
		}
		switch {
		case len(op.results) == 1 && (len(op.params) > 0 || op.name == "memory.size"):
			giving[op.results[0]] = append(giving[op.results[0]], op)
		case op.imm[0] == immMem:
			stores = append(stores, op)
		}
	}
	return
})

// mayTrap are the instructions that trap for most operands.
func (op *opcode) mayTrap() bool {
	return strings.Contains(op.name, "div_") || strings.Contains(op.name, "rem_") || strings.Contains(op.name, ".trunc_f")
}

// expr writes code that leaves one value of type t.
func (g *generator) expr(t ValueType, depth int) {
	g.left--
	if depth <= 0 || g.left < 0 {
		g.leaf(t)
		return
	}
	switch g.r.IntN(14) {
	case 0, 1, 2:
		g.leaf(t)
	case 3:
		g.expr(t, depth-1)
		g.expr(t, depth-1)
		g.expr(I32, depth-1)
		if g.r.IntN(2) == 0 {
			g.code.op(opSelect)
		} else {
			g.code.op(opSelectTyped, 1, byte(t))
		}
	case 4:
		g.expr(I32, depth-1)
		g.open(opIf, nil, []ValueType{t}, -1)
		g.inner(depth)
		g.expr(t, depth-1)
		g.code.op(opElse)
		g.inner(depth)
		g.expr(t, depth-1)
		g.close()
	case 5:
		g.open(opBlock, nil, []ValueType{t}, -1)
		g.inner(depth)
		g.expr(t, depth-1)
		if g.r.IntN(2) == 0 {
			g.expr(I32, depth-1)
			g.code.index(opBrIf, 0)
		}
		g.close()
	case 6:
		if l, ok := g.anyLocal(t); ok {
			g.expr(t, depth-1)
			g.code.index(opLocalTee, l)
			return
		}
		g.leaf(t)
	case 7:
		if !g.callGiving(t, depth) {
			g.leaf(t)
		}
	case 8:
		g.oddity(t, depth)
	default:
		g.operation(t, depth)
	}
}

func (g *generator) inner(depth int) {
	if depth > 1 && g.r.IntN(3) == 0 {
		g.statement()
	}
}

func (g *generator) anyLocal(t ValueType) (uint32, bool) {
	var of []uint32
	for i, l := range g.locals {
		if l == t && !g.fixed[i] {
			of = append(of, uint32(i))
		}
	}
	if len(of) == 0 {
		return 0, false
	}
	return of[g.r.IntN(len(of))], true
}

func (g *generator) anyGlobal(t ValueType) (uint32, bool) {
	i := slices.Index(g.globals, t)
	return uint32(max(i, 0)), i >= 0
}

func (g *generator) leaf(t ValueType) {
	if l, ok := g.anyLocal(t); ok && g.r.IntN(3) > 0 {
		g.code.index(opLocalGet, l)
		return
	}
	if x, ok := g.anyGlobal(t); ok && g.r.IntN(3) == 0 {
		g.code.index(opGlobalGet, x)
		return
	}
	g.code.constant(t, g.bits(t))
}

func (g *generator) operation(t ValueType, depth int) {
	giving, _ := pure()
	op := giving[t][g.r.IntN(len(giving[t]))]
	for op.mayTrap() && g.r.IntN(4) > 0 {
		op = giving[t][g.r.IntN(len(giving[t]))]
	}
	for i, p := range op.params {
		g.expr(p, depth-1)
		if i == 0 && op.imm[0] == immMem {
			g.address()
		}
	}
	g.write(op)
}

// address keeps most addresses inside memory.
func (g *generator) address() {
	if g.r.IntN(12) > 0 {
		g.code.i32(0x7fff)
		g.code.op(0x71)
	}
}

// write writes an instruction whose operands are there, with immediates at random.
func (g *generator) write(op *opcode) {
	g.left--
	g.code.opcode(op)
	for _, imm := range op.imm {
		switch imm {
		case immMemory:
			g.code.op(0)
		case immMem:
			g.code = appendU(g.code, uint32(g.r.IntN(int(op.align)+1)))
			g.code = appendU(g.code, uint32(g.r.IntN(1<<g.r.IntN(16))))
		case immLane:
			g.code.op(byte(g.r.IntN(int(op.lanes))))
		case immShuffle:
			for range 16 {
				g.code.op(byte(g.r.IntN(32)))
			}
		}
	}
}

// callGiving calls something that gives a t, if there is anything.
func (g *generator) callGiving(t ValueType, depth int) bool {
	var of []int
	for i, f := range g.funcs {
		if len(f.Results) == 1 && f.Results[0] == t {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		return false
	}
	g.call(of[g.r.IntN(len(of))], depth)
	return true
}

func (g *generator) call(f, depth int) {
	for _, p := range g.funcs[f].Params {
		g.expr(p, depth-1)
	}
	if g.calls && g.r.IntN(2) == 0 {
		g.expr(I32, 1)
		if g.r.IntN(5) > 0 {
			g.code.i32(1)
			g.code.op(0x71)
		}
		g.code.index(opCallIndirect, uint32(g.typ(g.funcs[f])))
		g.code.op(0)
		return
	}
	g.code.index(opCall, uint32(f))
}

// oddity is a value from a rarer source.
func (g *generator) oddity(t ValueType, depth int) {
	if t != I32 {
		g.operation(t, depth)
		return
	}
	switch g.r.IntN(5) {
	case 0:
		g.expr(I32, 1)
		g.few(2)
		g.code.op(opMemoryGrow, 0)
	case 1:
		g.code.op(prefixMisc, 0x10, 0) // table.size
	case 2:
		g.reference()
		g.expr(I32, 1)
		g.few(3)
		g.code.op(prefixMisc, 0x0f, 0) // table.grow
	case 3:
		g.reference()
		g.code.op(opRefIsNull)
	case 4:
		g.expr(I32, 1)
		g.few(7)
		g.code.op(opTableGet, 0, opRefIsNull)
	}
}

// few makes a number small, mostly.
func (g *generator) few(mask int32) {
	if g.r.IntN(10) > 0 {
		g.code.i32(mask)
		g.code.op(0x71)
	}
}

func (g *generator) reference() {
	if g.r.IntN(2) == 0 {
		g.code.op(opRefNull, byte(FuncRef))
	} else {
		g.code.index(opRefFunc, 0) // declared by the segments, or the host's; see surroundings
	}
}

// module-wide operations, in pairs of opcode and operands.
func (g *generator) bulk() {
	number := func(mask int32) { g.expr(I32, 1); g.few(mask) }
	switch g.r.IntN(9) {
	case 0:
		number(0x7fff)
		g.expr(I32, 1)
		number(0x3ff)
		g.code.op(prefixMisc, 0x0b, 0) // memory.fill
	case 1:
		number(0x7fff)
		number(0x7fff)
		number(0x3ff)
		g.code.op(prefixMisc, 0x0a, 0, 0) // memory.copy
	case 2:
		number(0x7fff)
		number(3)
		number(7)
		g.code.op(prefixMisc, 0x08, 1, 0) // memory.init
	case 3:
		if g.r.IntN(4) == 0 {
			g.code.op(prefixMisc, 0x09, byte(g.r.IntN(2))) // data.drop
		}
	case 4:
		number(1)
		g.reference()
		g.code.op(opTableSet, 0)
	case 5:
		number(1)
		g.reference()
		number(1)
		g.code.op(prefixMisc, 0x11, 0) // table.fill
	case 6:
		number(1)
		number(1)
		number(1)
		g.code.op(prefixMisc, 0x0e, 0, 0) // table.copy
	case 7:
		number(1)
		number(1)
		number(1)
		g.code.op(prefixMisc, 0x0c, 1, 0) // table.init
	case 8:
		if g.r.IntN(4) == 0 {
			g.code.op(prefixMisc, 0x0d, byte(g.r.IntN(2))) // elem.drop
		}
	}
}

// Arguments makes arguments for a call.
func Arguments(seed uint64, ts []ValueType) []uint64 {
	g := &generator{r: rand.New(rand.NewPCG(seed, 5))}
	var out []uint64
	for _, t := range ts {
		out = append(out, g.bits(t))
	}
	return out
}
