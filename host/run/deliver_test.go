package run_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

// newSender is a world whose product writes each row it reads to its binding, one effect a row, and emits it.
func newSender(t *testing.T, inputs ...host.Input) *world {
	w := newWorld(t, host.Append, sending, inputs...)
	w.product.Bindings = []host.Binding{write}
	return w
}

var sending = logic{process: func(g *goGuest, _ int, rows []row) error {
	for _, r := range rows {
		if err := g.write(r); err != nil {
			return err
		}
	}
	return g.emit(0, rows...)
}}

var errDown = &drivers.Error{Kind: drivers.ErrUnavailable, Origin: "sink", Message: "is down"}

// TestDeliver: effects arrive in order, once, when their run is committed, and the record says how far.
func TestDeliver(t *testing.T) {
	w := newSender(t)
	w.inputs.add("in", text(1, "a"), text(2, "b"))
	w.execute(host.RunCommitted)
	w.wantEffects(write.URI) // nothing leaves before somebody delivers
	if at := w.deliver(); at != (host.Delivered{Seq: 1, Total: 2}) {
		t.Fatalf("%+v", at)
	}
	w.wantEffects(write.URI, "1.1[1:a]", "1.2[2:b]")
	if at := w.deliver(); at.Total != 2 || w.sink.Asked() != 2 {
		t.Fatalf("delivered again: %+v, asked %d times", at, w.sink.Asked())
	}
	w.restart()
	if w.deliver(); w.sink.Asked() != 2 {
		t.Fatalf("the next process delivered again")
	}
	w.inputs.add("in", null(3))
	w.execute(host.RunCommitted)
	w.deliver()
	w.wantEffects(write.URI, "1.1[1:a]", "1.2[2:b]", "2.1[3:null]")
	if e := w.head().Effects; e.Total != 3 || e.Last == nil || e.Last.Seq != 1 {
		t.Fatalf("%+v", e)
	}
}

// TestDeliverNothing: a product that never writes asks nobody and leaves no record.
func TestDeliverNothing(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	if at := w.deliver(); at != (host.Delivered{}) {
		t.Fatalf("%+v before any run", at)
	}
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	if at := w.deliver(); at != (host.Delivered{}) || w.head().Effects != nil {
		t.Fatalf("%+v, head %+v", at, w.head().Effects)
	}
}

// TestDeliverWaits: while the target is down runs go on, and nothing overtakes what waits; progress within a snapshot is
// kept, by the next process too.
func TestDeliverWaits(t *testing.T) {
	w := newSender(t)
	w.inputs.add("in", text(1, "a"), text(2, "b"), text(3, "c"))
	w.execute(host.RunCommitted)
	w.sink.Fail = func(d drivers.Delivery, _ int) error {
		if d.Key.Ordinal == 2 {
			return errDown
		}
		return nil
	}
	for id := int64(4); id < 7; id++ {
		at, err := w.runner.Deliver(t.Context(), w.product, w.own)
		if !errors.Is(err, drivers.ErrUnavailable) || !strings.Contains(err.Error(), "effect 2 of snapshot 1 to sink: sink: is down") || at != (host.Delivered{Ordinal: 1, Total: 1}) {
			t.Fatalf("%+v %v", at, err)
		}
		w.inputs.add("in", text(id, "later"))
		w.execute(host.RunCommitted)
		if id == 5 {
			w.restart()
		}
	}
	w.wantEffects(write.URI, "1.1[1:a]")
	asked := w.sink.Asked()
	w.sink.Fail = nil
	if at := w.deliver(); at != (host.Delivered{Seq: 4, Total: 6}) || w.sink.Asked()-asked != 5 {
		t.Fatalf("%+v after %d calls", at, w.sink.Asked()-asked)
	}
	w.wantEffects(write.URI, "1.1[1:a]", "1.2[2:b]", "1.3[3:c]", "2.1[4:later]", "3.1[5:later]", "4.1[6:later]")
}

// TestDeliverElsewhere: who mends an address mends what waits; what a binding that is gone has written goes where it led.
func TestDeliverElsewhere(t *testing.T) {
	w := newSender(t)
	w.product.Bindings[0].URI = "wrong:"
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	if _, err := w.runner.Deliver(t.Context(), w.product, w.own); !errors.Is(err, drivers.ErrRequest) {
		t.Fatal(err)
	}
	p := *w.product
	p.Bindings = []host.Binding{{Name: "sink", URI: "mem:b", Access: "write", Schema: schema}}
	w.product = &p
	w.deliver()
	w.wantEffects("mem:b", "1.1[1:a]")
	w.inputs.add("in", text(2, "b"))
	w.execute(host.RunCommitted)
	q := p
	q.Bindings = []host.Binding{{Name: "sink", URI: "mem:c", Access: "read", Schema: schema}}
	w.product = &q
	w.deliver()
	w.wantEffects("mem:b", "1.1[1:a]", "2.1[2:b]")
	w.wantEffects("mem:c")
}

