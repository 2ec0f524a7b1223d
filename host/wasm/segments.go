package wasm

// The second pass decides where fuel is charged. A segment is code that is executed together: whoever executes its first
// instruction executes all of it, unless something traps. It is charged once, at its beginning.
//
// A segment is more than a basic block. What follows a block, loop or if belongs to the segment before it when every way
// through the construct comes out at its end. Where one way leaves for good, the segment may still go on, and the way that
// leaves takes back what it skips: in the charge of the arm it is in (segment.adjust), or on the edge of a br_if
// (refund). So the common path of a hot loop pays once per iteration, while the sum over a completed call is exactly the
// sum over its instructions: tests compare it with charging every instruction by itself.

// dead is the current segment where code cannot be reached.
const dead = -1

// segment is charged in front of instruction at, counted from 0 in the body.
type segment struct {
	at     int
	cost   int64 // of its instructions
	adjust int64 // of what another segment charged for instructions that this way skips: never positive
}

// refund is what a br_if gives back when it is taken.
type refund struct {
	at   int // the br_if
	fuel int64
}

// plan is where a body charges, and the state of the pass that finds out.
type plan struct {
	segments []segment // in the order of at; the first is the function's entry
	refunds  []refund  // in the order of at

	shape *shape
	begun int // constructs so far
	open  []region
	loops []int // open loops, as places in open
	debts []debt
	cur   int // current segment
	now   int // current instruction
	every bool
}

// region is an open construct, or the function.
type region struct {
	construct
	op       uint16
	carry    int   // operands that a branch to its label takes
	entry    int   // the segment in front of it
	mark     int64 // what entry cost when the region began
	arm      int   // the segment of an if's arm; where the arm continues entry, dead
	armLives bool  // the first arm of an if with else reaches its end
	escape   int   // the outermost region that a branch inside goes to; its own place while none leaves
	debts    int   // first of those that end here, or -1
}

// debt is for what segment from charges between the cost of mark and the end of a region, by a way that jumps there.
type debt struct {
	from   int
	mark   int64
	arm    int // the segment that takes it back, or dead:
	refund int // the refund that does
	next   int // debt of the same region, or -1
}

// make plans the code that d is at. With every, each instruction is charged by itself.
func (p *plan) make(d *decoder, s *shape, results int, every bool) {
	*p = plan{segments: p.segments[:0], refunds: p.refunds[:0], open: p.open[:0], loops: p.loops[:0], debts: p.debts[:0], shape: s, every: every}
	p.open = append(p.open, region{op: opBlock, carry: results, debts: -1})
	p.cur = p.segment(0)
	var in instr
	for ; d.next(&in); p.now++ {
		if every && p.cur != dead {
			p.cur = p.segment(p.now)
		}
		p.step(&in, d.targets)
	}
}

// segment begins one.
func (p *plan) segment(at int) int {
	p.segments = append(p.segments, segment{at: at})
	return len(p.segments) - 1
}

// next begins a segment behind the current instruction, unless that is dead code.
func (p *plan) next() int {
	if p.cur == dead {
		return dead
	}
	return p.segment(p.now + 1)
}

func (p *plan) pay(cost int64) {
	if p.cur != dead {
		p.segments[p.cur].cost += cost
	}
}

func (p *plan) costOf(segment int) int64 {
	if segment == dead {
		return 0
	}
	return p.segments[segment].cost
}

func (p *plan) step(in *instr, targets []uint32) {
	if in.op.code != opLoop { // a loop is paid in each iteration
		p.pay(in.op.cost)
	}
	switch in.op.code {
	case opBlock:
		p.push(in, len(in.block.Results))
	case opLoop:
		p.loops = append(p.loops, len(p.open))
		p.push(in, len(in.block.Params))
		p.cur = p.next()
		p.pay(in.op.cost)
	case opIf:
		p.push(in, len(in.block.Results))
		r := p.top()
		if inherits := r.hasElse || r.backArm && !r.targeted; !inherits {
			p.cur = p.next()
			r.arm = p.cur
		}
	case opElse:
		p.otherwise()
	case opEnd:
		p.end()
	case opUnreachable:
		p.cur = dead
	case opBr:
		p.leave(in.x)
		p.cur = dead
	case opReturn:
		p.leave(uint32(len(p.open) - 1))
		p.cur = dead
	case opBrTable:
		for _, depth := range targets {
			p.leave(depth)
		}
		p.cur = dead
	case opBrIf:
		p.branchIf(in.x)
	}
}

