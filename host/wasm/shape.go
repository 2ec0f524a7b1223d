package wasm

// shape is what the rewriter must know of a body before it looks at it from the beginning. It is the first of three passes.
type shape struct {
	constructs []construct // blocks, loops and ifs in the order of their beginnings
	calls      bool        // has call or call_indirect
	loops      bool
	leaves     bool // has a return, or a branch to the function's own label
	dynamic    bool // has an operation that is priced by a length
	frame      frame

	unrolled topTested // the last that was looked at
	open     []openConstruct
	inside   []int // loops, as places in open
}

// construct is a block, loop or if.
type construct struct {
	targeted bool // some branch names its label
	hasElse  bool
	backArm  bool // an if without else whose arm ends in a branch to the innermost loop: the body of a loop tested at its top
}

// openConstruct is a construct that the pass is inside of.
type openConstruct struct {
	index int // in constructs, -1 for the function
	op    uint16
	block *FuncType
	began int // frame.now at its beginning
}

// measure walks over the code that d is at.
func (s *shape) measure(d *decoder, b *body, locals []ValueType, o Options) {
	s.frame.begin(d.m, b, locals, o.CanonicalNaNs)
	*s = shape{constructs: s.constructs[:0], frame: s.frame, unrolled: s.unrolled, open: s.open[:0], inside: s.inside[:0]}
	s.open = append(s.open, openConstruct{index: -1})
	var in, last instr
	for ; d.next(&in); last = in {
		s.frame.define(&in)
		s.dynamic = s.dynamic || in.op.dynamic
		switch in.op.code {
		case opBlock, opLoop, opIf:
			s.begin(&in)
			if in.op.code == opLoop && d.topTested(in.block, &s.unrolled) {
				s.again(turns - 1)
			}
		case opElse:
			s.constructs[s.open[len(s.open)-1].index].hasElse = true
		case opEnd:
			s.end(&last)
		case opBr, opBrIf:
			s.target(in.x)
		case opBrTable:
			for _, depth := range d.targets {
				s.target(depth)
			}
		case opReturn:
			s.leaves = true
		case opCall, opCallIndirect:
			s.calls = true
		}
	}
}

func (s *shape) begin(in *instr) {
	if in.op.code == opLoop {
		s.loops = true
		s.inside = append(s.inside, len(s.open))
	}
	s.open = append(s.open, openConstruct{len(s.constructs), in.op.code, in.block, s.frame.now})
	s.constructs = append(s.constructs, construct{})
}

// end closes the innermost construct; last is the instruction before.
func (s *shape) end(last *instr) {
	o := s.open[len(s.open)-1]
	if o.index < 0 {
		return
	}
	c := &s.constructs[o.index]
	switch o.op {
	case opLoop:
		s.inside = s.inside[:len(s.inside)-1]
		s.frame.join(o.began, o.block.Params)
	case opIf:
		if n := len(s.inside); n > 0 && !c.hasElse && last.op.code == opBr {
			c.backArm = len(s.open)-1-int(last.x) == s.inside[n-1]
		}
		s.frame.join(o.began, o.block.Results)
	default:
		if c.targeted {
			s.frame.join(o.began, o.block.Results)
		}
	}
	s.open = s.open[:len(s.open)-1]
}

// again counts what unrolling a loop adds.
func (s *shape) again(times int) {
	for range times {
		began := s.frame.now
		for _, in := range s.unrolled.test {
			s.frame.define(&in)
		}
		for _, in := range s.unrolled.work {
			s.frame.define(&in)
		}
		s.frame.join(began, nil)
	}
}

func (s *shape) target(depth uint32) {
	if i := s.open[len(s.open)-1-int(depth)].index; i < 0 {
		s.leaves = true
	} else {
		s.constructs[i].targeted = true
	}
}
