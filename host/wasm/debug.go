package wasm

import (
	"encoding/binary"
	"sort"
)

// DebugFile is what an engine that reads debug information gives for the source file of every instruction of a metered
// module. Its traces then have a line "0x1a2b: adp:1" below each function, and 0x1a2b is what LocateCode takes.
const DebugFile = "adp"

// debugSections says that all code is one line of one file. An engine asks no more to tell in which instruction a frame
// stands, and 130 bytes say it for a module of any size; LocateCode goes on from there.
//
// What is said is DWARF 4: one unit of one entry, and a line table of one row and its end. Addresses are offsets in the code
// section. They begin at 1, since a unit at 0 counts as removed; no instruction lies there.
func debugSections(w *sectionWriter) {
	const first, size = 1, 1<<31 - 16
	le := binary.LittleEndian
	u32 := func(b []byte, v int) []byte { return le.AppendUint32(b, uint32(v)) }
	sized := func(b []byte) []byte { return append(u32(nil, len(b)), b...) }
	custom := func(name string, content []byte) { w.section(0, append(appendName(nil, name), content...)) }

	// An entry of kind 1 is a compilation unit without children: where it begins, how long it is, where its lines are.
	custom(".debug_abbrev", []byte{1, 0x11, 0, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0, 0, 0})
	unit := append([]byte{4, 0, 0, 0, 0, 0, 4}, 1) // version, abbreviations at 0, addresses of 4 bytes; kind 1
	custom(".debug_info", sized(u32(u32(u32(unit, first), size), 0)))

	head := []byte{1, 1, 1, 0, 1, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1} // steps of 1; nine plain operations and their operands
	head = append(head, 0)                                       // no folders
	head = append(append(head, DebugFile...), 0, 0, 0, 0, 0)     // one file, in no folder, without date and size
	rows := append(u32([]byte{0, 5, 2}, first), 1)               // at the first address: line 1
	rows = append(appendU(append(rows, 2), size), 0, 1, 1)       // behind the last: the end
	custom(".debug_line", sized(append(append(append([]byte{4, 0}, u32(nil, len(head))...), head...), rows...)))
}

// LocateCode is Locate for an offset in the rewritten module's code section, as engines count with debug information. ok is
// false for what lies in no function.
func (x *Metered) LocateCode(offset int) (p Position, ok bool) {
	m := x.module
	at := m.sections[secCode].start + offset
	i := sort.Search(len(m.bodies), func(i int) bool { return m.bodies[i].end > at })
	if offset < 0 || i == len(m.bodies) || at < m.bodies[i].start {
		return Position{}, false
	}
	return x.Locate(uint32(m.importedFuncs+i), at-m.bodies[i].start)
}
