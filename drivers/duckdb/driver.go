//go:build cgo && duckdb_arrow

package duckdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

const defaultMemory = 256 << 20

// Driver is a drivers.Compute in this process, which a fault of DuckDB ends.
type Driver struct{}

// Load is that of drivers.Compute.
func (Driver) Load(ctx context.Context, l drivers.Load) (_ drivers.Session, err error) {
	if err := sound(l); err != nil {
		return nil, err
	}
	known, err := catalogue()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, t := range l.Tables {
		files = append(files, t.Files...)
	}
	in, err := open(ctx, cmp.Or(l.Memory, defaultMemory), cmp.Or(l.Threads, 1), files...)
	if err != nil {
		return nil, err
	}
	s := &session{in: in, known: known, tables: l.Tables}
	for _, t := range l.Tables {
		if err := s.take(ctx, t); err != nil {
			return nil, errors.Join(err, in.close())
		}
	}
	return s, nil
}

// session is a drivers.Session.
type session struct {
	in     *instance
	known  map[string]function
	tables []drivers.Table
}

// take makes a table of the database.
func (s *session) take(ctx context.Context, t drivers.Table) error {
	if len(t.Files) > 0 {
		return failure(ctx, drivers.Question{Origin: t.Name}, s.in.files(ctx, t))
	}
	rows := watchedReader{t.Rows}
	err := s.in.copy(ctx, t.Name, unused(s.tables), rows)
	switch {
	case err == nil:
		return nil
	case rows.Err() != nil:
		return fmt.Errorf("table %s: %w", t.Name, rows.Err())
	}
	return failure(ctx, drivers.Question{Origin: t.Name}, err)
}

// Plan is that of drivers.Session.
func (s *session) Plan(ctx context.Context, q drivers.Question) (drivers.Plan, error) {
	if err := s.sound(q); err != nil {
		return drivers.Plan{}, err
	}
	plan, err := s.in.plan(ctx, q, s.tables, s.known)
	if err == nil && q.Schema != nil {
		_, err = s.typed(ctx, q)
	}
	return plan, err
}

// typed is a statement whose answer is of the schema that is asked for.
func (s *session) typed(ctx context.Context, q drivers.Question) (string, error) {
	view := unused(s.tables)
	have, err := s.in.view(ctx, view, q.Text)
	if err != nil {
		return "", failure(ctx, q, err)
	}
	text, wrong := typed(q, view, have)
	if wrong != nil {
		return "", wrong.in(q)
	}
	return text, nil
}

// Ask is that of drivers.Session.
func (s *session) Ask(ctx context.Context, q drivers.Question) (drivers.Answer, error) {
	if err := s.sound(q); err != nil {
		return nil, err
	}
	_, err := s.in.plan(ctx, q, s.tables, s.known)
	text := q.Text
	if err == nil && q.Schema != nil {
		text, err = s.typed(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.in.query(ctx, text)
	if err != nil {
		if q.Schema != nil {
			err = moved{err, -1}
		}
		return nil, failure(ctx, q, err)
	}
	return &answer{q: q, rows: rows, schema: cmp.Or(q.Schema, rows.schema)}, nil
}

// Close is that of drivers.Session.
func (s *session) Close() error { return s.in.close() }

func (s *session) sound(q drivers.Question) error {
	if !s.in.opened {
		return errors.New("the session is closed")
	}
	return soundQuestion(q)
}

// unused is a name that no table has: longer than all of theirs.
func unused(tables []drivers.Table) string {
	longest := 0
	for _, t := range tables {
		longest = max(longest, len(t.Name))
	}
	return strings.Repeat("_", longest+1)
}

// answer is a drivers.Answer.
type answer struct {
	q      drivers.Question
	rows   *stream // nil: closed
	schema *arrow.Schema
}

func (a *answer) Schema() *arrow.Schema { return a.schema }

func (a *answer) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if a.rows == nil {
		return nil, errors.New("the answer is closed")
	}
	parts, err := a.rows.next(ctx, enough)
	if err != nil {
		if a.q.Schema != nil {
			err = moved{err, -1}
		}
		return nil, failure(ctx, a.q, err)
	}
	defer release(parts)
	if len(parts) == 0 {
		return nil, io.EOF
	}
	return a.joined(parts)
}

// enough is how many rows make a batch: what a filter leaves of DuckDB's vectors of 2,048 rows may be a few.
const enough = 8192

// joined makes one batch of several, in the schema of the answer.
func (a *answer) joined(parts []arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns, rows := make([]arrow.Array, parts[0].NumCols()), int64(0)
	for i := range columns {
		of := make([]arrow.Array, len(parts))
		for j, p := range parts {
			of[j] = p.Column(i)
		}
		whole, err := array.Concatenate(of, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		defer whole.Release()
		d := retyped(whole.Data(), a.schema.Field(i).Type)
		columns[i] = array.MakeFromData(d)
		d.Release()
		defer columns[i].Release()
	}
	for _, p := range parts {
		rows += p.NumRows()
	}
	return array.NewRecordBatch(a.schema, columns, rows), nil
}

func (a *answer) Close() error {
	if a.rows != nil {
		a.rows.close()
		a.rows = nil
	}
	return nil
}

// failure says in words for people why a question has no answer.
func failure(ctx context.Context, q drivers.Question, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the statement was stopped: %w", context.Cause(ctx))
	}
	var said raised
	if !errors.As(err, &said) {
		return err
	}
	r := complaint(said.text)
	var m moved
	if errors.As(err, &m) && r.at >= 0 {
		if r.at -= m.by; m.by < 0 {
			r.at = -1 // in a text that is not the author's
		}
	}
	return r.in(q)
}
