package run_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// setAside are the rows that the newest head says are missing, "seq:id" or "seq:reason", as people see them: newest first.
func (w *world) setAside() []string {
	w.t.Helper()
	rows, total, err := run.Rejected(w.t.Context(), w.store, w.head(), 1000)
	if err != nil || int64(len(rows)) != total {
		w.t.Fatalf("%d rows of %d: %v", len(rows), total, err)
	}
	var out []string
	for _, r := range rows {
		what := r.Reason
		if r.Row != nil {
			what = fmt.Sprint(r.Row["id"])
		}
		out = append(out, fmt.Sprintf("%d:%s", r.Seq, what))
	}
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
	w.wantSetAside("3:cut", "1:2")
	w.restart()
	w.execute(host.RunCommitted, force)
	w.wantSetAside("3:cut", "1:2")
	w.config = "sha256:c2" // the contract changed: all is read again
	w.product.Outputs[0].Rules = nil
	w.execute(host.RunCommitted)
	w.wantSetAside("5:cut")
	w.checkChain()
}

// A head names few files, however many attempts set rows aside; what is newest still comes first.
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
	slices.Reverse(want)
	w.wantSetAside(want...)
	rows, total, err := run.Rejected(t.Context(), w.store, w.head(), 30)
	if err != nil || total != 70 || len(rows) != 30 || rows[29].Seq != 41 {
		t.Fatalf("%d rows of %d, the last of them %+v: %v", len(rows), total, rows[len(rows)-1], err)
	}
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
		w.wantSetAside("2:2", "1:cut")
		w.inputs.add("in", null(3))
		w.execute(host.RunHeld)
		w.wantSetAside("3:2", "3:3", "1:cut")
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
	w.wantSetAside("3:2", "3:3", "1:cut")
	if len(checks) == 0 || len(res.Head.Checks) != len(checks) || res.Head.Checks[0].Status != checks[0].Status {
		t.Errorf("after a skip the checks are %+v, those of the published table are %+v", res.Head.Checks, checks)
	}
	w.inputs.add("in", text(4, "d"))
	w.execute(host.RunCommitted)
	w.wantSetAside("3:2", "3:3", "1:cut")
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

// A product that reads whole tables only judges all of its rows in every run, whether an input has changed or not.
func TestSetAsideOfTables(t *testing.T) {
	w := newWorld(t, host.Upsert, pass, host.Input{Name: "table", Mode: host.Snapshot, OnChange: host.Lookup, Schema: schema})
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	w.inputs.set("table", text(1, "a"), null(2))
	w.execute(host.RunCommitted)
	w.wantSetAside("1:2")
	w.execute(host.RunCommitted, force)
	w.wantSetAside("2:2")
	w.inputs.set("table", text(1, "a"), text(2, "b"))
	w.execute(host.RunCommitted)
	w.wantSetAside()
	w.wantRows("1:a", "2:b")
}

// While an attempt is held, and when it is skipped, rows are missing from the table that it did not replace.
func TestSetAsideOfHeldTables(t *testing.T) {
	w := newWorld(t, host.Replace, pass, host.Input{Name: "table", Mode: host.Snapshot, OnChange: host.Lookup, Schema: schema})
	few := host.Rule{ID: "few", Kind: host.RowCount, MustBe: host.Bound{Lt: ptr(2.0)}, OnViolation: host.Hold}
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine), few}
	w.inputs.set("table", text(1, "a"), null(2))
	w.execute(host.RunCommitted)
	w.inputs.set("table", text(1, "a"), text(2, "b"), null(3))
	w.execute(host.RunHeld)
	w.wantSetAside("2:3", "1:2")
	w.inputs.set("table", text(1, "a"), text(2, "b"), null(4))
	w.execute(host.RunHeld)
	w.wantSetAside("3:4", "1:2")
	w.execute(host.RunCommitted, skip)
	w.wantSetAside("3:4", "1:2")
	w.inputs.set("table", null(5))
	w.execute(host.RunCommitted)
	w.wantSetAside("5:5")
}

