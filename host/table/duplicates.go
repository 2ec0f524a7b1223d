package table

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// dupIndex counts the rows of a table by the values of some columns; rows with a null among them do not count.
type dupIndex struct {
	counts  map[key]int32
	surplus int64 // rows beyond the first of their values
}

// dupDelta is a dupIndex after a commit that has not happened yet.
type dupDelta struct {
	base    *dupIndex
	diff    map[key]int32
	surplus int64
}

func (d *dupDelta) count(k key) int32 { return d.base.counts[k] + d.diff[k] }

func (d *dupDelta) add(k key, n int32) {
	before := d.count(k)
	d.diff[k] += n
	d.surplus += beyondFirst(before+n) - beyondFirst(before)
}

func beyondFirst(n int32) int64 { return max(0, int64(n)-1) }

// apply makes the delta the index.
func (d *dupDelta) apply() *dupIndex {
	for k, n := range d.diff {
		if c := d.base.counts[k] + n; c > 0 {
			d.base.counts[k] = c
		} else {
			delete(d.base.counts, k)
		}
	}
	d.base.surplus = d.surplus
	return d.base
}

// errStop ends a scan early.
var errStop = errors.New("enough")

// Duplicates counts the rows of the staged table beyond the first with the same values of columns.
func (s *stage) Duplicates(ctx context.Context, columns []string, max int) (int64, []map[string]any, error) {
	if s.staged == nil || s.over {
		return 0, nil, fmt.Errorf("output %s: duplicates are counted between Finish and Committed", s.spec.Output.Name)
	}
	schema, err := pickColumns(s.to.arrow, columns)
	if err != nil {
		return 0, nil, fmt.Errorf("output %s: %w", s.spec.Output.Name, err)
	}
	if s.keyed(columns) {
		return 0, nil, nil
	}
	name := columnsKey(columns)
	d := s.dups[name]
	if d == nil {
		if d, err = s.countDups(ctx, name, schema); err != nil {
			return 0, nil, fmt.Errorf("output %s: %w", s.spec.Output.Name, err)
		}
		if s.dups == nil {
			s.dups = map[string]*dupDelta{}
		}
		s.dups[name] = d
	}
	if d.surplus == 0 || max <= 0 {
		return d.surplus, nil, nil
	}
	examples, err := s.examples(ctx, d, schema, max)
	return d.surplus, examples, err
}

// pickColumns is the schema of some of the columns of another, in the order given.
func pickColumns(s *arrow.Schema, columns []string) (*arrow.Schema, error) {
	if len(columns) == 0 {
		return nil, host.Errorf(host.CodeTableSchema, "no columns are named")
	}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		at := columnAt(s, c, i)
		if at < 0 {
			return nil, host.Errorf(host.CodeTableSchema, "there is no column %s", c)
		}
		fields[i] = s.Field(at)
	}
	return arrow.NewSchema(fields, nil), nil
}

// keyed says whether the columns hold the whole key of an upsert port, so that no two rows can agree on them.
func (s *stage) keyed(columns []string) bool {
	if s.mode != host.Upsert {
		return false
	}
	have := map[string]bool{}
	for _, c := range columns {
		have[c] = true
	}
	for _, k := range s.spec.Output.Key {
		if !have[k] {
			return false
		}
	}
	return true
}

// countDups brings the index of the table before up to the staged table by the run's changes.
func (s *stage) countDups(ctx context.Context, name string, schema *arrow.Schema) (*dupDelta, error) {
	base, err := s.dupBase(ctx, name, schema)
	if err != nil {
		return nil, err
	}
	d := &dupDelta{base: base, diff: map[key]int32{}, surplus: base.surplus}
	return d, s.eachChange(ctx, schema, func(_ part, _ int64, k key, n int32) error {
		d.add(k, n)
		return nil
	})
}