// TestEffectsOfOtherHeads: held attempts, skips and rollbacks have no effects, and do not repeat old ones; a rebuild
// computes everything again, and what it writes is written again.
func TestEffectsOfOtherHeads(t *testing.T) {
	w := newSender(t)
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.deliver()
	w.inputs.add("in", null(2))
	w.execute(host.RunHeld)
	w.deliver()
	w.execute(host.RunCommitted, skip)
	w.deliver()
	if _, err := w.runner.Rollback(t.Context(), w.attempt(), 1); err != nil {
		t.Fatal(err)
	}
	w.deliver()
	w.restart()
	w.deliver()
	w.wantEffects(write.URI, "1.1[1:a]")
	if asked := w.sink.Asked(); asked != 1 {
		t.Fatalf("asked %d times", asked)
	}
	w.inputs.batches["in"] = w.inputs.batches["in"][:1]
	w.execute(host.RunCommitted, rebuild)
	w.deliver()
	w.wantEffects(write.URI, "1.1[1:a]", "5.1[1:a]")
}

// TestDeliverBacklog: the effects of a long history are found without walking over all of it.
func TestDeliverBacklog(t *testing.T) {
	w := newWorld(t, host.Append, logic{process: func(g *goGuest, _ int, rows []row) error {
		if rows[0].ID%10 == 0 {
			if err := g.write(rows...); err != nil {
				return err
			}
		}
		return g.emit(0, rows...)
	}})
	w.product.Bindings = []host.Binding{write}
	var want []string
	for id := range int64(45) {
		w.inputs.add("in", text(id, "x"))
		w.execute(host.RunCommitted)
		if id%10 == 0 {
			want = append(want, fmt.Sprintf("%d.1[%d:x]", id+1, id))
		}
	}
	w.restart()
	counted := &countingStore{Store: w.store}
	w.runner.Store = counted
	w.deliver()
	w.wantEffects(write.URI, want...)
	if n := len(counted.opened); n > 1+3*len(want) {
		t.Errorf("%d files were read for %d effects in 45 snapshots: %q", n, len(want), counted.opened)
	}
	before := len(counted.opened)
	if w.deliver(); len(counted.opened) != before {
		t.Errorf("nothing waits, and %d files were read", len(counted.opened)-before)
	}
}

type countingStore struct {
	drivers.Store
	mu     sync.Mutex
	opened []string
}

func (s *countingStore) Open(ctx context.Context, name string) (drivers.StoreFile, error) {
	s.mu.Lock()
	s.opened = append(s.opened, name)
	s.mu.Unlock()
	return s.Store.Open(ctx, name)
}

// TestDeliverFenced: a replaced owner neither delivers nor moves the record, whatever it still has in hand.
func TestDeliverFenced(t *testing.T) {
	w := newSender(t)
	old, own := w.runner, w.own
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.restart()
	w.deliver()
	w.inputs.add("in", text(2, "b"))
	w.execute(host.RunCommitted)
	_, err := old.Deliver(t.Context(), w.product, own)
	wantCode(t, err, host.CodeRunLostOwner)
	if !errors.Is(err, drivers.ErrFenced) {
		t.Fatal(err)
	}
	w.wantEffects(write.URI, "1.1[1:a]")
	w.product.Bindings[0].URI = "mem:b" // a target that has not seen the new owner yet: the record is what stops the old one
	if _, err := old.Deliver(t.Context(), w.product, own); host.CodeOf(err) != host.CodeRunLostOwner {
		t.Fatal(err)
	}
	if at := w.deliver(); at != (host.Delivered{Seq: 2, Total: 2}) {
		t.Fatalf("%+v", at)
	}
	w.wantEffects("mem:b", "2.1[2:b]")
}

// TestDeliverDenied: who may not write fails before anything is committed; who may not any more keeps what waits.
func TestDeliverDenied(t *testing.T) {
	w := newSender(t)
	denied := host.Errorf(host.CodePolicyDenied, "no")
	gate := &gate{err: denied, sink: w.sink}
	w.runner.Sinks = gate
	w.inputs.add("in", text(1, "a"), text(2, "b"))
	_, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodePolicyDenied)
	if w.head() != nil {
		t.Fatal("committed")
	}
	gate.err = nil
	w.execute(host.RunCommitted)
	if !slices.Equal(gate.asked, []string{"sink mem:a", "sink mem:a"}) {
		t.Fatalf("asked %q", gate.asked)
	}
	gate.err = denied
	_, err = w.runner.Deliver(t.Context(), w.product, w.own)
	wantCode(t, err, host.CodePolicyDenied)
	gate.err, gate.asked = nil, nil
	w.deliver()
	if len(gate.asked) != 1 {
		t.Fatalf("asked %q for two effects of one binding", gate.asked)
	}
	w.wantEffects(write.URI, "1.1[1:a]", "1.2[2:b]")
}

type gate struct {
	err   error
	sink  drivers.Sink
	asked []string
}

func (g *gate) Sink(_ context.Context, _ host.ProductID, binding, uri string) (drivers.Sink, error) {
	g.asked = append(g.asked, binding+" "+uri)
	return g.sink, g.err
}

