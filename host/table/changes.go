package table

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// changeFile collects the changes of a commit: the contract's columns, _op and _seq.
type changeFile struct {
	s      *stage
	schema *arrow.Schema
	w      *rowWriter
}

func (s *stage) newChanges(ctx context.Context) *changeFile {
	schema := arrow.NewSchema(append(s.to.arrow.Fields(),
		arrow.Field{Name: abi.ColumnOp, Type: arrow.BinaryTypes.String},
		arrow.Field{Name: abi.ColumnSeq, Type: arrow.PrimitiveTypes.Int64}), nil)
	n := 0
	name := func() string {
		n++
		if n == 1 {
			return s.files.named("changes.parquet")
		}
		return s.files.named(fmt.Sprintf("changes.%d.parquet", n))
	}
	return &changeFile{s: s, schema: schema, w: s.t.newRowWriter(ctx, s.files, schema, name)}
}

// add appends rows with the operation of each.
func (f *changeFile) add(rows arrow.RecordBatch, op func(i int) string) error {
	ops, seqs := array.NewStringBuilder(f.s.mem), array.NewInt64Builder(f.s.mem)
	defer ops.Release()
	defer seqs.Release()
	n := int(rows.NumRows())
	ops.Reserve(n)
	seqs.Reserve(n)
	for i := range n {
		ops.Append(op(i))
		seqs.UnsafeAppend(int64(f.s.spec.Seq))
	}
	opCol, seqCol := ops.NewArray(), seqs.NewArray()
	defer opCol.Release()
	defer seqCol.Release()
	cols := append(append([]arrow.Array{}, rows.Columns()...), opCol, seqCol)
	rec := array.NewRecordBatch(f.schema, cols, rows.NumRows())
	defer rec.Release()
	return f.w.add(rec)
}

// all appends rows with one operation.
func (f *changeFile) all(rows arrow.RecordBatch, op string) error {
	return f.add(rows, func(int) string { return op })
}

// inserts appends rows of the run.
func (f *changeFile) inserts(ctx context.Context, ordinals []int64) error {
	for len(ordinals) > 0 {
		n := min(len(ordinals), f.s.t.sizes.changeRows)
		rows, err := f.s.rows.fetch(ctx, ordinals[:n])
		if err != nil {
			return err
		}
		err = f.all(rows, abi.OpInsert)
		rows.Release()
		if err != nil {
			return err
		}
		ordinals = ordinals[n:]
	}
	return nil
}

// empty says whether nothing was added.
func (f *changeFile) empty() bool { return f.w.rows == 0 }

func (f *changeFile) close() ([]host.FileRef, error) {
	done, err := f.w.close()
	var out []host.FileRef
	for _, d := range done {
		out = append(out, d.ref())
	}
	return out, err
}

// pairs weaves old rows and those of the run that replace them: for each i, before i and, when after[i] is at least 0,
// row after[i] of the others. The operations go with them.
func (f *changeFile) weave(old, fresh arrow.RecordBatch, after []int32, drop func(i int) bool) error {
	var picks []pick
	var ops []string
	for i, a := range after {
		switch {
		case drop(i):
		case a < 0:
			picks, ops = append(picks, pick{0, int32(i)}), append(ops, abi.OpDelete)
		default:
			picks = append(picks, pick{0, int32(i)}, pick{1, a})
			ops = append(ops, abi.OpUpdateBefore, abi.OpUpdateAfter)
		}
	}
	if len(picks) == 0 {
		return nil
	}
	rows, err := gatherRows(f.s.mem, f.s.to.arrow, []arrow.RecordBatch{old, fresh}, picks)
	if err != nil {
		return err
	}
	defer rows.Release()
	return f.add(rows, func(i int) string { return ops[i] })
}
