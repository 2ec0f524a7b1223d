package run

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/util"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/quality"
)

// port is one output port during one run. Its goroutine checks and stages what the guest emits while the guest goes on.
type port struct {
	output     *host.Output
	stage      Stage
	checker    *quality.Checker
	quarantine *quarantine

	in      chan *emitted // pointers: there is room for many, and few come
	queued  atomic.Int64  // bytes emitted that are not staged yet
	room    chan struct{} // capacity 1: something has been staged
	stopped chan struct{} // closed when the goroutine has ended
	err     error         // why it ended early; read after stopped

	// Set when the goroutine has ended without an error.
	staged Staged
	checks []host.Check
	broken map[string][]host.RejectedRow // rows that break hold rules, by rule: rejected only if the rule fails
}

// emitted is a batch that the guest emitted, and the input batch it was working on, for the origin of its rows.
type emitted struct {
	rec  arrow.RecordBatch
	size int64
	from *drivers.Batch
}

// A guest that emits faster than its rows can be checked and stored is held up between two calls, where that costs it
// no time; within a call only when it emits very much.
const (
	emitAhead   = 8 << 20   // bytes that may wait while the next batch is handed over
	emitMost    = 128 << 20 // bytes that one call may emit before it has to wait
	emitBatches = 1024      // batches that may wait at all
)

// startPort lets a goroutine work for the port until finish or abandon. It ends early when ctx does.
func startPort(ctx context.Context, o *host.Output, s Stage, c *quality.Checker, q *quarantine) *port {
	p := &port{output: o, stage: s, checker: c, quarantine: q, in: make(chan *emitted, emitBatches), room: make(chan struct{}, 1), stopped: make(chan struct{}),
		broken: map[string][]host.RejectedRow{}}
	go func() {
		defer close(p.stopped)
		if p.err = p.work(ctx); p.err == nil {
			p.err = p.complete(ctx)
		}
	}()
	return p
}

// emit queues a batch. It retains what it keeps.
func (p *port) emit(ctx context.Context, rec arrow.RecordBatch, from *drivers.Batch) error {
	if err := p.await(ctx, emitMost); err != nil {
		return err
	}
	e := &emitted{rec: rec, size: util.TotalRecordSize(rec)}
	rec.Retain()
	if from != nil && from.Origin != "" && len(p.output.Rules) > 0 {
		f := *from
		f.Record.Retain()
		e.from = &f
	}
	p.queued.Add(e.size)
	select {
	case p.in <- e:
		return nil
	case <-p.stopped:
		e.release()
		return p.ended()
	case <-ctx.Done():
		e.release()
		return context.Cause(ctx)
	}
}

