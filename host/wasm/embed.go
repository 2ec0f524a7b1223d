package wasm

import "encoding/binary"

// embedStep is the size of which a module's memory grows by multiples for what Embed lays into it, in pages of 64 KiB: scripts of
// about the same length change nothing of a module but its data, so that the code that an engine compiles stays the same.
const embedStep = 4

// Embed lays content into a module where its code finds it: an interpreter becomes a product by the script that is put into it.
//
// export names a function () -> i32 of the module; it will return the address of the content, which is its length as a u32, little
// endian, and then the content. The function is no longer exported, and all else stays as it is: no index changes, and the same
// content gives the same bytes. The result is valid and the caller's.
//
// Content lies behind the memory that the module asks for, which becomes larger: nothing of the module's own can be there. Its heap
// has to begin at an address that its linker knows and to grow by memory.grow, as those of Rust and of wasi-libc do.
func Embed(module []byte, export string, content []byte) ([]byte, error) {
	m, err := outline(module) // the result is validated as a whole
	if err != nil {
		return nil, err
	}
	index, err := m.embeddable(export)
	if err != nil {
		return nil, err
	}
	size := m.memories[0]
	at := int64(size.Min) << 16
	const step = embedStep << 16
	size.Min += uint32((4 + int64(len(content)) + step - 1) / step * embedStep)
	if at+4+int64(len(content)) > int64(min(size.Max, maxPages))<<16 || size.Min > size.Max {
		return nil, refusedf("%d bytes do not fit behind the memory of %d pages, which may grow to %d", len(content), at>>16, size.Max)
	}
	e := &embedding{m: m, index: index, export: export, at: uint32(at), memory: size}
	e.entry = append(appendS([]byte{0, opI32Const}, int64(int32(at))), opEnd)
	e.entry = appendU(e.entry, uint32(4+len(content)))
	e.entry = append(binary.LittleEndian.AppendUint32(e.entry, uint32(len(content))), content...)
	out := e.module()
	if _, err := Parse(out); err != nil {
		return nil, err
	}
	return out, nil
}

// embeddable finds the function that is to return the address.
func (m *Module) embeddable(export string) (index uint32, err error) {
	if len(m.memories) == 0 || m.importedMemories > 0 {
		return 0, refusedf("no memory of its own to lay anything into")
	}
	for _, x := range m.Exports {
		if x.Name != export || x.Kind != KindFunc {
			continue
		}
		if t := x.Type; len(t.Params) > 0 || len(t.Results) != 1 || t.Results[0] != I32 {
			return 0, refusedf("function %s gives no address: it has type %s", export, t)
		}
		if int(x.Index) < m.importedFuncs {
			return 0, refusedf("function %s is imported", export)
		}
		return x.Index, nil
	}
	return 0, refusedf("no function %s: nothing can be laid into this module", export)
}

// embedding is a module being given content.
type embedding struct {
	m      *Module
	index  uint32 // of the function that returns the address
	export string
	at     uint32
	memory Bounds
	entry  []byte // of the data section
}

// module copies the module, custom sections included.
func (e *embedding) module() []byte {
	w := &sectionWriter{m: e.m, out: append(make([]byte, 0, len(e.m.raw)+len(e.entry)+32), magic...)}
	r := &reader{b: e.m.raw, pos: len(magic), end: len(e.m.raw)}
	for r.more() {
		at := r.pos
		id, size := r.u8(), r.vec(1)
		r.pos += size
		switch id {
		case secMemory:
			w.section(id, bounded([]byte{1}, e.memory))
		case secExport:
			w.section(id, e.exports())
		case secDataCount:
			w.section(id, appendU(nil, uint32(e.m.datas+1)))
		case secCode:
			w.section(id, e.bodies())
		case secData:
			w.extended(id, 1, e.entry)
		default:
			w.out = append(w.out, e.m.raw[at:r.pos]...)
		}
	}
	if !e.m.sections[secData].present {
		w.extended(secData, 1, e.entry)
	}
	w.section(0, append(appendName(nil, scriptSection), 1)) // an engine takes no section without content
	return w.out
}

func bounded(out []byte, b Bounds) []byte {
	if !b.HasMax {
		return appendU(append(out, 0), b.Min)
	}
	return appendU(appendU(append(out, 1), b.Min), b.Max)
}

// exports are those of the module without the one that has done its work.
func (e *embedding) exports() []byte {
	out := appendU(nil, uint32(len(e.m.Exports)-1))
	for _, x := range e.m.Exports {
		if x.Name != e.export {
			out = appendU(append(appendName(out, x.Name), byte(x.Kind)), x.Index)
		}
	}
	return out
}

// bodies are those of the module, but for the one that returns the address.
func (e *embedding) bodies() []byte {
	out := appendU(make([]byte, 0, len(e.m.raw)), uint32(len(e.m.bodies)))
	for i, b := range e.m.bodies {
		code := e.m.raw[b.start:b.end]
		if e.m.importedFuncs+i == int(e.index) {
			code = append(appendS([]byte{0, opI32Const}, int64(int32(e.at))), opEnd)
		}
		out = append(appendU(out, uint32(len(code))), code...)
	}
	return out
}
