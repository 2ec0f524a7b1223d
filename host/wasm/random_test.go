package wasm_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/adp-host/adp/host/wasm"
)

// program writes random functions that end: every iteration of a loop takes one of a number of steps, and the function
// returns when none are left. Blocks, arms and loops are nested at random and branched out of at random, with code behind
// branches that is never reached.
type program struct {
	r    *rand.Rand
	b    strings.Builder
	open []bool // constructs, innermost last: whether a branch to it takes an operand
	size int
}

const (
	localSteps = 1
	localSum   = 2
	localBits  = 3
)

func (p *program) op(format string, a ...any) {
	fmt.Fprintf(&p.b, "%s%s\n", strings.Repeat("  ", len(p.open)), fmt.Sprintf(format, a...))
	p.size--
}

// function is f (i32) -> (i32): its argument and a shifting copy of it decide the branches.
func (p *program) function(name string, callees []string) {
	fmt.Fprintf(&p.b, "func %s (i32) -> (i32)\n", name)
	p.open = []bool{true}
	p.op("local i32 i32 i32")
	p.op("i32.const %d", 5+p.r.IntN(40))
	p.op("local.set %d", localSteps)
	p.op("local.get 0")
	p.op("local.set %d", localBits)
	p.statements(callees)
	p.op("local.get %d", localSum)
}

func (p *program) statements(callees []string) {
	for n := p.r.IntN(6); n >= 0 && p.size > 0; n-- {
		p.statement(callees)
	}
}

// coin pushes a bit that depends on the argument.
func (p *program) coin() {
	p.op("local.get %d", localBits)
	p.op("i32.const %d", 1+p.r.IntN(9))
	p.op("i32.rotl")
	p.op("local.get %d", localSum)
	p.op("i32.add")
	p.op("local.tee %d", localBits)
	p.op("i32.const %d", 1<<p.r.IntN(5))
	p.op("i32.and")
}

func (p *program) work() {
	for range p.r.IntN(4) {
		p.op("local.get %d", localSum)
		p.op("i32.const %d", p.r.IntN(100))
		p.op("%s", []string{"i32.add", "i32.xor", "i32.mul"}[p.r.IntN(3)])
		p.op("local.set %d", localSum)
	}
}

func (p *program) construct(kind string, typed bool, body func()) {
	if typed {
		kind += " -> (i32)"
	}
	p.op("%s", kind)
	p.open = append(p.open, typed && !strings.HasPrefix(kind, "loop"))
	body()
	if typed {
		p.op("local.get %d", localSum)
	}
}

func (p *program) close(typed bool) {
	p.open = p.open[:len(p.open)-1]
	p.op("end")
	if typed {
		p.op("local.set %d", localSum)
	}
}

// label is a random label and whether it takes an operand. A branch to a loop is safe: its beginning takes a step.
func (p *program) label() (int, bool) {
	d := p.r.IntN(len(p.open))
	return d, p.open[len(p.open)-1-d]
}

func (p *program) statement(callees []string) {
	typed := p.r.IntN(4) == 0
	switch p.r.IntN(12) {
	case 0, 1:
		p.construct("block", typed, func() { p.statements(callees) })
		p.close(typed)
	case 2, 3:
		p.construct("loop", typed, func() {
			p.op("local.get %d", localSteps)
			p.op("i32.const 1")
			p.op("i32.sub")
			p.op("local.tee %d", localSteps)
			p.op("i32.const 0")
			p.op("i32.lt_s")
			p.op("if")
			p.op("local.get %d", localSum)
			p.op("return")
			p.op("end")
			p.statements(callees)
			if p.r.IntN(2) == 0 {
				p.coin()
				p.op("br_if 0")
			}
		})
		p.close(typed)
	case 4, 5:
		p.coin()
		p.construct("if", false, func() { p.statements(callees) })
		if p.r.IntN(3) == 0 {
			p.jump()
		}
		p.close(false)
	case 6:
		p.coin()
		p.construct("if", typed, func() { p.statements(callees) })
		p.open = p.open[:len(p.open)-1]
		p.construct("else", false, func() {})
		p.open[len(p.open)-1] = typed
		p.statements(callees)
		if typed {
			p.op("local.get %d", localSum)
		}
		p.close(typed)
	case 7, 8:
		d, takes := p.label()
		if takes {
			p.op("local.get %d", localSum)
		}
		p.coin()
		p.op("br_if %d", d)
		if takes {
			p.op("drop")
		}
	case 9:
		if p.r.IntN(3) == 0 {
			p.jump()
		}
	case 10:
		if len(callees) > 0 {
			p.op("local.get %d", localBits)
			p.op("call $%s", callees[p.r.IntN(len(callees))])
			p.op("local.set %d", localSum)
		}
	case 11:
		p.coin()
		d, takes := p.label()
		if !takes {
			p.op("br_table %d %d", d, d)
		} else {
			p.op("drop")
		}
	}
	p.work()
}

// jump leaves unconditionally.
func (p *program) jump() {
	d, takes := p.label()
	if takes {
		p.op("local.get %d", localSum)
	}
	switch p.r.IntN(5) {
	case 0:
		p.op("local.get %d", localSum)
		p.op("return")
	case 1:
		p.op("unreachable")
	default:
		p.op("br %d", d)
	}
}

// TestRandomPrograms: results, traps and fuel of random control flow are the same in all worlds, to the instruction.
func TestRandomPrograms(t *testing.T) {
	const seeds = 200
	traps := 0
	for seed := range uint64(seeds) {
		p := &program{r: rand.New(rand.NewPCG(seed, 7))}
		var names []string
		for i := range 3 {
			name := fmt.Sprintf("f%d", i)
			p.size = 40 + p.r.IntN(400)
			p.function(name, names)
			names = append(names, name)
		}
		b := wasm.Assemble(p.b.String())
		s := &script{t: t, ws: worlds(t, wasm.Options{StackBudget: 1 << 20})}
		mods := s.instantiate(b, "")
		if mods == nil {
			_, err := wasm.Parse(b)
			t.Fatalf("seed %d: %v\n%s", seed, err, p.b.String())
		}
		for _, name := range names {
			for _, arg := range []uint64{0, 1, 0x5a5a5a5a, 0xffffffff, 0x12345678} {
				if _, err := call(t, fmt.Sprintf("seed %d", seed), s.ws, mods, name, arg); err != nil {
					traps++
				}
			}
		}
		for _, w := range s.ws {
			w.r.Close(ctx)
		}
		if t.Failed() {
			t.Fatalf("%s", p.b.String())
		}
	}
	t.Logf("%d programs, %d calls trapped", seeds, traps)
}
