package run_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/table"
)

// tidy lets the world's runner work over real tables, and clean up.
func (w *world) tidy() {
	t := table.New(w.store, table.Options{})
	w.runner.Tables, w.runner.References, w.runner.Keeping = icebergs{t}, t, w.cluster
	w.runner.Clock = func() time.Time { return w.now }
}

// clean makes a whole clean-up, with a run between any two of its steps where between is given.
func (w *world) clean(keep host.Retention, between func()) run.Cleaned {
	w.t.Helper()
	last := run.Cleaned{}
	for c, err := range w.runner.Clean(w.t.Context(), run.Cleaning{Own: w.own, Retention: keep}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if last = c; between != nil && !c.Stopped {
			between()
		}
	}
	if !last.Stopped {
		w.t.Fatal("the clean-up did not come to its end")
	}
	return last
}

// content is everything that can be read of a snapshot: rows of all ports, rejected rows, changes; its files verified.
func (w *world) content(h *host.Head) string {
	w.t.Helper()
	ctx, tables := w.t.Context(), table.New(w.store, table.Options{})
	var lines []string
	read := func(what string, r table.Reader, err error) {
		if err != nil {
			w.t.Fatalf("%s of snapshot %d: %v", what, h.Seq, err)
		}
		defer r.Close()
		for {
			rec, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				w.t.Fatalf("%s of snapshot %d: %v", what, h.Seq, err)
			}
			for _, row := range rowsOf(rec) {
				lines = append(lines, what+" "+row.String())
			}
			rec.Release()
		}
	}
	for port, ref := range h.Outputs {
		if err := tables.Verify(ctx, ref); err != nil {
			w.t.Fatalf("snapshot %d: %v", h.Seq, err)
		}
		r, err := tables.Scan(ctx, ref, schema, table.ScanOptions{})
		read(port, r, err)
		if ref.Changed == h.Seq && len(ref.Changes) > 0 {
			r, err = tables.Changes(ctx, ref.Changes, w.product.Outputs[0].Mode, schema, h.Seq, table.ScanOptions{})
			read(port+" changes", r, err)
		}
	}
	rejected, total, err := run.Rejected(ctx, w.store, h, 1<<20)
	if err != nil {
		w.t.Fatalf("rejected rows of snapshot %d: %v", h.Seq, err)
	}
	for _, r := range rejected {
		lines = append(lines, fmt.Sprint("rejected ", r.Seq, r.Row))
	}
	slices.Sort(lines)
	return fmt.Sprint(h.Verdict, total, lines)
}

// history is the content of every snapshot from the newest back to from.
func (w *world) history(from host.Seq) map[host.Seq]string {
	w.t.Helper()
	out := map[host.Seq]string{}
	for h := w.head(); h != nil; {
		out[h.Seq] = w.content(h)
		if h.Prev == nil || h.Seq <= from {
			break
		}
		prev, err := run.LoadHead(w.t.Context(), w.store, *h.Prev)
		if err != nil {
			w.t.Fatal(err)
		}
		h = prev
	}
	return out
}

// litter lists the files of the product that no snapshot from one on needs. Those that one needs must all be there.
func (w *world) litter(from host.Seq) (out []string) {
	w.t.Helper()
	needed := map[string]bool{}
	var marks []string
	tables := table.New(w.store, table.Options{})
	for ref := w.tip(); ; {
		h, err := run.LoadHead(w.t.Context(), w.store, ref)
		if err != nil {
			w.t.Fatal(err)
		}
		dir := ref.Location[:strings.LastIndex(ref.Location, "/")]
		needed[ref.Location] = true
		marks = append(marks, dir+"/committed")
		for _, o := range h.Outputs {
			err := tables.References(w.t.Context(), o, func(string) bool { return true }, func(name string) { needed[name] = true })
			if err != nil {
				w.t.Fatal(err)
			}
		}
		for _, q := range h.Quarantine {
			needed[q.Location] = true
		}
		for _, f := range []*host.FileRef{h.Outbox, h.Recorded} {
			if f != nil {
				needed[f.Location] = true
			}
		}
		if h.State != nil {
			needed[h.State.Base.Location] = true
			for _, d := range h.State.Deltas {
				needed[d.Location] = true
			}
		}
		if h.Prev == nil || h.Seq <= from {
			break
		}
		ref = *h.Prev
	}
	all := w.files()
	for name := range needed {
		if !slices.Contains(all, name) {
			w.t.Fatalf("%s is needed and gone", name)
		}
	}
	for _, name := range all {
		if !needed[name] && !slices.Contains(marks, name) {
			out = append(out, name)
		}
	}
	return out
}

