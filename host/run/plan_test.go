package run_test

import (
	"errors"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// A run that fails before there is a plan says all the same why it was made.
func TestReasonOfRunsThatFailEarly(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	reason := func(want string, settings ...func(*run.Attempt)) {
		t.Helper()
		a := w.attempt()
		for _, set := range settings {
			set(&a)
		}
		if res, err := w.runner.Execute(t.Context(), a); err == nil || res.State != host.RunFailed || res.Run.Reason != want || res.Run.Node != "n1" {
			t.Errorf("%s on %q: %q, want %q; error %v", res.State, res.Run.Node, res.Run.Reason, want, err)
		}
	}
	scheduled := func(a *run.Attempt) { a.Reason = "schedule" }
	w.inputs.errs["in"] = errors.New("no such folder")
	reason("first read of input in")
	delete(w.inputs.errs, "in")
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.inputs.errs["in"] = drivers.ErrChanged
	reason("input in changed")
	reason("schedule; input in changed", scheduled)
	w.inputs.errs["in"] = errors.New("no such folder")
	w.inputs.add("in", text(2, "b"))
	reason("a look at input in")
	delete(w.inputs.errs, "in")
	reason("released", release, func(a *run.Attempt) { a.Reason = "released" })

	p, err := w.cluster.Head(t.Context(), w.product.ID)
	if err := errors.Join(err, w.store.Remove(t.Context(), p.Location)); err != nil {
		t.Fatal(err)
	}
	w.restart()
	reason("a look at the inputs")
	reason("schedule", scheduled)
}
