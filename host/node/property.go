package node

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/synthetic"
)

// Property is a product on rows that its inputs' contracts allow: whatever they are, its code does not fail. Its own rules
// may hold them back, which is what they are for.
type Property struct {
	Fixture
	Sources map[string]*synthetic.Source // by input
	Rows    int                          // at most so many of an input in one run
	// Feeds are the inputs that are change feeds, with columns _op and _seq, beside those whose fixtures show it.
	Feeds map[string]bool
}

// Counterexample is a run whose code failed, with as few rows as were found to do it.
type Counterexample struct {
	Seed uint64 // of the run
	Rows map[string]arrow.RecordBatch
	Logs []string
	Err  error
}

// lookups is how many of the runs read what files feed to snapshot inputs, where there are such, so that keys meet: one of
// so many does not.
const lookups = 3

// Run makes the rows of a seed up and runs the product on them. What failed is nil when all was well; checks are those of
// the run then.
func (p Property) Run(ctx context.Context, seed uint64) (checks []host.Check, failed *Counterexample, err error) {
	r := rand.New(rand.NewPCG(seed, 0))
	rows := map[string]arrow.RecordBatch{}
	defer func() { release(rows) }()
	for i := range p.Product.Inputs {
		in := &p.Product.Inputs[i]
		if in.Mode == host.Snapshot && p.Files[in.Name] != "" && r.IntN(lookups) > 0 {
			continue
		}
		made := p.Sources[in.Name].Rows(r, r.IntN(p.Rows+1))
		if changes, err := p.feeds(ctx, in); err != nil {
			made.Release()
			return nil, nil, err
		} else if changes {
			made = changed(r, made)
		}
		rows[in.Name] = made
	}
	checks, failed, err = p.on(ctx, rows)
	if failed == nil || err != nil {
		return checks, nil, err
	}
	failed.Seed = seed
	failed, err = p.shrink(ctx, failed)
	return nil, failed, err
}

func release(rows map[string]arrow.RecordBatch) {
	for _, rec := range rows {
		rec.Release()
	}
}

// feeds reports whether an input's rows say what became of them, as its fixture shows: columns _op and _seq.
func (p Property) feeds(ctx context.Context, in *host.Input) (bool, error) {
	if p.Feeds[in.Name] {
		return true, nil
	}
	reader, err := file.New(file.Config{})
	if err != nil {
		return false, host.Errorf(host.CodeDriverOpen, "%w", err)
	}
	s, err := fixtureFiles{p.Fixture, reader}.Schema(ctx, p.Product, in)
	return err == nil && len(s.FieldIndices(abi.ColumnOp)) > 0, err
}

// changed makes a change feed of rows: all are inserted, and some deleted again. It takes over rec.
func changed(r *rand.Rand, rec arrow.RecordBatch) arrow.RecordBatch {
	inserted := AsInserts(rec, 1)
	defer inserted.Release()
	var gone []arrow.RecordBatch
	for row := range inserted.NumRows() {
		if r.IntN(6) == 0 {
			gone = append(gone, inserted.NewSlice(row, row+1))
		}
	}
	cols := make([]arrow.Array, inserted.NumCols())
	for i := range cols {
		parts := []arrow.Array{inserted.Column(i)}
		for _, row := range gone {
			parts = append(parts, row.Column(i))
		}
		var err error
		if cols[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			panic(err) // of one type
		}
		defer cols[i].Release() // as it is now: the last two are replaced below
	}
	n := len(cols)
	cols[n-2], cols[n-1] = changes(int(inserted.NumRows()), len(gone))
	defer cols[n-2].Release()
	defer cols[n-1].Release()
	for _, row := range gone {
		row.Release()
	}
	return array.NewRecordBatch(inserted.Schema(), cols, int64(cols[0].Len()))
}

// changes are the columns _op and _seq of so many rows that come, and of so many that go afterwards.
func changes(come, gone int) (op, seq arrow.Array) {
	ops, seqs := array.NewStringBuilder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	defer ops.Release()
	defer seqs.Release()
	for range come {
		ops.Append(abi.OpInsert)
		seqs.Append(1)
	}
	for range gone {
		ops.Append(abi.OpDelete)
		seqs.Append(2)
	}
	return ops.NewArray(), seqs.NewArray()
}

// on runs the product on some rows.
func (p Property) on(ctx context.Context, rows map[string]arrow.RecordBatch) ([]host.Check, *Counterexample, error) {
	dir, err := os.MkdirTemp(p.Dir, "run-*")
	if err != nil {
		return nil, nil, host.Errorf(host.CodeRunStore, "%w", err)
	}
	defer os.RemoveAll(dir)
	f := p.Fixture
	f.Dir, f.Rows = dir, rows
	res, err := f.Execute(ctx)
	for _, out := range res.Outputs {
		for _, b := range out {
			b.Release()
		}
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err == nil {
		return res.Checks, nil, nil
	}
	kept := map[string]arrow.RecordBatch{}
	for name, rec := range rows {
		rec.Retain()
		kept[name] = rec
	}
	return nil, &Counterexample{Rows: kept, Logs: res.Logs, Err: err}, nil
}

// shrink looks for fewer rows that fail with the same code: none of an input, one, or half of them.
func (p Property) shrink(ctx context.Context, found *Counterexample) (*Counterexample, error) {
	for i := range p.Product.Inputs {
		name := p.Product.Inputs[i].Name
		for smaller := true; smaller && found.Rows[name] != nil; {
			smaller = false
			for _, s := range slicesOf(found.Rows[name].NumRows()) {
				again, err := p.onPart(ctx, found, name, s)
				if err != nil {
					return found, err
				}
				if again == nil {
					continue
				}
				release(found.Rows)
				found, smaller = again, true
				break
			}
		}
	}
	return found, nil
}

// onPart runs the product on a part of an input's rows; nil unless it fails as before.
func (p Property) onPart(ctx context.Context, found *Counterexample, name string, part [2]int64) (*Counterexample, error) {
	less := maps.Clone(found.Rows)
	less[name] = found.Rows[name].NewSlice(part[0], part[1])
	defer less[name].Release()
	_, again, err := p.on(ctx, less)
	if again == nil || err != nil {
		return nil, err
	}
	if host.CodeOf(again.Err) != host.CodeOf(found.Err) {
		release(again.Rows)
		return nil, nil
	}
	again.Seed = found.Seed
	return again, nil
}

// slicesOf are parts of n rows, from the smallest.
func slicesOf(n int64) (out [][2]int64) {
	if n == 0 {
		return nil
	}
	out = append(out, [2]int64{0, 0})
	for row := range n {
		if n > 1 {
			out = append(out, [2]int64{row, row + 1})
		}
	}
	if n > 3 {
		out = append(out, [2]int64{0, n / 2}, [2]int64{n / 2, n})
	}
	return out
}
