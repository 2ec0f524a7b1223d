package file

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
)

// The benchmarks read flights: a timestamp, two numbers and two short texts a row. Beside each stands the same work in
// plain Go: `go test -run - -bench . ./drivers/file` prints them one under the other.

var flights = arrow.NewSchema([]arrow.Field{
	{Name: "date", Type: zoneless},
	{Name: "delay", Type: arrow.PrimitiveTypes.Int64},
	{Name: "distance", Type: arrow.PrimitiveTypes.Int64},
	{Name: "origin", Type: arrow.BinaryTypes.String},
	{Name: "destination", Type: arrow.BinaryTypes.String},
}, nil)

func flightRows(rows int) arrow.RecordBatch {
	rng := rand.New(rand.NewPCG(1, 2))
	b := array.NewRecordBuilder(memory.DefaultAllocator, flights)
	defer b.Release()
	code := func() string {
		return string([]byte{'A' + byte(rng.IntN(8)), 'A' + byte(rng.IntN(6)), 'A' + byte(rng.IntN(6))})
	}
	for i := range rows {
		b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(978_307_200_000_000 + int64(i)*60_000_000))
		b.Field(1).(*array.Int64Builder).Append(rng.Int64N(200) - 30)
		b.Field(2).(*array.Int64Builder).Append(rng.Int64N(2500))
		b.Field(3).(*array.StringBuilder).Append(code())
		b.Field(4).(*array.StringBuilder).Append(code())
	}
	return b.NewRecordBatch()
}

func bench(b *testing.B, d *Driver, path string, rows int) {
	b.Helper()
	for b.Loop() {
		got, err := drainDriver(d, path)
		if err != nil || got != int64(rows) {
			b.Fatal(got, err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func drainDriver(d *Driver, path string) (rows int64, err error) {
	ctx := context.Background()
	r, err := d.Open(ctx, drivers.Request{URI: "file:" + path, Mode: drivers.Snapshot, Schema: flights})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		batch, err := r.Next(ctx)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += batch.Record.NumRows()
		batch.Record.Release()
	}
}

func BenchmarkParquet(b *testing.B) {
	const rows = 1_000_000
	rec := flightRows(rows)
	path := filepath.Join(b.TempDir(), "flights.parquet")
	write(b, path, asParquet(b, rec, 250_000))
	rec.Release()
	benchParquet(b, path, rows)
}

func benchParquet(b *testing.B, path string, rows int) {
	b.Run("driver", func(b *testing.B) { bench(b, newDriver(b), path, rows) })
	b.Run("plain", func(b *testing.B) { // parallel columns, read ahead: the best that pqarrow offers
		for b.Loop() {
			got, err := plainParquet(path)
			if err != nil || got != int64(rows) {
				b.Fatal(got, err)
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
	})
}

func plainParquet(path string) (rows int64, err error) {
	f, err := pqfile.OpenParquetFile(path, false)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{Parallel: true, BatchSize: parquetRows}, memory.DefaultAllocator)
	if err != nil {
		return 0, err
	}
	rr, err := r.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return 0, err
	}
	defer rr.Release()
	ch := make(chan arrow.RecordBatch, ahead)
	go func() {
		defer close(ch)
		for rr.Next() {
			rec := rr.RecordBatch()
			rec.Retain()
			ch <- rec
		}
	}()
	for rec := range ch {
		rows += rec.NumRows()
		rec.Release()
	}
	return rows, rr.Err()
}

func flightsCSV(rows int) []byte {
	rec := flightRows(rows)
	defer rec.Release()
	var out bytes.Buffer
	out.WriteString("date,delay,distance,origin,destination\n")
	for i := range rows {
		fmt.Fprintf(&out, "%s,%s,%s,%s,%s\n", rec.Column(0).ValueStr(i), rec.Column(1).ValueStr(i), rec.Column(2).ValueStr(i), rec.Column(3).ValueStr(i), rec.Column(4).ValueStr(i))
	}
	return out.Bytes()
}

func BenchmarkCSV(b *testing.B) {
	const rows = 300_000
	text := flightsCSV(rows)
	path := filepath.Join(b.TempDir(), "flights.csv")
	write(b, path, text)
	b.Run("driver", func(b *testing.B) { b.SetBytes(int64(len(text))); bench(b, newDriver(b), path, rows) })
	b.Run("split", func(b *testing.B) { // rows alone
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			c := rfc
			c.in = newInput(bytes.NewReader(text), int64(len(text)))
			for n := 0; ; n++ {
				if _, err := c.next(); err == io.EOF {
					break
				}
			}
		}
	})
	b.Run("encoding/csv split", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			r := csv.NewReader(bytes.NewReader(text))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err == io.EOF {
					break
				}
			}
		}
	})
	b.Run("plain", func(b *testing.B) { // encoding/csv, strconv and Arrow builders
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if err := plainCSV(path, rows); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
	})
}

func plainCSV(path string, rows int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	if _, err := r.Read(); err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, flights)
	defer b.Release()
	for n := 1; ; n++ {
		row, err := r.Read()
		if err == io.EOF {
			if n-1 != rows {
				return fmt.Errorf("%d rows", n-1)
			}
			b.NewRecordBatch().Release()
			return nil
		}
		if err != nil {
			return err
		}
		ts, err1 := arrow.TimestampFromString(row[0], arrow.Microsecond)
		delay, err2 := strconv.ParseInt(row[1], 10, 64)
		distance, err3 := strconv.ParseInt(row[2], 10, 64)
		if err1 != nil || err2 != nil || err3 != nil {
			return fmt.Errorf("row %d", n)
		}
		b.Field(0).(*array.TimestampBuilder).Append(ts)
		b.Field(1).(*array.Int64Builder).Append(delay)
		b.Field(2).(*array.Int64Builder).Append(distance)
		b.Field(3).(*array.StringBuilder).Append(row[3])
		b.Field(4).(*array.StringBuilder).Append(row[4])
		if n%batchRows == 0 {
			b.NewRecordBatch().Release()
		}
	}
}

func BenchmarkNDJSON(b *testing.B) {
	const rows = 200_000
	rec := flightRows(rows)
	var out bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&out, `{"date":%q,"delay":%s,"distance":%s,"origin":%q,"destination":%q}`+"\n", rec.Column(0).ValueStr(i), rec.Column(1).ValueStr(i),
			rec.Column(2).ValueStr(i), rec.Column(3).ValueStr(i), rec.Column(4).ValueStr(i))
	}
	rec.Release()
	path := filepath.Join(b.TempDir(), "flights.ndjson")
	write(b, path, out.Bytes())
	b.Run("driver", func(b *testing.B) { b.SetBytes(int64(out.Len())); bench(b, newDriver(b), path, rows) })
	b.Run("plain", func(b *testing.B) { // Arrow's own JSON reader
		b.SetBytes(int64(out.Len()))
		for b.Loop() {
			r := array.NewJSONReader(bytes.NewReader(out.Bytes()), flights, array.WithChunk(batchRows))
			n := int64(0)
			for r.Next() {
				n += r.RecordBatch().NumRows()
			}
			r.Release()
			if n != rows || r.Err() != nil {
				b.Fatal(n, r.Err())
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
	})
}
