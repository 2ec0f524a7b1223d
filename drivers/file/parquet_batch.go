package file

import (
	"encoding/json"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// assemble makes a batch of whole columns, without the rows that one of them refuses.
func (s *parquetScan) assemble(parts []columnPart, n int64) (drivers.Batch, error) {
	b := drivers.Batch{Origin: s.origin, Line: s.read + 1}
	cols := make([]arrow.Array, len(parts))
	var bad []int
	why := map[int]fault{}
	for i, p := range parts {
		cols[i] = p.values
		f := s.schema.Field(i)
		for _, row := range p.bad {
			if why[row].text == "" {
				a, i := p.at(row)
				why[row] = fault{f.Name, notA([]byte(a.ValueStr(i)), typeName(f.Type))}
			}
		}
		bad = merge(bad, p.bad)
		if !f.Nullable {
			for _, row := range nullsOf(p.values) {
				if why[row].text == "" {
					why[row] = fault{f.Name, "is empty, but it is required"}
				}
			}
			bad = merge(bad, nullsOf(p.values))
		}
	}
	if len(bad) == 0 {
		b.Record = array.NewRecordBatch(s.schema, cols, n)
		return b, nil
	}
	for _, row := range bad {
		b.Rejected = append(b.Rejected, drivers.Rejected{Origin: s.origin, Line: s.read + int64(row) + 1,
			Column: why[row].column, Reason: why[row].text, Raw: s.raw(parts, row)})
	}
	kept, err := without(cols, bad, int(n))
	if err != nil {
		return b, err
	}
	b.Record = array.NewRecordBatch(s.schema, kept, n-int64(len(bad)))
	for _, a := range kept {
		a.Release()
	}
	b.Lines = make([]int64, 0, b.Record.NumRows())
	for row, i := 0, 0; row < int(n); row++ {
		if i < len(bad) && bad[i] == row {
			i++
			continue
		}
		b.Lines = append(b.Lines, s.read+int64(row)+1)
	}
	b.Line = 0
	if len(b.Lines) > 0 {
		b.Line = b.Lines[0]
	}
	return b, nil
}

// raw is the wanted part of a row as JSON.
func (s *parquetScan) raw(parts []columnPart, row int) string {
	values := make([]string, 0, len(parts))
	for i, p := range parts {
		a, at := p.at(row)
		if a == nil {
			continue
		}
		key, _ := json.Marshal(s.schema.Field(i).Name)
		value, err := json.Marshal(a.GetOneForMarshal(at))
		if err != nil {
			value, _ = json.Marshal(a.ValueStr(at))
		}
		values = append(values, string(key)+":"+string(value))
	}
	return rawText([]byte("{" + strings.Join(values, ",") + "}"))
}

// without copies columns but for the rows in drop.
func without(cols []arrow.Array, drop []int, n int) ([]arrow.Array, error) {
	var ranges [][2]int64
	from := 0
	for _, row := range append(append([]int{}, drop...), n) {
		if row > from {
			ranges = append(ranges, [2]int64{int64(from), int64(row)})
		}
		from = row + 1
	}
	out := make([]arrow.Array, len(cols))
	for i, c := range cols {
		if len(ranges) == 0 {
			out[i] = array.NewSlice(c, 0, 0)
			continue
		}
		pieces := make([]arrow.Array, len(ranges))
		for j, r := range ranges {
			pieces[j] = array.NewSlice(c, r[0], r[1])
		}
		whole, err := array.Concatenate(pieces, memory.DefaultAllocator)
		for _, p := range pieces {
			p.Release()
		}
		if err != nil {
			for _, done := range out[:i] {
				done.Release()
			}
			return nil, err
		}
		out[i] = whole
	}
	return out, nil
}
