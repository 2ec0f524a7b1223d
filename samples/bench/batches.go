package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host/sandbox/cdata"
)

// batches measures a batch on its way into a guest's memory and out of it, copied and validated, against memcpy of the same
// bytes: into memory that is there, and into memory that is allocated for it, as the one that the host keeps has to be.
func (b *bench) batches(_ context.Context) error {
	plain := []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String}
	every := []arrow.DataType{arrow.PrimitiveTypes.Int16, &arrow.Decimal128Type{Precision: 18, Scale: 2}, arrow.BinaryTypes.LargeString,
		&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
		arrow.ListOf(arrow.PrimitiveTypes.Int64), arrow.FixedWidthTypes.Boolean, arrow.FixedSizeListOf(3, arrow.PrimitiveTypes.Float32)}
	for _, c := range []struct {
		name    string
		types   []arrow.DataType
		nulls   int // one value in so many; 0: none
		in, out float64
	}{{"batch", plain, 0, 1.2, 1.8}, {"batch-mixed", every, 10, 0, 0}} {
		if err := b.batch(c.name, wideBatch(c.types, c.nulls), c.in, c.out); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) batch(name string, rec arrow.RecordBatch, aimIn, aimOut float64) error {
	defer rec.Release()
	l, err := cdata.NewLayout(rec.Schema())
	if err != nil {
		return err
	}
	w, r := l.NewWriter(), l.NewReader()
	size, err := w.Plan(rec)
	if err != nil {
		return err
	}
	guest, there := make([]byte, 64+size), make([]byte, size)
	w.Write(guest, 64)
	jobs := []func() error{
		func() error { copy(there, guest[64:]); return nil },
		func() error { kept = fresh(guest[64:]); return nil },
		func() error {
			if _, err := w.Plan(rec); err != nil {
				return err
			}
			w.Write(guest, 64)
			return nil
		},
		func() error {
			if _, err := r.Measure(guest, 64); err != nil {
				return err
			}
			got, err := r.Take()
			if err == nil {
				got.Release()
			}
			return err
		},
	}
	var peers []func() (time.Duration, error)
	for _, job := range jobs {
		peers = append(peers, func() (time.Duration, error) { return timed(job) })
	}
	took, err := inTurn(b.rounds(2000), peers...)
	if err != nil {
		return err
	}
	b.talk("  %s: memcpy %.0f µs (median %.0f), into its own %.0f (%.0f), in %.0f (%.0f), out %.0f (%.0f)", name, best(took[0])/1e3, µs(took[0]),
		best(took[1])/1e3, µs(took[1]), best(took[2])/1e3, µs(took[2]), best(took[3])/1e3, µs(took[3]))
	ratio := func(a, b int) float64 { return best(took[a]) / best(took[b]) }
	of := fmt.Sprintf("of %.1f MB, %d columns", float64(size)/1e6, rec.NumCols())
	b.print(figure{name: name + "-in", value: ratio(2, 0), unit: "times", against: "memcpy " + of, atMost: aimIn})
	b.print(figure{name: name + "-out", value: ratio(3, 0), unit: "times", against: "memcpy " + of, atMost: aimOut})
	b.print(figure{name: name + "-out-own", value: ratio(3, 1), unit: "times", against: "memcpy into memory of its own", atMost: aimOut})
	return nil
}

func µs(ds []time.Duration) float64 { return float64(median(ds)) / 1e3 }

// kept keeps what is measured from being left out.
var kept []byte

// fresh is a copy in memory of its own, which is not zeroed first.
func fresh(b []byte) []byte { return append([]byte(nil), b...) }

// wideBatch is 64 columns of 8,192 rows, their types in turn.
func wideBatch(types []arrow.DataType, nulls int) arrow.RecordBatch {
	const columns, rows = 64, 8192
	fields := make([]arrow.Field, columns)
	for i := range fields {
		fields[i] = arrow.Field{Name: fmt.Sprintf("c%d", i), Type: types[i%len(types)], Nullable: true}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range fields {
		for range rows {
			if nulls > 0 && rng.IntN(nulls) == 0 {
				b.Field(i).AppendNull()
			} else {
				appendValue(b.Field(i), rng)
			}
		}
	}
	return b.NewRecordBatch()
}

func appendValue(b array.Builder, rng *rand.Rand) {
	word := "abcdefghijkl"[:2+rng.IntN(10)]
	switch b := b.(type) {
	case *array.Float64Builder:
		b.Append(rng.Float64())
	case *array.Int64Builder:
		b.Append(rng.Int64())
	case *array.StringBuilder:
		b.Append(word)
	case *array.LargeStringBuilder:
		b.Append(strings.Repeat(word, 2))
	case *array.BinaryDictionaryBuilder:
		_ = b.AppendString(word)
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			appendValue(b.ValueBuilder(), rng)
		}
	case *array.FixedSizeListBuilder:
		b.Append(true)
		for range 3 {
			b.ValueBuilder().AppendEmptyValue()
		}
	default:
		b.AppendEmptyValue()
	}
}
