package table

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/util"
)

// emitted are the rows of a run, numbered from 0 in the order they came. They are held in memory as far as the budget
// goes. Streaming rows go to data files as they come; the others do when the budget is used up, or at the end, when it
// is known which of them matter.
type emitted struct {
	t       *Tables
	schema  *arrow.Schema
	writer  *rowWriter
	budget  int64
	holding bool
	stream  bool

	n      int64
	held   []arrow.RecordBatch
	starts []int64 // ordinal of the first row of each held batch
	bytes  int64

	done   []written // after close
	bounds []int64   // ordinal of the first row of each, when stream
}

// add takes rows; rec stays the caller's.
func (e *emitted) add(rec arrow.RecordBatch) error {
	if e.stream {
		if err := e.writer.add(rec); err != nil {
			return err
		}
	}
	if e.holding {
		rec.Retain()
		e.held, e.starts = append(e.held, rec), append(e.starts, e.n)
		e.bytes += util.TotalRecordSize(rec)
	}
	e.n += rec.NumRows()
	if e.holding && e.bytes > e.budget {
		return e.spill()
	}
	return nil
}

func (e *emitted) spill() error {
	if !e.stream {
		e.stream = true
		for _, rec := range e.held {
			if err := e.writer.add(rec); err != nil {
				return err
			}
		}
	}
	e.forget()
	return nil
}

// forget lets go of the rows in memory.
func (e *emitted) forget() {
	release(e.held)
	e.held, e.starts, e.holding = nil, nil, false
}

// close completes the data files.
func (e *emitted) close() (err error) {
	if e.done, err = e.writer.close(); err != nil {
		return err
	}
	at := int64(0)
	for _, f := range e.done {
		e.bounds = append(e.bounds, at)
		at += f.rows
	}
	return nil
}

// spotOf is where the row at a position of the writer's output lies, by the index of its file.
func spotOf(bounds []int64, pos int64) spot {
	i, exact := slices.BinarySearch(bounds, pos)
	if !exact {
		i--
	}
	return spot{uint32(i), uint32(pos - bounds[i])}
}

// fetch gives rows by ordinal, in that order. Rows that are not held must be in closed files.
func (e *emitted) fetch(ctx context.Context, ordinals []int64) (arrow.RecordBatch, error) {
	if e.holding {
		picks := make([]pick, len(ordinals))
		for i, o := range ordinals {
			s := spotOf(e.starts, o)
			picks[i] = pick{int32(s.file), int32(s.row)}
		}
		return gatherRows(e.t.opts.Allocator, e.schema, e.held, picks)
	}
	spots := make([]spot, len(ordinals))
	for i, o := range ordinals {
		spots[i] = spotOf(e.bounds, o)
	}
	return e.t.fetch(ctx, func(i uint32) string { return e.done[i].name }, e.schema, spots)
}

// live writes the held rows that are not dead.
func (e *emitted) live(w *rowWriter, dead *bitmap) error {
	for i, rec := range e.held {
		first, n := e.starts[i], rec.NumRows()
		gone := dead.within(first, first+n)
		if gone == n {
			continue
		}
		if gone == 0 {
			if err := w.add(rec); err != nil {
				return err
			}
			continue
		}
		p := part{dataFile{dead: dead}, first, rec}
		rest, err := gatherRows(e.t.opts.Allocator, e.schema, []arrow.RecordBatch{rec}, livePicks(p, n-gone))
		if err != nil {
			return err
		}
		err = w.add(rest)
		rest.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// abort lets go of everything.
func (e *emitted) abort() {
	e.forget()
	e.writer.abort()
}