// Every row says which run set it aside, also when files have been joined.
func TestSetAsideByWhichRun(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	var runs []string
	for i := range 20 {
		w.inputs.add("in", null(int64(i)))
		runs = append(runs, w.execute(host.RunCommitted).Run.ID)
	}
	rows, _, err := run.Rejected(t.Context(), w.store, w.head(), 100)
	if err != nil || len(rows) != 20 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	for i, r := range rows {
		if want := runs[19-i]; r.Run != want {
			t.Errorf("row %d of snapshot %d names run %q, not %q", i, r.Seq, r.Run, want)
		}
	}
}

// Rows that there is no room for are counted, in the run that rejects them and when files are joined.
func TestSetAsideWithoutRoom(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	const many = 17_000 // of 4 KiB: more than 64 MiB
	cut := drivers.Rejected{Reason: "cut", Raw: strings.Repeat("x", 4<<10)}
	w.inputs.addBatch("in", drivers.Batch{Rejected: slices.Repeat([]drivers.Rejected{cut}, many)})
	w.execute(host.RunCommitted)
	missing := func(want int64) {
		t.Helper()
		if rows, total, err := run.Rejected(t.Context(), w.store, w.head(), 1); err != nil || total != want || len(rows) != 1 {
			t.Fatalf("%d rows missing and %d shown, want %d and 1: %v", total, len(rows), want, err)
		}
	}
	missing(many)
	for i := range 17 {
		w.inputs.add("in", null(int64(i)))
		res := w.execute(host.RunCommitted)
		missing(many + int64(i) + 1)
		for _, ref := range res.Head.Quarantine {
			if ref.Bytes > 64<<20 {
				t.Fatalf("%s has %d bytes", ref.Location, ref.Bytes)
			}
		}
	}
	listed := int64(0)
	for _, ref := range w.head().Quarantine {
		listed += ref.Rows
	}
	if listed < 15_000 {
		t.Errorf("%d rows are left after joining", listed)
	}
	w.execute(host.RunCommitted, rebuild)
	missing(many + 17)
}

// A file of earlier rows that was lost does not make heads longer with every run: its rows are counted.
func TestSetAsideFileIsLost(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	for i := range 40 {
		w.inputs.add("in", null(int64(i)))
		res := w.execute(host.RunCommitted)
		if n := len(res.Head.Quarantine); n > 17 {
			t.Fatalf("%d files after %d attempts", n, i+1)
		}
		if i == 4 {
			if err := w.store.Remove(t.Context(), res.Head.Quarantine[0].Location); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows, total, err := run.Rejected(t.Context(), w.store, w.head(), 100)
	if err != nil || len(rows) != 39 || total != 40 {
		t.Fatalf("%d rows of %d: %v", len(rows), total, err)
	}
	if len(w.trouble) == 0 {
		t.Error("nobody was told")
	}
}

// noJoining is a store that cannot create files of earlier rows.
type noJoining struct{ drivers.Store }

func (s noJoining) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if strings.HasSuffix(name, "/quarantine-earlier.ndjson") {
		return nil, errors.New("not now")
	}
	return s.Store.Create(ctx, name)
}

// When files cannot be joined the run goes on with a longer list, and a later one joins them.
func TestSetAsideCannotBeJoined(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	w.runner.Store = noJoining{w.store}
	for i := range 20 {
		w.inputs.add("in", null(int64(i)))
		w.execute(host.RunCommitted)
	}
	if n := len(w.head().Quarantine); n != 20 || len(w.trouble) != 4 {
		t.Fatalf("%d files, trouble %v", n, w.trouble)
	}
	w.runner.Store = w.store
	w.inputs.add("in", null(20))
	w.execute(host.RunCommitted)
	rows, total, err := run.Rejected(t.Context(), w.store, w.head(), 100)
	if n := len(w.head().Quarantine); n != 2 || err != nil || len(rows) != 21 || total != 21 {
		t.Fatalf("%d rows of %d in %d files: %v", len(rows), total, n, err)
	}
}
