package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// delivery is one step of reading: a batch, the end of an input with its cursor, or an error, which is the last.
type delivery struct {
	input  int
	batch  drivers.Batch
	end    bool
	cursor host.Cursor
	err    error
}

// readAhead is how many batches are read while the guest works.
const readAhead = 4

// maxBatchRows bounds what is handed to a guest in one call; larger batches are sliced.
const maxBatchRows = 64 << 10

// read delivers all inputs but some in one goroutine, which ends when ctx does: snapshot inputs first, whole, then what is new
// of the incremental ones. cursors are where they stand; nil: from the beginning.
func (r *Runner) read(ctx context.Context, p *host.Product, cursors map[string]host.Cursor, but map[int]bool) <-chan delivery {
	out := make(chan delivery, readAhead)
	send := func(d delivery) bool {
		select {
		case out <- d:
			return true
		case <-ctx.Done():
			if d.batch.Record != nil {
				d.batch.Record.Release()
			}
			return false
		}
	}
	go func() {
		defer close(out)
		for _, mode := range []host.InputMode{host.Snapshot, host.Incremental} {
			for i := range p.Inputs {
				if p.Inputs[i].Mode == mode && !but[i] && !r.readInput(ctx, p, i, cursors[p.Inputs[i].Name], send) {
					return
				}
			}
		}
	}()
	return out
}

// readInput delivers one input; false when reading is over.
func (r *Runner) readInput(ctx context.Context, p *host.Product, i int, cursor host.Cursor, send func(delivery) bool) bool {
	in := &p.Inputs[i]
	fail := func(err error) bool {
		send(delivery{input: i, err: inputError(in, err)})
		return false
	}
	reader, err := r.Inputs.Open(ctx, p, in, cursor)
	if err != nil {
		return fail(err)
	}
	defer reader.Close()
	for {
		b, err := reader.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail(err)
		}
		if !send(delivery{input: i, batch: b}) {
			return false
		}
	}
	at := reader.Cursor()
	if at == nil {
		return fail(errors.New("the reader gives no cursor"))
	}
	return send(delivery{input: i, end: true, cursor: at})
}

// drain releases what a reading that nobody follows any more still delivers. Its context must have ended.
func drain(from <-chan delivery) {
	for d := range from {
		if d.batch.Record != nil {
			d.batch.Record.Release()
		}
	}
}

// moved reports whether a snapshot input was read at another version than the one that earlier rows were computed with,
// though the plan saw no change: it changed in between. Only a rebuild makes old and new rows agree.
func (t *attempt) moved(in *host.Input, at host.Cursor) bool {
	before := t.base.cursor(in.Name)
	if t.plan.rebuild || in.Mode != host.Snapshot || in.OnChange == host.Lookup || before == nil {
		return false
	}
	a, errA := host.CanonicalJSON(before)
	b, errB := host.CanonicalJSON(at)
	return errA != nil || errB != nil || !bytes.Equal(a, b)
}

// feed hands everything that is read to the guest, and notes what it read.
func (t *attempt) feed(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	from := t.r.read(reading, t.a.Product, t.cursors, nil)
	defer func() {
		stop()
		drain(from)
	}()
	batches := make([][]int64, len(t.a.Product.Inputs))
	for d := range from {
		if err := t.receive(ctx, d); err != nil {
			return err
		}
		if d.end {
			continue
		}
		if d.batch.Record != nil {
			batches[d.input] = append(batches[d.input], d.batch.Record.NumRows())
		}
		if err := t.handOver(ctx, d); err != nil {
			return err
		}
		failpoint.Hit("run.after-batch")
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return t.noteBatches(ctx, batches)
}

// receive notes a step of reading: how far it has come, what it counts, and the rows that could not be read. With an error
// the batch is released.
func (t *attempt) receive(ctx context.Context, d delivery) (err error) {
	in := &t.a.Product.Inputs[d.input]
	defer func() {
		if err != nil && d.batch.Record != nil {
			d.batch.Record.Release()
		}
	}()
	switch {
	case d.err != nil:
		return d.err
	case d.end && t.moved(in, d.cursor):
		return fmt.Errorf("input %s changed after the run was planned: %w", in.Name, drivers.ErrRestart)
	case d.end:
		t.tried[in.Name] = d.cursor
	}
	for _, rej := range d.batch.Rejected {
		if err := t.quarantine.add(ctx, parseRejected(in.Name, rej)); err != nil {
			return err
		}
	}
	if d.batch.Record != nil {
		t.record.RowsIn += d.batch.Record.NumRows()
	}
	return nil
}

// handOver gives one batch to the guest. It takes it over.
func (t *attempt) handOver(ctx context.Context, d delivery) error {
	rec := d.batch.Record
	if rec == nil {
		return nil
	}
	defer rec.Release()
	for from := int64(0); from < rec.NumRows(); from += maxBatchRows {
		if err := t.process(ctx, d.input, slicedBatch(d.batch, from, min(from+maxBatchRows, rec.NumRows()))); err != nil {
			return err
		}
	}
	return nil
}

// process runs the guest on one batch, which it takes over.
func (t *attempt) process(ctx context.Context, input int, b drivers.Batch) error {
	defer b.Record.Release()
	t.calls.current = &b
	defer func() { t.calls.current = nil }()
	rec, err := t.wall.inputs[input].over(b.Record)
	if err != nil {
		return inputError(&t.a.Product.Inputs[input], err)
	}
	defer rec.Release()
	if err := t.guest.Process(ctx, input, rec); err != nil {
		return err
	}
	for _, p := range t.ports {
		if err := p.await(ctx, emitAhead); err != nil {
			return err
		}
	}
	return nil
}

// slicedBatch is a part of a batch, its lines with it. The caller releases it.
func slicedBatch(b drivers.Batch, from, to int64) drivers.Batch {
	out := drivers.Batch{Origin: b.Origin, Line: b.Line + from}
	if b.Line == 0 {
		out.Line = 0
	}
	if b.Lines != nil {
		out.Lines = b.Lines[from:to]
	}
	if from == 0 && to == b.Record.NumRows() {
		b.Record.Retain()
		out.Record = b.Record
	} else {
		out.Record = b.Record.NewSlice(from, to)
	}
	return out
}

func parseRejected(port string, rej drivers.Rejected) host.RejectedRow {
	reason := rej.Reason
	if rej.Column != "" {
		reason = fmt.Sprintf("column %s: %s", rej.Column, reason)
	}
	return host.RejectedRow{Port: port, Rule: "parse", Reason: reason, Origin: rej.Origin, Line: rej.Line, Raw: rej.Raw}
}

// noteBatches records the boundaries of inputs that came in more than one batch: a guest may see them, so a replay has
// to repeat them.
func (t *attempt) noteBatches(ctx context.Context, batches [][]int64) error {
	for i, rows := range batches {
		if len(rows) < 2 {
			continue
		}
		if err := t.recorded.add(ctx, Frame{Kind: FrameInput, Input: t.a.Product.Inputs[i].Name, Batches: rows}); err != nil {
			return err
		}
	}
	return nil
}
