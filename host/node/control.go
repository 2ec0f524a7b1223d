package node

import (
	"context"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/serve/rest/client"
)

// Pause lets the product sleep: nothing runs until Resume, reads go on.
func (n *Node) Pause(ctx context.Context, id host.ProductID) error {
	return n.setPaused(ctx, id, true)
}

// Resume ends a pause and looks at the inputs at once.
func (n *Node) Resume(ctx context.Context, id host.ProductID) error {
	return n.setPaused(ctx, id, false)
}

func (n *Node) setPaused(ctx context.Context, id host.ProductID, paused bool) error {
	if _, err := n.listing(id); err != nil {
		return err
	}
	spec, err := n.cluster.Spec(ctx, id)
	if err != nil {
		return err
	}
	spec.Paused, spec.Changed = paused, time.Now().UTC()
	if spec, err = n.cluster.PutSpec(ctx, spec, spec.Generation); err != nil {
		return err
	}
	return n.apply(ctx, spec)
}

// Trigger runs the product now, though nothing may be pending; with rebuild it recomputes everything. Like Release and
// Skip it fails with host.CodeRunPaused while the product is paused.
func (n *Node) Trigger(ctx context.Context, id host.ProductID, rebuild bool) (host.RunStatus, error) {
	return n.command(ctx, id, run.Attempt{Reason: "triggered", Force: true, Rebuild: rebuild}, client.Command{Verb: "trigger", Rebuild: rebuild})
}

// Release publishes what a rule holds back; the head says so.
func (n *Node) Release(ctx context.Context, id host.ProductID) (host.RunStatus, error) {
	return n.command(ctx, id, run.Attempt{Reason: "released", Force: true, Override: run.Release}, client.Command{Verb: "release"})
}

// Skip passes over the input that a rule holds back; nothing of it is published.
func (n *Node) Skip(ctx context.Context, id host.ProductID) (host.RunStatus, error) {
	return n.command(ctx, id, run.Attempt{Reason: "skipped", Force: true, Override: run.Skip}, client.Command{Verb: "skip"})
}

// command has the owner of a product make an attempt; asked is the same for the node that owns it.
func (n *Node) command(ctx context.Context, id host.ProductID, a run.Attempt, asked client.Command) (host.RunStatus, error) {
	o := n.ownerSoon(ctx, id)
	if o == nil {
		return n.commandElsewhere(ctx, id, asked)
	}
	if err := o.awake(); err != nil { // without waiting for a run that is under way
		return host.RunStatus{}, err
	}
	res, err := o.do(ctx, a.Reason, func(ctx context.Context) (run.Result, error) {
		if err := o.awake(); err != nil { // paused while it waited for its turn
			return run.Result{}, err
		}
		return o.execute(ctx, a)
	})
	return runStatus(res, err), err
}

// awake is the error of a command that would run a paused product.
func (o *owner) awake() error {
	if !o.asleep() {
		return nil
	}
	return host.Errorf(host.CodeRunPaused, "%s is paused: nothing runs until it is resumed", o.id.URL()).
		WithHint("adp control %s resume", o.id.URL())
}

// Rollback publishes the outputs, state and cursors of an earlier snapshot as a new one, and pauses the product, since
// it would process the same inputs again at once. A snapshot that cannot be brought back, host.CodeTableSnapshot, leaves
// everything as it was.
func (n *Node) Rollback(ctx context.Context, id host.ProductID, to host.Seq) (host.RunStatus, error) {
	o := n.ownerSoon(ctx, id)
	if o == nil {
		return n.commandElsewhere(ctx, id, client.Command{Verb: "rollback", To: to})
	}
	paused := o.asleep()
	if err := n.Pause(ctx, id); err != nil {
		return host.RunStatus{}, err
	}
	res, err := o.do(ctx, "rollback", func(ctx context.Context) (run.Result, error) {
		o.mu.Lock()
		a := run.Attempt{Product: o.product, Own: o.own, Artifact: o.spec.Artifact, Module: o.loaded.module, Config: o.loaded.config}
		o.mu.Unlock()
		res, err := n.runner.Rollback(ctx, a, to)
		if host.CodeOf(err) != host.CodeTableSnapshot { // a mistaken command is no failure of the product
			o.record(res, err)
		}
		return res, err
	})
	if host.CodeOf(err) == host.CodeTableSnapshot && !paused {
		if e := n.Resume(ctx, id); e != nil {
			o.n.log.Warn("cannot resume after a rollback that was refused", "product", id.URL(), "error", e)
		}
	}
	return runStatus(res, err), err
}

func runStatus(res run.Result, err error) host.RunStatus {
	st := host.RunStatus{RunRecord: res.Run, Seq: res.Pointer.Seq, State: res.State, Checks: res.Checks, Finished: time.Now().UTC()}
	if err != nil {
		st.State, st.Error, st.Code = host.RunFailed, err.Error(), host.CodeOf(err)
	}
	return st
}
