package run_test

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// TestNoLeaks ends runs in every way and counts what Arrow has been given and not got back.
func TestNoLeaks(t *testing.T) {
	boom := errors.New("boom")
	for name, arrange := range map[string]func(w *world, cancel func()){
		"committed":   func(*world, func()) {},
		"quarantined": func(w *world, _ func()) { w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)} },
		"held":        func(w *world, _ func()) { w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)} },
		"table fails": func(w *world, _ func()) { w.tables.failWrite = boom },
		"input fails": func(w *world, _ func()) { w.inputs.errs["next in"] = boom },
		"guest fails": func(w *world, _ func()) {
			n := 0
			w.guests.logic.process = func(g *goGuest, _ int, rows []row) error {
				if n++; n == 3 {
					return boom
				}
				return g.emit(0, rows...)
			}
		},
		"told to stop": func(w *world, cancel func()) {
			w.guests.logic.process = func(g *goGuest, _ int, rows []row) error {
				cancel()
				return g.emit(0, rows...)
			}
		},
		"binding": func(w *world, _ func()) {
			w.product.Bindings = []host.Binding{{Name: "ref", Access: "read", Schema: schema}, {Name: "sink", Access: "write", Schema: schema}}
			w.runner.Sources = &shelf{rows: []row{text(1, "x")}}
			w.guests.logic.process = func(g *goGuest, _ int, rows []row) error {
				rec := record(rows, false)
				defer rec.Release()
				_, err := readAll(g, 0, "")
				return errors.Join(err, g.calls.DriverWrite(g.ctx, 1, rec), g.emit(0, rows...))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			checked := memory.NewCheckedAllocator(memory.NewGoAllocator())
			alloc = checked
			defer func() { alloc = memory.DefaultAllocator }()
			w := newWorld(t, host.Append, pass)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			arrange(w, cancel)
			for i := range 12 {
				w.inputs.addBatch("in", drivers.Batch{Record: record([]row{text(int64(i), "x"), null(int64(i))}, false), Origin: "f", Line: 1})
			}
			_, _ = w.runner.Execute(ctx, w.attempt())
			_, _ = w.runner.Deliver(ctx, w.product, w.own)
			for _, b := range w.inputs.batches["in"] {
				b.Record.Release()
			}
			if s, ok := w.runner.Sources.(*shelf); ok {
				s.release()
			}
			checked.AssertSize(t, 0)
		})
	}
}
