package table

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// pick is one row of one of several sources.
type pick struct {
	src, row int32
}

// gather builds an array of type dt from picked rows. The sources are of that type, up to names and metadata. The types
// are those of the type table. A row's value is copied, so the result keeps no source alive.
func gather(mem memory.Allocator, dt arrow.DataType, srcs []arrow.Array, picks []pick) (arrow.Array, error) {
	valid, nulls := gatherValidity(mem, srcs, picks)
	if valid != nil {
		defer valid.Release()
	}
	bufs := []*memory.Buffer{valid}
	var children []arrow.ArrayData
	var err error
	switch t := dt.(type) {
	case *arrow.BooleanType:
		bufs = append(bufs, gatherBits(mem, srcs, picks))
	case *arrow.StringType, *arrow.BinaryType:
		var offsets, data *memory.Buffer
		if offsets, data, err = gatherBytes(mem, srcs, picks); err == nil {
			bufs = append(bufs, offsets, data)
		}
	case *arrow.ListType:
		var offsets *memory.Buffer
		var child arrow.Array
		if offsets, child, err = gatherLists(mem, t, srcs, picks); err == nil {
			defer child.Release()
			bufs, children = append(bufs, offsets), []arrow.ArrayData{child.Data()}
		}
	case *arrow.StructType:
		var fields []arrow.Array
		fields, err = gatherFields(mem, t, srcs, picks)
		for _, f := range fields {
			defer f.Release()
			children = append(children, f.Data())
		}
	case arrow.FixedWidthDataType:
		bufs = append(bufs, gatherFixed(mem, t.Bytes(), srcs, picks))
	default:
		err = fmt.Errorf("cannot gather rows of type %s", dt)
	}
	for _, b := range bufs[1:] {
		defer b.Release()
	}
	if err != nil {
		return nil, err
	}
	data := array.NewData(dt, len(picks), bufs, children, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

func newBuffer(mem memory.Allocator, n int) *memory.Buffer {
	b := memory.NewResizableBuffer(mem)
	b.Resize(n)
	return b
}

func gatherValidity(mem memory.Allocator, srcs []arrow.Array, picks []pick) (*memory.Buffer, int) {
	some := false
	for _, s := range srcs {
		some = some || s.NullN() > 0
	}
	if !some {
		return nil, 0
	}
	buf := newBuffer(mem, int(bitutil.BytesForBits(int64(len(picks)))))
	bits, nulls := buf.Bytes(), 0
	clear(bits)
	for i, p := range picks {
		if srcs[p.src].IsNull(int(p.row)) {
			nulls++
		} else {
			bitutil.SetBit(bits, i)
		}
	}
	if nulls == 0 {
		buf.Release()
		return nil, 0
	}
	return buf, nulls
}

func gatherBits(mem memory.Allocator, srcs []arrow.Array, picks []pick) *memory.Buffer {
	buf := newBuffer(mem, int(bitutil.BytesForBits(int64(len(picks)))))
	bits := buf.Bytes()
	clear(bits)
	for i, p := range picks {
		if srcs[p.src].(*array.Boolean).Value(int(p.row)) {
			bitutil.SetBit(bits, i)
		}
	}
	return buf
}

func gatherFixed(mem memory.Allocator, width int, srcs []arrow.Array, picks []pick) *memory.Buffer {
	buf := newBuffer(mem, len(picks)*width)
	out := buf.Bytes()
	raw := make([][]byte, len(srcs))
	for i, s := range srcs {
		if s.Len() > 0 {
			raw[i] = s.Data().Buffers()[1].Bytes()[s.Data().Offset()*width:]
		}
	}
	switch width {
	case 4:
		for i, p := range picks {
			binary.NativeEndian.PutUint32(out[i*4:], binary.NativeEndian.Uint32(raw[p.src][p.row*4:]))
		}
	case 8:
		for i, p := range picks {
			binary.NativeEndian.PutUint64(out[i*8:], binary.NativeEndian.Uint64(raw[p.src][int(p.row)*8:]))
		}
	default:
		for i, p := range picks {
			at := int(p.row) * width
			copy(out[i*width:(i+1)*width], raw[p.src][at:at+width])
		}
	}
	return buf
}

func gatherBytes(mem memory.Allocator, srcs []arrow.Array, picks []pick) (offsets, data *memory.Buffer, err error) {
	views := make([]bytesView, len(srcs))
	for i, s := range srcs {
		views[i] = viewBytes(s)
	}
	total := 0
	for _, p := range picks {
		total += views[p.src].len(p.row)
	}
	if total > math.MaxInt32 {
		return nil, nil, fmt.Errorf("%d rows hold %d bytes in one text column, more than a batch can", len(picks), total)
	}
	offsets, data = newBuffer(mem, 4*(len(picks)+1)), newBuffer(mem, total)
	out, at := arrow.Int32Traits.CastFromBytes(offsets.Bytes()), 0
	for i, p := range picks {
		out[i] = int32(at)
		at += copy(data.Bytes()[at:], views[p.src].value(p.row))
	}
	out[len(picks)] = int32(at)
	return offsets, data, nil
}

// bytesView reads the values of a string or binary array without its method calls.
type bytesView struct {
	offsets []int32
	data    []byte
}

func viewBytes(a arrow.Array) bytesView {
	if a.Len() == 0 {
		return bytesView{}
	}
	d := a.Data()
	v := bytesView{offsets: arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())[d.Offset():]}
	if b := d.Buffers()[2]; b != nil {
		v.data = b.Bytes()
	}
	return v
}

func (v bytesView) len(row int32) int { return int(v.offsets[row+1] - v.offsets[row]) }

func (v bytesView) value(row int32) []byte { return v.data[v.offsets[row]:v.offsets[row+1]] }

func gatherLists(mem memory.Allocator, t *arrow.ListType, srcs []arrow.Array, picks []pick) (*memory.Buffer, arrow.Array, error) {
	elems := make([]arrow.Array, len(srcs))
	for i, s := range srcs {
		elems[i] = s.(*array.List).ListValues()
	}
	offsets := newBuffer(mem, 4*(len(picks)+1))
	out := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	var inner []pick
	for i, p := range picks {
		out[i] = int32(len(inner))
		if srcs[p.src].IsNull(int(p.row)) {
			continue
		}
		lo, hi := srcs[p.src].(*array.List).ValueOffsets(int(p.row))
		for j := lo; j < hi; j++ {
			inner = append(inner, pick{p.src, int32(j)})
		}
	}
	out[len(picks)] = int32(len(inner))
	child, err := gather(mem, t.Elem(), elems, inner)
	if err != nil {
		offsets.Release()
		return nil, nil, err
	}
	return offsets, child, nil
}

func gatherFields(mem memory.Allocator, t *arrow.StructType, srcs []arrow.Array, picks []pick) ([]arrow.Array, error) {
	var out []arrow.Array
	children := make([]arrow.Array, len(srcs))
	for f := range t.NumFields() {
		for i, s := range srcs {
			children[i] = s.(*array.Struct).Field(f)
		}
		a, err := gather(mem, t.Field(f).Type, children, picks)
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// gatherRows builds a batch of the given schema from picked rows of batches that have at least its columns, in its order.
func gatherRows(mem memory.Allocator, schema *arrow.Schema, srcs []arrow.RecordBatch, picks []pick) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	parts := make([]arrow.Array, len(srcs))
	for f := range schema.NumFields() {
		for i, s := range srcs {
			parts[i] = s.Column(f)
		}
		c, err := gather(mem, schema.Field(f).Type, parts, picks)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", schema.Field(f).Name, err)
		}
		cols = append(cols, c)
	}
	return array.NewRecordBatch(schema, cols, int64(len(picks))), nil
}
