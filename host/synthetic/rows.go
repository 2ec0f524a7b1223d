// Package synthetic makes rows up that a contract allows, with a liking for values that programs get wrong: nulls, empty
// and odd texts, the ends of ranges, leap days.
//
// What it makes depends on its source of randomness alone, so that whoever found something can find it again.
package synthetic

import (
	"math/rand/v2"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/quality"
)

// tries is how many rows are made for each that is wanted, before fewer have to do.
const tries = 50

// Source makes rows of a port. It is used by one goroutine.
type Source struct {
	schema  *arrow.Schema
	columns []column
	checker *quality.Checker
	unique  [][]int // columns whose values, together, no two rows share
}

// column is how the values of one column are made.
type column struct {
	field host.Field
	hints []host.Rule // that name the column
}

// New prepares rows of these columns that break none of the rules, whatever a rule would do about it. Rules that count
// rows, and those that allow some to be broken, are kept as if they allowed none.
func New(s host.Schema, rules []host.Rule) (*Source, error) {
	schema, err := columnar.Schema(s)
	if err != nil {
		return nil, err
	}
	out := &Source{schema: schema}
	var judged []host.Rule
	for _, f := range s.Fields {
		out.columns = append(out.columns, column{field: f})
	}
	for _, r := range rules {
		switch {
		case r.Skip != "" || r.Kind == host.RowCount:
		case r.Kind == host.DuplicateValues:
			var key []int
			for _, c := range r.Columns {
				if i := s.Index(c); i >= 0 {
					key = append(key, i)
				}
			}
			out.unique = append(out.unique, key)
		default:
			if i := s.Index(r.Columns[0]); i >= 0 {
				out.columns[i].hints = append(out.columns[i].hints, r)
			}
			r.OnViolation = host.Quarantine // set aside, and not used
			judged = append(judged, r)
		}
	}
	out.checker, err = quality.Compile("synthetic", judged, schema)
	return out, err
}

// Rows makes n rows, or fewer where the rules leave too little to choose from. The caller releases them.
func (s *Source) Rows(r *rand.Rand, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.schema)
	defer b.Release()
	seen := make([]map[string]bool, len(s.unique))
	for i := range seen {
		seen[i] = map[string]bool{}
	}
	one := array.NewRecordBuilder(memory.DefaultAllocator, s.schema)
	defer one.Release()
	var rows []arrow.RecordBatch
	defer func() {
		for _, row := range rows {
			row.Release()
		}
	}()
	for try := 0; len(rows) < n && try < n*tries; try++ {
		for i, c := range s.columns {
			c.append(r, one.Field(i))
		}
		row := one.NewRecordBatch()
		keep, _ := s.checker.Batch(row)
		row.Release()
		if keep.NumRows() == 0 || !s.fresh(keep, seen) {
			keep.Release()
			continue
		}
		rows = append(rows, keep)
	}
	return together(s.schema, rows)
}

// fresh reports whether a row shares no unique value with an earlier one, and remembers its own.
func (s *Source) fresh(row arrow.RecordBatch, seen []map[string]bool) bool {
	keys := make([]string, len(s.unique))
	for i, columns := range s.unique {
		cols := make([]arrow.Array, len(columns))
		for k, c := range columns {
			cols[k] = row.Column(c)
		}
		key, null := columnar.AppendKey(nil, cols, 0)
		if null {
			continue // nulls are no duplicates of one another
		}
		if keys[i] = string(key); seen[i][keys[i]] {
			return false
		}
	}
	for i, key := range keys {
		seen[i][key] = true
	}
	return true
}

// together is one batch of single rows.
func together(schema *arrow.Schema, rows []arrow.RecordBatch) arrow.RecordBatch {
	cols := make([]arrow.Array, schema.NumFields())
	for i := range cols {
		var parts []arrow.Array
		for _, row := range rows {
			parts = append(parts, row.Column(i))
		}
		if len(parts) == 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, schema.Field(i).Type, 0)
		} else if all, err := array.Concatenate(parts, memory.DefaultAllocator); err == nil {
			cols[i] = all
		} else {
			panic(err) // of one type each
		}
		defer cols[i].Release()
	}
	return array.NewRecordBatch(schema, cols, int64(len(rows)))
}
