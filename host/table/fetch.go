package table

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
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

// fetch reads single rows, in the order of spots, into one batch. Each row group that holds one of them is decoded once.
func fetch(ctx context.Context, store drivers.Store, mem memory.Allocator, files func(uint32) string, schema *arrow.Schema, spots []spot) (arrow.RecordBatch, error) {
	f := &fetcher{store: store, mem: mem, schema: schema, places: make([]pick, len(spots))}
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
	return gatherRows(mem, schema, f.pieces, f.places)
}

// fetcher collects the rows found, and where each wanted row is among them.
type fetcher struct {
	store  drivers.Store
	mem    memory.Allocator
	schema *arrow.Schema
	pieces []arrow.RecordBatch
	places []pick
}

// file reads the wanted rows of one file; order lists them by position.
func (f *fetcher) file(ctx context.Context, name string, spots []spot, order []int) error {
	src, err := openParquet(ctx, f.store, f.mem, name)
	if err != nil {
		return err
	}
	defer src.close()
	first := int64(0)
	for g := range src.pq.NumRowGroups() {
		rows := src.pq.MetaData().RowGroup(g).NumRows()
		if len(order) == 0 {
			return nil
		}
		if int64(spots[order[0]].row) >= first+rows {
			first += rows
			continue
		}
		at := first
		err := src.rowGroup(ctx, f.mem, g, f.schema, func(rec arrow.RecordBatch) error {
			n := 0
			for n < len(order) && int64(spots[order[n]].row) < at+rec.NumRows() {
				n++
			}
			err := f.piece(rec, at, spots, order[:n])
			order, at = order[n:], at+rec.NumRows()
			return err
		})
		if err != nil {
			return err
		}
		first += rows
	}
	if len(order) > 0 {
		return damaged(name, fmt.Errorf("has %d rows, row %d was indexed", first, spots[order[0]].row))
	}
	return nil
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
	got, err := gatherRows(f.mem, f.schema, []arrow.RecordBatch{rec}, picks)
	if err == nil {
		f.pieces = append(f.pieces, got)
	}
	return err
}
