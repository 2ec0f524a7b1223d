package clause

import (
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
				out = append(out, portion(i, port, s.ports.inputs[i], s.Rows[port.Name])...)
			}
		}
	}
	return out
}

// portion cuts an input's rows into batches, or makes some up.
func portion(input int, port abitest.Port, c crossing, rows []abitest.Row) []batch {
	var out []batch
	if len(rows) == 0 {
		for i, n := range sizes {
			rows := abitest.RandomRows(port.Fields, n, []float64{0.3, 0, 1}[i%3], uint64(16*input+i))
			for _, r := range rows {
				tame(r)
				fit(r, c)
			}
			out = append(out, batch{input, rows})
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
