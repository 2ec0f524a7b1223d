package clause

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/cdata"
)

// manner is how the host's part is played in a run. All of it is the host's choice: a guest does the same in every manner.
type manner struct {
	layout   abitest.Block // how batches are laid down; its place is set for each
	sandbox  bool          // the open block as the sandbox lays it down, not as abitest does
	scribble bool          // the arena is overwritten when a batch has been processed
	move     bool          // each batch lies elsewhere, and where the one before it lay is overwritten and given back
	hoard    bool          // more memory is asked for before and between batches, and overwritten
	image    bool          // the run begins from an image of an initialised instance, if there is one
	still    bool          // the clock stands still during a call
	answer   func(c call) (uint64, bool)
}

// wasiClock is WASI's other name for the clock.
const wasiClock = "clock_time_get"

// Where a run ends for which there is no memory, and one whose guest does not take it back.
const (
	allocation = "asking for memory"
	release    = "giving memory back"
)

// outcome is how a run ended, and all that it did.
type outcome struct {
	where   string // the call that it ended in
	status  int32  // what that call gave
	err     error  // or why it did not return
	result  abitest.Result
	calls   []call // the first of them
	made    int    // calls in all
	batches int    // that were processed with success
	hoards  int
	opened  bool // adp_open took the ports
}

// good reports whether the run ended as it should.
func (o *outcome) good() bool { return o.err == nil && o.status == 0 }

// refused reports whether the guest ended the run of its own will: with a status, and a reason in its log.
func (o *outcome) refused() bool {
	return o.err == nil && o.status != 0 && slices.ContainsFunc(o.result.Logs, func(l abitest.Log) bool { return l.Level == abi.LogError })
}

// why is how a run failed, in words.
func (o *outcome) why() string {
	if o.err != nil {
		return o.where + ": " + reason(o.err)
	}
	text := fmt.Sprintf("%s returned %d", o.where, o.status)
	for i := len(o.result.Logs) - 1; i >= 0; i-- {
		if l := o.result.Logs[i]; l.Level == abi.LogError {
			return text + ", its log: " + l.Message
		}
	}
	return text + " and logged no reason"
}

// play runs the guest over batches in some manner.
func (x *exam) play(s abitest.Spec, batches []batch, m manner) *outcome {
	o := &outcome{where: "the start"}
	g, err := x.start(s, m)
	defer g.close()
	p := player{g, m, o, span{}}
	if o.err = err; err == nil {
		p.run(batches)
	}
	o.result, o.calls, o.made = g.result, g.calls, g.made
	return o
}

// player is a run under way.
type player struct {
	*guest
	m     manner
	o     *outcome
	arena span
}

func (p *player) run(batches []batch) {
	if p.m.hoard && p.more() != nil || p.open() != nil || p.o.status != 0 {
		return
	}
	p.o.opened = true
	for n, b := range batches {
		p.o.where = fmt.Sprintf("adp_process of batch %d, %d rows of input %s", n+1, len(b.rows), p.spec.Inputs[b.input].Name)
		if p.process(b) != nil || p.o.status != 0 {
			return
		}
		p.o.batches++
		if p.m.hoard && n < 20 && p.more() != nil {
			return
		}
	}
	p.flush()
	p.kept()
}

// flush ends the run. Only what Instance.Flush has ended goes back to the instances that wait.
func (p *player) flush() {
	p.o.where = abi.ExportFlush
	if p.m.image {
		p.o.status, p.o.err = p.whole(abi.ExportFlush, p.bare.Flush)
		return
	}
	p.o.status, p.o.err = p.call(abi.ExportFlush)
}

// whole has the sandbox play the host's part in a call, and takes its error apart again.
func (p *player) whole(export string, call func(context.Context) error) (int32, error) {
	p.enter(export)
	err := call(p.x.ctx)
	if host.CodeOf(err) == host.CodeGuestStatus {
		return int32(abi.Failed), nil
	}
	return 0, err
}

// noted keeps the first error.
func (p *player) noted(err error) error {
	if p.o.err == nil {
		p.o.err = err
	}
	return err
}

