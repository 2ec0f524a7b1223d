package sandbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/util"

	"github.com/adp-host/adp/drivers"
)

// journal is what a guest has asked of its run, with the answers, in order. Another instance that does the same gets the same
// answers; one that does something else has been found out.
type journal struct {
	events []event
	bytes  int64 // of batches that are kept
}

// event is one call and its answer.
type event struct {
	call   string            // name and arguments
	rec    arrow.RecordBatch // that was handed over; nil without one
	answer string
	pairs  [][2]string // of a scan
	ok     bool
	err    error
	batch  drivers.Batch // that was read
}

func (j *journal) add(e event) {
	for _, rec := range []arrow.RecordBatch{e.rec, e.batch.Record} {
		if rec != nil {
			rec.Retain()
			j.bytes += util.TotalRecordSize(rec)
		}
	}
	j.events = append(j.events, e)
}

// forget drops the first n events.
func (j *journal) forget(n int) {
	for _, e := range j.events[:n] {
		for _, rec := range []arrow.RecordBatch{e.rec, e.batch.Record} {
			if rec != nil {
				j.bytes -= util.TotalRecordSize(rec)
				rec.Release()
			}
		}
	}
	j.events = append([]event(nil), j.events[n:]...)
}

// sources are the readers that guests have opened in a run. They outlive the instance that opened them.
type sources struct {
	open   []drivers.Reader
	closed map[int]bool
	kept   bool // closing a reader of the recorded instance closes nothing: another uses it now
}

// recorder passes calls on to the run, and writes them down.
type recorder struct {
	Calls
	journal *journal
	sources *sources
}

func (r *recorder) Emit(ctx context.Context, port int, rec arrow.RecordBatch) error {
	err := r.Calls.Emit(ctx, port, rec)
	r.journal.add(event{call: fmt.Sprint("emit ", port), rec: rec, err: err})
	return err
}

func (r *recorder) Log(level int32, message string) {
	r.Calls.Log(level, message)
	r.journal.add(event{call: fmt.Sprintf("log %d %q", level, message)})
}

func (r *recorder) Metric(kind int32, name string, value float64) {
	r.Calls.Metric(kind, name, value)
	r.journal.add(event{call: fmt.Sprintf("metric %d %q %v", kind, name, value)})
}

func (r *recorder) StateGet(key []byte) ([]byte, bool) {
	value, ok := r.Calls.StateGet(key)
	r.journal.add(event{call: fmt.Sprintf("state_get %q", key), answer: string(value), ok: ok})
	return value, ok
}

func (r *recorder) StatePut(key, value []byte) error {
	err := r.Calls.StatePut(key, value)
	r.journal.add(event{call: fmt.Sprintf("state_put %q %q", key, value), err: err})
	return err
}

func (r *recorder) StateDelete(key []byte) {
	r.Calls.StateDelete(key)
	r.journal.add(event{call: fmt.Sprintf("state_delete %q", key)})
}

func (r *recorder) StateScan(prefix, after []byte, yield func(key, value []byte) bool) {
	e := event{call: fmt.Sprintf("state_scan %q %q", prefix, after)}
	r.Calls.StateScan(prefix, after, func(key, value []byte) bool {
		e.pairs = append(e.pairs, [2]string{string(key), string(value)})
		return yield(key, value)
	})
	r.journal.add(e)
}

func (r *recorder) Decide(ctx context.Context, request []byte) ([]byte, error) {
	answer, err := r.Calls.Decide(ctx, request)
	r.journal.add(event{call: fmt.Sprintf("decide %q", request), answer: string(answer), err: err})
	return answer, err
}

func (r *recorder) DriverWrite(ctx context.Context, binding int, rec arrow.RecordBatch) error {
	err := r.Calls.DriverWrite(ctx, binding, rec)
	r.journal.add(event{call: fmt.Sprint("driver_write ", binding), rec: rec, err: err})
	return err
}

func (r *recorder) DriverOpen(ctx context.Context, binding int, request []byte) (drivers.Reader, error) {
	source, err := r.Calls.DriverOpen(ctx, binding, request)
	r.journal.add(event{call: fmt.Sprintf("driver_open %d %q", binding, request), err: err})
	if err != nil {
		return nil, err
	}
	r.sources.open = append(r.sources.open, source)
	return &recordedReader{source, r, len(r.sources.open) - 1}, nil
}

// recordedReader writes down what is read.
type recordedReader struct {
	drivers.Reader
	r *recorder
	n int
}

func (r *recordedReader) Next(ctx context.Context) (drivers.Batch, error) {
	b, err := r.Reader.Next(ctx)
	r.r.journal.add(event{call: fmt.Sprint("driver_next ", r.n), batch: b, err: err})
	return b, err
}

func (r *recordedReader) Close() error {
	if r.r.sources.kept {
		return nil
	}
	r.r.sources.closed[r.n] = true
	return r.Reader.Close()
}

