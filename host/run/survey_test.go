package run_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// TestSurvey makes histories that etcd knows the truth of, and asks the store alone.
func TestSurvey(t *testing.T) {
	commit := func(w *world, n int) {
		for range n {
			w.now = w.now.Add(time.Hour)
			w.inputs.add("in", text(int64(w.now.Hour()), ""))
			w.execute(host.RunCommitted)
		}
	}
	mark := func(w *world) string {
		tip := w.tip().Location
		return tip[:len(tip)-len("head.json")] + "committed"
	}
	unmark := func(w *world) {
		t.Helper()
		if err := w.store.Remove(t.Context(), mark(w)); err != nil {
			t.Fatal(err)
		}
	}
	tear := func(text string) func(w *world) { // the power failed before the mark was durable
		return func(w *world) {
			t.Helper()
			commit(w, 5)
			unmark(w)
			f, err := w.store.Create(t.Context(), mark(w))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name            string
		before          func(w *world)
		tip             host.Seq
		kept            host.Seq
		undecided       int
		wrongIsNotKnown bool // whether the newest was committed is known to etcd only
	}{
		{"committed", func(w *world) { commit(w, 5) }, 5, 0, 0, false},
		{"no mark", func(w *world) { commit(w, 5); unmark(w) }, 4, 0, 1, true},
		{"an empty mark", tear(""), 5, 0, 0, false},
		{"a torn mark", tear("sha256:ecb32"), 5, 0, 0, false},
		{"a mark of zeros", tear(strings.Repeat("\x00", len("sha256:")+64)), 5, 0, 0, false},
		{"nothing but one without a mark", func(w *world) { commit(w, 1); unmark(w) }, 0, 0, 1, true},
		{"killed before the commit", func(w *world) { commit(w, 3); w.crash("run.before-commit", 1) }, 3, 0, 0, false},
		{"an attempt", func(w *world) {
			commit(w, 3)
			w.inputs.add("in", text(77, ""))
			w.crash("run.before-commit", 1)
		}, 3, 0, 1, false},
		{"an attempt, and one of the next owner", func(w *world) {
			commit(w, 3)
			w.inputs.add("in", text(77, ""))
			w.crash("run.before-commit", 1)
			w.restart()
			w.tidy()
			w.crash("run.after-state-write", 1)
		}, 3, 0, 0, false},
		{"an attempt, and the next owner has committed", func(w *world) {
			commit(w, 3)
			w.inputs.add("in", text(77, ""))
			w.crash("run.before-commit", 1)
			w.restart()
			w.tidy()
			w.execute2()
		}, 4, 0, 0, false},
		{"after a clean-up", func(w *world) {
			commit(w, 9)
			w.clean(host.Retention{Snapshots: 3, For: time.Minute}, nil)
		}, 9, 7, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, host.Append, stateful)
			w.tidy()
			c.before(w)
			found, err := run.Survey(t.Context(), w.store, nil)
			if err != nil || len(found) != 1 {
				t.Fatalf("%+v, %v", found, err)
			}
			f := found[0]
			if f.Product != w.product.ID || f.Tip.Seq != c.tip || f.Kept.From != c.kept || len(f.Kept.Undecided) != c.undecided || f.Epoch != w.own.Epoch {
				t.Fatalf("%+v", f)
			}
			truth, err := w.cluster.Head(t.Context(), w.product.ID)
			if err != nil {
				t.Fatal(err)
			}
			if c.wrongIsNotKnown {
				if err := f.Trust(t.Context(), w.store); err != nil {
					t.Fatal(err)
				}
			}
			if f.Tip != truth {
				t.Errorf("the store says %+v, etcd %+v", f.Tip, truth)
			}
			known := map[host.ProductID]host.Pointer{w.product.ID: truth}
			if found, err = run.Survey(t.Context(), w.store, known); err != nil || found[0].Tip != truth {
				t.Errorf("with what a backup says: %+v, %v", found, err)
			}
		})
	}
}

// TestUndelivered: where the record of what is delivered is lost, what the store still has says it, but for what was
// delivered and not cleaned up yet.
func TestUndelivered(t *testing.T) {
	w := newWorld(t, host.Append, stateful)
	w.tidy()
	w.product.Bindings = []host.Binding{write}
	var effects []string
	commit := func(n int64) {
		for range n {
			w.now = w.now.Add(time.Hour)
			seq := int64(len(effects)/2 + 1)
			w.inputs.add("in", text(seq, ""))
			w.execute(host.RunCommitted)
			effects = append(effects, fmt.Sprintf("%d.1[%d:%d]", seq, seq, seq), fmt.Sprintf("%d.2[%d:null]", seq, seq))
		}
	}
	commit(8)
	w.deliver()
	commit(3)
	w.clean(host.Retention{Snapshots: 1, For: time.Minute}, nil) // what waits stays: 9, 10 and 11
	recorded, err := w.cluster.Delivered(t.Context(), w.product.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []host.Delivered{{}, {Seq: 2, Total: 4}, recorded} {
		got, err := run.Undelivered(t.Context(), w.store, w.tip(), known)
		if err != nil || got != recorded {
			t.Errorf("knowing %+v: %+v, %v; it is %+v", known, got, err, recorded)
		}
	}
	w.deliver()
	w.wantEffects(write.URI, effects...)
}
