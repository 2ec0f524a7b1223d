package table

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// Scan reads a table as of ref, deletes applied, in the columns of schema: a column that the table does not have yet is
// null. Columns of the table that schema does not have are left out.
func (t *Tables) Scan(ctx context.Context, ref host.OutputRef, schema host.Schema, o ScanOptions) (Reader, error) {
	s, err := t.state(ctx, &ref)
	if err != nil {
		return nil, err
	}
	want, err := readSchema(schema, o.Columns)
	if err != nil {
		return nil, err
	}
	return &tableReader{schema: want, scan: t.newScanner(ctx, s.files, want, false), limit: limitOf(o)}, nil
}

// Changes reads change files of one seq: the rows alone when mode is append, otherwise the rows followed by _op and _seq.
func (t *Tables) Changes(ctx context.Context, changes []host.FileRef, mode host.OutputMode, schema host.Schema, seq host.Seq, o ScanOptions) (Reader, error) {
	want, err := readSchema(schema, o.Columns)
	if err != nil {
		return nil, err
	}
	r := &tableReader{schema: want, limit: limitOf(o)}
	stored := want
	if mode != host.Append {
		r.schema, r.seq = columnar.WithChanges(want), seq
		stored = columnar.WithOp(want)
	}
	r.scan = t.newScanner(ctx, changeFiles(changes), stored, false)
	r.mem = t.opts.Allocator
	return r, nil
}

// readSchema is what a reader of a contract's columns gets.
func readSchema(schema host.Schema, columns []string) (*arrow.Schema, error) {
	s, err := columnar.Schema(schema)
	if err != nil || columns == nil {
		return s, err
	}
	out, err := pickColumns(s, columns)
	if err != nil {
		return nil, host.Errorf(host.CodeAccessQuery, "%w", err)
	}
	return out, nil
}

func limitOf(o ScanOptions) int64 {
	if o.Limit <= 0 {
		return -1
	}
	return o.Limit
}

// tableReader is a Reader over a scanner.
type tableReader struct {
	schema *arrow.Schema
	scan   *scanner
	limit  int64 // -1: none
	seq    host.Seq
	mem    memory.Allocator
}

func (r *tableReader) Schema() *arrow.Schema { return r.schema }

func (r *tableReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.limit == 0 {
		return nil, io.EOF
	}
	p, err := r.scan.next(ctx)
	if err != nil {
		return nil, err
	}
	rec := p.rec
	if n := rec.NumRows(); r.limit >= 0 {
		if n > r.limit {
			rec = p.rec.NewSlice(0, r.limit)
			p.rec.Release()
		}
		r.limit -= rec.NumRows()
	}
	if r.seq == 0 {
		return rec, nil
	}
	defer rec.Release()
	return r.withSeq(rec)
}

// withSeq completes rows of a change file: files of a commit that only inserted have no _op, and no file needs _seq.
func (r *tableReader) withSeq(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	n := int(rec.NumRows())
	at := int(rec.NumCols()) - 1
	ops := rec.Column(at)
	switch ops.NullN() {
	case 0:
		ops.Retain()
	case n:
		b := array.NewStringBuilder(r.mem)
		defer b.Release()
		b.Reserve(n)
		for range n {
			b.Append(abi.OpInsert)
		}
		ops = b.NewArray()
	default:
		return nil, damaged("change file", fmt.Errorf("%d of %d rows have no %s", ops.NullN(), n, abi.ColumnOp))
	}
	defer ops.Release()
	b := array.NewInt64Builder(r.mem)
	defer b.Release()
	b.Reserve(n)
	for range n {
		b.UnsafeAppend(int64(r.seq))
	}
	seqs := b.NewArray()
	defer seqs.Release()
	cols := append(append([]arrow.Array{}, rec.Columns()[:at]...), ops, seqs)
	return array.NewRecordBatch(r.schema, cols, int64(n)), nil
}

func (r *tableReader) Close() error {
	r.scan.close()
	return nil
}
