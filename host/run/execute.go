package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// Failpoints lists every step at which a test can end the process, in the order of a run and of what delivers its effects.
var Failpoints = []string{
	"run.after-plan", "run.after-open", "run.after-batch", "run.after-read", "run.after-guest", "run.before-checks", "run.after-checks",
	"run.after-stage", "run.after-state-write",
	"run.before-head-write", "run.after-head-write", "run.before-sync", "run.after-sync", "run.before-commit",
	"run.after-commit", "run.after-settle", "run.after-acknowledge",
	"run.before-delivery", "run.after-delivery", "run.after-delivery-acknowledge",
}

// Execute makes one attempt: it runs the product if there is something to do, and publishes what comes out, or holds
// it. Nothing to do is no error: State is then RunIdle. An error is a host.Error where a person can do something about
// it; after it the newest snapshot is what it was, unless the error wraps ErrUnsettled.
func (r *Runner) Execute(ctx context.Context, a Attempt) (Result, error) {
	m, err := r.take(a.Product.ID)
	if err != nil {
		return r.unplanned(a, ""), err
	}
	defer r.put(m)
	b, err := r.base(ctx, a.Product.ID, m)
	if err != nil {
		return r.unplanned(a, ""), err
	}
	r.acknowledge(ctx, a.Product, b, m)
	switch {
	case a.Override != "" && (b.head == nil || b.head.Verdict != host.Held):
		return r.unplanned(a, ""), host.Errorf(host.CodeRunNotHeld, "no attempt of %s is held", a.Product.ID.URL())
	case a.Override == Skip:
		return r.skip(ctx, a, b, m)
	case a.Override == Release:
		a.Force = true
	}
	p, err := r.plan(ctx, a, b)
	if err != nil {
		return r.unplanned(a, p.reason), err
	}
	if p.idle {
		return Result{State: host.RunIdle, Pointer: b.pointer, Head: b.head, Run: host.RunRecord{Reason: p.reason}}, nil
	}
	failpoint.Hit("run.after-plan")
	res, err := r.attempt(ctx, a, b, m, p)
	if errors.Is(err, drivers.ErrRestart) && !p.rebuild {
		// An input turned out to be unreadable from its cursor only when it was opened.
		p = plan{rebuild: true, reason: words(p.reason, "rebuild: an input must be read from its beginning")}
		res, err = r.attempt(ctx, a, b, m, p)
	}
	if errors.Is(err, drivers.ErrRestart) {
		err = host.Errorf(host.CodeRunInput, "an input cannot be read from its beginning either: %w", err)
	}
	return res, err
}

// unplanned is the result of an attempt that failed before there was a plan: its record says all the same why it was made.
func (r *Runner) unplanned(a Attempt, reason string) Result {
	if reason = cmp.Or(reason, a.Reason); reason == "" {
		reason = "a look at the inputs"
	}
	return Result{State: host.RunFailed, Run: host.RunRecord{Reason: reason, Node: r.Node}}
}

// attempt is one run, start to commit.
func (r *Runner) attempt(ctx context.Context, a Attempt, b base, m *memo, p plan) (Result, error) {
	t := r.newAttempt(a, b, m, p)
	var res Result
	err := t.work(ctx)
	if err == nil {
		if verdict, checks := t.judge(); verdict == host.Held {
			res, err = t.hold(ctx, checks)
		} else {
			res, err = t.publish(ctx, checks)
		}
	}
	t.end(err == nil || errors.Is(err, ErrUnsettled))
	if err != nil {
		t.record.Duration = r.now().Sub(t.record.Started)
		return Result{State: host.RunFailed, Pointer: b.pointer, Head: b.head, Run: t.record, Rejected: t.quarantine.samples}, err
	}
	return res, nil
}

// skip commits a head that passes over what the held attempt read. Outputs and state stay.
func (r *Runner) skip(ctx context.Context, a Attempt, b base, m *memo) (Result, error) {
	if b.head.Rebuild {
		return r.unplanned(a, ""), host.Errorf(host.CodeRunNotHeld,
			"the held attempt of %s recomputes everything: there is no new input to skip", a.Product.ID.URL()).
			WithHint("release it, or go back to the code and contract that published last")
	}
	after, err := r.state(ctx, b, m)
	if err != nil {
		return r.unplanned(a, ""), err
	}
	published, err := r.lastPublished(ctx, b)
	if err != nil {
		return r.unplanned(a, ""), err
	}
	return r.rewrite(ctx, a, b, m, after, words(a.Reason, fmt.Sprintf("skipped what snapshot %d held", b.head.Seq)), func(h *host.Head) {
		h.Outputs, h.State = b.unchangedOutputs(), b.head.State
		h.Cursors = maps.Clone(b.head.Cursors)
		if h.Cursors == nil {
			h.Cursors = map[string]host.Cursor{}
		}
		maps.Copy(h.Cursors, b.head.Tried)
		h.Artifact, h.Module, h.Config = b.head.Artifact, b.head.Module, b.head.Config
		h.Quarantine = b.head.Quarantine // what the held attempt set aside stays missing
		if published != nil {
			h.Checks = published.Checks // they judged the outputs that there are
		}
	})
}

// lastPublished is the newest head whose outputs are those of the base; nil when nothing was published yet.
func (r *Runner) lastPublished(ctx context.Context, b base) (*host.Head, error) {
	h := b.head
	for h != nil && h.Verdict == host.Held {
		if h.Prev == nil {
			return nil, nil
		}
		var err error
		if h, err = LoadHead(ctx, r.Store, *h.Prev); errors.Is(err, fs.ErrNotExist) {
			return nil, nil // it has expired, and published nothing: what is read never expires
		} else if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// rewrite commits a head that no guest has made.
func (r *Runner) rewrite(ctx context.Context, a Attempt, b base, m *memo, after keys, reason string, fill func(*host.Head)) (Result, error) {
	t := r.newAttempt(a, b, m, plan{reason: reason})
	h := t.newHead(host.Published, nil)
	fill(h)
	res, err := t.commit(ctx, h, nil, after)
	t.end(err == nil || errors.Is(err, ErrUnsettled))
	if err != nil {
		return Result{State: host.RunFailed, Pointer: b.pointer, Head: b.head, Run: t.record}, err
	}
	return res, nil
}
