//go:build !wasip1

// Package adptest runs a product in plain Go tests against a fake host: no sandbox, no node, no Wasm. It moves rows
// through the same memory layout as a node does.
//
//	run := adptest.New(t, product,
//		adptest.Input[Airport]("airports", adp.Snapshot),
//		adptest.Input[Strike]("strikes", adp.Incremental),
//		adptest.Output[Risk]("risk", adp.Upsert))
//	adptest.Feed(run, "airports", Airport{Code: "SEA"})
//	adptest.Feed(run, "strikes", Strike{Airport: "SEA", Cost: 100})
//	run.Flush()
//	got := adptest.Emitted[Risk](run, "risk")
package adptest

import (
	"maps"
	"testing"
	"time"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/internal/bridge"
)

// Run is one run of a product.
type Run struct {
	t       testing.TB
	guest   bridge.Guest
	host    *host
	status  int32
	flushed bool
}

// New starts a run: it opens the product with the ports and settings given. A product that refuses to open fails the test; see
// [Try].
func New(t testing.TB, product func(*adp.Product) error, options ...Option) *Run {
	t.Helper()
	r := Try(t, product, options...)
	r.must()
	return r
}

// Try is [New] for products that may fail: [Run.Failure] says whether and why.
func Try(t testing.TB, product func(*adp.Product) error, options ...Option) *Run {
	t.Helper()
	h := &host{t: t, config: map[string]string{}, state: map[string][]byte{}, metrics: map[string]float64{}, reads: map[string]read{},
		start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, o := range options {
		if err := o(h); err != nil {
			t.Fatalf("adptest: %v", err)
		}
	}
	r := &Run{t: t, host: h, guest: bridge.Start(product, h)}
	h.clock = h.start.UnixNano()
	var m bridge.Memory
	h.running = true
	r.status = r.guest.Open(&m, bridge.OpenBlock(&m, h.ports, h.rebuild))
	h.running = false
	return r
}

// Feed hands a batch of rows to an input. T needs a field for every column.
func Feed[T any](r *Run, input string, rows ...T) {
	r.t.Helper()
	TryFeed(r, input, rows...)
	r.must()
}

// TryFeed is [Feed] for batches that may fail the run.
func TryFeed[T any](r *Run, input string, rows ...T) {
	r.t.Helper()
	i := r.host.find(inputs, input)
	if i < 0 {
		r.t.Fatalf("adptest: no input %s was given to New", input)
	}
	var m bridge.Memory
	array, err := bridge.Encode(&m, r.host.ports[inputs][i].Fields, rows)
	if err != nil {
		r.t.Fatalf("adptest: %v", err)
	}
	if r.status == 0 {
		r.host.running = true
		r.status = r.guest.Process(uint32(i), &m, array)
		r.host.running = false
	}
}

// Flush ends the run.
func (r *Run) Flush() {
	r.t.Helper()
	r.TryFlush()
	r.must()
}

// TryFlush is [Run.Flush] for runs that may fail.
func (r *Run) TryFlush() {
	r.flushed = true
	if r.status == 0 {
		r.host.running = true
		r.status = r.guest.Flush()
		r.host.running = false
	}
}

// Failure is why the run failed: the last error in its log; "" when it has not.
func (r *Run) Failure() string {
	if r.status == 0 {
		return ""
	}
	for i := len(r.host.logs) - 1; i >= 0; i-- {
		if r.host.logs[i].Level == "error" {
			return r.host.logs[i].Message
		}
	}
	return adp.Status(r.status).Error()
}

func (r *Run) must() {
	r.t.Helper()
	if f := r.Failure(); f != "" {
		r.t.Fatalf("the run failed: %s", f)
	}
}

// Emitted are the rows emitted to an output, or written to a binding, so far; deletions are left out. Rows that the product
// has not let go of yet come with Flush.
func Emitted[T any](r *Run, port string) []T {
	r.t.Helper()
	var out []T
	for _, c := range Changes[T](r, port) {
		if c.Op != adp.OpDelete {
			out = append(out, c.Row)
		}
	}
	return out
}

// Change is a row emitted to an upsert output.
type Change[T any] struct {
	Op  adp.Op // adp.OpUpsert or adp.OpDelete
	Row T
}

// Changes are the rows emitted to an upsert output, deletions among them. Of a deletion only the key means something.
func Changes[T any](r *Run, port string) []Change[T] {
	r.t.Helper()
	var out []Change[T]
	for _, e := range r.host.emitted[port] {
		var rows []T
		if err := bridge.Decode(e.memory, e.fields, e.array, &rows); err != nil {
			r.t.Fatalf("adptest: %v", err)
		}
		var ops []struct {
			Op *adp.Op `adp:"_op"`
		}
		if e.upsert {
			if err := bridge.Decode(e.memory, e.fields, e.array, &ops); err != nil {
				r.t.Fatalf("adptest: %v", err)
			}
		}
		for i, row := range rows {
			c := Change[T]{Op: adp.OpUpsert, Row: row}
			if e.upsert && ops[i].Op != nil {
				c.Op = *ops[i].Op
			}
			out = append(out, c)
		}
	}
	return out
}

// State is a copy of the product's state, as it would be committed now.
func (r *Run) State() map[string][]byte { return maps.Clone(r.host.state) }

// Log is a logged line.
type Log struct {
	Level   string // debug, info, warn, error
	Message string
}

// Logs are the logged lines.
func (r *Run) Logs() []Log { return r.host.logs }

// Metric is the value of a counter or gauge.
func (r *Run) Metric(name string) float64 { return r.host.metrics[name] }
