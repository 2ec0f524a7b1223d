package node

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/table"
)

// piece is a part of a port to read: its whole table, or the changes of one seq.
type piece struct {
	scan    *host.OutputRef
	changes []host.FileRef
	seq     host.Seq
}

// scanner reads what is published. Implemented by host/table.
type scanner interface {
	Scan(ctx context.Context, ref host.OutputRef, schema host.Schema, o table.ScanOptions) (table.Reader, error)
	Changes(ctx context.Context, changes []host.FileRef, mode host.OutputMode, schema host.Schema, seq host.Seq, o table.ScanOptions) (table.Reader, error)
	ParquetFile(ctx context.Context, ref host.OutputRef) (name string, ok bool, err error)
	ParquetFiles(ctx context.Context, ref host.OutputRef, schema host.Schema) (names []string, err error)
}

// portReader reads a port of a product piece by piece, as rows or as a change feed.
type portReader struct {
	tables scanner
	mode   host.OutputMode
	schema host.Schema
	origin string
	cursor host.Cursor
	pieces []piece
	open   table.Reader
	at     piece
	// expired, when set, judges an error that a piece of a seq had: what the piece is made of may have gone since.
	expired func(ctx context.Context, seq host.Seq, err error) error
	feed    bool // rows carry _op and _seq, also where they are read from a table or from an append port
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// next returns the next rows of the pieces, io.EOF after the last.
func (r *portReader) next(ctx context.Context) (arrow.RecordBatch, error) {
	for {
		if r.open == nil {
			if len(r.pieces) == 0 {
				return nil, io.EOF
			}
			if err := r.begin(ctx); err != nil {
				return nil, r.judge(ctx, err)
			}
		}
		rec, err := r.open.Next(ctx)
		if isEOF(err) {
			if err := r.Close(); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, r.judge(ctx, err)
		}
		if r.feed && (r.at.scan != nil || r.mode == host.Append) {
			rec = AsInserts(rec, r.at.seq)
		}
		return rec, nil
	}
}

func (r *portReader) judge(ctx context.Context, err error) error {
	if r.expired == nil {
		return err
	}
	return r.expired(ctx, r.at.seq, err)
}

func (r *portReader) begin(ctx context.Context) (err error) {
	r.at, r.pieces = r.pieces[0], r.pieces[1:]
	if r.at.scan != nil {
		r.open, err = r.tables.Scan(ctx, *r.at.scan, r.schema, table.ScanOptions{})
	} else {
		r.open, err = r.tables.Changes(ctx, r.at.changes, r.mode, r.schema, r.at.seq, table.ScanOptions{})
	}
	return err
}

// Next is the drivers.Reader side.
func (r *portReader) Next(ctx context.Context) (drivers.Batch, error) {
	rec, err := r.next(ctx)
	return drivers.Batch{Record: rec, Origin: r.origin}, err
}

func (r *portReader) Cursor() host.Cursor { return r.cursor }

func (r *portReader) Close() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}

// changesSince lists the change files of a port in the heads after seq, up to head, oldest first. Its error wraps
// errExpired when one of these heads is not kept any more.
func (n *Node) changesSince(ctx context.Context, id host.ProductID, head *host.Head, at host.HeadRef, port string, seq host.Seq) ([]piece, error) {
	var newestFirst []piece
	for {
		ref := head.Outputs[port]
		if ref.Changed <= seq {
			break
		}
		if ref.Changed < head.Seq { // nothing changed in between: jump
			var err error
			if head, err = run.HeadAt(ctx, n.store, at, ref.Changed); err != nil {
				return nil, n.ifExpired(ctx, id, ref.Changed, err)
			}
		}
		if ref := head.Outputs[port]; len(ref.Changes) > 0 {
			newestFirst = append(newestFirst, piece{changes: ref.Changes, seq: head.Seq})
		}
		if head.Prev == nil {
			break
		}
		at = *head.Prev
		var err error
		if head, err = run.LoadHead(ctx, n.store, at); err != nil {
			return nil, n.ifExpired(ctx, id, at.Seq, err)
		}
	}
	out := make([]piece, 0, len(newestFirst))
	for k := len(newestFirst) - 1; k >= 0; k-- {
		out = append(out, newestFirst[k])
	}
	return out, nil
}

func headRef(p host.Pointer) host.HeadRef {
	return host.HeadRef{Seq: p.Seq, Hash: p.Hash, Location: p.Location}
}

// AsInserts adds the columns _op and _seq; it takes over rec.
func AsInserts(rec arrow.RecordBatch, seq host.Seq) arrow.RecordBatch {
	defer rec.Release()
	n := int(rec.NumRows())
	op := array.NewStringBuilder(memory.DefaultAllocator)
	defer op.Release()
	at := array.NewInt64Builder(memory.DefaultAllocator)
	defer at.Release()
	op.Reserve(n)
	at.Reserve(n)
	for range n {
		op.Append(abi.OpInsert)
		at.UnsafeAppend(int64(seq))
	}
	ops, seqs := op.NewArray(), at.NewArray()
	defer ops.Release()
	defer seqs.Release()
	cols := append(append([]arrow.Array{}, rec.Columns()...), ops, seqs)
	return array.NewRecordBatch(columnar.WithChanges(rec.Schema()), cols, rec.NumRows())
}