// follower answers calls from a journal, and passes on what comes behind its end once it is allowed to.
type follower struct {
	run     Calls
	journal *journal
	sources *sources
	at      int
	opened  int // readers
	live    bool
	differs string // the first call that is not the recorded one
}

// errDiffers ends an instance that does something else than the recorded one.
var errDiffers = errors.New("it does not do what the recorded instance did")

// next is the answer to a call: nil when the call is the run's to answer.
func (f *follower) next(call string, rec arrow.RecordBatch) (*event, error) {
	switch {
	case f.differs != "":
		return nil, errDiffers
	case f.at < len(f.journal.events):
		e := &f.journal.events[f.at]
		f.at++
		if e.call != call {
			f.differs = fmt.Sprintf("it calls %s instead of %s", call, e.call)
			return nil, errDiffers
		}
		if rec != nil && !array.RecordApproxEqual(e.rec, rec, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
			f.differs = fmt.Sprintf("it hands over other rows with %s", call)
			return nil, errDiffers
		}
		return e, nil
	case f.live:
		return nil, nil
	}
	f.differs = fmt.Sprintf("it calls %s, and the recorded instance nothing more", call)
	return nil, errDiffers
}

func (f *follower) Emit(ctx context.Context, port int, rec arrow.RecordBatch) error {
	e, err := f.next(fmt.Sprint("emit ", port), rec)
	if e == nil && err == nil {
		return f.run.Emit(ctx, port, rec)
	}
	return answered(e, err)
}

// answered is the recorded error, or why there is none.
func answered(e *event, err error) error {
	if e != nil {
		return e.err
	}
	return err
}

func (f *follower) Log(level int32, message string) {
	if e, err := f.next(fmt.Sprintf("log %d %q", level, message), nil); e == nil && err == nil {
		f.run.Log(level, message)
	}
}

func (f *follower) Metric(kind int32, name string, value float64) {
	if e, err := f.next(fmt.Sprintf("metric %d %q %v", kind, name, value), nil); e == nil && err == nil {
		f.run.Metric(kind, name, value)
	}
}

func (f *follower) StateGet(key []byte) ([]byte, bool) {
	e, err := f.next(fmt.Sprintf("state_get %q", key), nil)
	switch {
	case err != nil:
		return nil, false
	case e == nil:
		return f.run.StateGet(key)
	}
	return []byte(e.answer), e.ok
}

func (f *follower) StatePut(key, value []byte) error {
	e, err := f.next(fmt.Sprintf("state_put %q %q", key, value), nil)
	if e == nil && err == nil {
		return f.run.StatePut(key, value)
	}
	return answered(e, err)
}

func (f *follower) StateDelete(key []byte) {
	if e, err := f.next(fmt.Sprintf("state_delete %q", key), nil); e == nil && err == nil {
		f.run.StateDelete(key)
	}
}

func (f *follower) StateScan(prefix, after []byte, yield func(key, value []byte) bool) {
	e, err := f.next(fmt.Sprintf("state_scan %q %q", prefix, after), nil)
	if e == nil && err == nil {
		f.run.StateScan(prefix, after, yield)
		return
	}
	if err != nil {
		return
	}
	for _, p := range e.pairs {
		if !yield([]byte(p[0]), []byte(p[1])) {
			return
		}
	}
}

func (f *follower) Decide(ctx context.Context, request []byte) ([]byte, error) {
	e, err := f.next(fmt.Sprintf("decide %q", request), nil)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return f.run.Decide(ctx, request)
	}
	return []byte(e.answer), e.err
}

func (f *follower) DriverWrite(ctx context.Context, binding int, rec arrow.RecordBatch) error {
	e, err := f.next(fmt.Sprint("driver_write ", binding), rec)
	if e == nil && err == nil {
		return f.run.DriverWrite(ctx, binding, rec)
	}
	return answered(e, err)
}

func (f *follower) DriverOpen(ctx context.Context, binding int, request []byte) (drivers.Reader, error) {
	e, err := f.next(fmt.Sprintf("driver_open %d %q", binding, request), nil)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return f.run.DriverOpen(ctx, binding, request)
	case e.err != nil:
		return nil, e.err
	}
	f.opened++
	return &followingReader{f.sources.open[f.opened-1], f, f.opened - 1}, nil
}

// followingReader reads what was read, and then on.
type followingReader struct {
	drivers.Reader
	f *follower
	n int
}

func (r *followingReader) Next(ctx context.Context) (drivers.Batch, error) {
	e, err := r.f.next(fmt.Sprint("driver_next ", r.n), nil)
	switch {
	case err != nil:
		return drivers.Batch{}, err
	case e == nil:
		return r.Reader.Next(ctx)
	}
	if e.batch.Record != nil {
		e.batch.Record.Retain()
	}
	return e.batch, e.err
}

// Close closes a reader that is the follower's own by now.
func (r *followingReader) Close() error {
	if !r.f.sources.kept || r.f.sources.closed[r.n] {
		return nil
	}
	r.f.sources.closed[r.n] = true
	return r.Reader.Close()
}
