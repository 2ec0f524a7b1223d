package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/quality"
)

// attempt is one run under way. Until its commit nothing of it can be seen.
type attempt struct {
	r    *Runner
	a    Attempt
	base base
	memo *memo
	plan plan

	dir     string // of its files
	record  host.RunRecord
	cursors map[string]host.Cursor // where reading starts
	tried   map[string]host.Cursor // how far it has read

	guest      Guest
	session    *session    // with the inputs, of products that ask a compute driver; else nil
	engine     host.Engine // that executed the guest
	calls      *calls
	wall       walls
	ports      []*port
	state      *overlay
	quarantine *quarantine
	outbox     *frames
	recorded   *frames

	cancel context.CancelCauseFunc // ends the goroutines of the attempt
	files  []string                // written so far beside those of the stages
}

// newAttempt prepares a run; nothing is started or written yet.
func (r *Runner) newAttempt(a Attempt, b base, m *memo, p plan) *attempt {
	id := uuid.NewString()
	seq := b.pointer.Seq + 1
	dir := fmt.Sprintf("%s/e%d/s%d/%s", Folder(a.Product.ID), a.Own.Epoch, seq, id)
	t := &attempt{r: r, a: a, base: b, memo: m, plan: p, dir: dir,
		record:     host.RunRecord{ID: id, Reason: p.reason, Node: r.Node, Started: r.now()},
		tried:      map[string]host.Cursor{},
		quarantine: newQuarantine(r.Store, dir, seq, id, a.Product),
		outbox:     &frames{store: r.Store, name: dir + "/outbox"},
		recorded:   &frames{store: r.Store, name: dir + "/recorded"},
	}
	t.calls = &calls{t: t}
	t.engine = r.Engine()
	if b.head != nil && !p.rebuild {
		t.cursors = b.head.Cursors
	}
	return t
}

func (r *Runner) now() time.Time {
	if r.Clock != nil {
		return r.Clock().UTC()
	}
	return time.Now().UTC()
}

// work reads, lets the guest work, and leaves everything it emitted staged and judged.
func (t *attempt) work(ctx context.Context) error {
	ctx, t.cancel = context.WithCancelCause(ctx)
	if err := t.begin(ctx); err != nil {
		return err
	}
	failpoint.Hit("run.after-open")
	if err := t.take(ctx); err != nil {
		return err
	}
	failpoint.Hit("run.after-read")
	if err := t.guest.Flush(ctx); err != nil {
		return err
	}
	failpoint.Hit("run.after-guest")
	for _, p := range t.ports {
		if err := p.finish(); err != nil {
			return err
		}
	}
	failpoint.Hit("run.after-stage")
	return errors.Join(t.closeGuest(), t.session.close())
}

// take lets the product have its inputs.
func (t *attempt) take(ctx context.Context) error {
	if b := t.a.Product.Compute(); b != nil {
		return t.load(ctx, b)
	}
	return t.feed(ctx)
}

// begin loads the state, opens a stage for every port, and starts the guest.
func (t *attempt) begin(ctx context.Context) error {
	var before keys
	if !t.plan.rebuild {
		var err error
		if before, err = t.r.state(ctx, t.base, t.memo); err != nil {
			return err
		}
	}
	t.state = newOverlay(before, t.a.Product.Limits.WithDefaults().State)
	spec, err := t.guestSpec(ctx)
	if err != nil {
		return err
	}
	for i := range t.a.Product.Outputs {
		if err := t.openPort(ctx, &t.a.Product.Outputs[i], t.wall.outputs[i].stored); err != nil {
			return err
		}
	}
	if t.guest, err = t.r.Guests.Start(ctx, spec, t.calls); err != nil {
		return err
	}
	return t.guest.Open(ctx)
}

