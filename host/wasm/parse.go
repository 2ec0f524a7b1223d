package wasm

import (
	"bytes"
	"fmt"
)

// Hard limits of what Parse looks at, above all that admission allows: they bound the time and memory of validation itself.
const (
	maxEntries   = 100_000   // of a section
	maxSignature = 255       // parameters, and results
	maxLocals    = 50_000    // of a function
	maxNesting   = 100_000   // of blocks
	maxOperands  = 1_000_000 // on the operand stack
	maxPages     = 65_536    // of a memory
)

var magic = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// Parse decodes and validates a module: everything that WebAssembly 2.0 asks of a valid module holds of what it
// returns. Anything else gives an Error of kind ErrInvalid. What it allocates is bounded by a small multiple of len(b),
// and it never panics.
func Parse(b []byte) (*Module, error) { return (&Module{raw: b, start: -1, mostBody: len(b)}).parse() }

// outline is Parse without a look into function bodies, which takes most of its time.
func outline(b []byte) (*Module, error) {
	return (&Module{raw: b, start: -1, mostBody: len(b), outlined: true}).parse()
}

func (m *Module) parse() (*Module, error) {
	b := m.raw
	if !bytes.HasPrefix(b, magic) {
		return nil, &Error{Kind: ErrInvalid, Offset: 0, Detail: "not a WebAssembly 1 binary"}
	}
	r := &reader{b: b, pos: len(magic), end: len(b)}
	last := 0
	for r.more() {
		at := r.pos
		id := r.u8()
		size := r.vec(1)
		if r.err != nil {
			break
		}
		s := section{start: r.pos, end: r.pos + size, present: true}
		r.pos = s.end
		switch {
		case id == 0:
			m.custom(r, s)
			continue
		case int(id) >= len(sectionOrder):
			r.failAt(at, "no section %d", id)
		case sectionOrder[id] <= last:
			r.failAt(at, "section %d out of order or repeated", id)
		default:
			last = sectionOrder[id]
			m.sections[id] = s
			r.err = m.section(id, s)
		}
		if r.err != nil {
			break
		}
	}
	if r.err == nil {
		m.complete(r)
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// ParseWithin is Parse for bytes of strangers: a module or a function that is larger than the limits allow is refused before it is
// read, and so are more functions than any module may have. The other limits are for Admit.
func ParseWithin(b []byte, l Limits) (*Module, error) {
	if len(b) > l.ModuleBytes {
		return nil, refusedf("%d bytes, at most %d", len(b), l.ModuleBytes)
	}
	return (&Module{raw: b, start: -1, mostBody: l.BodyBytes, mostFuncs: scriptedTimes * l.Functions}).parse()
}

// custom checks the frame of a custom section and keeps the names. A custom section cannot make a module invalid beyond
// its own name.
func (m *Module) custom(outer *reader, s section) {
	r := &reader{b: m.raw, pos: s.start, end: s.end}
	name := r.name()
	if r.err != nil {
		outer.err = r.err
		return
	}
	switch name {
	case "name":
		m.names = parseNames(r)
	case scriptSection:
		m.scripted = true
	}
}

// complete checks what only the end of the module shows.
func (m *Module) complete(r *reader) {
	if defined := len(m.funcs) - m.importedFuncs; defined != len(m.bodies) {
		r.fail("%d functions declared, %d bodies", defined, len(m.bodies))
	}
	if m.hasDatas && !m.sections[secData].present && m.datas != 0 {
		r.fail("%d data segments counted, none present", m.datas)
	}
}

func (m *Module) section(id byte, s section) error {
	p := &sectionParser{Module: m, reader: reader{b: m.raw, pos: s.start, end: s.end}}
	if id == secStart {
		p.startSection()
	} else if id == secDataCount {
		m.datas, m.hasDatas = int(min(p.u32(), 1<<30)), true
	} else {
		p.vector(id)
	}
	if p.err == nil && p.more() {
		p.fail("section longer than its content")
	}
	return p.err
}

// sectionParser reads the entries of one section into the module.
type sectionParser struct {
	*Module
	reader
	exports   map[string]bool
	validator validator
}

func (p *sectionParser) vector(id byte) {
	entry := map[byte]func(int){secType: p.typeEntry, secImport: p.importEntry, secFunction: p.functionEntry, secTable: p.tableEntry,
		secMemory: p.memoryEntry, secGlobal: p.globalEntry, secExport: p.exportEntry, secElement: p.elementEntry,
		secCode: p.codeEntry, secData: p.dataEntry}[id]
	at := p.pos
	n := p.vec(1)
	if n > maxEntries {
		p.failAt(at, "%d entries in section %d, at most %d", n, id, maxEntries)
		return
	}
	switch id {
	case secFunction:
		if all := p.importedFuncs + n; p.mostFuncs > 0 && all > p.mostFuncs {
			p.err = refusedf("%d functions, at most %d", all, p.mostFuncs)
			return
		}
	case secExport:
		p.exports = make(map[string]bool)
	case secCode:
		p.declare()
		if d := len(p.funcs) - p.importedFuncs; d != n {
			p.fail("%d functions declared, %d bodies", d, n)
		}
	case secData:
		if p.hasDatas && p.datas != n {
			p.fail("%d data segments counted, %d present", p.datas, n)
		}
		p.datas = n
	}
	for i := 0; i < n && p.err == nil; i++ {
		entry(i)
	}
}

// declare settles which functions bodies may refer to: those named outside of bodies. The element section and the
// globals noted theirs; exports count too.
func (p *sectionParser) declare() {
	for _, x := range p.Exports {
		if x.Kind == KindFunc {
			p.declareFunc(x.Index)
		}
	}
}

func (m *Module) declareFunc(index uint32) {
	if m.declared == nil {
		m.declared = make([]bool, len(m.funcs))
	}
	m.declared[index] = true
}

func (p *sectionParser) typeEntry(int) {
	if form := p.u8(); form != 0x60 && p.err == nil {
		p.failAt(p.pos-1, "no function type %#x", form)
		return
	}
	params := p.typeVec()
	p.types = append(p.types, FuncType{params, p.typeVec()})
}

func (p *sectionParser) typeVec() []ValueType {
	at := p.pos
	n := p.vec(1)
	if n > maxSignature {
		p.failAt(at, "%d types in a signature, at most %d", n, maxSignature)
		return nil
	}
	start := p.pos
	for i := 0; i < n && p.err == nil; i++ {
		p.valueType()
	}
	if p.err != nil {
		return nil
	}
	return asTypes(p.b[start:p.pos:p.pos])
}

func (p *sectionParser) typeIndex() uint32 {
	at := p.pos
	t := p.u32()
	if int64(t) >= int64(len(p.types)) {
		p.failAt(at, "no type %d", t)
		return 0
	}
	return t
}

func (p *sectionParser) importEntry(int) {
	im := Import{Module: p.name(), Name: p.name(), Kind: Kind(p.u8())}
	switch im.Kind {
	case KindFunc:
		t := p.typeIndex()
		if p.err != nil {
			return
		}
		im.Type = p.types[t]
		p.funcs = append(p.funcs, t)
		p.importedFuncs++
	case KindTable:
		p.tableEntry(0)
		p.importedTables++
	case KindMemory:
		p.memoryEntry(0)
		p.importedMemories++
	case KindGlobal:
		p.globals = append(p.globals, p.globalType())
		p.importedGlobals++
	default:
		p.failAt(p.pos-1, "no kind of import %d", im.Kind)
	}
	p.Imports = append(p.Imports, im)
}

func (p *sectionParser) functionEntry(int) { p.funcs = append(p.funcs, p.typeIndex()) }

func (p *sectionParser) bounds(most uint32) Bounds {
	at := p.pos
	flag := p.u8()
	b := Bounds{Min: p.u32(), Max: most, HasMax: flag == 1}
	if b.HasMax {
		b.Max = p.u32()
	}
	if flag > 1 {
		p.failAt(at, "limits of kind %d", flag)
	} else if b.Min > b.Max || b.Max > most {
		p.failAt(at, "sizes %d to %d, at most %d", b.Min, b.Max, most)
	}
	return b
}

func (p *sectionParser) tableEntry(int) {
	t := p.refType()
	p.tables = append(p.tables, tableType{t, p.bounds(1<<32 - 1)})
}

func (p *sectionParser) memoryEntry(int) {
	p.memories = append(p.memories, p.bounds(maxPages))
	if len(p.memories) > 1 {
		p.fail("more than one memory")
	}
}

func (p *sectionParser) globalType() globalType {
	t := p.valueType()
	mut := p.u8()
	if mut > 1 {
		p.failAt(p.pos-1, "mutability %d", mut)
	}
	return globalType{t, mut == 1}
}

func (p *sectionParser) globalEntry(int) {
	t := p.globalType()
	p.constExpr(t.value, nil)
	p.globals = append(p.globals, t)
}

func (p *sectionParser) exportEntry(int) {
	at := p.pos
	x := Export{Name: p.name(), Kind: Kind(p.u8()), Index: p.u32()}
	count := 0
	switch x.Kind {
	case KindFunc:
		count = len(p.funcs)
	case KindTable:
		count = len(p.tables)
	case KindMemory:
		count = len(p.memories)
	case KindGlobal:
		count = len(p.globals)
	}
	switch {
	case p.err != nil:
		return
	case int64(x.Index) >= int64(count):
		p.failAt(at, "export %q of %s %d, which does not exist", x.Name, x.Kind, x.Index)
		return
	case p.exports[x.Name]:
		p.failAt(at, "export %q repeated", x.Name)
		return
	case x.Kind == KindFunc:
		x.Type = *p.funcType(x.Index)
	}
	p.exports[x.Name] = true
	p.Exports = append(p.Exports, x)
}

func (p *sectionParser) startSection() {
	at := p.pos
	f := p.funcIndex()
	if p.err != nil {
		return
	}
	if t := p.funcType(f); len(t.Params)+len(t.Results) > 0 {
		p.failAt(at, "start function has type %s", t)
	}
	p.start = int64(f)
}

func (p *sectionParser) funcIndex() uint32 {
	at := p.pos
	f := p.u32()
	if int64(f) >= int64(len(p.funcs)) {
		p.failAt(at, "no function %d", f)
		return 0
	}
	return f
}

func (p *sectionParser) tableIndex() uint32 {
	at := p.pos
	t := p.u32()
	if int64(t) >= int64(len(p.tables)) {
		p.failAt(at, "no table %d", t)
		return 0
	}
	return t
}

func (p *sectionParser) dataEntry(int) {
	at := p.pos
	flag := p.u32()
	if flag > 2 {
		p.failAt(at, "data segment of kind %d", flag)
	}
	if flag == 2 {
		if mem := p.u32(); mem != 0 {
			p.failAt(at, "no memory %d", mem)
		}
	}
	if flag != 1 {
		if len(p.memories) == 0 {
			p.failAt(at, "data segment without a memory")
		}
		p.constExpr(I32, nil)
	}
	p.bytes(p.vec(1))
}

func (p *sectionParser) codeEntry(i int) {
	size := p.vec(1)
	f := uint32(p.importedFuncs + i)
	b := body{start: p.pos, end: p.pos + size, typ: p.funcs[f]}
	p.pos = b.end
	if p.err != nil {
		return
	}
	if size > p.mostBody {
		p.err = &Error{Kind: ErrRefused, Offset: b.start, Func: fmt.Sprintf("$%d", f), Detail: fmt.Sprintf("%d bytes of code, at most %d", size, p.mostBody)}
		return
	}
	if !p.outlined {
		if err := p.validate(&b); err != nil {
			err.Func = fmt.Sprintf("$%d", f)
			p.err = err
			return
		}
	}
	p.bodies = append(p.bodies, b)
}
