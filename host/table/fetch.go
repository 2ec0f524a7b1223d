package table

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// spot is the place of a row: a file, by its index in some list, and the position in it.
type spot struct {
	file uint32
	row  uint32
}

func compareSpots(a, b spot) int {
	if c := cmp.Compare(a.file, b.file); c != 0 {
		return c
	}
	return cmp.Compare(a.row, b.row)
}

// fetch reads single rows, in the order of spots, into one batch.
func (t *Tables) fetch(ctx context.Context, files func(uint32) string, schema *arrow.Schema, spots []spot) (arrow.RecordBatch, error) {
	f := &fetcher{t: t, schema: schema, places: make([]pick, len(spots))}
	defer func() { release(f.pieces) }()
	order := make([]int, len(spots))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareSpots(spots[a], spots[b]) })
	for len(order) > 0 {
		file := spots[order[0]].file
		n := 0
		for n < len(order) && spots[order[n]].file == file {
			n++
		}
		if err := f.file(ctx, files(file), spots, order[:n]); err != nil {
			return nil, err
		}
		order = order[n:]
	}
	return gatherRows(t.opts.Allocator, schema, f.pieces, f.places)
}

// fetcher collects the rows found, and where each wanted row is among them.
type fetcher struct {
	t      *Tables
	schema *arrow.Schema
	pieces []arrow.RecordBatch
	places []pick
}

// file reads the wanted rows of one file; order lists them by position.
func (f *fetcher) file(ctx context.Context, name string, spots []spot, order []int) error {
	src, err := openParquet(ctx, f.t.store, f.t.opts.Allocator, name)
	if err != nil {
		return err
	}
	defer src.close()
	first := int64(0)
	for g := range src.pq.NumRowGroups() {
		rows := src.pq.MetaData().RowGroup(g).NumRows()
		n := 0
		for n < len(order) && int64(spots[order[n]].row) < first+rows {
			n++
		}
		if n > 0 {
			if err := f.group(ctx, src, g, first, spots, order[:n]); err != nil {
				return err
			}
		}
		order, first = order[n:], first+rows
	}
	if len(order) > 0 {
		return damaged(name, fmt.Errorf("has %d rows, row %d was indexed", first, spots[order[0]].row))
	}
	return nil
}

// group reads the wanted rows of one row group, which begins at position first: around each of them when they are few,
// else all rows.
func (f *fetcher) group(ctx context.Context, src *source, g int, first int64, spots []spot, order []int) error {
	take := func(rec arrow.RecordBatch, at int64) error {
		n := 0
		for n < len(order) && int64(spots[order[n]].row) < at+rec.NumRows() {
			n++
		}
		err := f.piece(rec, at, spots, order[:n])
		order = order[n:]
		return err
	}
	rows := src.pq.MetaData().RowGroup(g).NumRows()
	if w := f.windows(rows, first, spots, order); w != nil && len(src.leaves(f.schema.Fields())) > 0 {
		return src.rowsAt(ctx, f.t.opts.Allocator, g, f.schema, w, func(rec arrow.RecordBatch, at int64) error {
			return take(rec, first+at)
		})
	}
	at := first
	return src.rowGroup(ctx, f.t.opts.Allocator, g, f.schema, func(rec arrow.RecordBatch) error {
		err := take(rec, at)
		at += rec.NumRows()
		return err
	})
}

// window is a run of rows within a row group.
type window struct{ from, n int64 }

// windows are the runs of rows to read instead of the whole row group; nil when that is not cheaper.
func (f *fetcher) windows(rows, first int64, spots []spot, order []int) []window {
	z := &f.t.sizes
	for _, c := range f.schema.Fields() {
		if nested(c.Type) {
			return nil // rows of nested columns are not found by counting values
		}
	}
	var out []window
	for _, o := range order {
		at := int64(spots[o].row) - first
		if n := len(out); n > 0 && at < out[n-1].from+z.windowRows {
			out[n-1].n = at + 1 - out[n-1].from
			continue
		}
		out = append(out, window{at, 1})
		if int64(len(out))*z.windowCost > rows {
			return nil
		}
	}
	return out
}

// piece copies the wanted rows out of a batch that begins at position at.
func (f *fetcher) piece(rec arrow.RecordBatch, at int64, spots []spot, wanted []int) error {
	if len(wanted) == 0 {
		return nil
	}
	picks := make([]pick, len(wanted))
	for i, w := range wanted {
		picks[i].row = int32(int64(spots[w].row) - at)
		f.places[w] = pick{int32(len(f.pieces)), int32(i)}
	}
	got, err := gatherRows(f.t.opts.Allocator, f.schema, []arrow.RecordBatch{rec}, picks)
	if err == nil {
		f.pieces = append(f.pieces, got)
	}
	return err
}
