package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
)

// smallModule is small/small.wat.
//
//go:embed small/small.wasm
var smallModule []byte

// Rows of a batch, and what the small guest makes of them.
const (
	rowsNothing = 1
	rowsDirty   = 64 // pages of 4 KiB: 256 KiB
	rowsSpin    = 65536
)

var smallSchema = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.FixedWidthTypes.Boolean}}, nil)

// rows is a batch that the small guest looks at the length of.
func rows(n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, smallSchema)
	defer b.Release()
	b.Field(0).(*array.BooleanBuilder).AppendValues(make([]bool, n), nil)
	return b.NewRecordBatch()
}

// specOf starts a module as a product of a tenant.
func specOf(module []byte, tenant, name string, in, out *arrow.Schema) sandbox.Spec {
	digest := sha256.Sum256(module)
	return sandbox.Spec{
		Module: host.Digest("sha256:" + hex.EncodeToString(digest[:])), Bytes: func() ([]byte, error) { return module, nil },
		Product: &host.Product{
			ID:      host.ProductID{Tenant: tenant, Domain: "bench", Name: name},
			Inputs:  []host.Input{{Name: "rows", Mode: host.Incremental}},
			Outputs: []host.Output{{Name: "sums", Mode: host.Append}},
			Limits:  host.Limits{Deadline: time.Hour, Fuel: math.MaxInt64 / 2},
		},
		Inputs: []*arrow.Schema{in}, Outputs: []*arrow.Schema{out}, RunID: "bench", Start: time.Unix(0, 0),
	}
}

// pools measures how guests start and are put back, and what those that wait take.
func (b *bench) pools(ctx context.Context) error {
	guests, err := b.kernelGuests(ctx)
	if err != nil {
		return err
	}
	small := specOf(smallModule, host.LocalTenant, "small", smallSchema, smallSchema)
	golang := specOf(guests[1].module, host.LocalTenant, "go", kernelInput, kernelOutput)
	if err := errors.Join(b.starts(ctx, "small", small, 50), b.starts(ctx, "go", golang, 1000)); err != nil {
		return err
	}
	if err := b.resets(ctx, small); err != nil {
		return err
	}
	return b.waiting(ctx, small)
}

// starts measures Engine.Start for an instance that initialises itself, one that is mapped from its image, and one that served
// before, in turn.
func (b *bench) starts(ctx context.Context, name string, s sandbox.Spec, aim float64) error {
	e, err := sandbox.New(sandbox.Config{KeepInstances: 1})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	if err := through(ctx, e, s); err != nil { // compiled, its image taken, and one parked
		return err
	}
	var open []interface{ Close() error }
	defer func() {
		for _, i := range open {
			_ = i.Close()
		}
	}()
	took, err := inTurn(b.rounds(400),
		func() (time.Duration, error) { // the parked one
			var i *sandbox.Instance
			d, err := timed(func() (err error) { i, err = e.Start(ctx, s, &kernelRun{}); return err })
			if err == nil {
				open = append(open, i)
			}
			return d, err
		},
		func() (time.Duration, error) { // none is left
			var i *sandbox.Instance
			d, err := timed(func() (err error) { i, err = e.Start(ctx, s, &kernelRun{}); return err })
			if err != nil {
				return d, err
			}
			for _, i := range open { // it did not run to its end and is closed; the next round has one again
				_ = i.Close()
			}
			open = nil
			return d, errors.Join(i.Open(ctx), i.Flush(ctx), i.Close())
		},
		func() (time.Duration, error) {
			var i sandbox.Bare
			d, err := timed(func() (err error) { i, err = e.Bare(ctx, s, &kernelRun{}); return err })
			if err == nil {
				err = i.Close()
			}
			return d, err
		})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	st := e.Stats()
	b.talk("  %s: %+v", name, st)
	b.print(figure{name: "start-" + name, value: micros(median(took[1])), unit: "µs", against: "initialising: " + number(micros(median(took[2]))), atMost: aim})
	if st.Reused < int64(len(took[0])) { // its heap grows in every run
		return nil
	}
	b.print(figure{name: "restart-" + name, value: micros(median(took[0])), unit: "µs", against: "an instance that served before", atMost: aim})
	return nil
}

// through takes a guest through a run with batches.
func through(ctx context.Context, e *sandbox.Engine, s sandbox.Spec, batches ...arrow.RecordBatch) error {
	i, err := e.Start(ctx, s, &kernelRun{})
	if err != nil {
		return err
	}
	err = i.Open(ctx)
	for _, rec := range batches {
		if err == nil {
			err = i.Process(ctx, 0, rec)
		}
	}
	if err == nil {
		err = i.Flush(ctx)
	}
	return errors.Join(err, i.Close())
}

// resets measures how a guest is put back that has written to 256 KiB, by what Close takes more than without, and what its pages
// cost when they are written again.
func (b *bench) resets(ctx context.Context, s sandbox.Spec) error {
	e, err := sandbox.New(sandbox.Config{})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	dirty, clean := rows(rowsDirty), rows(rowsNothing)
	var first, again []time.Duration
	closed := func(rec arrow.RecordBatch) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			i, err := e.Start(ctx, s, &kernelRun{})
			if err != nil {
				return 0, err
			}
			if err := i.Open(ctx); err != nil {
				return 0, err
			}
			for n := range 2 {
				d, err := timed(func() error { return i.Process(ctx, 0, rec) })
				if err != nil {
					return 0, err
				}
				if rec == dirty {
					if n == 0 {
						first = append(first, d)
					} else {
						again = append(again, d)
					}
				}
			}
			if err := i.Flush(ctx); err != nil {
				return 0, err
			}
			return timed(i.Close)
		}
	}
	took, err := inTurn(b.rounds(2000), closed(dirty), closed(clean))
	if err != nil {
		return err
	}
	b.print(figure{name: "reset-256k", value: best(took[0]) / 1e3, unit: "µs", against: "nothing written: " + number(best(took[1])/1e3), atMost: 20})
	b.print(figure{name: "refault-256k", value: (best(first) - best(again)) / 1e3, unit: "µs", against: "pages that are there"})
	return nil
}

// waiting measures what 1,000 instances take that have served and wait.
func (b *bench) waiting(ctx context.Context, s sandbox.Spec) error {
	const many = 1000
	e, err := sandbox.New(sandbox.Config{KeepInstances: many})
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	if err := through(ctx, e, s); err != nil {
		return err
	}
	before := resident()
	var all []*sandbox.Instance
	for range many {
		i, err := e.Start(ctx, s, &kernelRun{})
		if err == nil {
			err = errors.Join(i.Open(ctx), i.Process(ctx, 0, rows(rowsDirty)), i.Flush(ctx))
		}
		if err != nil {
			return err
		}
		all = append(all, i)
	}
	for _, i := range all {
		if err := i.Close(); err != nil {
			return err
		}
	}
	all = nil
	after := resident()
	if n := e.Stats().Parked; n != many {
		return fmt.Errorf("%d instances wait", n)
	}
	b.print(figure{name: "waiting-1000", value: float64(after-before) / (1 << 20), unit: "MiB", against: "the same process before", atMost: 64})
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// percentile is the value that p of all are not above.
func percentile(ds []time.Duration, p float64) time.Duration {
	ds = slices.Sorted(slices.Values(ds))
	return ds[min(int(float64(len(ds))*p), len(ds)-1)]
}