func (w *world) tip() host.HeadRef {
	w.t.Helper()
	p, err := w.cluster.Head(w.t.Context(), w.product.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return run.HeadRef(p)
}

// noting emits what it reads, and keeps it in its state.
var noting = logic{process: func(g *goGuest, _ int, rows []row) error {
	for _, r := range rows {
		if err := g.calls.StatePut(fmt.Append(nil, r.ID), []byte(r.String())); err != nil {
			return err
		}
	}
	return g.emit(0, rows...)
}}

// TestCleanRandomHistories cleans up after random histories of runs, held runs, rebuilds, rollbacks, crashes and
// restarts: every snapshot that is kept reads as it did, rows that are missing and changes included, and of what is not
// needed only that stays which a process could still commit.
func TestCleanRandomHistories(t *testing.T) {
	for _, mode := range []host.OutputMode{host.Append, host.Upsert, host.Replace} {
		t.Run(string(mode), func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 2))
			w := newWorld(t, mode, noting)
			restart := func() { w.restart(); w.tidy() }
			restart()
			id := int64(0)
			step := func() {
				id++
				w.now = w.now.Add(time.Hour)
				w.inputs.add("in", text(id%17, fmt.Sprint(id)))
				w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
				switch rng.IntN(12) {
				case 0:
					w.crash(run.Failpoints[rng.IntN(len(run.Failpoints))], 1)
					restart()
				case 1, 2:
					w.inputs.add("in", null(id))
					w.execute2()
				case 3:
					w.inputs.add("in", null(id))
					w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
					w.execute2()
				case 4:
					a := w.attempt()
					a.Rebuild = true
					if _, err := w.runner.Execute(t.Context(), a); err != nil {
						t.Fatal(err)
					}
				default:
					w.execute2()
				}
			}
			floor := host.Seq(1)
			for range 4 {
				for range 12 {
					step()
				}
				if tip := w.tip().Seq; rng.IntN(2) == 0 && tip > floor {
					back := floor + host.Seq(rng.Int64N(int64(tip-floor)))
					if _, err := w.runner.Rollback(t.Context(), w.attempt(), back); err != nil && host.CodeOf(err) != host.CodeTableSnapshot {
						t.Fatal(err)
					}
				}
				restart() // what crashed is of an earlier epoch now
				before := w.history(floor)
				keep := host.Retention{Snapshots: 1 + rng.IntN(8), For: time.Duration(1+rng.IntN(6)) * time.Hour}
				got := w.clean(keep, nil)
				if got.Kept < floor || got.Tip-got.Kept+1 < host.Seq(min(keep.Snapshots, int(got.Tip-floor+1))) {
					t.Fatalf("%+v of floor %d with %+v", got, floor, keep)
				}
				floor = got.Kept
				after := w.history(floor)
				for seq, content := range after {
					if before[seq] != content {
						t.Fatalf("snapshot %d read\n%s\nand reads\n%s", seq, before[seq], content)
					}
				}
				if left := w.litter(floor); len(left) > 0 {
					t.Fatalf("left behind: %v", left)
				}
				if again := w.clean(keep, nil); again.Files != 0 || again.Kept != floor {
					t.Fatalf("a second clean-up did %+v", again)
				}
			}
		})
	}
}

// TestCleanCrashes ends the process at every step of a clean-up: the next one finds everything that is left, and what is
// kept reads as before, whatever the dead process does when it turns out to have slept only.
func TestCleanCrashes(t *testing.T) {
	for _, point := range run.CleanFailpoints {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t, host.Append, stateful)
			w.tidy()
			for id := range int64(9) {
				w.now = w.now.Add(time.Hour)
				w.inputs.add("in", text(id, ""))
				w.execute(host.RunCommitted)
			}
			keep := host.Retention{Snapshots: 4, For: time.Minute}
			before := w.history(6)
			at, sleep, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			failpoint.Arm(point, 1, func() { close(at); <-sleep })
			r, c := w.runner, run.Cleaning{Own: w.own, Retention: keep}
			go func() {
				var last error
				for _, err := range r.Clean(context.WithoutCancel(t.Context()), c) {
					last = err
				}
				done <- last
			}()
			select {
			case <-at:
			case err := <-done:
				t.Fatalf("a clean-up does not pass %s: %v", point, err)
			}
			failpoint.Reset()
			w.restart()
			w.tidy()
			w.now = w.now.Add(time.Hour)
			w.execute(host.RunCommitted, force)
			oldest := w.clean(keep, nil).Kept
			if _, err := w.runner.Rollback(t.Context(), w.attempt(), oldest); err != nil {
				t.Fatal(err)
			}
			for seq, content := range w.history(oldest) {
				if seq <= 9 && content != before[seq] {
					t.Fatalf("snapshot %d read %s, and now %s", seq, before[seq], content)
				}
			}
			now := w.history(oldest)
			close(sleep)
			if err := <-done; err != nil && host.CodeOf(err) != host.CodeRunLostOwner {
				t.Fatalf("the zombie ended with %v", err)
			}
			for seq, content := range w.history(oldest) {
				if content != now[seq] {
					t.Fatalf("the zombie's clean-up changed snapshot %d", seq)
				}
			}
			if left := w.litter(oldest); len(left) > 0 {
				t.Fatalf("left behind: %v", left)
			}
			_, err := w.runner.Rollback(t.Context(), w.attempt(), oldest-1)
			if host.CodeOf(err) != host.CodeTableSnapshot || !strings.Contains(err.Error(), "expired") {
				t.Fatalf("a rollback to what has expired: %v", err)
			}
		})
	}
}

