package run_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/cluster/clustertest"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/run"
)

// crash lets an attempt, and the delivery of its effects, run until the nth hit of a failpoint and leaves it there, as a
// process that ended would: none of its defers run. The returned function lets it go on, as a process that only slept would.
func (w *world) crash(point string, nth int) (wake func() error, reached bool) {
	w.t.Helper()
	at, sleep, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	failpoint.Arm(point, nth, func() { close(at); <-sleep })
	a, r := w.attempt(), w.runner
	go func() {
		_, err := r.Execute(context.WithoutCancel(w.t.Context()), a)
		if err == nil {
			_, err = r.Deliver(context.WithoutCancel(w.t.Context()), a.Product, a.Own)
		}
		done <- err
	}()
	select {
	case <-at:
	case err := <-done:
		w.t.Logf("%s was not reached: %v", point, err)
		failpoint.Reset()
		return nil, false
	case <-time.After(30 * time.Second):
		w.t.Fatalf("stuck before %s", point)
	}
	failpoint.Reset()
	return func() error { close(sleep); return <-done }, true
}

// TestCrashAtEveryFailpoint ends the process at every step of a run and of the delivery of its effects, and starts again:
// no row and no effect is lost, none doubled, and when the dead process turns out to have slept only, it changes nothing.
func TestCrashAtEveryFailpoint(t *testing.T) {
	if len(run.Failpoints) < 10 {
		t.Fatalf("%d failpoints", len(run.Failpoints))
	}
	for _, point := range run.Failpoints {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t, host.Append, stateful)
			w.product.Bindings = []host.Binding{write}
			w.inputs.add("in", text(1, "a"))
			w.execute(host.RunCommitted)
			w.deliver()
			want, effects := []string{"1:1"}, []string{"1.1[1:1]", "1.2[1:null]"}
			for round := range 3 {
				id := int64(round + 2)
				w.inputs.add("in", text(id, ""))
				nth := 1
				if strings.HasSuffix(point, "-delivery") && round == 1 {
					nth = 2 // between the two effects of a run
				}
				wake, reached := w.crash(point, nth)
				if !reached {
					t.Fatalf("a run does not pass %s", point)
				}
				committed := w.head().Seq
				w.restart()
				for w.execute2().State == host.RunCommitted {
				}
				want = append(want, fmt.Sprintf("%d:%d", id, round+2))
				w.wantRows(want...)
				w.deliver()
				seq := w.head().Seq
				effects = append(effects, fmt.Sprintf("%d.1[%d:%d]", seq, id, id), fmt.Sprintf("%d.2[%d:null]", seq, id))
				w.wantEffects(write.URI, effects...)
				before := w.files()
				if err := wake(); err != nil && host.CodeOf(err) != host.CodeRunLostOwner {
					t.Fatalf("the zombie ended with %v", err)
				} else if err == nil && committed == host.Seq(1+round) {
					t.Fatal("the zombie committed after the next owner")
				}
				w.wantRows(want...)
				w.wantEffects(write.URI, effects...)
				w.checkChain()
				if after := w.files(); !subset(w.referenced(), after) {
					t.Fatalf("the zombie removed what a head names: %v of %v", after, before)
				}
			}
		})
	}
}

// stateful numbers rows in the order in which they come, by state: a row that is read twice shows. Each row has two
// effects where the product has a binding.
var stateful = logic{process: func(g *goGuest, _ int, rows []row) error {
	for _, r := range rows {
		n := byte(1)
		if v, ok := g.calls.StateGet([]byte("n")); ok {
			n = v[0] + 1
		}
		if err := g.calls.StatePut([]byte("n"), []byte{n}); err != nil {
			return err
		}
		if err := g.emit(0, text(r.ID, fmt.Sprint(n))); err != nil {
			return err
		}
		if err := errors.Join(g.write(text(r.ID, fmt.Sprint(n))), g.write(null(r.ID))); err != nil {
			return err
		}
	}
	return nil
}}