// TestDeliverBusy: deliveries of one product do not overlap; a run may go on beside one.
func TestDeliverBusy(t *testing.T) {
	w := newSender(t)
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	w.inputs.add("in", text(2, "b"))
	var second error
	w.sink.Fail = func(d drivers.Delivery, step int) error {
		if d.Key.Seq == 1 && step == 1 {
			_, second = w.runner.Deliver(t.Context(), w.product, w.own)
			w.execute(host.RunCommitted)
		}
		return nil
	}
	w.deliver()
	wantCode(t, second, host.CodeRunBusy)
	w.deliver()
	w.wantEffects(write.URI, "1.1[1:a]", "2.1[2:b]")
}

// TestDeliverStopped: the node is told to stop while an effect is under way, and while nobody knows whether it was
// acknowledged. The next process delivers what is left.
func TestDeliverStopped(t *testing.T) {
	for _, step := range []int{1, 2, 3} {
		w := newSender(t)
		w.inputs.add("in", text(1, "a"), text(2, "b"))
		w.execute(host.RunCommitted)
		ctx, cancel := context.WithCancel(t.Context())
		w.sink.Fail = func(d drivers.Delivery, s int) error {
			if d.Key.Ordinal == 2 && s == step {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		at, err := w.runner.Deliver(ctx, w.product, w.own)
		if !errors.Is(err, context.Canceled) || at != (host.Delivered{Ordinal: 1, Total: 1}) {
			t.Fatalf("step %d: %+v %v", step, at, err)
		}
		w.sink.Fail = nil
		w.restart()
		w.deliver()
		w.wantEffects(write.URI, "1.1[1:a]", "1.2[2:b]")
	}
}

// TestDeliverLostReply: acknowledgements whose requests or replies are lost count once; one that stays unknown is read
// again.
func TestDeliverLostReply(t *testing.T) {
	for name, fault := range map[string]clustertest.Fault{"request": clustertest.LoseRequest, "reply": clustertest.LoseReply, "late": clustertest.ApplyLate} {
		t.Run(name, func(t *testing.T) {
			wrap, on := faultyAt("/out/", func(n int) clustertest.Fault {
				if n%3 == 0 {
					return clustertest.None
				}
				return fault
			})
			w := newWorldOn(t, wrap, host.Append, sending)
			w.product.Bindings = []host.Binding{write}
			on.Store(true)
			var want []string
			for id := range int64(4) {
				w.inputs.add("in", text(id, "x"))
				w.execute(host.RunCommitted)
				w.deliver()
				want = append(want, fmt.Sprintf("%d.1[%d:x]", id+1, id))
			}
			w.wantEffects(write.URI, want...)
			if w.sink.Asked() != 4 {
				t.Errorf("asked %d times", w.sink.Asked())
			}
		})
	}
	for name, fault := range map[string]clustertest.Fault{"lost": clustertest.LoseRequest, "applied": clustertest.LoseReply} {
		t.Run("unknown, "+name, func(t *testing.T) {
			var cancel context.CancelFunc
			wrap, on := faultyAt("/out/", func(int) clustertest.Fault { cancel(); return fault })
			w := newWorldOn(t, wrap, host.Append, sending)
			w.product.Bindings = []host.Binding{write}
			w.inputs.add("in", text(1, "x"))
			w.execute(host.RunCommitted)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			cancel = stop
			on.Store(true)
			_, err := w.runner.Deliver(ctx, w.product, w.own)
			on.Store(false)
			if !errors.Is(err, cluster.ErrUnknown) {
				t.Fatal(err)
			}
			w.inputs.add("in", text(2, "y"))
			w.execute(host.RunCommitted)
			if at := w.deliver(); at != (host.Delivered{Seq: 2, Total: 2}) {
				t.Fatalf("%+v", at)
			}
			w.wantEffects(write.URI, "1.1[1:x]", "2.1[2:y]")
		})
	}
}

// TestDeliverDamaged: an outbox that is not what its head says is not delivered in part.
func TestDeliverDamaged(t *testing.T) {
	w := newSender(t)
	w.inputs.add("in", text(1, "a"), text(2, "b"))
	res := w.execute(host.RunCommitted)
	if err := w.store.Remove(t.Context(), res.Head.Outbox.Location); err != nil {
		t.Fatal(err)
	}
	_, err := w.runner.Deliver(t.Context(), w.product, w.own)
	wantCode(t, err, host.CodeTableDamaged)
	f, err := w.store.Create(t.Context(), res.Head.Outbox.Location)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(make([]byte, res.Head.Outbox.Bytes))
	_ = f.Close()
	_, err = w.runner.Deliver(t.Context(), w.product, w.own)
	wantCode(t, err, host.CodeTableDamaged)
	w.wantEffects(write.URI)
}

// TestNoSinks: a runner that has none says so and keeps what waits.
func TestNoSinks(t *testing.T) {
	w := newSender(t)
	w.runner.Sinks = nil
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	_, err := w.runner.Deliver(t.Context(), w.product, w.own)
	wantCode(t, err, host.CodeDriverUnknown)
	w.runner.Sinks = sinks{w.sink}
	w.deliver()
	w.wantEffects(write.URI, "1.1[1:a]")
}