func (p *plan) top() *region { return &p.open[len(p.open)-1] }

func (p *plan) push(in *instr, carry int) {
	p.open = append(p.open, region{construct: p.shape.constructs[p.begun], op: in.op.code, carry: carry, entry: p.cur,
		mark: p.costOf(p.cur), arm: dead, escape: len(p.open), debts: -1})
	p.begun++
}

// otherwise turns to the second arm of an if. The first continued the segment in front, so the second takes back what
// the first cost.
func (p *plan) otherwise() {
	r := p.top()
	r.armLives = p.cur != dead
	if p.cur = r.entry; p.cur != dead {
		p.cur = p.next()
		p.segments[p.cur].adjust = r.mark - p.costOf(r.entry)
	}
}

// leave notes a branch.
func (p *plan) leave(depth uint32) {
	if p.cur == dead {
		return
	}
	r := p.top()
	r.escape = min(r.escape, len(p.open)-1-int(depth))
}

// branchIf: a branch out of the innermost loop is the rare way, so the segment goes on and the branch gets a refund.
// Any other splits the way.
func (p *plan) branchIf(depth uint32) {
	p.leave(depth)
	target := len(p.open) - 1 - int(depth)
	if n := len(p.loops); p.cur != dead && n > 0 && target < p.loops[n-1] && p.open[target].carry == 0 && !p.every {
		p.refunds = append(p.refunds, refund{at: p.now})
		p.owe(target, debt{from: p.cur, mark: p.costOf(p.cur), arm: dead, refund: len(p.refunds) - 1})
		return
	}
	p.cur = p.next()
}

func (p *plan) owe(target int, d debt) {
	d.next = p.open[target].debts
	p.open[target].debts = len(p.debts)
	p.debts = append(p.debts, d)
}

// end closes the innermost region and finds the segment of what follows it.
func (p *plan) end() {
	at := len(p.open) - 1
	r := p.open[at]
	for i := r.debts; i >= 0; i = p.debts[i].next {
		d := &p.debts[i]
		if owed := p.costOf(d.from) - d.mark; d.arm != dead {
			p.segments[d.arm].adjust -= owed
		} else {
			p.refunds[d.refund].fuel = owed
		}
	}
	p.open = p.open[:at]
	if at == 0 {
		return
	}
	outer := p.top()
	outer.escape = min(outer.escape, r.escape)
	if r.op == opLoop {
		p.loops = p.loops[:len(p.loops)-1]
	}
	p.cur = p.follow(&r, at)
}

// follow is the segment of what follows region r, which was at place at.
func (p *plan) follow(r *region, at int) int {
	falls := p.cur != dead
	skips := r.op == opIf && !r.hasElse
	switch {
	case r.entry == dead:
		return dead
	case !falls && !skips && !r.armLives && (r.op == opLoop || !r.targeted):
		return dead
	case skips && r.arm == dead: // only by not taking the arm, which continued entry and never comes out
		s := p.segment(p.now + 1)
		p.segments[s].adjust = r.mark - p.costOf(r.entry)
		return s
	case r.escape == at: // every way comes out here
		return r.entry
	case r.op == opBlock && !r.targeted: // only by falling off its end
		return p.cur
	case skips && !falls && !r.targeted: // only by not taking the arm
		// Whatever the arm jumps to, entry does not go on behind the innermost of its targets, so one debt is right for
		// all.
		p.owe(r.escape, debt{from: r.entry, mark: r.mark, arm: r.arm})
		return r.entry
	}
	return p.segment(p.now + 1)
}
