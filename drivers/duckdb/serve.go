package duckdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/adp-host/adp/drivers"
)

// Serve answers the questions of one session of a Process, which has started this program, until in ends. An error is about
// what cannot be said to the other end.
func Serve(ctx context.Context, c drivers.Compute, in io.Reader, out io.Writer) error {
	s := &server{in: bufio.NewReaderSize(in, 1<<20), out: bufio.NewWriterSize(out, 1<<20)}
	session, err := s.load(ctx, c)
	if told := tell(s.out, reply{Error: failedBy(err)}); err != nil || told != nil {
		return told
	}
	defer session.Close()
	for {
		var q question
		if err := hear(s.in, &q); errors.Is(err, io.EOF) {
			return session.Close()
		} else if err != nil {
			return err
		}
		if err := s.answer(ctx, session, q); err != nil {
			return err
		}
	}
}

// server is the other end of a Process.
type server struct {
	in  *bufio.Reader
	out *bufio.Writer
}

func (s *server) load(ctx context.Context, c drivers.Compute) (drivers.Session, error) {
	var l load
	if err := hear(s.in, &l); err != nil {
		return nil, err
	}
	from := drivers.Load{Memory: l.Memory, Threads: l.Threads}
	for _, t := range l.Tables {
		schema, err := schemaOf(t.Schema)
		if err != nil {
			return nil, err
		}
		out := drivers.Table{Name: t.Name, Files: t.Files, Schema: schema}
		if len(t.Files) == 0 {
			out.Rows = &arriving{in: s.in}
		}
		from.Tables = append(from.Tables, out)
	}
	return c.Load(ctx, from)
}

// answer says what is the matter with a question, or gives what it asks for. Its error ends the session.
func (s *server) answer(ctx context.Context, session drivers.Session, q question) error {
	schema, err := schemaOf(q.Schema)
	if err != nil {
		return err
	}
	ask := drivers.Question{Text: q.Text, Origin: q.Origin, Schema: schema, Optional: q.Optional, Growing: q.Growing}
	if q.Plan {
		p, err := session.Plan(ctx, ask)
		return tell(s.out, reply{Error: failedBy(err), Reads: p.Reads, Whole: failedBy(p.Whole)})
	}
	a, err := session.Ask(ctx, ask)
	if err != nil {
		return tell(s.out, reply{Error: failedBy(err)})
	}
	defer a.Close()
	if err := tell(s.out, reply{}); err != nil {
		return err
	}
	rows := &answerReader{ctx: ctx, a: a}
	defer rows.Release()
	if err := send(s.out, rows); err != nil {
		return fmt.Errorf("giving the answer: %w", err)
	}
	return tell(s.out, reply{Error: failedBy(errors.Join(rows.Err(), a.Close()))})
}

// arriving are the rows of a table that comes in. Its stream begins only when the tables before it have been read.
type arriving struct {
	array.RecordReader // nil: not begun
	in                 *bufio.Reader
	err                error
}

func (a *arriving) begin() bool {
	if a.RecordReader == nil && a.err == nil {
		r, err := ipc.NewReader(a.in)
		if a.err = err; err == nil {
			a.RecordReader = r
		}
	}
	return a.err == nil
}

func (a *arriving) Schema() *arrow.Schema {
	if !a.begin() {
		return arrow.NewSchema(nil, nil)
	}
	return a.RecordReader.Schema()
}

func (a *arriving) Next() bool { return a.begin() && a.RecordReader.Next() }

func (a *arriving) Err() error {
	if a.err != nil || a.RecordReader == nil {
		return a.err
	}
	return a.RecordReader.Err()
}

func (a *arriving) Retain()  {}
func (a *arriving) Release() {}

// answerReader is an answer as a reader of records.
type answerReader struct {
	ctx context.Context
	a   drivers.Answer
	rec arrow.RecordBatch
	err error
}

func (r *answerReader) Schema() *arrow.Schema { return r.a.Schema() }

func (r *answerReader) Next() bool {
	r.Release()
	r.rec, r.err = r.a.Next(r.ctx)
	return r.err == nil
}

func (r *answerReader) RecordBatch() arrow.RecordBatch { return r.rec }
func (r *answerReader) Record() arrow.RecordBatch      { return r.rec }

func (r *answerReader) Err() error {
	if errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

func (r *answerReader) Retain() {}

func (r *answerReader) Release() {
	if r.rec != nil {
		r.rec.Release()
		r.rec = nil
	}
}
