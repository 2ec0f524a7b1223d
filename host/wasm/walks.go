package wasm

// An engine builds the tree of the blocks that dominate others, those that every way to them passes, and walks it up from each
// block and each edge to the entry, more than once. Where thousands of blocks follow one another, that is quadratic in them: wazero
// 1.12 takes 25 to 50 s for a row of 18,000 loops. So admission counts the steps. In structured code the depth of a block in
// that tree follows from the depths of those that lead to it: what follows a construct is at most one below the highest of them.

// unled is the depth of a block that nothing leads to.
const unled = -1

// walk is the sum over a body, while it is validated.
type walk struct {
	depth int64 // of the current block, or unled
	steps int64
}

// enter begins a block below another.
func (w *walk) enter(above int64) {
	if w.depth = above; above == unled {
		return
	}
	w.depth++
	w.steps += above + w.depth // up from the edge that leads to it, and from itself
}

// highest of two blocks, either of which may be unled to.
func highest(a, b int64) int64 {
	if a == unled || b != unled && b < a {
		return b
	}
	return a
}

// leave is a branch to a label.
func (v *validator) leave(label uint32) {
	if v.walk.depth == unled || int64(label) >= int64(len(v.ctl)) {
		return
	}
	c := &v.ctl[len(v.ctl)-1-int(label)]
	c.join = highest(c.join, v.walk.depth)
	v.walk.steps += v.walk.depth
}

// follow does the walk's part of an instruction that begins or ends blocks, before control does its own.
func (v *validator) follow(in *instr) {
	w, c := &v.walk, &v.ctl[len(v.ctl)-1]
	switch in.op.code {
	case opUnreachable, opReturn:
		w.depth = unled
	case opBr:
		v.leave(in.x)
		w.depth = unled
	case opBrTable:
		for _, label := range v.targets {
			v.leave(label)
		}
		w.depth = unled
	case opBrIf:
		v.leave(in.x)
		w.enter(w.depth)
	case opLoop:
		w.enter(w.depth)
	case opElse:
		c.join = highest(c.join, w.depth)
		w.enter(c.above)
	case opEnd:
		from := w.depth
		if c.op != opLoop {
			from = highest(from, c.join)
		}
		if c.op == opIf {
			from = highest(from, c.above)
		}
		w.enter(from)
	}
}
