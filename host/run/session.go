package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// session is a compute driver that has the inputs of a run. The zero pointer is none.
type session struct {
	drivers.Session
	limits host.Limits
	open   bool // an answer is being read
}

// load gives the inputs to the compute driver of a binding, in the order in which a guest would get them.
func (t *attempt) load(ctx context.Context, b *host.Binding) error {
	p := t.a.Product
	if t.r.Computes == nil {
		return host.Errorf(host.CodeDriverUnknown, "binding %s: this node computes nothing for guests", b.Name)
	}
	driver, err := t.r.Computes.Compute(ctx, p.ID, b.Name, b.URI)
	if err != nil {
		return err
	}
	limits := p.Limits.WithDefaults()
	l := drivers.Load{Memory: limits.Memory}
	inFiles, err := t.inputFiles(ctx)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	from := t.r.read(reading, p, t.cursors, inFiles.inputs())
	defer func() {
		stop()
		drain(from)
	}()
	var all []*rows
	for _, mode := range []host.InputMode{host.Snapshot, host.Incremental} {
		for i := range p.Inputs {
			if p.Inputs[i].Mode != mode {
				continue
			}
			schema := t.wall.inputs[i].stored
			if schema.HasField(abi.ColumnOp) {
				return host.Errorf(host.CodeRunInput, "input %s brings changes of rows, and a statement reads rows", p.Inputs[i].Name).
					WithHint("read the whole table: mode: snapshot for the input, mode: replace for the outputs")
			}
			table := drivers.Table{Name: p.Inputs[i].Name}
			if files, ok := inFiles[i]; ok {
				table.Files, table.Schema = files.Paths, schema
			} else {
				r := &rows{t: t, ctx: ctx, from: from, input: i, schema: schema}
				defer r.Release()
				all = append(all, r)
				table.Rows = r
			}
			l.Tables = append(l.Tables, table)
		}
	}
	got, err := driver.Load(ctx, l)
	for _, r := range all {
		if r.err != nil {
			err = errors.Join(r.err, closeSession(got)) // as reading failed, and not as it came back
			got = nil
			break
		}
	}
	if err != nil {
		return computeError(err, limits)
	}
	t.session = &session{Session: got, limits: limits}
	for _, r := range all { // what no statement looks at is consumed all the same
		for r.Next() {
		}
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

// filed are inputs that lie in files, by their number.
type filed map[int]Files

func (f filed) inputs() map[int]bool {
	out := map[int]bool{}
	for i := range f {
		out[i] = true
	}
	return out
}

// inputFiles finds the inputs that lie in files, and counts them as read.
func (t *attempt) inputFiles(ctx context.Context) (filed, error) {
	all := filed{}
	from, ok := t.r.Inputs.(FileInputs)
	if !ok {
		return all, nil
	}
	for i := range t.a.Product.Inputs {
		in := &t.a.Product.Inputs[i]
		files, err := from.Files(ctx, t.a.Product, in, t.cursors[in.Name])
		if err != nil {
			return nil, inputError(in, err)
		}
		if len(files.Paths) == 0 {
			continue
		}
		if err := t.receive(ctx, delivery{input: i, end: true, cursor: files.Cursor}); err != nil {
			return nil, err
		}
		t.record.RowsIn += files.Rows
		all[i] = files
	}
	return all, nil
}

func closeSession(s drivers.Session) error {
	if s == nil {
		return nil
	}
	return s.Close()
}

func (s *session) close() error {
	if s == nil || s.Session == nil {
		return nil
	}
	err := s.Session.Close()
	s.Session = nil
	return err
}

// ask answers a statement of the guest.
func (s *session) ask(ctx context.Context, b *host.Binding, want *arrow.Schema, request []byte) (drivers.Reader, error) {
	var q host.Statement
	err := json.Unmarshal(request, &q)
	switch {
	case err != nil:
		return nil, host.Errorf(host.CodeDriverStatement, "binding %s: the request is no statement: %w", b.Name, err)
	case s == nil || s.Session == nil:
		return nil, host.Errorf(host.CodeGuestCallLimit, "binding %s answers when all inputs are read: ask in adp_flush", b.Name)
	case s.open:
		return nil, host.Errorf(host.CodeGuestCallLimit, "binding %s: the answer before is not closed yet", b.Name)
	}
	a, err := s.Ask(ctx, drivers.Question{Text: q.Text, Origin: q.File, Schema: want, Optional: []string{abi.ColumnOp}})
	if err != nil {
		return nil, computeError(err, s.limits)
	}
	s.open = true
	return &answered{s: s, a: a}, nil
}

// answered is an answer as a guest reads it.
type answered struct {
	s *session
	a drivers.Answer
}

func (r *answered) Next(ctx context.Context) (drivers.Batch, error) {
	rec, err := r.a.Next(ctx)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = computeError(err, r.s.limits)
		}
		return drivers.Batch{}, err
	}
	return drivers.Batch{Record: rec}, nil
}

