package wasm

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
			n.module = sub.name()
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