// await returns when at most so many bytes wait to be staged.
func (p *port) await(ctx context.Context, bytes int64) error {
	for p.queued.Load() > bytes {
		select {
		case <-p.room:
		case <-p.stopped:
			return p.ended()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// ended says why the port takes no more. The goroutine must have ended.
func (p *port) ended() error {
	if p.err == nil {
		return fmt.Errorf("port %s has been finished", p.output.Name)
	}
	return p.err
}

func (e *emitted) release() {
	e.rec.Release()
	if e.from != nil {
		e.from.Record.Release()
	}
}

// finish waits until everything emitted is staged and judged.
func (p *port) finish() error {
	close(p.in)
	<-p.stopped
	return p.err
}

// abandon ends the goroutine, whose context must have ended, and drops what it staged. keepFiles is for an attempt that
// may have been committed.
func (p *port) abandon(keepFiles bool) {
	<-p.stopped
	for {
		select {
		case e, ok := <-p.in:
			if ok {
				e.release()
				continue
			}
		default:
		}
		break
	}
	if !keepFiles {
		p.stage.Abort()
	}
}

// work checks and stages batches until there are no more.
func (p *port) work(ctx context.Context) error {
	for {
		select {
		case e, ok := <-p.in:
			if !ok {
				return nil
			}
			if err := p.accept(ctx, e); err != nil {
				return err
			}
			p.queued.Add(-e.size)
			select {
			case p.room <- struct{}{}:
			default:
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// accept judges one batch and stages the rows that may be published.
func (p *port) accept(ctx context.Context, e *emitted) error {
	defer e.release()
	keep, violations := p.checker.Batch(e.rec)
	defer keep.Release()
	for _, v := range violations {
		if v.Action == host.Warn {
			continue
		}
		row := p.reject(e, v)
		if v.Action == host.Hold {
			p.broken[v.Rule] = append(p.broken[v.Rule], row)
			continue
		}
		if err := p.quarantine.add(ctx, row); err != nil {
			return err
		}
	}
	if keep.NumRows() == 0 {
		return nil
	}
	return storeError("write", p.stage.Write(ctx, keep))
}

// reject describes a violating row, with the place it came from where that is certain.
func (p *port) reject(e *emitted, v quality.Violation) host.RejectedRow {
	row := host.RejectedRow{Port: p.output.Name, Rule: v.Rule, Reason: v.Reason, Row: columnar.Row(e.rec, v.Row)}
	if e.from != nil {
		row.Origin, row.Line = origin(e.rec, v.Row, e.from)
	}
	return row
}

// complete finishes the stage and judges the rules about the resulting table.
func (p *port) complete(ctx context.Context) error {
	var err error
	if p.staged, err = p.stage.Finish(ctx); err != nil {
		return storeError("write", err)
	}
	failpoint.Hit("run.before-checks")
	p.checks = p.checker.Finish(quality.Measures{Rows: p.staged.Ref.Rows, Duplicates: func(columns []string) (int64, error) {
		n, examples, err := p.stage.Duplicates(ctx, columns, quality.MaxSamples)
		for _, ex := range examples {
			p.noteDuplicate(columns, ex)
		}
		return n, err
	}})
	failpoint.Hit("run.after-checks")
	return nil
}

// noteDuplicate names a row of the resulting table that repeats another, for every rule that forbids it.
func (p *port) noteDuplicate(columns []string, row map[string]any) {
	for i := range p.output.Rules {
		r := &p.output.Rules[i]
		if r.Kind == host.DuplicateValues && strings.Join(r.Columns, "\x00") == strings.Join(columns, "\x00") {
			p.broken[r.ID] = append(p.broken[r.ID], host.RejectedRow{Port: p.output.Name, Rule: r.ID,
				Reason: "another row has the same " + strings.Join(columns, ", "), Row: row})
		}
	}
}

// origin finds where an emitted row came from: the one row of the input batch at hand that agrees with it in every
// column that both have. Where none or several do, nothing is claimed.
func origin(rec arrow.RecordBatch, row int, from *drivers.Batch) (string, int64) {
	type pair struct{ a, b arrow.Array }
	var shared []pair
	for i, f := range rec.Schema().Fields() {
		for _, j := range from.Record.Schema().FieldIndices(f.Name) {
			if arrow.TypeEqual(f.Type, from.Record.Schema().Field(j).Type) {
				shared = append(shared, pair{rec.Column(i), from.Record.Column(j)})
			}
		}
	}
	if len(shared) == 0 {
		return "", 0
	}
	want := make([][]byte, len(shared))
	for i, s := range shared {
		want[i] = columnar.AppendValue(nil, s.a, row)
	}
	found := -1
	var got []byte
	for j := range int(from.Record.NumRows()) {
		agrees := true
		for i, s := range shared {
			got = columnar.AppendValue(got[:0], s.b, j)
			if agrees = string(got) == string(want[i]); !agrees {
				break
			}
		}
		if agrees && found >= 0 {
			return "", 0
		}
		if agrees {
			found = j
		}
	}
	switch {
	case found < 0:
		return "", 0
	case from.Lines != nil:
		return from.Origin, from.Lines[found]
	case from.Line > 0:
		return from.Origin, from.Line + int64(found)
	}
	return from.Origin, 0
}