func (r *answered) Cursor() json.RawMessage { return nil }

func (r *answered) Close() error {
	r.s.open = false
	return r.a.Close()
}

// computeError gives an error of a compute driver its stable code, and the place in the author's file.
func computeError(err error, l host.Limits) error {
	var said *drivers.Error
	var coded *host.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return host.Errorf(host.CodeGuestDeadline, "the statement ran past the deadline of %s: %w", l.Deadline, err).WithHint("make it read less, or raise limits.deadline")
	case errors.As(err, &coded), !errors.As(err, &said):
		return err
	}
	out := &host.Error{Code: host.CodeDriverStatement, Message: said.Message, Hint: said.Hint, Err: err,
		At: host.Position{File: said.Origin, Line: int(said.Line), Column: int(said.Column)}}
	switch {
	case errors.Is(err, drivers.ErrExceeded):
		out.Code, out.Hint = host.CodeGuestMemory, fmt.Sprintf("raise limits.memory, which is %d MiB, or read less", l.Memory>>20)
	case errors.Is(err, drivers.ErrUnavailable):
		out.Code = host.CodeDriverOpen
		if said.Err != nil {
			out.Message += ": " + said.Err.Error()
		}
	}
	return out
}

// rows are the rows of one input, as a compute driver reads them: inputs come one after another.
type rows struct {
	t      *attempt
	ctx    context.Context // of the reading, which has no other way in
	from   <-chan delivery
	input  int
	schema *arrow.Schema
	rec    arrow.RecordBatch
	ended  bool
	err    error
}

func (r *rows) Schema() *arrow.Schema          { return r.schema }
func (r *rows) RecordBatch() arrow.RecordBatch { return r.rec }
func (r *rows) Record() arrow.RecordBatch      { return r.rec }
func (r *rows) Err() error                     { return r.err }
func (r *rows) Retain()                        {}

func (r *rows) Release() {
	if r.rec != nil {
		r.rec.Release()
		r.rec = nil
	}
}

// Next gives the next batch that has rows.
func (r *rows) Next() bool {
	r.Release()
	for !r.ended && r.err == nil {
		d, ok := <-r.from
		if !ok {
			r.err = context.Cause(r.ctx)
			break
		}
		if d.err == nil && d.input != r.input {
			r.err = fmt.Errorf("rows of input %d came while input %d was read", d.input, r.input)
			if d.batch.Record != nil {
				d.batch.Record.Release()
			}
			break
		}
		if r.err = r.t.receive(r.ctx, d); r.err != nil {
			break
		}
		failpoint.Hit("run.after-batch")
		switch r.ended = d.end; {
		case d.batch.Record == nil:
		case d.batch.Record.NumRows() == 0:
			d.batch.Record.Release()
		default:
			r.rec = array.NewRecordBatch(r.schema, d.batch.Record.Columns(), d.batch.Record.NumRows())
			d.batch.Record.Release()
			return true
		}
	}
	return false
}

var _ array.RecordReader = (*rows)(nil)
