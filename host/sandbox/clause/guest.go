package clause

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/sandbox/cdata"
)

// span is a piece of guest memory that the host asked for, and what for.
type span struct {
	ptr, size uint32
	what      string
}

func (s span) String() string {
	return fmt.Sprintf("%s [%d, %d)", s.what, s.ptr, uint64(s.ptr)+uint64(s.size))
}

// call is a call of the guest into its host.
type call struct {
	stage  string // the export it came out of, "" before the first
	module string
	name   string
	params [6]uint64
	result uint64
}

// String is the call with its parameters and its result.
func (c call) String() string {
	n := len(c.params)
	for n > 0 && c.params[n-1] == 0 {
		n--
	}
	text := make([]string, n)
	for i, v := range c.params[:n] {
		text[i] = fmt.Sprint(v)
	}
	return fmt.Sprintf("%s(%s) → %d", c.name, strings.Join(text, ", "), int64(c.result))
}

// status is what the call gave, 0 where that is no status: all but those of ABI and WASI that answer a length or a time.
func (c *call) status() abi.Status {
	if c.module != abi.ImportModule || c.name == abi.ImportClock {
		return 0
	}
	if _, fills := capacity[c.name]; fills || c.name == abi.ImportDriverOpen {
		return abi.Status(max(0, -int64(c.result)))
	}
	return abi.Status(int32(c.result))
}

// guest is an instance whose host is played here, call by call.
type guest struct {
	*run
	x      *exam
	bare   sandbox.Bare
	stage  string
	live   []span                      // what was asked for and not given back
	calls  []call                      // the first of them
	made   int                         // calls in all
	answer func(c call) (uint64, bool) // in the place of an import
	still  bool                        // the clock stands still during a call of the host
	now    int64                       // of a clock that does, ns
}

// start gives an instance that has run what comes before adp_open, or one that begins from an image of such an instance as soon as
// there is one. It closes with close.
func (x *exam) start(s abitest.Spec, m manner) (*guest, error) {
	g := &guest{run: newRun(s, x.ports), x: x, answer: m.answer, still: m.still}
	spec := sandboxSpec(x.subject.Module, g.run)
	spec.Product.Limits.Deadline, spec.Product.Limits.Output = x.subject.Deadline, mostKept
	var err error
	if m.image {
		g.bare.Instance, err = x.engine.Start(x.ctx, spec, g)
	} else {
		g.bare, err = x.engine.Bare(x.ctx, spec, g)
	}
	return g, err
}

func (g *guest) close() {
	if g.bare.Instance != nil {
		_ = g.bare.Close()
	}
}

// Calling implements sandbox.Watcher.
func (g *guest) Calling(module, name string, params []uint64) (uint64, bool) {
	c := call{stage: g.stage, module: module, name: name}
	copy(c.params[:], params)
	if g.made++; len(g.calls) < mostCalls {
		g.calls = append(g.calls, c)
	}
	switch {
	case g.still && module == abi.ImportModule && name == abi.ImportClock:
		return uint64(g.now), true
	case g.still && name == wasiClock && uint64(uint32(params[2]))+8 <= uint64(len(g.bare.Memory())):
		binary.LittleEndian.PutUint64(g.bare.Memory()[uint32(params[2]):], uint64(g.now))
		return abi.WASISuccess, true
	case g.answer != nil:
		return g.answer(c)
	}
	return 0, false
}

// Called implements sandbox.Watcher. Calls do not nest.
func (g *guest) Called(_, _ string, result uint64) {
	if g.made <= mostCalls {
		g.calls[g.made-1].result = result
	}
}

// mostCalls is how many calls of a run are looked at: a guest can make many millions.
const mostCalls = 100_000

