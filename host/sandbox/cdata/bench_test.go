package cdata

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// wide is the batch of the figures: 64 columns of int64, float64, int64 and short text, 8192 rows, no nulls.
func wide() arrow.RecordBatch {
	types := []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64, arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String}
	fields := make([]arrow.Field, 64)
	for i := range fields {
		fields[i] = arrow.Field{Name: fmt.Sprintf("c%d", i), Type: types[i%4]}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range fields {
		for range 8192 {
			switch f := b.Field(i).(type) {
			case *array.Int64Builder:
				f.Append(rng.Int64())
			case *array.Float64Builder:
				f.Append(rng.Float64())
			case *array.StringBuilder:
				f.Append("abcdefghijkl"[:2+rng.IntN(10)])
			}
		}
	}
	return b.NewRecordBatch()
}

// BenchmarkWide compares a batch in and out with a copy of the same bytes between memories that exist already.
func BenchmarkWide(b *testing.B) {
	rec := wide()
	l := layout(b, rec.Schema())
	w, r := l.NewWriter(), l.NewReader()
	size, err := w.Plan(rec)
	if err != nil {
		b.Fatal(err)
	}
	mem := make([]byte, 64+size)
	w.Write(mem, 64)
	b.Run("memcpy", func(b *testing.B) {
		to := make([]byte, size)
		b.SetBytes(size)
		for b.Loop() {
			copy(to, mem[64:])
		}
	})
	b.Run("clone", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			_ = bytes.Clone(mem[64:])
		}
	})
	b.Run("in", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := w.Plan(rec); err != nil {
				b.Fatal(err)
			}
			w.Write(mem, 64)
		}
	})
	b.Run("out", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Measure(mem, 64); err != nil {
				b.Fatal(err)
			}
			got, err := r.Take()
			if err != nil {
				b.Fatal(err)
			}
			got.Release()
		}
	})
}
