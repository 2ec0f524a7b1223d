package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// newHead is the head that follows the base, before its verdict fills it.
func (t *attempt) newHead(verdict host.Verdict, checks []host.Check) *host.Head {
	h := &host.Head{
		Format: host.HeadFormat, Product: t.a.Product.ID, Seq: t.base.pointer.Seq + 1, Epoch: t.a.Own.Epoch,
		Run: t.record, Verdict: verdict, Artifact: t.a.Artifact, Module: t.a.Module, Config: t.a.Config, Engine: t.engine,
		Rebuild: t.plan.rebuild, Checks: checks,
	}
	return h
}

// hold commits a head that changes nothing but says what was tried and why it is held.
func (t *attempt) hold(ctx context.Context, checks []host.Check) (Result, error) {
	if err := t.setAside(ctx); err != nil {
		return Result{}, err
	}
	t.dropPorts(false)
	for _, name := range discard(t.outbox.f, t.recorded.f) { // effects of a run that did not happen
		t.r.trouble(t.a.Product.ID, t.r.Store.Remove(ctx, name))
	}
	t.outbox.f, t.recorded.f = nil, nil
	h := t.newHead(host.Held, checks)
	h.Quarantine = t.earlier(ctx, host.Held)
	h.Outputs, h.Cursors, h.Tried = t.base.unchangedOutputs(), map[string]host.Cursor{}, t.tried
	after := keys{}
	if t.base.head != nil {
		maps.Copy(h.Cursors, t.base.head.Cursors)
		h.State = t.base.head.State
		var err error
		if after, err = t.r.state(ctx, t.base, t.memo); err != nil {
			return Result{}, err
		}
	}
	return t.commit(ctx, h, nil, after)
}

// publish commits a head with everything that the run made.
func (t *attempt) publish(ctx context.Context, checks []host.Check) (Result, error) {
	h := t.newHead(host.Published, checks)
	h.Quarantine = t.earlier(ctx, host.Published)
	var files []string
	h.Outputs, files = t.outputs()
	h.Cursors = t.tried
	var prev *host.StateRef
	if t.base.head != nil && !t.plan.rebuild {
		prev = t.base.head.State
	}
	var written string
	var err error
	h.State, written, err = t.state.write(ctx, t.r.Store, t.dir, prev)
	if written != "" {
		t.files = append(t.files, written)
	}
	if err != nil {
		return Result{}, err
	}
	failpoint.Hit("run.after-state-write")
	if h.Outbox, err = t.outbox.close(); err != nil {
		return Result{}, err
	}
	if h.Recorded, err = t.recorded.close(); err != nil {
		return Result{}, err
	}
	for _, ref := range []*host.FileRef{h.Outbox, h.Recorded} {
		if ref != nil {
			t.files = append(t.files, ref.Location)
		}
	}
	return t.commit(ctx, h, files, t.state.keys)
}

// commit makes a head durable with all its files, and moves the product's pointer to it. after is the guest's state as
// of the head; files are those of the stages.
func (t *attempt) commit(ctx context.Context, h *host.Head, files []string, after keys) (Result, error) {
	rejected, err := t.quarantine.close()
	if err != nil {
		return Result{}, err
	}
	for _, ref := range rejected {
		h.Quarantine = append(h.Quarantine, ref)
		t.files = append(t.files, ref.Location)
	}
	t.record.Rejected = t.quarantine.count
	t.record.Duration = t.r.now().Sub(t.record.Started)
	h.Run = t.record
	for port, out := range h.Outputs {
		if out.Changed == h.Seq {
			out.ChangedAt = committed(h)
			h.Outputs[port] = out
		}
	}
	next, err := t.writeHead(ctx, h)
	if err != nil {
		return Result{}, err
	}
	failpoint.Hit("run.before-sync")
	if err := t.r.Store.Sync(ctx, append(files, t.files...)...); err != nil {
		return Result{}, storeError("sync", err)
	}
	failpoint.Hit("run.after-sync")
	if err := t.move(ctx, next); err != nil {
		return Result{}, err
	}
	failpoint.Hit("run.after-commit")
	t.settled(ctx, h, next, after)
	res := Result{State: host.RunCommitted, Pointer: next, Head: h, Run: h.Run, Checks: h.Checks, Rejected: t.quarantine.samples}
	if h.Verdict == host.Held {
		res.State = host.RunHeld
	}
	return res, nil
}

