package wasm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Kin names what modules have in common that carry a script and differ in nothing but bytes that lie in their memory at the beginning: an
// interpreter with one script laid into it, and with another one. Whatever is asked of a module but for its size holds of all its kin or
// of none, and metering makes the same code of them.
//
// It is the hash of the whole module but for its data segments, of which it has the number. It is not ok for what is no module, for one
// that carries no script, and for one whose data an instruction could name or a global could move. A module with a kin need not be valid.
func Kin(module []byte) (name [sha256.Size]byte, ok bool) {
	if !carriesScript(module) {
		return name, false
	}
	h := sha256.New()
	r := &reader{b: module, pos: len(magic), end: len(module)}
	for r.more() {
		at := r.pos
		id, size := r.u8(), r.vec(1)
		start := r.pos
		r.pos += size
		if r.err != nil || id == secDataCount { // which comes where instructions name segments
			return name, false
		}
		if id != secData {
			h.Write(module[at:r.pos])
			continue
		}
		segments, ok := segmentsOf(module, start, r.pos)
		if !ok {
			return name, false
		}
		h.Write(binary.LittleEndian.AppendUint64([]byte{secData}, uint64(len(segments))))
	}
	h.Sum(name[:0])
	return name, r.err == nil
}

// carriesScript reports whether a module has the section that Embed adds. It does not look at the others.
func carriesScript(module []byte) bool {
	if !bytes.HasPrefix(module, magic) {
		return false
	}
	r := &reader{b: module, pos: len(magic), end: len(module)}
	for r.more() {
		id, size := r.u8(), r.vec(1)
		if id == 0 && (&reader{b: module, pos: r.pos, end: r.pos + size}).name() == scriptSection {
			return true
		}
		r.pos += size
	}
	return false
}

// errNoKin: what the one was made of is no kin of the other.
var errNoKin = errors.New("the modules have not the same code")

// Relaid is what Instantiable gives for a module, made of what it gave for one of its kin: other data in front of the same code. Kin
// must have been set. It fails for a module that is none of them.
func (x Instantiable) Relaid(module []byte) (Instantiable, error) {
	kin, ok := Kin(module)
	if !ok || kin != x.Kin || !x.Apart {
		return Instantiable{}, errNoKin
	}
	r := &reader{b: module, pos: len(magic), end: len(module)}
	for r.more() {
		id, size := r.u8(), r.vec(1)
		start := r.pos
		r.pos += size
		if id != secData {
			continue
		}
		segments, _ := segmentsOf(module, start, r.pos) // Kin has seen that they are
		x.Start += writeCost(size) - writeCost(x.DataBytes)
		x.Data, x.DataBytes = joinedData(segments), size
	}
	return x, nil
}

// segmentsOf reads a data section; it is not ok unless all of it lies where a constant says.
func segmentsOf(module []byte, start, end int) ([]Data, bool) {
	m := &Module{raw: module}
	m.sections[secData] = section{start: start, end: end, present: true}
	return m.segments()
}
