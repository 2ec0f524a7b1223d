package wasm

import (
	"strings"
	"unicode"
)

// names is what a name section says. Names are hints: what cannot be read is left out.
type names struct {
	module string
	funcs  map[uint32]string
}

// Subsections of the name section.
const (
	nameModule = 0
	nameFuncs  = 1
)

func parseNames(r *reader) names {
	var n names
	for r.more() && r.err == nil {
		id := r.u8()
		size := r.vec(1)
		sub := &reader{b: r.b, pos: r.pos, end: r.pos + size}
		r.pos += size
		switch id {
		case nameModule:
			n.module = printable(sub.name())
		case nameFuncs:
			n.funcs = parseNameMap(sub)
		}
	}
	return n
}

func parseNameMap(r *reader) map[uint32]string {
	count := r.vec(2)
	m := make(map[uint32]string, count)
	for ; count > 0; count-- {
		i := r.u32()
		s := r.name()
		if r.err != nil {
			break
		}
		m[i] = s
	}
	return m
}

// maxName is how many bytes of a name are kept. An engine writes the names of thirty frames into one error, with that of the
// module before each: names of megabytes made gigabytes of it.
const maxName = 200

// printable is a name as it may stand in a trace: short, and on one line.
func printable(name string) string {
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, name)
}

// nameSection names every function after the author's module, so that what an engine prints of a trap means something
// to the author. Names of locals and the like are left out, as is debug information about offsets that are no longer
// true.
func (w *rewriter) nameSection() []byte {
	out := appendName(nil, "name")
	if n := w.m.names.module; n != "" {
		out = appendSub(out, nameModule, appendName(nil, n))
	}
	all := w.m.funcNames()
	funcs := appendU(nil, uint32(len(all)+1))
	for i, n := range all {
		if uint32(i) == w.refill {
			funcs = appendName(appendU(funcs, w.refill), MeterModule+"."+MeterRefill)
		}
		funcs = appendName(appendU(funcs, w.shift(uint32(i))), n)
	}
	if len(all) == int(w.refill) {
		funcs = appendName(appendU(funcs, w.refill), MeterModule+"."+MeterRefill)
	}
	return appendSub(out, nameFuncs, funcs)
}

func appendSub(out []byte, id byte, content []byte) []byte {
	return append(appendU(append(out, id), uint32(len(content))), content...)
}
