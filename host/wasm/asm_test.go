package wasm

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Assemble makes a binary of a small text format, for tests. Each line is a statement; a statement of the module ends
// the body before it.
//
//	import env.log (i32) -> ()
//	memory 1 4
//	table funcref 10 20
//	global i32 mut 0           of floats and vectors the bits
//	elem 0 $f 1 $g
//	func f (i32) -> (i32)      exported under its name
//	  local i32 i64
//	  local.get 0
//	  if -> (i32)
//	  ...
//	  end
//	start f
//
// Functions are named $f or by index. The end of a body is implied. Offsets of memory instructions are written,
// alignments are 0. It checks nothing beyond what it needs: tests write invalid modules too. It panics on what it
// cannot read.
func Assemble(text string) []byte {
	a := &assembler{funcs: map[string]int{}, types: map[string]int{}}
	lines := strings.Split(text, "\n")
	for pass := range 2 { // the first learns names
		*a = assembler{funcs: a.funcs, types: map[string]int{}, naming: pass == 0}
		for _, l := range lines {
			l, _, _ = strings.Cut(l, ";")
			if f := strings.Fields(l); len(f) > 0 {
				a.line(f, strings.TrimSpace(l))
			}
		}
		a.finish()
	}
	return a.module()
}

type assembler struct {
	naming   bool
	funcs    map[string]int
	types    map[string]int
	typeSec  [][]byte
	sections [13][][]byte
	imported int
	defined  int
	datas    int
	code     code
	locals   code
	nlocals  uint32
	open     bool
}

func (a *assembler) line(f []string, l string) {
	switch f[0] {
	case "import":
		a.finish()
		mod, name, _ := strings.Cut(f[1], ".")
		a.funcs[name] = a.imported
		a.imported++
		sig := l[strings.Index(l, "("):]
		a.add(secImport, appendU(append(appendName(appendName(nil, mod), name), 0), uint32(a.typ(sig))))
	case "memory":
		a.finish()
		a.add(secMemory, limitsOf(f[1:]))
	case "table":
		a.finish()
		a.add(secTable, append([]byte{byte(mustTypes(f[1])[0])}, limitsOf(f[2:])...))
	case "global":
		a.finish()
		g := code{byte(mustTypes(f[1])[0]), 0}
		if f[2] == "mut" {
			g[1] = 1
			f = f[1:]
		}
		switch ValueType(g[0]) {
		case I32, I64:
			g.op(0x41 + 0x7f - g[0])
			g = appendS(g, signedOf(f[2]))
		case F32: // by its bits
			g = binary.LittleEndian.AppendUint32(append(g, opF32Const), uint32(signedOf(f[2])))
		case F64:
			g = binary.LittleEndian.AppendUint64(append(g, opF64Const), uint64(signedOf(f[2])))
		case V128: // the low half
			g = binary.LittleEndian.AppendUint64(append(g, prefixVector, opV128Const), uint64(signedOf(f[2])))
			g = append(g, 0, 0, 0, 0, 0, 0, 0, 0)
		}
		a.add(secGlobal, append(g, opEnd))
	case "elem":
		a.finish()
		e := appendS(code{0, opI32Const}, signedOf(f[1]))
		e = appendU(append(e, opEnd), uint32(len(f)-2))
		for _, x := range f[2:] {
			e = appendU(e, a.fn(x))
		}
		a.add(secElement, e)
	case "data": // passive
		a.finish()
		a.datas++
		a.add(secData, appendName([]byte{1}, strings.Join(f[1:], " ")))
	case "start":
		a.finish()
		a.sections[secStart] = [][]byte{appendU(nil, a.fn("$"+f[1]))}
	case "func":
		a.finish()
		sig := l[strings.Index(l, "("):]
		index := a.imported + a.defined
		a.funcs[f[1]] = index
		a.defined++
		a.add(secFunction, appendU(nil, uint32(a.typ(sig))))
		a.add(secExport, appendU(append(appendName(nil, f[1]), 0), uint32(index)))
		a.code, a.locals, a.nlocals, a.open = nil, nil, 0, true
	case "local":
		for _, t := range mustTypes(strings.Join(f[1:], " ")) {
			a.nlocals++
			a.locals.op(1, byte(t))
		}
	default:
		a.instruction(f, l)
	}
}

func (a *assembler) add(sec int, entry []byte) { a.sections[sec] = append(a.sections[sec], entry) }

func (a *assembler) finish() {
	if a.open {
		body := append(appendU(nil, a.nlocals), a.locals...)
		body = append(append(body, a.code...), opEnd)
		a.add(secCode, append(appendU(nil, uint32(len(body))), body...))
		a.open = false
	}
}

func (a *assembler) typ(sig string) int {
	t := MustFuncType(sig)
	k := t.String()
	if _, ok := a.types[k]; !ok {
		a.types[k] = len(a.typeSec)
		e := append(appendU([]byte{0x60}, uint32(len(t.Params))), asBytes(t.Params)...)
		a.typeSec = append(a.typeSec, append(appendU(e, uint32(len(t.Results))), asBytes(t.Results)...))
	}
	return a.types[k]
}

func (a *assembler) fn(s string) uint32 {
	if name, ok := strings.CutPrefix(s, "$"); ok {
		i, ok := a.funcs[name]
		if !ok && !a.naming {
			panic("no function " + name)
		}
		return uint32(i)
	}
	return uint32(signedOf(s))
}

