package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/util"

	"github.com/adp-host/adp/host"
)

// A new module begins in the interpreter, which is slow and ready at once, while the compiler works in the background. Its
// calls are written down. When the compiled code is there, an instance of it does the same calls and is given the same
// answers: it must make the same calls of the host, emit the same rows, return the same and cost the same fuel, to the unit.
// After a few batches it takes the run over, and what it is made of is trusted from then on. If it does anything else, the
// module stays in the interpreter, and everybody hears of it.

const (
	// enough is how many batches must agree before compiled code takes over, or fewer that have taken so long.
	enough     = 8
	longEnough = 50 * time.Millisecond
	// brief is how long it is waited for before anything is interpreted: most modules are small.
	brief = 100 * time.Millisecond
	// patience is how long an interpreted run waits for compiled code, in time of its guest.
	patience = 2 * time.Second
	// keepMost is how many bytes of batches and answers are kept for compiled code; when there are more, it is waited for.
	keepMost = 32 << 20
)

// trial is a run that is looked at: the interpreter leads, compiled code follows.
type trial struct {
	g        *Guest
	journal  journal
	sources  sources
	steps    []step        // that the follower has not made
	bytes    int64         // of their batches
	allowed  time.Duration // to the leader
	coming   *loading
	follow   *Instance
	answers  *follower
	compared int // batches, and the flush of a guest that never gets one
}

// step is a call of the host.
type step struct {
	name  string
	input int
	rec   arrow.RecordBatch
	usage Usage // of the leader behind it
	end   int   // of its events in the journal
}

// do makes a step on an instance.
func (s step) do(ctx context.Context, i *Instance) error {
	switch s.name {
	case "open":
		return i.Open(ctx)
	case "flush":
		return i.Flush(ctx)
	}
	return i.Process(ctx, s.input, s.rec)
}

// step makes one on the leader, and on the follower as soon as there is one.
func (t *trial) step(ctx context.Context, s step) error {
	if s.rec != nil {
		s.rec.Retain()
		t.bytes += util.TotalRecordSize(s.rec)
	}
	err := s.do(ctx, t.g.lead)
	if host.CodeOf(err) == host.CodeGuestDeadline && ctx.Err() == nil {
		return t.takeOver(ctx, s)
	}
	s.usage, s.end = t.g.lead.Usage(), len(t.journal.events)
	t.steps = append(t.steps, s)
	if err != nil {
		t.end()
		return err
	}
	if t.bytes+t.journal.bytes > keepMost {
		select {
		case <-t.coming.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if !t.coming.finished() {
		return nil
	}
	t.catchUp(ctx)
	return nil
}

// catchUp makes the follower do what the leader has done, and ends the trial where there is a verdict.
func (t *trial) catchUp(ctx context.Context) {
	differs, err := t.followed(ctx)
	switch {
	case differs != "":
		t.g.engine.differs(t.g.id, t.g.spec.Product.ID, differs)
		t.end()
	case err != nil: // nothing was learnt: another run is looked at
		t.end()
	case t.compared >= enough, t.compared > 0 && (t.g.lead.flushed || t.allowed-t.g.lead.meter.left > longEnough):
		t.g.engine.agrees(t.g.id)
		if !t.g.lead.flushed {
			t.promote()
		}
	}
}

// followed makes the steps that are missing. differs is what the compiled code did otherwise; err why it could not be tried.
func (t *trial) followed(ctx context.Context) (differs string, err error) {
	if err := t.start(ctx); err != nil {
		return t.verdict(err), err
	}
	for len(t.steps) > 0 {
		s := t.steps[0]
		err := s.do(ctx, t.follow)
		if err != nil || t.answers.at != s.end || t.follow.Usage() != s.usage {
			switch differs = t.verdict(err); {
			case differs != "" || err != nil:
			case t.answers.at != s.end:
				differs = fmt.Sprintf("it does not call %s", t.journal.events[t.answers.at].call)
			default:
				differs = fmt.Sprintf("it has used %+v, and the interpreter %+v", t.follow.Usage(), s.usage)
			}
			return differs, err
		}
		if s.rec != nil || s.name == "flush" && len(t.g.spec.Inputs) == 0 {
			t.compared++
		}
		if s.rec != nil {
			t.bytes -= util.TotalRecordSize(s.rec)
			s.rec.Release()
		}
		t.steps = t.steps[1:]
	}
	t.journal.forget(t.answers.at)
	t.answers.at = 0
	return "", nil
}

// verdict tells what an error of the follower says about the compiled code: nothing when the run is over or the machine slow.
func (t *trial) verdict(err error) string {
	switch {
	case t.answers != nil && t.answers.differs != "":
		return t.answers.differs
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), host.CodeOf(err) == host.CodeGuestDeadline, t.follow == nil && t.coming.err != nil:
		return ""
	}
	return cmp.Or(err.Error(), "it fails")
}

// start makes the follower, when it is not there yet.
func (t *trial) start(ctx context.Context) error {
	if t.follow != nil {
		return nil
	}
	t.answers = &follower{run: t.g.calls, journal: &t.journal, sources: &t.sources}
	i, err := t.g.engine.begin(ctx, t.g.compiled(), t.g.spec, t.answers, t.g.turn)
	if err != nil {
		return err
	}
	t.follow = i
	return nil
}

// takeOver is for a leader that has had all the time there is for it: compiled code does all again, and goes on from where the
// leader was.
func (t *trial) takeOver(ctx context.Context, s step) error {
	if n := len(t.journal.events); n > 0 && t.journal.events[n-1].err != nil && !errors.Is(t.journal.events[n-1].err, io.EOF) {
		t.journal.events = t.journal.events[:n-1] // what the leader's time was over in: it is asked again
	}
	select {
	case <-t.coming.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() {
		if s.rec != nil {
			s.rec.Release()
		}
	}()
	differs, err := t.followed(ctx)
	if err == nil && differs == "" {
		t.sources.kept, t.answers.live = true, true
		err = s.do(ctx, t.follow)
		differs = t.answers.differs
	}
	if differs != "" {
		t.g.engine.differs(t.g.id, t.g.spec.Product.ID, differs)
		err = host.Errorf(host.CodeGuestTrap, "the module does not do the same compiled as interpreted: %s", differs).
			WithHint("it is interpreted from now on, which takes longer: this run did not come to its end")
	}
	if t.follow != nil {
		t.promote()
	}
	return err
}

// promote makes the follower the leader of the run.
func (t *trial) promote() {
	t.sources.kept, t.answers.live = true, true
	old := t.g.lead
	t.g.lead, t.follow = t.follow, nil
	_ = old.Close()
	t.end()
}

// end ends the trial; the leader goes on alone, with all its time.
func (t *trial) end() {
	if t.g.trial != t {
		return
	}
	t.g.trial, t.g.lead.onTrial = nil, false
	if t.follow != nil {
		_ = t.follow.Close()
		t.follow = nil
	}
	if t.answers == nil || !t.answers.live {
		t.g.lead.meter.left += t.g.later
	}
	for _, s := range t.steps {
		if s.rec != nil {
			s.rec.Release()
		}
	}
	t.steps = nil
	t.journal.forget(len(t.journal.events))
}

// finished reports whether a program is there, or cannot be.
func (l *loading) finished() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
