package wasm

// EveryInstruction makes Meter charge each instruction by itself: the reference for where segments charge.
func EveryInstruction(o Options) Options {
	o.everyInstruction = true
	return o
}

// WithDebug adds to a module as it is what Meter adds to what it writes.
func WithDebug(m *Module) []byte {
	w := &sectionWriter{m: m, out: append([]byte(nil), m.raw...)}
	debugSections(w)
	return w.out
}

// At is the place of an offset in the code section of a module as it is.
func (m *Module) At(offset int) Position {
	p := Position{Offset: m.sections[secCode].start + offset}
	for i, b := range m.bodies {
		if b.start <= p.Offset && p.Offset < b.end {
			p.Func = uint32(m.importedFuncs + i)
			p.Name = m.FuncName(p.Func)
		}
	}
	return p
}
