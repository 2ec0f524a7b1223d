package table

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// flights is a table of eight columns of the usual kinds.
var flights = host.Schema{Fields: []host.Field{
	{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
	{Name: "day", Type: host.Type{Kind: host.Date}},
	{Name: "delay", Type: host.Type{Kind: host.Int32}},
	{Name: "distance", Type: host.Type{Kind: host.Float64}},
	{Name: "origin", Type: host.Type{Kind: host.String}},
	{Name: "note", Type: host.Type{Kind: host.String}},
	{Name: "at", Type: host.Type{Kind: host.TimestampTZ}},
	{Name: "fee", Type: host.Type{Kind: host.Decimal, Precision: 12, Scale: 2}},
}}

// flightRows makes rows with the ids from lo on, rising by step.
func flightRows(o *host.Output, lo, step, n int) arrow.RecordBatch {
	s, err := columnar.Emitted(o)
	if err != nil {
		panic(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := range n {
		id := lo + i*step
		b.Field(0).(*array.Int64Builder).Append(int64(id))
		b.Field(1).(*array.Date32Builder).Append(arrow.Date32(10000 + id%365))
		b.Field(2).(*array.Int32Builder).Append(int32(id%240 - 20))
		b.Field(3).(*array.Float64Builder).Append(float64(id%3000) * 1.5)
		b.Field(4).(*array.StringBuilder).Append([]string{"SFO", "JFK", "AMS", "ZRH"}[id%4])
		b.Field(5).(*array.StringBuilder).Append(fmt.Sprint("note ", id))
		b.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(1_700_000_000_000_000 + id*1_000_000))
		b.Field(7).(*array.Decimal128Builder).AppendValueFromString(fmt.Sprintf("%d.25", id%1000))
		if len(s.Fields()) > 8 {
			b.Field(8).AppendNull()
		}
	}
	return b.NewRecordBatch()
}

var benchProduct = host.ProductID{Tenant: "local", Domain: "d", Name: "p"}

// commitRows stages rows and commits them.
func commitRows(t testing.TB, tables *Tables, o *host.Output, prev *host.OutputRef, seq host.Seq, recs ...arrow.RecordBatch) Staged {
	t.Helper()
	st, err := tables.Begin(t.Context(), StageSpec{Product: benchProduct, Output: o, Prev: prev, Seq: seq, Run: "r",
		Dir: fmt.Sprintf("products/local/d/p/e1/s%d/u", seq)})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := st.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	s, err := st.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st.Committed()
	return s
}

// cpu reports the processor time of all threads, which a busy machine does not distort as it does the clock.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64((used()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op") }
}

// BenchmarkSmallCommit stages ten rows, not synced: the CPU of a commit, and the files it leaves to sync.
func BenchmarkSmallCommit(b *testing.B) {
	for _, c := range []struct {
		name  string
		mode  host.OutputMode
		table int // rows before
	}{{"append", host.Append, 10}, {"upsert-small", host.Upsert, 1000}, {"upsert-large", host.Upsert, 300_000}, {"replace", host.Replace, 10}} {
		b.Run(c.name, func(b *testing.B) {
			store := newMemStore()
			tables := New(store, Options{})
			o := &host.Output{Name: "flights", Mode: c.mode, Schema: flights}
			if c.mode == host.Upsert {
				o.Key = []string{"id"}
			}
			s := commitRows(b, tables, o, nil, 1, flightRows(o, 0, 1, c.table))
			ref, files := s.Ref, 0
			recs := make([]arrow.RecordBatch, 64)
			for i := range recs {
				recs[i] = flightRows(o, i*17+3, 7, 10)
			}
			b.ReportAllocs()
			b.ResetTimer()
			stop := cpu(b)
			for i := range b.N {
				rec := recs[i%len(recs)]
				if c.mode == host.Upsert { // other values for old keys
					rec = shifted(rec, int64(i))
				}
				s := commitRows(b, tables, o, &ref, host.Seq(i+2), rec)
				ref, files = s.Ref, files+len(s.Files)
			}
			stop()
			b.ReportMetric(float64(files)/float64(b.N), "files/op")
		})
	}
}

// shifted changes the delays.
func shifted(rec arrow.RecordBatch, by int64) arrow.RecordBatch {
	d := array.NewInt32Builder(memory.DefaultAllocator)
	for i := range int(rec.NumRows()) {
		d.Append(int32(by*1000 + int64(i)))
	}
	cols := append([]arrow.Array{}, rec.Columns()...)
	cols[2] = d.NewArray()
	return array.NewRecordBatch(rec.Schema(), cols, rec.NumRows())
}

// BenchmarkWrite is the throughput of a large append.
func BenchmarkWrite(b *testing.B) {
	const rows, batches = 64 << 10, 16
	o := &host.Output{Name: "flights", Mode: host.Append, Schema: flights}
	var recs []arrow.RecordBatch
	for i := range batches {
		recs = append(recs, flightRows(o, i*rows, 1, rows))
	}
	store := newMemStore()
	tables := New(store, Options{})
	b.ResetTimer()
	stop := cpu(b)
	var bytes int64
	for i := range b.N {
		s := commitRows(b, tables, o, nil, host.Seq(i+1), recs...)
		bytes = s.Ref.Changes[0].Bytes
	}
	stop()
	b.ReportMetric(float64(b.N)*rows*batches/b.Elapsed().Seconds()/1e6, "Mrows/s")
	b.ReportMetric(float64(bytes)/(rows*batches), "bytes/row")
}

// BenchmarkWritePlain is what BenchmarkWrite is compared with: the same rows through pqarrow alone, tuned as well as it
// goes, into nothing.
func BenchmarkWritePlain(b *testing.B) {
	const rows, batches = 64 << 10, 16
	o := &host.Output{Name: "flights", Mode: host.Append, Schema: flights}
	var recs []arrow.RecordBatch
	for i := range batches {
		recs = append(recs, flightRows(o, i*rows, 1, rows))
	}
	b.ResetTimer()
	stop := cpu(b)
	for range b.N {
		w, err := pqarrow.NewFileWriter(recs[0].Schema(), io.Discard, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy),
			parquet.WithDictionaryDefault(false)), pqarrow.DefaultWriterProps())
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range recs {
			if err := w.Write(r); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	stop()
	b.ReportMetric(float64(b.N)*rows*batches/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

// BenchmarkUpsertMany replaces a tenth of a million rows.
func BenchmarkUpsertMany(b *testing.B) {
	o := &host.Output{Name: "flights", Mode: host.Upsert, Key: []string{"id"}, Schema: flights}
	store := newMemStore()
	tables := New(store, Options{})
	first := flightRows(o, 0, 1, 1_000_000)
	rec := flightRows(o, 0, 10, 100_000)
	ref := commitRows(b, tables, o, nil, 1, first).Ref
	b.ResetTimer()
	stop := cpu(b)
	for i := range b.N {
		ref = commitRows(b, tables, o, &ref, host.Seq(i+2), shifted(rec, int64(i+1))).Ref
	}
	stop()
}

// BenchmarkScan is the throughput of reading a table.
func BenchmarkScan(b *testing.B) {
	o := &host.Output{Name: "flights", Mode: host.Append, Schema: flights}
	tables := New(newMemStore(), Options{})
	ref := commitRows(b, tables, o, nil, 1, flightRows(o, 0, 1, 1_000_000)).Ref
	b.ResetTimer()
	stop := cpu(b)
	for range b.N {
		r, err := tables.Scan(b.Context(), ref, flights, ScanOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for {
			rec, err := r.Next(b.Context())
			if err != nil {
				break
			}
			rec.Release()
		}
		r.Close()
	}
	stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "Mrows/s")
}