// TestCleanBesideRuns lets runs commit between the steps of a clean-up.
func TestCleanBesideRuns(t *testing.T) {
	w := newWorld(t, host.Upsert, stateful)
	w.tidy()
	id := int64(0)
	commit := func() {
		id++
		w.now = w.now.Add(time.Hour)
		w.inputs.add("in", text(id%7, ""))
		w.execute(host.RunCommitted)
	}
	for range 20 {
		commit()
	}
	steps := 0
	got := w.clean(host.Retention{Snapshots: 5, For: time.Minute}, func() {
		if steps++; steps%3 == 0 {
			commit()
		}
	})
	if got.Kept != 16 || got.Files == 0 || w.tip().Seq < 25 {
		t.Fatalf("%+v, newest %d", got, w.tip().Seq)
	}
	w.history(got.Kept)
}

// TestCleanSparesWhatMayBeCommitted: the folder of an attempt that is under way stays, however old its files are, and
// that of a zombie of an earlier epoch goes, however new they are: whoever judges by age does both the wrong way round.
func TestCleanSparesWhatMayBeCommitted(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.tidy()
	for id := range int64(3) {
		w.inputs.add("in", text(id, "x"))
		w.execute(host.RunCommitted)
	}
	put := func(epoch host.Epoch, seq host.Seq) string {
		name := fmt.Sprintf("%s/e%d/s%d/0d1cfa0c-f2bb-4bdc-a09e-4e0ac22b8f77/out.0.parquet", run.Folder(w.product.ID), epoch, seq)
		f, err := w.store.Create(t.Context(), name)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	e := w.own.Epoch
	underway := []string{put(e, 4), put(e, 5), put(e+5, 3), put(e+5, 9)}
	failed := put(e, 3) // of this ownership, and of a seq that another attempt has committed
	w.now = w.now.Add(1000 * time.Hour)
	if got := w.clean(host.Retention{}, nil); got.Files != 1 || !subset(underway, w.files()) || slices.Contains(w.files(), failed) {
		t.Fatalf("%+v left %v", got, w.files())
	}
	w.restart()
	w.tidy()
	late := put(e, 77) // a zombie writes after the claim
	if got := w.clean(host.Retention{}, nil); got.Files != 3 || slices.Contains(w.files(), late) || !subset(underway[2:], w.files()) {
		t.Fatalf("%+v left %v", got, w.files())
	}
}

// TestCleanKeepsWaitingEffects: effects that are not delivered yet stay, with what leads to them, and are delivered.
func TestCleanKeepsWaitingEffects(t *testing.T) {
	w := newWorld(t, host.Append, stateful)
	w.tidy()
	w.product.Bindings = []host.Binding{write}
	var effects []string
	for id := range int64(12) {
		w.now = w.now.Add(time.Hour)
		w.inputs.add("in", text(id+1, ""))
		w.execute(host.RunCommitted)
		effects = append(effects, fmt.Sprintf("%d.1[%d:%d]", id+1, id+1, id+1), fmt.Sprintf("%d.2[%d:null]", id+1, id+1))
	}
	if got := w.clean(host.Retention{Snapshots: 2, For: time.Minute}, nil); got.Kept != 11 {
		t.Fatalf("%+v", got)
	}
	w.deliver()
	w.wantEffects(write.URI, effects...)
	if w.clean(host.Retention{Snapshots: 2, For: time.Minute}, nil); len(w.litter(11)) > 0 {
		t.Fatalf("left behind: %v", w.litter(11))
	}
}

// TestCleanKeepsWhatIsRead: the snapshot that was published last stays, however many held attempts came after it.
func TestCleanKeepsWhatIsRead(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.tidy()
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
	for id := range int64(4) {
		w.inputs.add("in", text(id, "x"))
		w.execute(host.RunCommitted)
	}
	for id := range int64(6) {
		w.now = w.now.Add(time.Hour)
		w.inputs.add("in", null(100+id))
		w.execute(host.RunHeld)
	}
	if got := w.clean(host.Retention{Snapshots: 1, For: time.Minute}, nil); got.Kept != 4 {
		t.Fatalf("%+v", got)
	}
	if got := w.scanned(); len(got) != 4 {
		t.Fatalf("%q", got)
	}
	w.execute(host.RunCommitted, skip)
}

// TestCleanStopsAtDamage: what cannot be followed is no reason to remove what it may lead to.
func TestCleanStopsAtDamage(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.tidy()
	for id := range int64(6) {
		w.inputs.add("in", text(id, "x"))
		w.execute(host.RunCommitted)
	}
	if err := w.store.Remove(t.Context(), w.head().Outputs["out"].Metadata); err != nil {
		t.Fatal(err)
	}
	before := w.files()
	for _, err := range w.runner.Clean(t.Context(), run.Cleaning{Own: w.own, Retention: host.Retention{Snapshots: 1, For: 1}}) {
		if err != nil && host.CodeOf(err) != host.CodeTableDamaged {
			t.Fatal(err)
		}
	}
	if !slices.Equal(before, w.files()) {
		t.Fatal("files went")
	}
}
