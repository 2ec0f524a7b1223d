package wasm

import (
	"fmt"
	"slices"
)

// rewriter holds what all bodies of one module share.
type rewriter struct {
	m       *Module
	options Options

	refill      uint32 // function index
	fuelGlobal  uint32
	stackGlobal uint32
	floor       int32
	types       []FuncType // the module's, and those that the rewriting needs beside them
	typeIndex   map[string]uint32
}

// Meter rewrites a module so that it counts its fuel and its stack; see the package comment. The result has been parsed and
// validated again. The only errors are of kind ErrRefused: the module, or what became of it, is beyond
// Options.Limits, or it uses a name that belongs to the meter.
func Meter(m *Module, o Options) (*Metered, error) {
	o = o.withDefaults()
	if errs := append(m.exceeded(m.limits(o.Limits)), m.namesMeter()...); len(errs) > 0 {
		return nil, joined(errs)
	}
	w := newRewriter(m, o)
	out, err := Parse(w.module())
	if err != nil {
		return nil, fmt.Errorf("rewritten module: %w", err)
	}
	if errs := out.exceeded(m.limits(o.Limits).metered()); len(errs) > 0 {
		return nil, fmt.Errorf("rewritten module: %w", joined(errs))
	}
	return &Metered{
		Bytes: out.raw, Refill: w.refill, FuelGlobal: w.fuelGlobal, StackGlobal: w.stackGlobal, HasStart: m.HasStart(),
		StackBudget: o.StackBudget, FrameFloor: w.floor, Functions: len(out.funcs), source: m, module: out, options: o,
	}, nil
}

// metered allows for what metering adds by its nature. Blocks × locals, which compilation follows, stay.
func (l Limits) metered() Limits {
	l.ModuleBytes = 2*l.ModuleBytes + 1<<10
	l.Types += l.Types + 2
	l.Functions++
	l.Imports++
	l.Exports += 3
	l.Globals += 2
	l.BodyBytes *= 3
	l.Instructions *= 3
	l.Locals += 5
	l.Calls += l.Instructions // of refill
	l.Nesting = 2*l.Nesting + 2
	return l
}

// namesMeter lists the names of a module that belong to the meter.
func (m *Module) namesMeter() []error {
	var errs []error
	for _, im := range m.Imports {
		if im.Module == MeterModule {
			errs = append(errs, refusedf("import %s.%s: no guest may name the meter", im.Module, im.Name))
		}
	}
	for _, x := range m.Exports {
		if reservedByMeter(x.Name) {
			errs = append(errs, refusedf("export %s belongs to the meter", x.Name))
		}
	}
	return errs
}

func newRewriter(m *Module, o Options) *rewriter {
	w := &rewriter{m: m, options: o, refill: uint32(m.importedFuncs), fuelGlobal: uint32(len(m.globals)),
		stackGlobal: uint32(len(m.globals)) + 1, floor: o.StackBudget / frameDepths,
		types: slices.Clone(m.types), typeIndex: make(map[string]uint32)}
	for i := len(m.types) - 1; i >= 0; i-- {
		w.typeIndex[typeKey(m.types[i].Params, m.types[i].Results)] = uint32(i)
	}
	return w
}

// shift is the new index of a function: the import of refill moves those behind it.
func (w *rewriter) shift(f uint32) uint32 {
	if f >= w.refill {
		return f + 1
	}
	return f
}

func typeKey(params, results []ValueType) string {
	return string(asBytes(params)) + ":" + string(asBytes(results))
}

// typeOf is the index of a signature, which is added if the module lacks it.
func (w *rewriter) typeOf(params, results []ValueType) uint32 {
	key := typeKey(params, results)
	i, ok := w.typeIndex[key]
	if !ok {
		i = uint32(len(w.types))
		w.types = append(w.types, FuncType{params, results})
		w.typeIndex[key] = i
	}
	return i
}

// blockType is a block type as the signed number that encodes it.
func (w *rewriter) blockType(params, results []ValueType) int64 {
	switch {
	case len(params)+len(results) == 0:
		return emptyBlock
	case len(params) == 0 && len(results) == 1:
		return int64(results[0]) - 0x80
	}
	return int64(w.typeOf(params, results))
}

// module writes the whole binary. Bodies come first because they may add types.
func (w *rewriter) module() []byte {
	refillType := w.typeOf([]ValueType{I64}, []ValueType{I64})
	bodies := w.bodies()
	m := w.m
	out := &sectionWriter{m: m, out: append(make([]byte, 0, len(m.raw)*5/4), magic...)}
	out.section(secType, typeSection(w.types))
	entry := appendName(appendName(nil, MeterModule), MeterRefill)
	out.extended(secImport, 1, appendU(append(entry, byte(KindFunc)), refillType))
	out.copied(secFunction)
	out.section(secTable, w.tableSection())
	out.section(secMemory, w.memorySection())
	out.section(secGlobal, w.globalSection())
	out.section(secExport, w.exportSection())
	out.section(secElement, w.elementSection())
	out.copied(secDataCount)
	out.section(secCode, bodies)
	out.copied(secData)
	out.section(0, w.nameSection())
	debugSections(out)
	return out.out
}

