package run_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/run"
)

func sum(b []byte) host.Digest {
	s := sha256.Sum256(b)
	return host.Digest("sha256:" + hex.EncodeToString(s[:]))
}

func wantCode(t *testing.T, err error, code host.ErrorCode) {
	t.Helper()
	if host.CodeOf(err) != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}

func TestFirstRunAndNext(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.execute(host.RunIdle)
	w.inputs.add("in", text(1, "a"), text(2, "b"))
	res := w.execute(host.RunCommitted)
	w.wantRows("1:a", "2:b")
	if res.Pointer.Seq != 1 || res.Run.RowsIn != 2 || res.Run.RowsOut != 2 || res.Run.Fuel != 2 || res.Run.BytesIn != 32 || res.Run.Reason == "" {
		t.Fatalf("record %+v", res.Run)
	}
	w.execute(host.RunIdle)
	w.inputs.add("in", text(3, "c"))
	res = w.execute(host.RunCommitted)
	if res.Run.Reason != "input in changed" {
		t.Fatalf("reason %q", res.Run.Reason)
	}
	w.wantRows("1:a", "2:b", "3:c")
	if w.inputs.acked["in"] != `{"at":2}` {
		t.Fatalf("acknowledged %q", w.inputs.acked["in"])
	}
	if w.guests.open != 0 || w.tables.committed != 2 || w.tables.aborted != 0 {
		t.Fatalf("open guests %d, committed %d, aborted %d", w.guests.open, w.tables.committed, w.tables.aborted)
	}
	// Forced, nothing pending: a run, but the table did not change and nobody downstream wakes.
	res = w.execute(host.RunCommitted, force)
	if out := res.Head.Outputs["out"]; out.Changed != 2 || res.Head.Seq != 3 {
		t.Fatalf("output %+v of head %d", out, res.Head.Seq)
	}
	w.checkChain()
}

// counting sums names by count in state and upserts them: one row a name, id = count.
var counting = logic{process: func(g *goGuest, _ int, rows []row) error {
	for _, r := range rows {
		key := []byte(fmt.Sprint(r.ID))
		n := byte(0)
		if v, ok := g.calls.StateGet(key); ok {
			n = v[0]
		}
		if err := g.calls.StatePut(key, []byte{n + 1}); err != nil {
			return err
		}
		if err := g.emit(0, text(r.ID, fmt.Sprint(n+1))); err != nil {
			return err
		}
	}
	return nil
}}

func TestStateFollowsCommits(t *testing.T) {
	w := newWorld(t, host.Upsert, counting)
	for i := range 40 {
		w.inputs.add("in", text(1, "x"), text(int64(i%3), "y"))
		w.execute(host.RunCommitted)
		if i%7 == 0 {
			w.restart()
		}
	}
	w.wantRows("0:14", "1:53", "2:13")
	st := w.head().State
	if st == nil || st.Keys != 3 || st.Bytes != 6 || len(st.Deltas) > 16 {
		t.Fatalf("state %+v", st)
	}
	w.execute(host.RunCommitted, rebuild) // from scratch: the same
	w.wantRows("0:14", "1:53", "2:13")
	if spec := w.guests.last(); !spec.Rebuild {
		t.Fatal("the guest was not told that everything is recomputed")
	}
	w.checkChain()
}

func TestDamagedStateIsSaid(t *testing.T) {
	w := newWorld(t, host.Upsert, counting)
	w.inputs.add("in", text(1, "x"))
	w.execute(host.RunCommitted)
	ref := w.head().State.Base
	if err := w.store.Remove(t.Context(), ref.Location); err != nil {
		t.Fatal(err)
	}
	w.restart()
	w.inputs.add("in", text(1, "x"))
	_, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodeRunState)
	w.wantRows("1:1")
	w.execute(host.RunCommitted, rebuild)
	w.wantRows("1:2")
}

func TestStateLimit(t *testing.T) {
	w := newWorld(t, host.Upsert, counting)
	w.product.Limits.State = 4
	w.inputs.add("in", text(1, "x"), text(2, "x"), text(3, "x"))
	_, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodeRunState)
	if len(w.files()) != 0 || w.guests.open != 0 {
		t.Fatalf("left behind: %v", w.files())
	}
}

