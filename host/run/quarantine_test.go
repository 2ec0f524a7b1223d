package run_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// setAside are the rows that the newest head says are missing, "seq:id" or "seq:reason", sorted.
func (w *world) setAside() []string {
	w.t.Helper()
	var out []string
	for _, ref := range w.head().Quarantine {
		rows, err := run.ReadRejected(w.t.Context(), w.store, ref, 1000)
		if err != nil || int64(len(rows)) != ref.Rows {
			w.t.Fatalf("%d rows of %d: %v", len(rows), ref.Rows, err)
		}
		for _, r := range rows {
			what := r.Reason
			if r.Row != nil {
				what = fmt.Sprint(r.Row["id"])
			}
			out = append(out, fmt.Sprintf("%d:%s", r.Seq, what))
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) wantSetAside(want ...string) {
	w.t.Helper()
	if got := w.setAside(); !slices.Equal(got, want) {
		w.t.Fatalf("set aside %q, want %q", got, want)
	}
}

// A row that is missing stays named, whatever good rows come after it, until everything is read again.
func TestSetAsideStays(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	w.inputs.add("in", text(1, "a"), null(2))
	w.execute(host.RunCommitted)
	w.inputs.add("in", text(3, "c"))
	w.execute(host.RunCommitted)
	w.wantSetAside("1:2")
	w.inputs.addBatch("in", drivers.Batch{Rejected: []drivers.Rejected{{Origin: "t.csv", Line: 1, Reason: "cut"}}})
	w.execute(host.RunCommitted)
	w.wantSetAside("1:2", "3:cut")
	w.restart()
	w.execute(host.RunCommitted, force)
	w.wantSetAside("1:2", "3:cut")
	w.config = "sha256:c2" // the contract changed: all is read again
	w.product.Outputs[0].Rules = nil
	w.execute(host.RunCommitted)
	w.wantSetAside("5:cut")
	w.checkChain()
}

// A head names few files, however many attempts set rows aside.
func TestSetAsideByMany(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	var want []string
	for i := range 70 {
		w.inputs.add("in", null(int64(i)))
		res := w.execute(host.RunCommitted)
		if n := len(res.Head.Quarantine); n > 17 {
			t.Fatalf("%d files after %d attempts", n, i+1)
		}
		want = append(want, fmt.Sprintf("%d:%d", i+1, i))
	}
	slices.Sort(want)
	w.wantSetAside(want...)
	if len(w.trouble) > 0 {
		t.Fatal(w.trouble)
	}
}

// What a held attempt set aside is replaced by the next attempt, and stays only when it is skipped.
func TestSetAsideOfHeld(t *testing.T) {
	start := func() *world {
		w := newWorld(t, host.Append, pass)
		w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
		w.inputs.addBatch("in", drivers.Batch{Record: record([]row{text(1, "a")}, false), Rejected: []drivers.Rejected{{Reason: "cut"}}})
		w.execute(host.RunCommitted)
		w.inputs.add("in", null(2))
		w.execute(host.RunHeld)
		w.wantSetAside("1:cut", "2:2")
		w.inputs.add("in", null(3))
		w.execute(host.RunHeld)
		w.wantSetAside("1:cut", "3:2", "3:3")
		return w
	}
	w := start()
	w.execute(host.RunCommitted, release)
	w.wantSetAside("1:cut")

	w = start()
	p, err := w.cluster.Head(t.Context(), w.product.ID)
	if err != nil {
		t.Fatal(err)
	}
	first, err := run.HeadAt(t.Context(), w.store, run.HeadRef(p), 1)
	if err != nil {
		t.Fatal(err)
	}
	checks := first.Checks
	res := w.execute(host.RunCommitted, skip)
	w.wantSetAside("1:cut", "3:2", "3:3")
	if len(checks) == 0 || len(res.Head.Checks) != len(checks) || res.Head.Checks[0].Status != checks[0].Status {
		t.Errorf("after a skip the checks are %+v, those of the published table are %+v", res.Head.Checks, checks)
	}
	w.inputs.add("in", text(4, "d"))
	w.execute(host.RunCommitted)
	w.wantSetAside("1:cut", "3:2", "3:3")
	if _, err := w.runner.Rollback(t.Context(), w.attempt(), 1); err != nil {
		t.Fatal(err)
	}
	w.wantSetAside("1:cut")
}

// Rows of a snapshot input are met by every attempt: only the newest tells of them.
func TestSetAsideOfSnapshot(t *testing.T) {
	w := newWorld(t, host.Append, pass, host.Input{Name: "in", Mode: host.Incremental, Schema: schema},
		host.Input{Name: "table", Mode: host.Snapshot, OnChange: host.Lookup, Schema: schema})
	w.inputs.set("table", text(9, "t"))
	w.inputs.batches["table"][0].Rejected = []drivers.Rejected{{Reason: "broken"}}
	for i := range 3 {
		w.inputs.add("in", text(int64(i), "a"))
		w.execute(host.RunCommitted)
		w.wantSetAside(fmt.Sprintf("%d:broken", i+1))
	}
	w.inputs.set("table", text(9, "t"))
	w.inputs.add("in", text(10, "a"))
	w.execute(host.RunCommitted)
	w.wantSetAside()
}