// dupBase is the index that the run's changes are added to: that of the table before, counted by a scan when there is
// none, or an empty one when the changes are the whole table. It stays valid when the stage is aborted.
func (s *stage) dupBase(ctx context.Context, name string, schema *arrow.Schema) (*dupIndex, error) {
	if s.prev == nil || s.staged.Changed && s.staged.Ref.Base == s.spec.Seq {
		return &dupIndex{counts: map[key]int32{}}, nil
	}
	if x, known := s.idx.dups[name]; known {
		return x, nil
	}
	x := &dupIndex{counts: map[key]int32{}}
	err := s.t.each(ctx, s.prev.files, schema, false, func(p part) error {
		return s.t.hash.rows(p.rec.Columns(), p.rec.NumRows(), func(_ int64, k key, null bool) error {
			if null {
				return nil
			}
			if x.counts[k]++; x.counts[k] > 1 {
				x.surplus++
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	s.idx.dups[name] = x
	return x, nil
}

// eachChange hands the key of every row that the run adds (n is 1) or removes (n is -1) to yield, without nulls.
func (s *stage) eachChange(ctx context.Context, schema *arrow.Schema, yield func(p part, i int64, k key, n int32) error) error {
	withOp := arrow.NewSchema(append(schema.Fields(), arrow.Field{Name: abi.ColumnOp, Type: arrow.BinaryTypes.String, Nullable: true}), nil)
	return s.t.each(ctx, changeFiles(s.staged.Ref.Changes), withOp, false, func(p part) error {
		at := int(p.rec.NumCols()) - 1
		ops := p.rec.Column(at).(*array.String)
		return s.t.hash.rows(p.rec.Columns()[:at], p.rec.NumRows(), func(i int64, k key, null bool) error {
			if null {
				return nil
			}
			n := int32(1)
			if op := ops.Value(int(i)); ops.IsValid(int(i)) && (op == abi.OpDelete || op == abi.OpUpdateBefore) {
				n = -1
			}
			return yield(p, i, k, n)
		})
	})
}

// changeFiles are change files as a scanner takes them.
func changeFiles(refs []host.FileRef) []dataFile {
	out := make([]dataFile, len(refs))
	for i, r := range refs {
		out[i] = dataFile{storedFile: &storedFile{name: r.Location, rows: r.Rows, bytes: r.Bytes}}
	}
	return out
}

// examples gives rows that repeat the values of another: of the run's own when these are enough, else the first in the
// table.
func (s *stage) examples(ctx context.Context, d *dupDelta, schema *arrow.Schema, limit int) ([]map[string]any, error) {
	limit = int(min(int64(limit), d.surplus))
	f := &finder{limit: limit, seen: map[key]bool{}, ids: map[string]uint32{}}
	err := s.eachChange(ctx, schema, func(p part, i int64, k key, n int32) error {
		if n < 0 || d.count(k) < 2 {
			return nil
		}
		return f.found(p, i, k, d.base.counts[k] > 0)
	})
	if err != nil && err != errStop {
		return nil, err
	}
	if len(f.spots) < limit {
		f = &finder{limit: limit, seen: map[key]bool{}, ids: map[string]uint32{}}
		err = s.t.each(ctx, s.next.files, schema, true, func(p part) error {
			return s.t.hash.rows(p.rec.Columns(), p.rec.NumRows(), func(i int64, k key, null bool) error {
				if null || p.file.dead.has(p.first+i) || d.count(k) < 2 {
					return nil
				}
				return f.found(p, i, k, false)
			})
		})
		if err != nil && err != errStop {
			return nil, err
		}
	}
	rows, err := s.t.fetch(ctx, func(id uint32) string { return f.names[id] }, s.to.arrow, f.spots)
	if err != nil {
		return nil, err
	}
	defer rows.Release()
	out := make([]map[string]any, rows.NumRows())
	for i := range out {
		out[i] = columnar.Row(rows, i)
	}
	return out, nil
}

// finder collects the spots of repeating rows.
type finder struct {
	limit int
	seen  map[key]bool
	spots []spot
	names []string
	ids   map[string]uint32
}

// found meets a row of whose values there are several. again says that another one came before the scan.
func (f *finder) found(p part, i int64, k key, again bool) error {
	if !again && !f.seen[k] {
		f.seen[k] = true
		return nil
	}
	id, known := f.ids[p.file.name]
	if !known {
		id = uint32(len(f.names))
		f.names, f.ids[p.file.name] = append(f.names, p.file.name), id
	}
	f.spots = append(f.spots, spot{id, uint32(p.first + i)})
	if len(f.spots) == f.limit {
		return errStop
	}
	return nil
}

// followDups makes the counted indexes those of the committed table; others would be out of date.
func (s *stage) followDups() {
	kept := map[string]*dupIndex{}
	for name, d := range s.dups {
		kept[name] = d.apply()
	}
	s.idx.dups = kept
}