func holdNulls(onViolation host.OnViolation) host.Rule {
	return host.Rule{ID: "name.nullValues", Kind: host.NullValues, Columns: []string{"name"}, OnViolation: onViolation}
}

func TestHeld(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.inputs.add("in", text(2, "b"), null(3))
	res := w.execute(host.RunHeld)
	w.wantRows("1:a")
	h := w.head()
	if h.Verdict != host.Held || h.Seq != 2 || string(h.Cursors["in"]) != `{"at":1}` || string(h.Tried["in"]) != `{"at":2}` {
		t.Fatalf("held head %+v", h)
	}
	if len(h.Quarantine) != 1 || h.Quarantine[0].Rows != 1 || h.Run.Rejected != 1 {
		t.Fatalf("quarantine %+v, rejected %d", h.Quarantine, h.Run.Rejected)
	}
	rows, err := run.ReadRejected(t.Context(), w.store, h.Quarantine[0], 10)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v %v", rows, err)
	}
	if r := rows[0]; r.Rule != "name.nullValues" || r.Port != "out" || r.Origin != "in.csv" || r.Line != 3 || r.Row["id"] != 3.0 {
		t.Fatalf("rejected row %+v", r)
	}
	if len(res.Rejected) != 1 || len(res.Checks) != 1 || res.Checks[0].Status != host.CheckFail {
		t.Fatalf("result %+v", res)
	}

	w.execute(host.RunIdle) // nothing changed: not tried again
	w.execute(host.RunIdle, force)
	w.restart()
	w.execute(host.RunIdle)

	w.inputs.add("in", text(4, "d")) // an input changed: tried again, and held again
	w.execute(host.RunHeld)
	w.module = "sha256:m2" // the code changed
	w.execute(host.RunHeld)
	w.execute(host.RunIdle)
	w.product.Outputs[0].Rules[0].OnViolation = host.Quarantine // the contract changed
	w.config = "sha256:c2"
	w.execute(host.RunCommitted)
	w.wantRows("1:a", "2:b", "4:d")
	if !w.head().Rebuild {
		t.Fatal("other code, but no rebuild")
	}
	w.checkChain()
}

func TestRelease(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
	_, err := w.runner.Execute(t.Context(), func() run.Attempt { a := w.attempt(); a.Override = run.Release; return a }())
	wantCode(t, err, host.CodeRunNotHeld)
	w.inputs.add("in", null(1))
	w.execute(host.RunHeld)
	if len(w.head().Outputs) != 0 {
		t.Fatal("a held first run has an output")
	}
	res := w.execute(host.RunCommitted, release, func(a *run.Attempt) { a.Reason = "released" })
	w.wantRows("1:null")
	if !strings.Contains(res.Run.Reason, "released") || res.Checks[0].Status != host.CheckFail {
		t.Fatalf("reason %q, checks %+v", res.Run.Reason, res.Checks)
	}
	w.execute(host.RunIdle)
	w.checkChain()
}

func TestSkip(t *testing.T) {
	w := newWorld(t, host.Upsert, counting)
	w.product.Outputs[0].Rules = []host.Rule{{ID: "few", Kind: host.RowCount, MustBe: host.Bound{Lt: ptr(2.0)}, OnViolation: host.Hold}}
	w.inputs.add("in", text(1, "x"))
	w.execute(host.RunCommitted)
	w.inputs.add("in", text(2, "x"))
	w.execute(host.RunHeld)
	res := w.execute(host.RunCommitted, skip)
	if w.guests.started != 2 || !strings.Contains(res.Run.Reason, "skipped") {
		t.Fatalf("guests %d, reason %q", w.guests.started, res.Run.Reason)
	}
	w.execute(host.RunIdle)
	w.inputs.add("in", text(1, "x"))
	w.execute(host.RunCommitted)
	w.wantRows("1:2")

	w.module = "sha256:m2"
	w.execute(host.RunHeld) // a rebuild meets the skipped row again
	_, err := w.runner.Execute(t.Context(), func() run.Attempt { a := w.attempt(); a.Override = run.Skip; return a }())
	wantCode(t, err, host.CodeRunNotHeld)
	w.execute(host.RunCommitted, release)
	w.wantRows("1:2", "2:1")
	w.checkChain()
}

func ptr[T any](v T) *T { return &v }

