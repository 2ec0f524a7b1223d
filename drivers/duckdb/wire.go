package duckdb

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/adp-host/adp/drivers"
)

// What a Process and the program that it starts say to each other: lines of JSON, and behind some of them rows as Arrow IPC
// streams, which end by themselves.
//
//	→ load, then the rows of each of its tables that has no files      ← reply
//	→ question                                                        ← reply, then the rows of an answer, and a reply how it ended
//	→ the end                                                          the program ends
type load struct {
	Tables  []table `json:"tables"`
	Memory  int64   `json:"memory"`
	Threads int     `json:"threads"`
}

type table struct {
	Name   string   `json:"name"`
	Files  []string `json:"files,omitempty"`
	Schema []byte   `json:"schema,omitempty"` // of files
}

type question struct {
	Plan     bool     `json:"plan,omitempty"` // instead of the answer
	Text     string   `json:"text"`
	Origin   string   `json:"origin,omitempty"`
	Schema   []byte   `json:"schema,omitempty"`
	Optional []string `json:"optional,omitempty"`
	Growing  []string `json:"growing,omitempty"`
}

type reply struct {
	Error *failed  `json:"error,omitempty"`
	Reads []string `json:"reads,omitempty"` // of a plan
	Whole *failed  `json:"whole,omitempty"` // of a plan
}

// failed is an error on its way.
type failed struct {
	Kind    int    `json:"kind"` // in kinds; -1: none of them
	Origin  string `json:"origin,omitempty"`
	Line    int64  `json:"line,omitempty"`
	Column  int64  `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// kinds of errors. Both ends are of one build, so their order may change.
var kinds = []error{drivers.ErrRequest, drivers.ErrBeyond, drivers.ErrExceeded, drivers.ErrUnavailable, drivers.ErrSchema, drivers.ErrFormat}

func failedBy(err error) *failed {
	if err == nil {
		return nil
	}
	f := &failed{Kind: slices.IndexFunc(kinds, func(k error) bool { return errors.Is(err, k) }), Message: err.Error()}
	var e *drivers.Error
	if errors.As(err, &e) {
		f.Origin, f.Line, f.Column, f.Message, f.Hint = e.Origin, e.Line, e.Column, e.Message, e.Hint
	}
	return f
}

func (f *failed) err() error {
	switch {
	case f == nil:
		return nil
	case f.Kind < 0 || f.Kind >= len(kinds):
		return errors.New(f.Message)
	}
	return &drivers.Error{Kind: kinds[f.Kind], Origin: f.Origin, Line: f.Line, Column: f.Column, Message: f.Message, Hint: f.Hint}
}

// schemaBytes is a schema as it travels, nil for none.
func schemaBytes(s *arrow.Schema) []byte {
	if s == nil {
		return nil
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(s))
	if err := w.Close(); err != nil {
		return nil // a buffer takes everything
	}
	return b.Bytes()
}

func schemaOf(b []byte) (*arrow.Schema, error) {
	if len(b) == 0 {
		return nil, nil
	}
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer r.Release()
	return r.Schema(), nil
}

// maxLine bounds a line of JSON: a statement of 1 MiB, escaped, and the names of files.
const maxLine = 64 << 20

// tell writes a line.
func tell(w *bufio.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return err
	}
	return w.Flush()
}

// hear reads a line; io.EOF when there is none.
func hear(r *bufio.Reader, v any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return fmt.Errorf("a line of more than %d bytes", maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(line) > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		return json.Unmarshal(line, v)
	}
}

// send writes rows as a stream, which ends well also where the rows do not.
func send(w *bufio.Writer, rows array.RecordReader) error {
	out := ipc.NewWriter(w, ipc.WithSchema(rows.Schema()))
	for rows.Next() {
		if err := out.Write(rows.RecordBatch()); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return w.Flush()
}