// guestSpec says what the guest gets to see.
func (t *attempt) guestSpec(ctx context.Context) (GuestSpec, error) {
	p := t.a.Product
	s := GuestSpec{Module: t.a.Module, Bytes: t.a.ModuleBytes, Product: p, RunID: t.record.ID, Start: t.record.Started, Rebuild: t.plan.rebuild}
	for i := range p.Inputs {
		schema, err := t.r.Inputs.Schema(ctx, p, &p.Inputs[i])
		if err != nil {
			return s, inputError(&p.Inputs[i], err)
		}
		c, err := newCrossing(schema, p.Inputs[i].Schema, p.Inputs[i].Forms)
		if err != nil {
			return s, inputError(&p.Inputs[i], err)
		}
		t.wall.inputs, s.Inputs = append(t.wall.inputs, c), append(s.Inputs, c.guest)
	}
	for i := range p.Outputs {
		schema, err := columnar.Emitted(&p.Outputs[i])
		if err != nil {
			return s, err
		}
		c, err := newCrossing(schema, p.Outputs[i].Schema, p.Outputs[i].Forms)
		if err != nil {
			return s, err
		}
		t.wall.outputs, s.Outputs = append(t.wall.outputs, c), append(s.Outputs, c.guest)
	}
	for i := range p.Bindings {
		schema, err := columnar.Schema(p.Bindings[i].Schema)
		if err != nil {
			return s, err
		}
		c, err := newCrossing(schema, p.Bindings[i].Schema, p.Bindings[i].Forms)
		if err != nil {
			return s, err
		}
		t.wall.bindings, s.Bindings = append(t.wall.bindings, c), append(s.Bindings, c.guest)
	}
	return s, nil
}

func (t *attempt) openPort(ctx context.Context, o *host.Output, schema *arrow.Schema) error {
	checker, err := quality.Compile(o.Name, o.Rules, schema)
	if err != nil {
		return err
	}
	stage, err := t.r.Tables.Begin(ctx, StageSpec{Product: t.a.Product.ID, Output: o, Prev: t.published(o.Name),
		Seq: t.base.pointer.Seq + 1, Run: t.record.ID, Dir: t.dir, Rebuild: t.plan.rebuild})
	if err != nil {
		return storeError("write", err)
	}
	t.ports = append(t.ports, startPort(ctx, o, stage, checker, t.quarantine))
	return nil
}

// published is a port's state in the newest head, nil when it has none.
func (t *attempt) published(port string) *host.OutputRef {
	if t.base.head == nil {
		return nil
	}
	if ref, ok := t.base.head.Outputs[port]; ok {
		return &ref
	}
	return nil
}

// closeGuest ends the guest and takes its bill.
func (t *attempt) closeGuest() error {
	if t.guest == nil {
		return nil
	}
	u := t.guest.Usage()
	t.engine = t.guest.Engine()
	t.record.Fuel, t.record.BytesIn, t.record.BytesOut = u.Fuel, u.BytesIn, u.BytesOut
	err := t.guest.Close()
	t.guest = nil
	return err
}

// end stops what still runs. What was not committed is removed; keepFiles is for an attempt that may have been.
func (t *attempt) end(keepFiles bool) {
	err := errors.Join(t.closeGuest(), t.session.close())
	t.dropPorts(keepFiles)
	if !keepFiles {
		err = errors.Join(err, t.removeFiles())
	}
	t.r.trouble(t.a.Product.ID, err)
}

// dropPorts forgets what the ports have staged.
func (t *attempt) dropPorts(keepFiles bool) {
	if t.cancel != nil {
		t.cancel(context.Canceled)
	}
	for _, p := range t.ports {
		p.abandon(keepFiles)
	}
	t.ports = nil
}

// removeFiles deletes what the attempt wrote itself. What cannot be removed is an orphan, which harms nobody.
func (t *attempt) removeFiles() error {
	t.files = append(t.files, t.quarantine.discard()...)
	t.files = append(t.files, discard(t.outbox.f, t.recorded.f)...)
	var errs []error
	for _, name := range t.files {
		errs = append(errs, t.r.Store.Remove(context.Background(), name))
	}
	t.files = nil
	return errors.Join(errs...)
}

// discard closes files that are not wanted and names them. Closing again does no harm.
func discard(files ...*file) (names []string) {
	for _, f := range files {
		if f != nil {
			_, _ = f.close()
			names = append(names, f.name)
		}
	}
	return names
}

func (r *Runner) trouble(id host.ProductID, err error) {
	if err != nil && r.Trouble != nil {
		r.Trouble(id, err)
	}
}