func TestQuarantineAndParseRejects(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	w.inputs.addBatch("in", drivers.Batch{Record: record([]row{text(1, "a"), null(2)}, false), Origin: "s.csv", Lines: []int64{2, 5},
		Rejected: []drivers.Rejected{{Origin: "s.csv", Line: 3, Column: "id", Reason: "not a number", Raw: "x,y"}}})
	w.inputs.addBatch("in", drivers.Batch{Rejected: []drivers.Rejected{{Origin: "t.csv", Line: 1, Reason: "cut", Raw: strings.Repeat("é", 5000)}}})
	res := w.execute(host.RunCommitted)
	w.wantRows("1:a")
	rows, err := run.ReadRejected(t.Context(), w.store, res.Head.Quarantine[0], 10)
	if err != nil || len(rows) != 3 || res.Run.Rejected != 3 {
		t.Fatalf("%+v %v, rejected %d", rows, err, res.Run.Rejected)
	}
	slices.SortFunc(rows, func(a, b host.RejectedRow) int { return int(a.Line - b.Line) })
	if r := rows[0]; r.Rule != "parse" || r.Origin != "t.csv" || len(r.Raw) > 4<<10 || !strings.HasPrefix(r.Raw, "éé") {
		t.Errorf("cut row %+v", r)
	}
	if r := rows[1]; r.Rule != "parse" || r.Port != "in" || r.Line != 3 || r.Raw != "x,y" || !strings.Contains(r.Reason, "id") {
		t.Errorf("parse reject %+v", r)
	}
	if r := rows[2]; r.Rule != "name.nullValues" || r.Origin != "s.csv" || r.Line != 5 {
		t.Errorf("set aside %+v", r)
	}
}

func TestTableRules(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{
		{ID: "unique", Kind: host.DuplicateValues, Columns: []string{"id"}, OnViolation: host.Hold},
		{ID: "rows", Kind: host.RowCount, MustBe: host.Bound{Gt: ptr(0.0)}, OnViolation: host.Hold},
	}
	w.inputs.add("in", text(1, "a"))
	res := w.execute(host.RunCommitted)
	if len(res.Checks) != 2 || res.Checks[0].Status != host.CheckPass || res.Checks[1].Status != host.CheckPass {
		t.Fatalf("checks %+v", res.Checks)
	}
	w.inputs.add("in", text(1, "again")) // a duplicate of what an earlier run published
	w.execute(host.RunHeld)
	rows, err := run.ReadRejected(t.Context(), w.store, w.head().Quarantine[0], 10)
	if err != nil || len(rows) != 1 || rows[0].Rule != "unique" || rows[0].Row["name"] != "again" {
		t.Fatalf("%+v %v", rows, err)
	}
}

func joinInputs(onChange host.OnChange) []host.Input {
	return []host.Input{
		{Name: "in", Mode: host.Incremental, Schema: schema},
		{Name: "dim", Mode: host.Snapshot, OnChange: onChange, Schema: schema},
	}
}