// execute2 makes an attempt that must not fail.
func (w *world) execute2() run.Result {
	w.t.Helper()
	res, err := w.runner.Execute(w.t.Context(), w.attempt())
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// referenced are the files that the chain of heads names.
func (w *world) referenced() []string {
	var out []string
	ref := run.HeadRef(func() host.Pointer { p, _ := w.cluster.Head(w.t.Context(), w.product.ID); return p }())
	for {
		out = append(out, ref.Location)
		h, err := run.LoadHead(w.t.Context(), w.store, ref)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, o := range h.Outputs {
			out = append(out, o.Metadata)
		}
		for _, q := range h.Quarantine {
			out = append(out, q.Location)
		}
		if h.State != nil {
			for _, f := range append(slices.Clone(h.State.Deltas), *h.State.Base) {
				out = append(out, f.Location)
			}
		}
		if h.Prev == nil {
			return out
		}
		ref = *h.Prev
	}
}

func subset(part, all []string) bool {
	for _, p := range part {
		if !slices.Contains(all, p) {
			return false
		}
	}
	return true
}

// TestRandomCrashes does the same at random points of random histories: appends, rules that hold, quiet attempts.
func TestRandomCrashes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, host.Append, pass)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	var want []string
	for id := range int64(60) {
		if rng.IntN(4) == 0 {
			w.inputs.add("in", null(id))
		} else {
			w.inputs.add("in", text(id, "x"))
			want = append(want, fmt.Sprintf("%d:x", id))
		}
		if rng.IntN(3) == 0 {
			w.crash(run.Failpoints[rng.IntN(len(run.Failpoints))], 1)
			w.restart()
		}
	}
	for w.execute2().State == host.RunCommitted {
	}
	slices.Sort(want)
	w.wantRows(want...)
	w.checkChain()
}

// faulty lets commits meet faults while the switch is on.
func faulty(plan func(n int) clustertest.Fault) (func(clientv3.KV) clientv3.KV, *atomic.Bool) {
	return faultyAt("/head/", plan)
}

// faultyAt does so for transactions that write a key of the kind.
func faultyAt(kind string, plan func(n int) clustertest.Fault) (func(clientv3.KV) clientv3.KV, *atomic.Bool) {
	var on atomic.Bool
	var n int
	return func(kv clientv3.KV) clientv3.KV {
		return &clustertest.Faulty{KV: kv, Late: func() time.Duration { return 5 * time.Millisecond }, Plan: func(keys []string) clustertest.Fault {
			if !on.Load() || !strings.Contains(keys[0], kind) {
				return clustertest.None
			}
			n++
			return plan(n)
		}}
	}, &on
}

// TestLostReply: a commit whose reply is lost is sent again, identically, and counts once.
func TestLostReply(t *testing.T) {
	for name, fault := range map[string]clustertest.Fault{"request": clustertest.LoseRequest, "reply": clustertest.LoseReply, "late": clustertest.ApplyLate} {
		t.Run(name, func(t *testing.T) {
			wrap, on := faulty(func(n int) clustertest.Fault {
				if n%4 == 0 {
					return clustertest.None
				}
				return fault
			})
			w := newWorldOn(t, wrap, host.Append, stateful)
			on.Store(true)
			for id := range int64(5) {
				w.inputs.add("in", text(id, ""))
				w.execute(host.RunCommitted)
			}
			w.wantRows("0:1", "1:2", "2:3", "3:4", "4:5")
			if h := w.head(); h.Seq != 5 {
				t.Fatalf("head %d", h.Seq)
			}
			w.checkChain()
		})
	}
}

// TestUnknownCommit: the node is told to stop while nobody knows the result. The files stay, the next attempt begins
// with what etcd says, and the rows are there once.
func TestUnknownCommit(t *testing.T) {
	for name, fault := range map[string]clustertest.Fault{"lost": clustertest.LoseRequest, "applied": clustertest.LoseReply} {
		t.Run(name, func(t *testing.T) {
			var cancel context.CancelFunc
			wrap, on := faulty(func(n int) clustertest.Fault { cancel(); return fault })
			w := newWorldOn(t, wrap, host.Append, stateful)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			cancel = stop
			on.Store(true)
			w.inputs.add("in", text(1, ""))
			began := time.Now()
			_, err := w.runner.Execute(ctx, w.attempt())
			on.Store(false)
			if fault == clustertest.LoseReply && time.Since(began) > time.Minute {
				t.Fatal("it took for ever")
			}
			if !errors.Is(err, run.ErrUnsettled) || !errors.Is(err, cluster.ErrUnknown) {
				t.Fatalf("error %v", err)
			}
			if len(w.files()) == 0 {
				t.Fatal("the files of a commit that may have happened are gone")
			}
			w.inputs.add("in", text(2, ""))
			w.execute2()
			w.wantRows("1:1", "2:2")
			w.checkChain()
		})
	}
}

