package table

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

const (
	// batchRows is the size of the batches that readers give.
	batchRows = 64 << 10
	// slurpBytes is the size up to which a file is read into memory at once rather than piece by piece.
	slurpBytes = 1 << 20
)

// source is an open Parquet file. Row groups may be read by several goroutines at once. All decoding runs with panics
// recovered, in the caller's goroutine: arrow-go's own parallelism would take the process down with a damaged file.
type source struct {
	name string
	file drivers.StoreFile // nil when the file is in memory
	pq   *file.Reader
	rd   *pqarrow.FileReader
}

// readFailed gives errors of reading and decoding a file their code; the caller's own cancellation passes.
func readFailed(ctx context.Context, name string, err error) error {
	var coded *host.Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return damaged(name, err)
}

// slurp reads a whole file.
func slurp(ctx context.Context, store drivers.Store, name string) (b []byte, err error) {
	defer func() { err = readFailed(ctx, name, err) }()
	f, err := store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b = make([]byte, f.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

func openParquet(ctx context.Context, store drivers.Store, mem memory.Allocator, name string) (s *source, err error) {
	s = &source{name: name}
	defer func() {
		if err != nil {
			s.close()
			s, err = nil, readFailed(ctx, name, err)
		}
	}()
	defer recovered(&err)
	f, err := store.Open(ctx, name)
	if err != nil {
		return s, err
	}
	s.file = f
	var in parquet.ReaderAtSeeker = s.file
	if n := s.file.Size(); n <= slurpBytes {
		b := make([]byte, n)
		if _, err = io.ReadFull(s.file, b); err != nil {
			return s, err
		}
		err = s.file.Close()
		s.file, in = nil, bytes.NewReader(b)
		if err != nil {
			return s, err
		}
	}
	if s.pq, err = file.NewParquetReader(in, file.WithReadProps(parquet.NewReaderProperties(mem))); err != nil {
		return s, err
	}
	if err = checkFooter(s.pq); err != nil {
		return s, err
	}
	s.rd, err = pqarrow.NewFileReader(s.pq, pqarrow.ArrowReadProperties{BatchSize: batchRows}, mem)
	return s, err
}

// checkFooter reads all column metadata once, so that what is broken in it fails here, and bounds it by the file.
func checkFooter(pq *file.Reader) error {
	meta := pq.MetaData()
	columns := meta.Schema.NumColumns()
	rows := int64(0)
	for g := range pq.NumRowGroups() {
		rg := meta.RowGroup(g)
		if rg.NumColumns() != columns || rg.NumRows() < 0 {
			return fmt.Errorf("row group %d has %d columns and %d rows", g, rg.NumColumns(), rg.NumRows())
		}
		for c := range columns {
			chunk, err := rg.ColumnChunk(c)
			if err != nil {
				return err
			}
			if chunk.NumValues() < 0 || chunk.TotalCompressedSize() < 0 || chunk.DataPageOffset() < 0 {
				return fmt.Errorf("row group %d, column %d has impossible sizes", g, c)
			}
		}
		rows += rg.NumRows()
	}
	if rows != pq.NumRows() {
		return fmt.Errorf("row groups hold %d rows, the footer says %d", rows, pq.NumRows())
	}
	return nil
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read
	}
}

// leaves are the indices of the Parquet columns that make up the named top-level columns; names the file lacks are left
// out.
func (s *source) leaves(columns []arrow.Field) []int {
	var out []int
	for _, c := range columns {
		for i := range s.rd.Manifest.Fields {
			if f := &s.rd.Manifest.Fields[i]; f.Field.Name == c.Name {
				out = appendLeaves(out, f)
			}
		}
	}
	return out
}

func appendLeaves(out []int, f *pqarrow.SchemaField) []int {
	if f.IsLeaf() {
		return append(out, f.ColIndex)
	}
	for i := range f.Children {
		out = appendLeaves(out, &f.Children[i])
	}
	return out
}

// rowGroup decodes one row group into batches of the given columns, those that the file lacks as nulls, and hands each
// to yield, which must not keep it.
func (s *source) rowGroup(ctx context.Context, mem memory.Allocator, g int, schema *arrow.Schema, yield func(arrow.RecordBatch) error) (err error) {
	var failed error // by yield
	defer func() {
		if failed != nil {
			err = failed
		} else {
			err = readFailed(ctx, s.name, err)
		}
	}()
	defer recovered(&err)
	want := s.pq.MetaData().RowGroup(g).NumRows()
	leaves := s.leaves(schema.Fields())
	if len(leaves) == 0 {
		return nullBatches(mem, schema, want, func(rec arrow.RecordBatch) error {
			failed = yield(rec)
			return failed
		})
	}
	rr, err := s.rd.GetRecordReader(ctx, leaves, []int{g})
	if err != nil {
		return err
	}
	defer rr.Release()
	got := int64(0)
	for rr.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		got += rr.RecordBatch().NumRows()
		rec, err := conformRows(mem, rr.RecordBatch(), schema)
		if err != nil {
			failed = err
			return err
		}
		failed = yield(rec)
		rec.Release()
		if failed != nil {
			return failed
		}
	}
	if err := rr.Err(); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("row group %d gave %d of %d rows", g, got, want)
	}
	return nil
}

// rowsAt decodes runs of rows of a row group, all in flat columns, in rising order, and hands each to yield with the
// position of its first row in the row group.
func (s *source) rowsAt(ctx context.Context, mem memory.Allocator, g int, schema *arrow.Schema, windows []window, yield func(rec arrow.RecordBatch, at int64) error) (err error) {
	var failed error // by yield
	defer func() {
		if failed != nil {
			err = failed
		} else {
			err = readFailed(ctx, s.name, err)
		}
	}()
	defer recovered(&err)
	leaves := s.leaves(schema.Fields())
	columns, have, err := s.rd.GetFieldReaders(ctx, leaves, []int{g})
	if err != nil {
		return err
	}
	defer release(columns)
	for _, w := range windows {
		part, err := readWindow(mem, columns, have, w)
		if err != nil {
			return err
		}
		rec, err := conformRows(mem, part, schema)
		part.Release()
		if err != nil {
			failed = err
			return err
		}
		failed = yield(rec, w.from)
		rec.Release()
		if failed != nil {
			return failed
		}
	}
	return nil
}

func readWindow(mem memory.Allocator, columns []*pqarrow.ColumnReader, have *arrow.Schema, w window) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, len(columns))
	defer func() { release(cols) }()
	for _, c := range columns {
		if err := c.SeekToRow(w.from); err != nil {
			return nil, err
		}
		got, err := c.NextBatch(w.n)
		if err != nil {
			return nil, err
		}
		col, err := array.Concatenate(got.Chunks(), mem)
		got.Release()
		if err != nil {
			return nil, err
		}
		cols = append(cols, col)
		if int64(col.Len()) != w.n {
			return nil, fmt.Errorf("%d of %d rows from row %d on", col.Len(), w.n, w.from)
		}
	}
	return array.NewRecordBatch(have, cols, w.n), nil
}

// nullBatches stand for rows of which the file has none of the columns.
func nullBatches(mem memory.Allocator, schema *arrow.Schema, rows int64, yield func(arrow.RecordBatch) error) error {
	for rows > 0 {
		n := min(rows, batchRows)
		rows -= n
		empty := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, n)
		rec, err := conformRows(mem, empty, schema)
		empty.Release()
		if err != nil {
			return err
		}
		err = yield(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
