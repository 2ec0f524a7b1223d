package clause

import (
	"fmt"
	"math"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
)

// batch is what one call of adp_process gets.
type batch struct {
	input int
	rows  []abitest.Row
}

// sizes are those of batches: around the bytes of bitmaps, one, many, and small again in an arena that has become large.
var sizes = []int{1, 7, 8, 9, 64, 65, 1, 700, 3}

// feed is what a module is run with: snapshot inputs first, each in several batches.
func feed(s Subject) []batch {
	var out []batch
	for _, mode := range []uint32{abi.ModeSnapshot, abi.ModeIncremental} {
		for i, port := range s.Spec.Inputs {
			if port.Mode == mode {
				out = append(out, s.portion(i, s.Rows[port.Name])...)
			}
		}
	}
	return out
}

// portion cuts an input's rows into batches, or makes some up.
func (s *Subject) portion(input int, rows []abitest.Row) []batch {
	var out []batch
	if len(rows) == 0 {
		for i, n := range sizes {
			out = append(out, batch{input, s.made(input, n, []float64{0.3, 0, 1}[i%3], uint64(16*input+i))})
		}
		return out
	}
	for at, i := 0, 0; i < len(sizes) || at < len(rows); i++ {
		b := batch{input: input}
		for range sizes[i%len(sizes)] {
			b.rows = append(b.rows, rows[at%len(rows)]) // few rows come again and again
			at++
		}
		out = append(out, b)
	}
	return out
}

// made are rows that are made up for an input, null as often as density says.
func (s *Subject) made(input, n int, density float64, seed uint64) []abitest.Row {
	fields := s.Spec.Inputs[input].Fields
	rows := abitest.RandomRows(fields, n, density, seed)
	for at, r := range rows {
		tame(r)
		if s.usual {
			soften(r, at)
		}
		fit(r, s.ports.inputs[input])
		change(r, fields, at)
	}
	return rows
}

// gentle is the subject with rows that hardly any product refuses.
func (s Subject) gentle() Subject {
	s.usual = true
	return s
}

// soften makes the values of a row small, positive and not empty.
func soften(r []any, at int) {
	for i, v := range r {
		switch v := v.(type) {
		case int32:
			r[i] = v & 1023
		case int64:
			r[i] = v & 1023
		case string:
			r[i] = fmt.Sprint("text ", at%97)
		case []any:
			soften(v, at)
		}
	}
}

// tame makes the floats of a row such that their sums tell rows apart: what is not a number, or far larger than the others, would
// swallow them.
func tame(row []any) {
	for i, v := range row {
		switch v := v.(type) {
		case float64:
			if math.IsNaN(v) || math.Abs(v) > 1e6 {
				row[i] = float64(i)
			}
		case float32:
			if v != v || v > 1e6 || v < -1e6 {
				row[i] = float32(i)
			}
		case []any:
			tame(v)
		}
	}
}

// operations are those of a change feed, an update as the two rows that it is.
var operations = []string{abi.OpInsert, abi.OpUpdateBefore, abi.OpUpdateAfter, abi.OpDelete}

// change makes a row of a change feed one.
func change(r abitest.Row, fields []abitest.Field, at int) {
	for i, f := range fields {
		switch f.Name {
		case abi.ColumnOp:
			r[i] = operations[at%len(operations)]
		case abi.ColumnSeq:
			r[i] = int64(1)
		}
	}
}