// TestCommittedOnTheWay: the reply of a commit is lost, another owner takes over and commits on top, and only then the
// first owner asks again. It must see that its commit happened, and leave its files alone.
func TestCommittedOnTheWay(t *testing.T) {
	var w *world
	wrap, on := faulty(func(n int) clustertest.Fault { return clustertest.LoseReply })
	w = newWorldOn(t, func(kv clientv3.KV) clientv3.KV {
		f := wrap(kv).(*clustertest.Faulty)
		plan := f.Plan
		f.Plan = func(keys []string) clustertest.Fault {
			fault := plan(keys)
			if fault == clustertest.LoseReply {
				on.Store(false) // the first sending
				f.Late = nil
			} else if strings.Contains(keys[0], "/head/") && w.head() != nil && w.head().Seq == 1 && w.own.Epoch == 1 {
				first := w.runner
				w.restart() // before the second sending another owner commits
				w.inputs.add("in", text(2, ""))
				w.execute2()
				_ = first
			}
			return fault
		}
		return f
	}, host.Append, stateful)
	on.Store(true)
	w.inputs.add("in", text(1, ""))
	res, err := w.runner.Execute(t.Context(), w.attempt())
	if err != nil || res.Pointer.Seq != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	if w.own.Epoch != 2 {
		t.Fatal("nobody took over")
	}
	w.wantRows("1:1", "2:2")
	w.checkChain()
	if !subset(w.referenced(), w.files()) {
		t.Fatal("files of a committed head are gone")
	}
}

// failingStore fails its nth operation, and all operations after it while stuck is set.
type failingStore struct {
	drivers.Store
	n    atomic.Int64
	at   int64
	err  error
	only string
}

func (s *failingStore) fails() error {
	if s.n.Add(1) == s.at {
		return s.err
	}
	return nil
}

func (s *failingStore) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	w, err := s.Store.Create(ctx, name)
	return &failingWriter{w, s}, err
}

func (s *failingStore) Open(ctx context.Context, name string) (drivers.StoreFile, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Open(ctx, name)
}

func (s *failingStore) Sync(ctx context.Context, names ...string) error {
	if err := s.fails(); err != nil {
		return err
	}
	return s.Store.Sync(ctx, names...)
}

type failingWriter struct {
	io.WriteCloser
	s *failingStore
}

func (w *failingWriter) Write(b []byte) (int, error) {
	if err := w.s.fails(); err != nil {
		return 0, err
	}
	return w.WriteCloser.Write(b)
}

func (w *failingWriter) Close() error {
	if err := w.s.fails(); err != nil {
		_ = w.WriteCloser.Close()
		return err
	}
	return w.WriteCloser.Close()
}

// TestFullDiskAtEveryCall fails the first, second, … call of the store until a run succeeds: each time the error says
// that the disk is full, the last snapshot is intact, and nothing is left behind.
func TestFullDiskAtEveryCall(t *testing.T) {
	w := newWorld(t, host.Append, stateful)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	w.inputs.add("in", text(1, ""))
	w.execute(host.RunCommitted)
	w.inputs.addBatch("in", drivers.Batch{Record: record([]row{text(2, "")}, false), Rejected: []drivers.Rejected{{Line: 3, Reason: "cut"}}})
	before := w.files()
	for at := int64(1); ; at++ {
		w.restart()
		s := &failingStore{Store: w.store, at: at, err: &fsError{syscall.ENOSPC}}
		w.runner.Store, w.tables.store = s, s
		res, err := w.runner.Execute(t.Context(), w.attempt())
		if err == nil {
			if at < 8 || res.State != host.RunCommitted {
				t.Fatalf("after %d calls %+v", at, res)
			}
			break
		}
		wantCode(t, err, host.CodeRunStore)
		if !strings.Contains(err.Error(), "disk is full") {
			t.Fatalf("call %d: %v", at, err)
		}
		w.wantRows("1:1")
		if after := w.files(); !slices.Equal(after, before) {
			t.Fatalf("call %d left %v", at, after)
		}
	}
	w.wantRows("1:1", "2:2")
	w.checkChain()
}

type fsError struct{ errno syscall.Errno }

func (e *fsError) Error() string { return "write x: " + e.errno.Error() }
func (e *fsError) Unwrap() error { return e.errno }