func (w *rewriter) bodies() []byte {
	if len(w.m.bodies) == 0 {
		return nil
	}
	out := appendU(make([]byte, 0, len(w.m.raw)*5/4), uint32(len(w.m.bodies)))
	b := &bodyRewriter{rewriter: w}
	for i := range w.m.bodies {
		body := b.rewrite(i)
		out = append(appendU(out, uint32(len(body))), body...)
	}
	return out
}

func typeSection(types []FuncType) []byte {
	out := appendU(nil, uint32(len(types)))
	for _, t := range types {
		out = append(out, 0x60)
		out = append(appendU(out, uint32(len(t.Params))), asBytes(t.Params)...)
		out = append(appendU(out, uint32(len(t.Results))), asBytes(t.Results)...)
	}
	return out
}

// tableSection caps the size of tables: an engine gives a table of 2^27 entries a gigabyte.
func (w *rewriter) tableSection() []byte {
	own := w.m.tables[w.m.importedTables:]
	if len(own) == 0 {
		return nil
	}
	out := appendU(nil, uint32(len(own)))
	for _, t := range own {
		out = capped(append(out, byte(t.elem)), t.size, w.options.Limits.TableEntries)
	}
	return out
}

func (w *rewriter) memorySection() []byte {
	own := w.m.memories[w.m.importedMemories:]
	if len(own) == 0 {
		return nil
	}
	return capped([]byte{1}, own[0], w.options.Limits.MemoryPages)
}

func capped(out []byte, b Bounds, limit int) []byte {
	most := uint32(min(int64(b.Max), int64(limit)))
	return appendU(appendU(append(out, 1), b.Min), most)
}

// globalSection adds the two counters. A counter of fuel starts at nothing: the first call asks for more.
func (w *rewriter) globalSection() []byte {
	own := len(w.m.globals) - w.m.importedGlobals
	out := appendU(nil, uint32(own+2))
	if s := w.m.sections[secGlobal]; s.present {
		p := &sectionParser{Module: w.m, reader: reader{b: w.m.raw, pos: s.start, end: s.end}}
		out = w.shifted(out, p, func(refs funcRefs) {
			p.constExpr(p.globalType().value, refs)
		})
	}
	out = append(out, byte(I64), 1, opI64Const, 0, opEnd)
	out = append(out, byte(I32), 1, opI32Const)
	return append(appendS(out, int64(w.options.StackBudget)), opEnd)
}

func (w *rewriter) elementSection() []byte {
	s := w.m.sections[secElement]
	if !s.present {
		return nil
	}
	p := &sectionParser{Module: w.m, reader: reader{b: w.m.raw, pos: s.start, end: s.end}}
	return w.shifted(appendU(nil, uint32(len(w.m.elems))), p, func(refs funcRefs) { p.element(refs) })
}

// shifted copies the entries of a vector section with function indices shifted. entry reads one entry of p.
func (w *rewriter) shifted(out []byte, p *sectionParser, entry func(funcRefs)) []byte {
	n := p.vec(1)
	done := p.pos
	for range n {
		entry(func(start, end int, index uint32) {
			out = appendU(append(out, p.b[done:start]...), w.shift(index))
			done = end
		})
	}
	return append(out, p.b[done:p.end]...)
}

func (w *rewriter) exportSection() []byte {
	m := w.m
	n := len(m.Exports) + 2
	if m.HasStart() {
		n++
	}
	out := appendU(nil, uint32(n))
	export := func(name string, kind Kind, index uint32) {
		out = appendU(append(appendName(out, name), byte(kind)), index)
	}
	for _, x := range m.Exports {
		if x.Kind == KindFunc {
			x.Index = w.shift(x.Index)
		}
		export(x.Name, x.Kind, x.Index)
	}
	export(ExportFuel, KindGlobal, w.fuelGlobal)
	export(ExportStack, KindGlobal, w.stackGlobal)
	if m.HasStart() {
		export(ExportStart, KindFunc, w.shift(uint32(m.start)))
	}
	return out
}

// sectionWriter appends sections in their order.
type sectionWriter struct {
	m   *Module
	out []byte
}

// section writes one, unless it has no content.
func (s *sectionWriter) section(id byte, content []byte) {
	if len(content) > 0 {
		s.out = append(appendU(append(s.out, id), uint32(len(content))), content...)
	}
}

// copied writes a section of the original as it was.
func (s *sectionWriter) copied(id byte) {
	c := s.m.sections[id]
	s.section(id, s.m.raw[c.start:c.end])
}

// extended writes a vector section of the original with entries added to it.
func (s *sectionWriter) extended(id byte, added int, entries []byte) {
	r := &reader{b: s.m.raw, pos: s.m.sections[id].start, end: s.m.sections[id].end}
	n := 0
	if s.m.sections[id].present {
		n = r.vec(1)
	}
	content := append(appendU(nil, uint32(n+added)), s.m.raw[r.pos:r.end]...)
	s.section(id, append(content, entries...))
}
