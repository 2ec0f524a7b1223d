package quality

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// span is a run of rows, from up to but without to.
type span struct{ from, to int }

// spans are the rows of n that are not dropped, in runs.
func (m mask) spans(n int) (out []span, rows int) {
	at := 0
	m.rows(func(row int) bool {
		if row > at {
			out = append(out, span{at, row})
			rows += row - at
		}
		at = row + 1
		return true
	})
	if at < n {
		out = append(out, span{at, n})
		rows += n - at
	}
	return out, rows
}

// without copies the rows of a batch that are not dropped.
func without(rec arrow.RecordBatch, drop mask) arrow.RecordBatch {
	keep, rows := drop.spans(int(rec.NumRows()))
	cols := make([]arrow.Array, rec.NumCols())
	for j := range cols {
		data := gather(rec.Column(j).Data(), keep, rows)
		cols[j] = array.MakeFromData(data)
		data.Release()
	}
	out := array.NewRecordBatch(rec.Schema(), cols, int64(rows))
	for _, c := range cols {
		c.Release()
	}
	return out
}

// gather copies runs of an array of a type of the type table. Types outside of it cannot get here: the schema of a port
// is made of nothing else.
func gather(in arrow.ArrayData, keep []span, rows int) arrow.ArrayData {
	buffers := []*memory.Buffer{gatherBits(in.Buffers()[0], in.Offset(), keep, rows)}
	var children []arrow.ArrayData
	switch t := in.DataType().(type) {
	case *arrow.BooleanType:
		buffers = append(buffers, gatherBits(in.Buffers()[1], in.Offset(), keep, rows))
	case arrow.FixedWidthDataType:
		buffers = append(buffers, gatherFixed(in, t.BitWidth()/8, keep, rows))
	case *arrow.StringType, *arrow.BinaryType:
		offsets, parts, size := gatherOffsets(in, keep, rows)
		buffers = append(buffers, offsets, gatherBytes(in.Buffers()[2], parts, size))
	case *arrow.ListType:
		offsets, parts, size := gatherOffsets(in, keep, rows)
		buffers = append(buffers, offsets)
		children = append(children, gather(in.Children()[0], parts, size))
	case *arrow.StructType:
		parts := make([]span, len(keep))
		for i, s := range keep {
			parts[i] = span{s.from + in.Offset(), s.to + in.Offset()}
		}
		for _, c := range in.Children() {
			children = append(children, gather(c, parts, rows))
		}
	default:
		panic(fmt.Sprintf("quality: a column of type %s is outside the type table", t))
	}
	nulls := 0
	if buffers[0] != nil {
		nulls = array.UnknownNullCount // which Arrow may not be told without a bitmap: it counts the bits of nothing
	}
	out := array.NewData(in.DataType(), rows, buffers, children, nulls, 0)
	for _, b := range buffers {
		if b != nil {
			b.Release()
		}
	}
	for _, c := range children {
		c.Release()
	}
	return out
}

func allocate(size int) *memory.Buffer {
	b := memory.NewResizableBuffer(memory.DefaultAllocator)
	b.Resize(size)
	return b
}

// gatherBits copies runs of a bitmap; nil stays nil.
func gatherBits(in *memory.Buffer, offset int, keep []span, rows int) *memory.Buffer {
	if in == nil || in.Len() == 0 {
		return nil
	}
	out := allocate((rows + 7) / 8)
	clear(out.Bytes())
	at := 0
	for _, s := range keep {
		bitutil.CopyBitmap(in.Bytes(), offset+s.from, s.to-s.from, out.Bytes(), at)
		at += s.to - s.from
	}
	return out
}

func gatherFixed(in arrow.ArrayData, width int, keep []span, rows int) *memory.Buffer {
	out := allocate(rows * width)
	at := out.Bytes()
	for _, s := range keep {
		at = at[copy(at, in.Buffers()[1].Bytes()[(in.Offset()+s.from)*width:(in.Offset()+s.to)*width]):]
	}
	return out
}

// gatherOffsets gives the offsets of the kept rows, from 0, and the runs of what they point at.
func gatherOffsets(in arrow.ArrayData, keep []span, rows int) (offsets *memory.Buffer, parts []span, size int) {
	offsets = allocate((rows + 1) * 4)
	out := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	out[0] = 0
	if rows == 0 {
		return offsets, nil, 0
	}
	ends := arrow.Int32Traits.CastFromBytes(in.Buffers()[1].Bytes())[in.Offset():]
	at := 1
	for _, s := range keep {
		first := ends[s.from]
		shift := int32(size) - first
		for _, end := range ends[s.from+1 : s.to+1] {
			out[at] = end + shift
			at++
		}
		last := ends[s.to]
		parts = append(parts, span{int(first), int(last)})
		size += int(last - first)
	}
	return offsets, parts, size
}

func gatherBytes(in *memory.Buffer, parts []span, size int) *memory.Buffer {
	out := allocate(size)
	at := out.Bytes()
	for _, s := range parts {
		if s.to > s.from { // the buffer of a column without a byte may be nil
			at = at[copy(at, in.Bytes()[s.from:s.to]):]
		}
	}
	return out
}