// call calls an export and judges the status that it gives, unless that may be one that it was given.
func (g *guest) call(export string, params ...uint64) (int32, error) {
	g.enter(export)
	result, err := g.bare.Call(g.x.ctx, export, params...)
	if err == nil && g.answer == nil && (export == abi.ExportOpen || export == abi.ExportProcess || export == abi.ExportFlush) && (result < 0 || result > int32(abi.DriverError)) {
		g.x.fail("status", "%s returned %d", export, result)
	}
	return result, err
}

// enter notes which call is under way. A clock that stands still goes on from one call of the run to the next.
func (g *guest) enter(export string) {
	g.stage = export
	if export != abi.ExportAlloc && export != abi.ExportFree {
		g.now = max(g.now, g.spec.Start.UnixNano()) + int64(time.Millisecond)
	}
}

// alloc asks for memory, as a host does, and judges what it gets. Where addresses are known to be skewed it asks for so much more
// that there is an aligned one among them, so that one fault does not hide the others.
func (g *guest) alloc(size uint32, what string) (span, error) {
	asked := size
	if g.x.skewed {
		asked += abi.Alignment
	}
	result, err := g.call(abi.ExportAlloc, uint64(asked))
	if err != nil {
		return span{}, err
	}
	s := span{uint32(result), asked, what}
	switch memory := uint64(len(g.bare.Memory())); {
	case s.ptr == 0:
		return span{}, host.Errorf(host.CodeGuestMemory, "adp_alloc(%d) returned 0 for %s", asked, what)
	case uint64(s.ptr)+uint64(asked) > memory:
		g.x.fail("alloc-inside", "adp_alloc(%d) returned %d, memory ends at %d", asked, s.ptr, memory)
		return span{}, fmt.Errorf("adp_alloc gave memory that is not there")
	case s.ptr%abi.Alignment != 0 && !g.x.skewed:
		g.x.fail("alloc-aligned", "adp_alloc(%d) returned %d, which is %d × 64 + %d", asked, s.ptr, s.ptr/64, s.ptr%64)
		g.x.skewed = true
		return g.alloc(size, what)
	}
	for _, other := range g.live {
		if uint64(s.ptr) < uint64(other.ptr)+uint64(other.size) && uint64(other.ptr) < uint64(s.ptr)+uint64(s.size) {
			g.x.fail("alloc-own", "%s overlaps %s", s, other)
		}
	}
	g.live = append(g.live, s)
	return s, nil
}

// free gives memory back.
func (g *guest) free(s span) error {
	for i, other := range g.live {
		if other == s {
			g.live = append(g.live[:i:i], g.live[i+1:]...)
		}
	}
	if _, err := g.call(abi.ExportFree, uint64(s.ptr), uint64(s.size)); err != nil {
		g.x.fail("free", "adp_free(%d, %d): %s", s.ptr, s.size, reason(err))
		return err
	}
	return nil
}

// base is where a block may begin in a span.
func (s span) base() uint32 { return (s.ptr + abi.Alignment - 1) &^ (abi.Alignment - 1) }

// bytes are the memory of a span, as it is now.
func (g *guest) bytes(s span) []byte { return g.bare.Memory()[s.ptr:][:s.size] }

// scribble overwrites a span.
func (g *guest) scribble(s span) {
	b := g.bytes(s)
	for i := range b {
		b[i] = poison
	}
}

// capacity is which parameter of an import is the room in its buffer.
var capacity = map[string]int{abi.ImportConfig: 3, abi.ImportStateGet: 3, abi.ImportStateScan: 5, abi.ImportDecide: 3, abi.ImportDriverNext: 2}

// blame finds the clause that an error of an import is about; "" when it is about none.
func blame(err error) string {
	var bad *cdata.Error
	switch {
	case errors.As(err, &bad) && bad.Status == abi.OutOfBounds:
		return "emit-inside"
	case errors.As(err, &bad) && bad.Status == abi.Misaligned:
		return "emit-aligned"
	case host.CodeOf(err) == host.CodeGuestBatch:
		return "emit-array"
	case host.CodeOf(err) == host.CodeGuestABI:
		return "pointers"
	}
	return ""
}