func limitsOf(f []string) []byte {
	if len(f) == 1 {
		return appendU([]byte{0}, uint32(signedOf(f[0])))
	}
	return appendU(appendU([]byte{1}, uint32(signedOf(f[0]))), uint32(signedOf(f[1])))
}

func signedOf(s string) int64 {
	v, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// opcodeNamed finds an opcode by name; select is the one without types.
func opcodeNamed(name string) *opcode {
	t := opcodes()
	for _, ops := range [][]*opcode{t.core[:], t.misc[:], t.vector[:]} {
		for _, op := range ops {
			if op != nil && op.name == name {
				return op
			}
		}
	}
	panic("no instruction " + name)
}

func (a *assembler) instruction(f []string, l string) {
	op := opcodeNamed(f[0])
	args := f[1:]
	if op.code == opSelect && len(args) == 1 {
		a.code.op(opSelectTyped, 1, byte(mustTypes(args[0])[0]))
		return
	}
	next := func() string {
		if len(args) == 0 {
			return "0"
		}
		x := args[0]
		args = args[1:]
		return x
	}
	if p := op.code >> 8; p != 0 {
		a.code.op(byte(p))
		a.code = appendU(a.code, uint32(op.code&0xff))
	} else {
		a.code.op(byte(op.code))
	}
	for _, imm := range op.imm {
		switch imm {
		case immNone:
		case immBlock:
			a.code = appendS(a.code, a.blockType(strings.TrimSpace(strings.TrimPrefix(l, f[0]))))
		case immFunc:
			a.code = appendU(a.code, a.fn(next()))
		case immType:
			sig := strings.TrimPrefix(l, f[0])
			a.code = appendU(a.code, uint32(a.typ(sig)))
			args = nil
		case immLabels:
			a.code = appendU(a.code, uint32(len(args)-1))
			for len(args) > 0 {
				a.code = appendU(a.code, uint32(signedOf(next())))
			}
		case immMem:
			a.code.op(0)
			a.code = appendU(a.code, uint32(signedOf(next())))
		case immI32, immI64:
			a.code = appendS(a.code, signedOf(next()))
		case immF32, immF64, immV128, immShuffle:
			size := map[immediate]int{immF32: 4, immF64: 8, immV128: 16, immShuffle: 16}[imm]
			a.code.op(make([]byte, size)...)
		case immRef:
			a.code.op(byte(mustTypes(next())[0]))
		case immLane:
			a.code.op(byte(signedOf(next())))
		case immTypes:
			a.code.op(1, byte(mustTypes(next())[0]))
		default:
			a.code = appendU(a.code, uint32(signedOf(next())))
		}
	}
}

func (a *assembler) blockType(sig string) int64 {
	if sig == "" {
		return emptyBlock
	}
	t := MustFuncType(sig)
	if len(t.Params) == 0 && len(t.Results) == 1 {
		return int64(t.Results[0]) - 0x80
	}
	return int64(a.typ(sig))
}

func (a *assembler) module() []byte {
	a.sections[secType] = a.typeSec
	if len(a.sections[secMemory]) > 0 {
		a.add(secExport, append(appendName(nil, "memory"), 2, 0))
	}
	w := &sectionWriter{out: append([]byte{}, magic...)}
	for _, id := range []byte{secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secStart, secElement, secDataCount, secCode, secData} {
		entries := a.sections[id]
		switch {
		case id == secDataCount && a.datas > 0:
			w.section(id, appendU(nil, uint32(a.datas)))
		case id == secStart && len(entries) > 0:
			w.section(id, entries[0])
		case len(entries) > 0:
			content := appendU(nil, uint32(len(entries)))
			for _, e := range entries {
				content = append(content, e...)
			}
			w.section(id, content)
		}
	}
	return w.out
}

// Disassemble prints the bodies of a valid module.
func Disassemble(b []byte) string {
	m, err := Parse(b)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for i := range m.bodies {
		body := &m.bodies[i]
		index := uint32(m.importedFuncs + i)
		fmt.Fprintf(&out, "func %s %s\n", m.FuncName(index), m.funcType(index))
		if own := m.localTypes(nil, body)[len(m.types[body.typ].Params):]; len(own) > 0 {
			fmt.Fprintf(&out, "  local %s\n", strings.Trim(typeList(own), "()"))
		}
		d := &decoder{}
		d.begin(m, body.code, body.end)
		var in instr
		for indent := 1; d.next(&in); {
			if in.op.code == opEnd || in.op.code == opElse {
				indent--
			}
			if indent > 0 {
				fmt.Fprintf(&out, "%s%s\n", strings.Repeat("  ", indent), in.text(d))
			}
			switch in.op.code {
			case opBlock, opLoop, opIf, opElse:
				indent++
			}
		}
	}
	return out.String()
}

func (in *instr) text(d *decoder) string {
	s := in.op.name
	for k, imm := range in.op.imm {
		x := []uint32{in.x, in.y}[k]
		r := &reader{b: d.b, pos: in.start + 1, end: in.end}
		switch imm {
		case immNone, immMemory:
		case immBlock:
			if t := in.block.String(); t != "() -> ()" {
				s += " " + t
			}
		case immFunc:
			s += " $" + d.m.FuncName(x)
		case immType:
			s += " " + d.m.types[x].String()
		case immLabels:
			s += " " + strings.Trim(fmt.Sprint(d.targets), "[]")
		case immI32, immI64:
			s += " " + strconv.FormatInt(r.signed(64), 10)
		case immMem:
			r.u32()
			s += " " + strconv.Itoa(int(r.u32()))
		default:
			s += " " + strconv.Itoa(int(x))
		}
	}
	return s
}
