package sandbox

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/turns"
)

// Guest is the guest of one run: an instance, or two that are compared. It is used by one goroutine. After any error it is
// good only for Close.
type Guest struct {
	engine *Engine
	id     programID
	turn   *turns.Run
	spec   Spec
	calls  Calls
	lead   *Instance
	later  time.Duration // of the deadline, that the leader of a trial has only when it is alone again
	trial  *trial        // nil: lead is all there is
}

// Guest starts the guest of a run, when its tenant and product may have one more. A module that nothing is known of yet is
// interpreted, at once, while it is compiled; the first batches run in both, and what does the same is used from then on. A
// module that is refused gives a host.Error of area S.
func (e *Engine) Guest(ctx context.Context, s Spec, c Calls) (*Guest, error) {
	limits := s.Product.Limits.WithDefaults()
	turn, err := e.admit(ctx, s.Product.ID, limits.Memory)
	if err != nil {
		return nil, err
	}
	g := &Guest{engine: e, turn: turn, spec: s, calls: c, id: programOf(s)}
	if err := g.start(ctx); err != nil {
		_ = g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Guest) start(ctx context.Context) (err error) {
	v, err := g.engine.judged(g.id, g.spec.Bytes)
	if err != nil {
		return err
	}
	switch {
	case g.engine.cfg.Interpreter, v == same:
		g.lead, err = g.engine.begin(ctx, g.compiled(), g.spec, g.calls, g.turn)
		return err
	case v == other, g.spec.Product.Compute() != nil:
		// A guest that asks a compute driver passes its answers on: there is nothing to compile that would be faster. In a trial
		// an answer of any size would be kept, and a long one asked for twice, of a session that is over.
		g.lead, err = g.engine.begin(ctx, g.interpreted(), g.spec, g.calls, g.turn)
		return err
	}
	t := &trial{g: g, sources: sources{closed: map[int]bool{}}}
	g.lead, err = g.engine.begin(ctx, g.interpreted(), g.spec, &recorder{Calls: g.calls, journal: &t.journal, sources: &t.sources}, g.turn)
	if err != nil {
		return err
	}
	g.later = max(g.lead.meter.left-patience, 0)
	g.lead.meter.left -= g.later
	g.lead.onTrial = true
	t.allowed = g.lead.meter.left
	t.coming = g.engine.compiling(ctx, g.compiled(), g.spec.Bytes)
	g.trial = t
	select {
	case <-t.coming.done:
	case <-time.After(brief):
	}
	return nil
}

func (g *Guest) compiled() programID { return g.id }

func (g *Guest) interpreted() programID {
	id := g.id
	id.interpreted = true
	return id
}

func (g *Guest) step(ctx context.Context, s step) error {
	if g.trial != nil {
		return g.trial.step(ctx, s)
	}
	err := s.do(ctx, g.lead)
	if host.CodeOf(err) == host.CodeGuestTrap && g.lead.unplaced {
		g.engine.doubts(g.id)
	}
	return err
}

// Open is Instance.Open.
func (g *Guest) Open(ctx context.Context) error { return g.step(ctx, step{name: "open"}) }

// Process is Instance.Process.
func (g *Guest) Process(ctx context.Context, input int, rec arrow.RecordBatch) error {
	return g.step(ctx, step{name: "process", input: input, rec: rec})
}

// Flush is Instance.Flush.
func (g *Guest) Flush(ctx context.Context) error { return g.step(ctx, step{name: "flush"}) }

// Usage is Instance.Usage. Of two instances that are compared it is what one costs.
func (g *Guest) Usage() Usage { return g.lead.Usage() }

// Engine says what executed the guest, for the record of its run: what is recorded of a run that went over from the interpreter
// to compiled code is the latter, which did the same.
func (g *Guest) Engine() host.Engine {
	id := g.engine.Identity()
	if g.lead.interpreted {
		id.Name = interpreterName
	}
	return id
}

// Close ends the guest. It may be called more than once.
func (g *Guest) Close() error {
	if g.turn == nil {
		return nil
	}
	if g.trial != nil {
		g.trial.end()
	}
	var err error
	if g.lead != nil {
		err = g.lead.Close()
	}
	g.turn.Done()
	g.turn = nil
	return err
}
