package sandbox

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// frame is a function on a guest's stack when it stopped.
type frame struct {
	name string // the author's
	at   int    // where it stood, in the code section of the metered module; -1: nobody knows
}

// maxFrames is how much of a guest's stack an error shows. Names are short and on one line: see host/wasm.
const maxFrames = 10

// mostPlaced is how large a module's code may be, metered, for the engine to keep with it on disk where each instruction stands. It
// reads that back in pieces of 8 bytes, a system call each: a Go guest took 430 ms to load instead of 80, a small Rust guest takes 10
// more.
const mostPlaced = 512 << 10

// placeable reports whether traps of a program say at which byte they happened: those of an interpreter always do, which is where a
// new module runs first, and those of compiled code unless it is large and comes from the disk.
func placeable(m wasm.Instantiable, dir string, cfg Config) bool {
	return cfg.Interpreter || dir == "" || len(m.Bytes) <= mostPlaced
}

// splitTrap takes wazero's error apart:
//
//	wasm error: TRAP
//	wasm stack trace:
//		MODULE.FUNCTION(i32) i64
//			0x1a2b: adp:1
//
// Functions of the host and of the meter are left out.
func splitTrap(err error, module string) (trap string, frames []frame) {
	trap, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
	trap = strings.TrimPrefix(trap, "wasm error: ")
	own := false
	for line := range strings.SplitSeq(trace, "\n") {
		line = strings.TrimSpace(line)
		if at, ok := placed(line); ok {
			if own {
				frames[len(frames)-1].at = at
			}
			continue
		}
		var name string
		if name, own = strings.CutPrefix(line, module+"."); !own {
			continue
		}
		if name = functionName(name); name == wasm.MeterModule+"."+wasm.MeterRefill {
			own = false
			continue
		}
		if len(frames) == maxFrames {
			break
		}
		frames = append(frames, frame{name, -1})
	}
	return trap, frames
}

// placed reads a line "0x1a2b: adp:1".
func placed(line string) (at int, ok bool) {
	text, ok := strings.CutSuffix(line, ": "+wasm.DebugFile+":1")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 0, 32)
	return int(n), err == nil
}

// functionName is a frame without its signature.
func functionName(name string) string {
	name, _, _ = strings.Cut(strings.TrimSuffix(name, ")"), ") ") // results
	if n := strings.LastIndexByte(name, '('); n > 0 {
		name = name[:n] // parameters
	}
	return name
}

// where says in which function and at which byte of the author's module a guest stopped, " in function …", and lists the stack;
// both are empty when the guest did not run.
func (i *Instance) where(frames []frame) (at, stack string) {
	if len(frames) == 0 {
		return "", ""
	}
	i.unplaced = frames[0].at < 0
	offsets := i.offsets(frames)
	at = fmt.Sprintf(" in function %q", frames[0].name)
	if offsets[0] > 0 {
		at += fmt.Sprintf(" (offset %#x)", offsets[0])
	}
	for n, f := range frames {
		stack += "  at " + f.name
		if offsets[n] > 0 {
			stack += fmt.Sprintf("+%#x", offsets[n])
		}
		stack += "\n"
	}
	return at, strings.TrimSuffix(stack, "\n")
}

// maxPlaces bounds what a program remembers of where it stopped.
const maxPlaces = 1 << 10

// offsets are the bytes of the author's module at which frames stand, 0 where that cannot be told.
//
// The engine tells an offset in what it has compiled. What that was before comes from metering the author's module once more, as
// far as it takes for one function: some milliseconds, up to a second for the largest guests, so a program remembers what it was
// asked.
func (i *Instance) offsets(frames []frame) []int {
	p := i.program
	p.placing.Lock()
	defer p.placing.Unlock()
	out := make([]int, len(frames))
	var m *wasm.Metered
	for n, f := range frames {
		at, known := p.places[f.at]
		if !known && f.at >= 0 && !i.replaceable() {
			if m == nil {
				if m = i.metered(); m == nil {
					return out
				}
			}
			if pos, ok := m.LocateCode(f.at); ok {
				at = pos.Offset
			}
			if p.places == nil || len(p.places) >= maxPlaces {
				p.places = map[int]int{}
			}
			p.places[f.at] = at
		}
		out[n] = at
	}
	return out
}

// replaceable: the time of a run's first half is over, compiled code does all again, and nobody will read where this
// instance stopped.
func (i *Instance) replaceable() bool {
	return i.onTrial && host.CodeOf(i.failure) == host.CodeGuestDeadline
}

// metered is the module as it was compiled; nil when the author's cannot be had any more.
func (i *Instance) metered() *wasm.Metered {
	original, err := i.spec.Bytes()
	if err != nil {
		return nil
	}
	o := i.id.options()
	parsed, err := wasm.ParseWithin(original, o.Limits)
	if err != nil {
		return nil
	}
	m, err := wasm.Meter(parsed, o)
	if err != nil {
		return nil
	}
	return m
}
