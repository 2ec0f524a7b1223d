package wasm

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strconv"
)

// ExportGlobal begins the names under which Instantiable exports the globals of a module that change: "adp_global_0" and so
// on, without gaps.
const ExportGlobal = "adp_global_"

// Instantiable is a metered module made ready to be started quickly and to be put back.
//
// What of an instance can change is its memory, its globals, its tables and which of its segments have been dropped. Memory
// belongs to whoever runs the module. Globals are exported, so that he can read and set them. Tables and segments are out of
// his reach: an instance that can change them cannot be put back.
type Instantiable struct {
	Bytes   []byte
	Data    []Data // to be written into memory, in this order, before anything runs; Bytes does not do it
	Globals int    // exported as ExportGlobal and a number, from 0
	Start   int64  // fuel that instantiation costs, before anything of it happens
	Reason  string // why instances cannot be put back into an earlier state; "" when they can

	Apart     bool              // Data is all that lies in memory at the beginning
	DataBytes int               // of the data section
	Kin       [sha256.Size]byte // of the module that it was made of, for Relaid; whoever has that module sets it
}

// Data is bytes of a module's memory, as they are at the beginning.
type Data struct {
	Offset uint32
	Bytes  []byte
}

// Instantiable makes a module ready. A compiler writes a data segment around every gap of zeros, thousands of them, and an
// engine evaluates each in every start: they are taken out where no instruction can name them.
func (x *Metered) Instantiable() Instantiable {
	m := x.module
	out := Instantiable{Start: m.startCost(), DataBytes: m.dataBytes()}
	reason, namesData := m.uses()
	data, apart := m.activeData()
	apart = apart && !namesData
	out.Apart = apart
	var entries []byte
	if out.Reason = cmp.Or(m.hidden(), reason); out.Reason == "" {
		entries, out.Globals = m.globalExports()
	}
	w := &sectionWriter{m: m, out: append(make([]byte, 0, len(m.raw)+len(entries)+16), magic...)}
	r := &reader{b: m.raw, pos: len(magic), end: len(m.raw)}
	for r.more() {
		at := r.pos
		id, size := r.u8(), r.vec(1)
		r.pos += size
		switch {
		case id == secExport:
			w.extended(id, out.Globals, entries)
		case apart && (id == secData || id == secDataCount):
			out.Data = data
		default:
			w.out = append(w.out, m.raw[at:r.pos]...)
		}
	}
	out.Bytes = w.out
	return out
}

// What an engine does for each of these before any code runs, measured in the slower of two engines: a function is a record in the
// interpreter, an import is looked up, a global is an object, and looked up if it changes.
const (
	functionCost = 16
	importCost   = 64
	globalCost   = 256
	segmentCost  = 8 // beside its length
)

// startCost prices what an engine does before any code runs, as the instructions that would do the same: memory and tables that
// grow to what they are at least, segments that are written by their length. A segment by itself costs no more than a few
// instructions, since nobody calls for it. What metering has added is paid for, too.
func (m *Module) startCost() int64 {
	cost := int64(len(m.elems)+m.datas) * segmentCost
	cost += int64(len(m.bodies))*functionCost + int64(m.importedFuncs)*importCost + int64(len(m.globals))*globalCost
	grow, fill := opcodes().core[opMemoryGrow], opcodes().misc[0x0f]
	for _, b := range m.memories {
		cost += int64(b.Min) << grow.unitBits
	}
	for _, t := range m.tables {
		cost += int64(t.size.Min) << fill.unitBits
	}
	elements := m.sections[secElement]
	cost += int64(elements.end-elements.start) << opcodes().misc[0x0c].unitBits // a byte or more is an entry
	return cost + writeCost(m.dataBytes())
}

// dataBytes is how long the data section is.
func (m *Module) dataBytes() int { return m.sections[secData].end - m.sections[secData].start }

// writeCost prices a data section of so many bytes.
func writeCost(size int) int64 { return int64(size) >> -opcodes().misc[0x08].unitBits }

// globalExports are the entries that export the globals that change.
func (m *Module) globalExports() (entries []byte, n int) {
	for i, g := range m.globals {
		if g.mutable {
			entries = appendU(append(appendName(entries, ExportGlobal+strconv.Itoa(n)), byte(KindGlobal)), uint32(i))
			n++
		}
	}
	return entries, n
}

// activeData reads the data segments, false when they must stay because one is passive or lies where a global says.
func (m *Module) activeData() ([]Data, bool) {
	if !m.sections[secData].present {
		return nil, true
	}
	out, ok := m.segments()
	return joinedData(out), ok
}

// segments are those of the data section as they come, false when one is passive or lies where a global says.
func (m *Module) segments() ([]Data, bool) {
	s := m.sections[secData]
	r := &reader{b: m.raw, pos: s.start, end: s.end}
	var out []Data
	for range r.vec(1) {
		if r.u32() != 0 || r.u8() != opI32Const {
			return nil, false
		}
		d := Data{Offset: uint32(r.signed(32))}
		if r.u8() != opEnd {
			return nil, false
		}
		d.Bytes = r.bytes(r.vec(1))
		out = append(out, d)
	}
	return out, r.err == nil && r.pos == s.end
}

// joinedData are the same bytes in fewer pieces: what lies in order, with few zeros between, becomes one.
func joinedData(in []Data) []Data {
	const few = 256
	end := int64(-few)
	var out []Data
	for _, d := range in {
		gap := int64(d.Offset) - end
		if gap < 0 {
			return in // written over one another: the order counts
		}
		if gap < few {
			last := &out[len(out)-1]
			last.Bytes = append(append(last.Bytes, make([]byte, gap)...), d.Bytes...)
		} else {
			out = append(out, Data{Offset: d.Offset, Bytes: append([]byte(nil), d.Bytes...)})
		}
		end = int64(d.Offset) + int64(len(d.Bytes))
	}
	return out
}

// uses tells what the code of a module can do to tables and segments: the reason why that cannot be undone, "" when it can
// do nothing, and whether it names data segments.
func (m *Module) uses() (reason string, namesData bool) {
	var d decoder
	for i := range m.bodies {
		b := &m.bodies[i]
		d.begin(m, b.code, b.end)
		for in := (instr{}); d.next(&in); {
			does := ""
			switch in.op.name {
			case "memory.init":
				namesData = true
			case "table.set", "table.init", "table.copy", "table.grow", "table.fill":
				does = "changes a table"
			case "elem.drop", "data.drop":
				namesData, does = true, "drops a segment"
			}
			if does != "" && reason == "" {
				reason = fmt.Sprintf("%s in %s %s", in.op.name, m.FuncName(uint32(m.importedFuncs+i)), does)
			}
		}
	}
	return reason, namesData
}

// hidden is the reason why a global cannot be read and set from outside, "" when all can.
func (m *Module) hidden() string {
	for i, g := range m.globals {
		if g.mutable && (g.value == V128 || g.value.ref()) {
			return fmt.Sprintf("global %d changes, and is of type %s", i, g.value)
		}
	}
	return ""
}
