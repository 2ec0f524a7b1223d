package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// plainJob is the flights job as somebody would write it who wants it fast and needs nothing else: columns decoded in parallel,
// reading, computing and writing at the same time, raw slices, no dictionaries on the way out, one fsync of the file and one
// of its folder.
func plainJob(ctx context.Context, in, out string) (*jobResult, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read, computed := make(chan arrow.RecordBatch, 2), make(chan arrow.RecordBatch, 2)
	failed := make(chan error, 2)
	go func() {
		defer close(read)
		failed <- plainRead(ctx, in, read)
	}()
	j := &plainCompute{mem: memory.DefaultAllocator, sums: make([]originSum, 1<<15)}
	go func() {
		defer close(computed)
		for rec := range read {
			computed <- j.batch(rec)
			rec.Release()
		}
	}()
	go func() { failed <- plainWrite(out, computed) }()
	err := <-failed
	if err != nil {
		cancel()
	}
	if err = errors.Join(err, <-failed); err != nil {
		return nil, err
	}
	return j.result(), nil
}

// plainRead decodes with one goroutine a column, each up to two batches ahead of the slowest.
func plainRead(ctx context.Context, name string, to chan<- arrow.RecordBatch) error {
	f, err := file.OpenParquetFile(name, false)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	schema, err := r.Schema()
	if err != nil {
		return err
	}
	columns := make([]<-chan columnPart, schema.NumFields())
	for i := range columns {
		c, err := r.GetColumn(ctx, i)
		if err != nil {
			return err
		}
		columns[i] = plainColumn(ctx, c, f.NumRows())
	}
	for left := f.NumRows(); left > 0; {
		arrays := make([]arrow.Array, len(columns))
		for i, c := range columns {
			part := <-c
			if part.err != nil {
				return part.err
			}
			arrays[i] = part.values
		}
		rec := array.NewRecordBatch(schema, arrays, int64(arrays[0].Len()))
		left -= rec.NumRows()
		select {
		case to <- rec:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// columnPart is the values of one column for one batch.
type columnPart struct {
	values arrow.Array
	err    error
}

// plainColumn decodes a column of so many rows, or until ctx ends.
func plainColumn(ctx context.Context, c *pqarrow.ColumnReader, rows int64) <-chan columnPart {
	out := make(chan columnPart, 2)
	next := func() (p columnPart) {
		chunks, err := c.NextBatch(64 << 10)
		switch {
		case err != nil:
			p.err = err
		case len(chunks.Chunks()) == 1:
			p.values = chunks.Chunk(0)
		default:
			p.values, p.err = array.Concatenate(chunks.Chunks(), memory.DefaultAllocator)
		}
		return p
	}
	go func() {
		for rows > 0 {
			p := next()
			select {
			case out <- p:
			case <-ctx.Done():
				return
			}
			if p.err != nil {
				return
			}
			rows -= int64(p.values.Len())
		}
	}()
	return out
}

var plainSchema = arrow.NewSchema([]arrow.Field{
	{Name: "date", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
	{Name: "delay", Type: arrow.PrimitiveTypes.Int64},
	{Name: "distance", Type: arrow.PrimitiveTypes.Int64},
	{Name: "origin", Type: arrow.BinaryTypes.String},
	{Name: "destination", Type: arrow.BinaryTypes.String},
	{Name: "severity", Type: arrow.PrimitiveTypes.Float64},
	{Name: "bucket", Type: arrow.PrimitiveTypes.Int32},
}, nil)

// plainWrite takes everything, even after a failure: nobody waits for it in vain.
func plainWrite(name string, from <-chan arrow.RecordBatch) (err error) {
	defer func() {
		for rec := range from {
			rec.Release()
		}
	}()
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	props := parquet.NewWriterProperties(parquet.WithDictionaryDefault(false), parquet.WithCompression(compress.Codecs.Snappy), parquet.WithStats(true))
	w, err := pqarrow.NewFileWriter(plainSchema, &keepOpen{f}, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return errors.Join(err, f.Close())
	}
	for rec := range from {
		err = w.WriteBuffered(rec)
		rec.Release()
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(w.Close(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

// keepOpen hides Close from the Parquet writer, so that the file can be synced after it.
type keepOpen struct{ f *os.File }

func (k *keepOpen) Write(p []byte) (int, error) { return k.f.Write(p) }

// plainCompute is the guest's work: flights/src/lib.rs.
type plainCompute struct {
	mem  memory.Allocator
	sums []originSum // by slot
	late int64
}

func (j *plainCompute) batch(rec arrow.RecordBatch) arrow.RecordBatch {
	date := rec.Column(0).(*array.Timestamp).TimestampValues()
	delay, distance := rec.Column(1).(*array.Int64).Int64Values(), rec.Column(2).(*array.Int64).Int64Values()
	origin, destination := texts(rec.Column(3)), texts(rec.Column(4))
	picked := make([]int32, 0, len(delay))
	severity := make([]float64, 0, len(delay))
	for i, d := range delay {
		if d <= 15 {
			continue
		}
		s := float64(d) / float64(max(distance[i], 1))
		picked = append(picked, int32(i))
		severity = append(severity, s)
		sum := &j.sums[slot(origin.at(i))]
		sum.flights++
		sum.delay += d
		sum.severity += s
	}
	n := len(picked)
	j.late += int64(n)
	dates, delays, distances, buckets := make([]arrow.Timestamp, n), make([]int64, n), make([]int64, n), make([]int32, n)
	for to, i := range picked {
		dates[to], delays[to], distances[to], buckets[to] = date[i], delay[i], distance[i], bucket(severity[to])
	}
	columns := []arrow.Array{
		fixed(plainSchema.Field(0).Type, n, arrow.TimestampTraits.CastToBytes(dates)),
		fixed(plainSchema.Field(1).Type, n, arrow.Int64Traits.CastToBytes(delays)),
		fixed(plainSchema.Field(2).Type, n, arrow.Int64Traits.CastToBytes(distances)),
		origin.pick(picked), destination.pick(picked),
		fixed(plainSchema.Field(5).Type, n, arrow.Float64Traits.CastToBytes(severity)),
		fixed(plainSchema.Field(6).Type, n, arrow.Int32Traits.CastToBytes(buckets)),
	}
	return array.NewRecordBatch(plainSchema, columns, int64(n))
}

func (j *plainCompute) result() *jobResult {
	r := &jobResult{late: j.late, origins: map[string]originSum{}}
	for i, s := range j.sums {
		if s.flights > 0 {
			r.origins[string([]byte{'@' + byte(i>>10&31), '@' + byte(i>>5&31), '@' + byte(i&31)})] = s
		}
	}
	return r
}

// slot is the place of an airport: its code is three capital letters, five bits each.
func slot(code []byte) int { return int(code[0]&31)<<10 | int(code[1]&31)<<5 | int(code[2]&31) }

// bucket is how bad a delay is, 0 to 5, by minutes a mile.
func bucket(severity float64) int32 {
	n := int32(0)
	for _, limit := range [...]float64{0.05, 0.1, 0.25, 0.5, 1} {
		if severity >= limit {
			n++
		}
	}
	return n
}

// textColumn is a column of text as memory has it. The file says that its text is large, which costs the product's reader a
// cast that this job does without.
type textColumn struct {
	offsets []int64
	bytes   []byte // from where the first offset points
}

func texts(a arrow.Array) textColumn {
	s := a.(*array.LargeString)
	return textColumn{s.ValueOffsets(), s.ValueBytes()}
}

func (t textColumn) at(i int) []byte {
	first := t.offsets[0]
	return t.bytes[t.offsets[i]-first : t.offsets[i+1]-first]
}

func (t textColumn) pick(rows []int32) arrow.Array {
	offsets := make([]int32, 1, len(rows)+1)
	bytes := make([]byte, 0, 3*len(rows))
	for _, i := range rows {
		bytes = append(bytes, t.at(int(i))...)
		offsets = append(offsets, int32(len(bytes)))
	}
	return fixed(arrow.BinaryTypes.String, len(rows), arrow.Int32Traits.CastToBytes(offsets), bytes)
}

// fixed makes an array without nulls of its buffers.
func fixed(t arrow.DataType, n int, buffers ...[]byte) arrow.Array {
	bs := []*memory.Buffer{nil}
	for _, b := range buffers {
		bs = append(bs, memory.NewBufferBytes(b))
	}
	d := array.NewData(t, n, bs, nil, 0, 0)
	defer d.Release()
	return array.MakeFromData(d)
}