func (p *player) open() error {
	p.o.where = abi.ExportOpen
	if p.m.sandbox || p.x.formed() {
		p.o.status, p.o.err = p.whole(abi.ExportOpen, p.bare.Open)
		return p.o.err
	}
	measure := abitest.Block{Base: abi.Alignment, Gap: p.m.layout.Gap}
	measure.Open(p.spec)
	at, err := p.alloc(uint32(len(measure.Bytes)), "the open block")
	if err != nil {
		p.o.where = allocation
		return p.noted(err)
	}
	block := abitest.Block{Base: at.base(), Gap: p.m.layout.Gap}
	addr := block.Open(p.spec)
	copy(p.bare.Memory()[block.Base:], block.Bytes)
	p.o.status, p.o.err = p.call(abi.ExportOpen, uint64(addr), uint64(len(block.Bytes)))
	return p.o.err
}

func (p *player) process(b batch) error {
	laid, addr, err := p.lay(b)
	if err != nil {
		return p.noted(err)
	}
	p.o.status, p.o.err = p.call(abi.ExportProcess, uint64(b.input), uint64(addr))
	if p.o.err != nil {
		return p.o.err
	}
	if now := p.bare.Memory()[addr:][:len(laid)]; !bytes.Equal(now, laid) {
		at := 0
		for now[at] == laid[at] {
			at++
		}
		p.x.fail("arena-unwritten", "%s wrote to the arena, %d bytes behind its beginning", p.o.where, at)
	}
	if p.m.scribble {
		p.scribble(p.arena)
	}
	return nil
}

// lay puts a batch into the arena, and gives what lies there now and its address.
func (p *player) lay(b batch) (laid []byte, addr uint32, err error) {
	write, size, err := p.writer(b)
	if err != nil {
		return nil, 0, err
	}
	if err := p.room(size); err != nil {
		return nil, 0, err
	}
	addr = p.arena.base()
	write(p.bare.Memory(), addr)
	return slices.Clone(p.bare.Memory()[addr:][:size]), addr, nil
}

// writer lays a batch down once it has a place: as abitest does, in the manner of the run, or as the sandbox does where columns
// cross in other forms.
func (p *player) writer(b batch) (write func(memory []byte, at uint32), size uint32, err error) {
	port := p.ports.inputs[b.input]
	if !port.formed() {
		fields := p.spec.Inputs[b.input].Fields
		measure := p.m.layout
		measure.Base = abi.Alignment
		measure.Batch(fields, b.rows)
		return func(memory []byte, at uint32) {
			block := p.m.layout
			block.Base = at
			block.Batch(fields, b.rows)
			copy(memory[at:], block.Bytes)
		}, uint32(len(measure.Bytes)), nil
	}
	layout, err := cdata.NewLayout(port.guest)
	if err != nil {
		return nil, 0, err
	}
	rec, err := port.batch(b.rows)
	if err != nil {
		return nil, 0, err
	}
	w := layout.NewWriter()
	bytes, err := w.Plan(rec)
	return w.Write, uint32(bytes), err
}

// room makes the arena large enough. The first is never the last: some batches later a larger one is needed.
func (p *player) room(size uint32) error {
	old := p.arena
	if !p.m.move && size <= old.size {
		return nil
	}
	if old.size > 0 && !p.m.move {
		if err := p.back(old); err != nil {
			return err
		}
	}
	var err error
	if p.arena, err = p.alloc(size, "the arena"); err != nil {
		p.o.where = allocation
		return err
	}
	if old.size > 0 && p.m.move {
		p.scribble(old)
		return p.back(old)
	}
	return nil
}

// back gives an arena back.
func (p *player) back(s span) error {
	err := p.free(s)
	if err != nil {
		p.o.where = release
	}
	return err
}

// hoarded is the size of the first piece of memory that is asked for and never used.
const hoarded = 1000

// more asks for memory that serves nothing, and overwrites it.
func (p *player) more() error {
	s, err := p.alloc(uint32(hoarded+p.o.hoards*777), "an allocation")
	if err != nil {
		p.o.where = allocation
		return p.noted(err)
	}
	p.o.hoards++
	p.scribble(s)
	return nil
}

// kept looks whether memory that serves nothing is as it was left.
func (p *player) kept() {
	if !p.m.hoard || p.o.err != nil {
		return
	}
	for _, s := range p.live {
		if s.what == "an allocation" && !bytes.Equal(p.bytes(s), bytes.Repeat([]byte{poison}, int(s.size))) {
			p.x.fail("alloc-own", "%s was given to the host and written to by the guest", s)
		}
	}
}