// writeHead writes the head's file and returns the pointer to it.
func (t *attempt) writeHead(ctx context.Context, h *host.Head) (host.Pointer, error) {
	var err error
	if h.Prev, h.Skips, err = chain(ctx, t.r.Store, HeadRef(t.base.pointer), t.base.head, &t.memo.recent); err != nil {
		return host.Pointer{}, err
	}
	h.Effects = t.effects(h.Outbox)
	b, err := host.CanonicalJSON(h)
	if err != nil {
		return host.Pointer{}, fmt.Errorf("head of %s: %w", h.Product.URL(), err)
	}
	failpoint.Hit("run.before-head-write")
	name := t.dir + "/head.json"
	t.files = append(t.files, name)
	ref, err := writeFile(ctx, t.r.Store, name, b)
	if err != nil {
		return host.Pointer{}, err
	}
	failpoint.Hit("run.after-head-write")
	return host.Pointer{Seq: h.Seq, Epoch: h.Epoch, Run: h.Run.ID, Hash: ref.Hash, Location: name}, nil
}

const defaultCommitGrace = 3 * time.Second

// ErrUnsettled is wrapped by the error of an attempt whose commit nobody knows the result of. Its files stay, and the next
// attempt begins with what etcd says then.
var ErrUnsettled = errors.New("the result of the commit is not known")

// move is the transaction that publishes. It is sent when the run's context still holds, and then outlives it for a
// moment, so that a node that is told to stop learns what happened.
func (t *attempt) move(ctx context.Context, next host.Pointer) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failpoint.Hit("run.before-commit")
	commit, cancel := t.r.outlive(ctx)
	defer cancel()
	err := t.r.Heads.Commit(commit, t.a.Own, t.base.pointer, next)
	if err == nil {
		return nil
	}
	t.memo.head = nil
	if host.CodeOf(err) != host.CodeRunLostOwner {
		return fmt.Errorf("%w: %w", ErrUnsettled, err)
	}
	committed, cerr := t.onTheChain(commit, next)
	switch {
	case cerr != nil:
		return fmt.Errorf("%w: %w", ErrUnsettled, errors.Join(err, cerr))
	case committed:
		return nil
	}
	return err
}

// outlive is a context for a transaction under way: when ctx ends it goes on for CommitGrace.
func (r *Runner) outlive(ctx context.Context) (context.Context, func()) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	grace := r.CommitGrace
	if grace == 0 {
		grace = defaultCommitGrace
	}
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}

// onTheChain tells whether a commit that was refused had happened before: its reply was lost, and others have committed
// since. The pointer never goes back, so what is not on the chain now will never be.
func (t *attempt) onTheChain(ctx context.Context, next host.Pointer) (bool, error) {
	now, err := t.r.Heads.Head(ctx, t.a.Product.ID)
	if err != nil || now.Seq < next.Seq {
		return false, err
	}
	if now.Seq == next.Seq {
		return now == next, nil
	}
	at, err := HeadAt(ctx, t.r.Store, HeadRef(now), next.Seq)
	if err != nil {
		return false, err
	}
	return at.Run.ID == next.Run, nil
}

// settled follows a commit: the stages become the tables, sources may forget, the next run finds everything in memory.
func (t *attempt) settled(ctx context.Context, h *host.Head, tip host.Pointer, after keys) {
	for _, p := range t.ports {
		p.stage.Committed()
	}
	t.noteCommitted(context.WithoutCancel(ctx), tip)
	t.ports = nil
	failpoint.Hit("run.after-settle")
	m := t.memo
	m.tip, m.head = tip, h
	m.state, m.stateOf = after, tip.Hash
	m.recent.add(HeadRef(tip))
	t.r.acknowledge(context.WithoutCancel(ctx), t.a.Product, base{tip, h}, m)
	failpoint.Hit("run.after-acknowledge")
}

// acknowledge lets sources forget what the newest head has consumed. One that fails is told again by the next attempt.
func (r *Runner) acknowledge(ctx context.Context, p *host.Product, b base, m *memo) {
	sources, ok := r.Inputs.(Acknowledger)
	if !ok || b.head == nil || m.acked == b.pointer.Hash {
		return
	}
	var errs []error
	for i := range p.Inputs {
		in := &p.Inputs[i]
		if c := b.head.Cursors[in.Name]; c != nil {
			if err := sources.Acknowledge(ctx, p, in, c); err != nil {
				errs = append(errs, inputError(in, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		r.trouble(p.ID, err)
		return
	}
	m.acked = b.pointer.Hash
}
