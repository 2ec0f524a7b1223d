package wasm

import "sort"

// Locate tells which place of the author's module a place of the rewritten one comes from. index is a function's index
// in the rewritten module, offset is in bytes from the beginning of that function's body (behind its size), or negative
// where only the function is known. ok is false for the meter's own import and for functions that do not exist.
//
// Names of functions are kept in the rewritten module, so a trap names the right function by itself; Locate adds the
// offset. It rewrites the one function again, which takes as long as that: it is for error messages.
func (x *Metered) Locate(index uint32, offset int) (p Position, ok bool) {
	m := x.source
	if index == x.Refill || int64(index) >= int64(x.Functions) {
		return Position{}, false
	}
	f := index
	if index > x.Refill {
		f--
	}
	p = Position{Func: f, Name: m.FuncName(f)}
	if offset < 0 || int(f) < m.importedFuncs {
		return p, true
	}
	var places []place
	w := &bodyRewriter{rewriter: newRewriter(m, x.options), trace: &places}
	w.rewrite(int(f) - m.importedFuncs)
	i := sort.Search(len(places), func(i int) bool { return places[i].to > offset })
	p.Offset = places[max(i-1, 0)].from
	return p, true
}