// join names each row after the dimension's row of the same id.
func join() logic {
	var names map[int64]string
	return logic{
		open: func(*goGuest) error { names = map[int64]string{}; return nil },
		process: func(g *goGuest, input int, rows []row) error {
			for _, r := range rows {
				if input == 1 {
					names[r.ID] = *r.Name
				} else if err := g.emit(0, text(r.ID, names[r.ID])); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func TestSnapshotInputs(t *testing.T) {
	w := newWorld(t, host.Append, join(), joinInputs("")...)
	w.inputs.add("in", text(1, ""))
	res := w.execute(host.RunIdle) // the dimension has never been published: every lookup would miss
	if res.Run.Reason != "waiting for input dim" {
		t.Fatalf("reason %q", res.Run.Reason)
	}
	w.execute(host.RunIdle, force)
	w.inputs.set("dim", text(1, "one"))
	w.execute(host.RunCommitted)
	w.wantRows("1:one")
	w.execute(host.RunIdle)
	w.inputs.set("dim", text(1, "ONE"), text(2, "two"))
	res = w.execute(host.RunCommitted)
	if res.Run.Reason != "rebuild: input dim changed" || !res.Head.Rebuild {
		t.Fatalf("reason %q", res.Run.Reason)
	}
	w.wantRows("1:ONE")
	w.inputs.add("in", text(2, ""))
	w.execute(host.RunCommitted)
	w.wantRows("1:ONE", "2:two")
	w.checkChain()
}

// A snapshot input that changes between the plan and the reading of it: old rows must see the new table too.
func TestSnapshotChangesAfterThePlan(t *testing.T) {
	w := newWorld(t, host.Append, join(), joinInputs("")...)
	w.inputs.set("dim", text(1, "one"))
	w.inputs.add("in", text(1, ""))
	w.execute(host.RunCommitted)
	w.inputs.add("in", text(2, ""))
	failpoint.Arm("run.after-plan", 1, func() { w.inputs.set("dim", text(1, "ONE"), text(2, "two")) })
	defer failpoint.Reset()
	if res := w.execute(host.RunCommitted); !res.Head.Rebuild {
		t.Fatalf("reason %q", res.Run.Reason)
	}
	w.wantRows("1:ONE", "2:two")
	w.execute(host.RunIdle)
}

func TestLookup(t *testing.T) {
	w := newWorld(t, host.Append, join(), joinInputs(host.Lookup)...)
	w.inputs.set("dim", text(1, "one"))
	w.execute(host.RunIdle)
	w.inputs.add("in", text(1, ""))
	w.execute(host.RunCommitted)
	w.inputs.set("dim", text(1, "ONE"))
	w.execute(host.RunIdle)
	w.inputs.add("in", text(1, ""))
	w.execute(host.RunCommitted)
	w.wantRows("1:ONE", "1:one")
}

func TestSnapshotOnly(t *testing.T) {
	w := newWorld(t, host.Replace, pass, host.Input{Name: "dim", Mode: host.Snapshot, Schema: schema})
	w.execute(host.RunIdle)
	w.inputs.set("dim", text(1, "a"))
	w.execute(host.RunCommitted)
	w.inputs.set("dim", text(2, "b"))
	w.execute(host.RunCommitted)
	w.wantRows("2:b")
}

func TestRestartRebuilds(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.inputs.restart["in"] = 2 // what was read is gone: the log begins anew
	w.inputs.batches["in"] = nil
	w.inputs.add("in", text(7, "x"))
	w.inputs.add("in", text(8, "y"))
	res := w.execute(host.RunCommitted)
	if !res.Head.Rebuild || !strings.Contains(res.Run.Reason, "from its beginning") {
		t.Fatalf("reason %q", res.Run.Reason)
	}
	w.wantRows("7:x", "8:y")
}

// TestRestartAtOpen: the input turns out to be unreadable from its cursor only when it is opened.
func TestRestartAtOpen(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.inputs.add("in", text(2, "b"))
	w.inputs.errs["open once"] = fmt.Errorf("expired: %w", drivers.ErrRestart)
	if res := w.execute(host.RunCommitted); !res.Head.Rebuild {
		t.Fatalf("reason %q", res.Run.Reason)
	}
	w.wantRows("1:a", "2:b")
	w.inputs.add("in", text(3, "c"))
	w.inputs.errs["open in"] = fmt.Errorf("gone: %w", drivers.ErrRestart)
	_, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodeRunInput)
}

func TestHeldRebuildIsNotForgotten(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
	w.inputs.add("in", null(2))
	w.module = "sha256:m2"
	w.execute(host.RunHeld)
	w.inputs.batches["in"][1].Record = record([]row{text(2, "b")}, false) // put right at the source
	w.inputs.add("in", text(3, "c"))
	if res := w.execute(host.RunCommitted); !res.Head.Rebuild {
		t.Fatal("the new code published only what is new")
	}
	w.wantRows("1:a", "2:b", "3:c")
}

func TestInputErrors(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	for name, c := range map[string]struct {
		err  error
		code host.ErrorCode
	}{
		"in":      {fmt.Errorf("f.csv: %w", drivers.ErrChanged), host.CodeRunChanged},
		"open in": {errors.New("gone"), host.CodeRunInput},
		"next in": {host.Errorf(host.CodeDriverFormat, "no CSV").WithHint("look"), host.CodeDriverFormat},
	} {
		w.inputs.add("in", text(2, "b"))
		w.inputs.errs[name] = c.err
		res, err := w.runner.Execute(t.Context(), w.attempt())
		wantCode(t, err, c.code)
		if !strings.Contains(err.Error(), "input in") || res.State != host.RunFailed {
			t.Errorf("%s: %v, state %s", name, err, res.State)
		}
		delete(w.inputs.errs, name)
		w.inputs.batches["in"] = w.inputs.batches["in"][:1]
	}
	if n := len(w.files()); n != 3 || w.guests.open != 0 {
		t.Fatalf("%d files: %v; open guests %d", n, w.files(), w.guests.open)
	}
	w.wantRows("1:a")
}

func TestGuestErrors(t *testing.T) {
	trap := host.Errorf(host.CodeGuestTrap, "unreachable")
	w := newWorld(t, host.Append, logic{
		process: func(g *goGuest, _ int, rows []row) error { return g.emit(0, rows...) },
		flush:   func(g *goGuest) error { return trap },
	})
	w.inputs.add("in", text(1, "a"))
	res, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodeGuestTrap)
	if res.State != host.RunFailed || res.Run.Fuel != 1 || w.head() != nil || len(w.files()) != 0 || w.tables.aborted != 1 {
		t.Fatalf("%+v, files %v, aborted %d", res, w.files(), w.tables.aborted)
	}
}

func TestCancelledRunLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(t, host.Append, logic{process: func(g *goGuest, _ int, rows []row) error { cancel(); return g.emit(0, rows...) }})
	w.inputs.add("in", text(1, "a"))
	if _, err := w.runner.Execute(ctx, w.attempt()); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if len(w.files()) != 0 {
		t.Fatalf("left behind %v", w.files())
	}
}

func TestRollback(t *testing.T) {
	w := newWorld(t, host.Upsert, counting)
	for range 4 {
		w.inputs.add("in", text(1, "x"))
		w.execute(host.RunCommitted)
	}
	res, err := w.runner.Rollback(t.Context(), w.attempt(), 2)
	if err != nil {
		t.Fatal(err)
	}
	w.wantRows("1:2")
	if out := res.Head.Outputs["out"]; out.Changed != 5 || out.Base != 5 || string(res.Head.Cursors["in"]) != `{"at":2}` {
		t.Fatalf("head %+v", res.Head)
	}
	w.execute(host.RunCommitted) // reads the same inputs again, from the state of then
	w.wantRows("1:4")
	_, err = w.runner.Rollback(t.Context(), w.attempt(), 77)
	wantCode(t, err, host.CodeTableSnapshot)
	w.checkChain()
}

func TestLostOwnership(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.inputs.add("in", text(1, "a"))
	zombie := w.attempt()
	old := w.runner
	w.restart()
	_, err := old.Execute(t.Context(), zombie)
	wantCode(t, err, host.CodeRunLostOwner)
	if w.head() != nil || len(w.files()) != 0 {
		t.Fatalf("the zombie left %v", w.files())
	}
	w.execute(host.RunCommitted)
	w.wantRows("1:a")
}

func TestOneAttemptAtATime(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, host.Append, logic{process: func(*goGuest, int, []row) error { close(inside); <-leave; return nil }})
	w.inputs.add("in", text(1, "a"))
	done := make(chan error, 1)
	go func() { _, err := w.runner.Execute(t.Context(), w.attempt()); done <- err }()
	<-inside
	_, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodeRunBusy)
	close(leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAcknowledgementIsRepeated(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.inputs.add("in", text(1, "a"))
	w.inputs.ackErr = errors.New("the source is away")
	w.execute(host.RunCommitted)
	if len(w.trouble) != 1 {
		t.Fatalf("trouble %v", w.trouble)
	}
	w.inputs.ackErr = nil
	w.execute(host.RunIdle)
	if w.inputs.acked["in"] != `{"at":1}` {
		t.Fatalf("acknowledged %q", w.inputs.acked["in"])
	}
}

func TestDeletesPassRules(t *testing.T) {
	w := newWorld(t, host.Upsert, logic{process: func(g *goGuest, _ int, rows []row) error {
		for i := range rows {
			if rows[i].Name == nil {
				rows[i].Op = abi.OpDelete
			}
		}
		return g.emit(0, rows...)
	}})
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
	w.inputs.add("in", text(1, "a"), text(2, "b"))
	w.execute(host.RunCommitted)
	w.inputs.add("in", null(1))
	w.execute(host.RunCommitted)
	w.wantRows("2:b")
}
