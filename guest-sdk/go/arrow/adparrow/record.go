// Package adparrow gives products the batches of their inputs as Arrow records, and takes Arrow records for their outputs: for
// those who know Apache Arrow's Go library (v17), and for what works on its arrays.
//
//	adparrow.OnRecord(p, "strikes", func(rec arrow.Record) error {
//		costs := rec.Column(2).(*array.Int64)
//		…
//		return adparrow.Emit(p.Writer("risk"), out)
//	})
//
// It is a module of its own: a product that uses it is 9 MB rather than 2.
package adparrow

import (
	"unsafe"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// OnRecord handles the batches of an input as records. A record lies on the batch's memory: it is valid until handle returns.
func OnRecord(p *adp.Product, input string, handle func(rec arrow.Record) error) {
	p.OnBatch(input, func(b *adp.Batch) error {
		rec := Record(b)
		defer rec.Release()
		return handle(rec)
	})
}

// Record is a batch, without a copy: valid until the batch's handler returns. The caller releases it.
func Record(b *adp.Batch) arrow.Record {
	columns := b.Columns()
	fields, arrays := make([]arrow.Field, len(columns)), make([]arrow.Array, len(columns))
	for i := range columns {
		fields[i] = field(columns[i].Field())
		data := dataOf(&columns[i])
		arrays[i] = array.MakeFromData(data)
		data.Release()
	}
	rec := array.NewRecord(arrow.NewSchema(fields, nil), arrays, int64(b.Len()))
	for _, a := range arrays {
		a.Release()
	}
	return rec
}

// Schema is the Arrow schema of columns.
func Schema(columns []*adp.Builder) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = field(c.Field())
	}
	return arrow.NewSchema(fields, nil)
}

func field(f *adp.Field) arrow.Field {
	return arrow.Field{Name: f.Name, Type: Type(f), Nullable: f.Nullable}
}

var simple = map[adp.Kind]arrow.DataType{
	adp.KindBool: arrow.FixedWidthTypes.Boolean, adp.KindInt32: arrow.PrimitiveTypes.Int32, adp.KindInt64: arrow.PrimitiveTypes.Int64,
	adp.KindFloat32: arrow.PrimitiveTypes.Float32, adp.KindFloat64: arrow.PrimitiveTypes.Float64, adp.KindDate: arrow.FixedWidthTypes.Date32,
	adp.KindTime: arrow.FixedWidthTypes.Time64us, adp.KindTimestamp: &arrow.TimestampType{Unit: arrow.Microsecond},
	adp.KindTimestampTZ: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, adp.KindString: arrow.BinaryTypes.String,
	adp.KindBinary: arrow.BinaryTypes.Binary,
}

// Type is the Arrow type of a column.
func Type(f *adp.Field) arrow.DataType {
	switch f.Kind {
	case adp.KindDecimal:
		return &arrow.Decimal128Type{Precision: int32(f.Precision), Scale: int32(f.Scale)}
	case adp.KindList:
		return arrow.ListOfField(field(&f.Fields[0]))
	case adp.KindStruct:
		members := make([]arrow.Field, len(f.Fields))
		for i := range f.Fields {
			members[i] = field(&f.Fields[i])
		}
		return arrow.StructOf(members...)
	}
	return simple[f.Kind]
}

// dataOf is the column's memory as Arrow has it.
func dataOf(c *adp.Column) *array.Data {
	f := c.Field()
	buffers := []*memory.Buffer{bitmap(c.Len())(c.Validity())}
	var children []arrow.ArrayData
	switch f.Kind {
	case adp.KindBool:
		buffers = append(buffers, bitmap(c.Len())(c.Bools().Bitmap()))
	case adp.KindInt32:
		buffers = append(buffers, bytes(c.Int32s()))
	case adp.KindInt64:
		buffers = append(buffers, bytes(c.Int64s()))
	case adp.KindFloat32:
		buffers = append(buffers, bytes(c.Float32s()))
	case adp.KindFloat64:
		buffers = append(buffers, bytes(c.Float64s()))
	case adp.KindDecimal:
		buffers = append(buffers, bytes(c.Decimals()))
	case adp.KindDate:
		buffers = append(buffers, bytes(c.Dates()))
	case adp.KindTime:
		buffers = append(buffers, bytes(c.Times()))
	case adp.KindTimestamp, adp.KindTimestampTZ:
		buffers = append(buffers, bytes(c.Timestamps()))
	case adp.KindString:
		buffers = append(buffers, bytes(c.Strings().Offsets()), bytes(c.Strings().Bytes()))
	case adp.KindBinary:
		buffers = append(buffers, bytes(c.Binaries().Offsets()), bytes(c.Binaries().Bytes()))
	case adp.KindList:
		buffers = append(buffers, bytes(c.Lists().Offsets()))
		children = append(children, dataOf(c.Lists().Elem()))
	case adp.KindStruct:
		members := c.Members()
		for i := range members {
			children = append(children, dataOf(&members[i]))
		}
	}
	d := array.NewData(Type(f), c.Len(), buffers, children, c.Nulls(), 0)
	for _, child := range children {
		child.Release()
	}
	return d
}

// bitmap is one of n bits that begins at a byte, as Arrow's library wants it where values do. It is copied where it must be.
func bitmap(n int) func(bits []byte, first int) *memory.Buffer {
	return func(bits []byte, first int) *memory.Buffer {
		switch {
		case bits == nil:
			return nil
		case first%8 == 0:
			return memory.NewBufferBytes(bits[first/8:])
		}
		moved := make([]byte, bitutil.BytesForBits(int64(n)))
		bitutil.CopyBitmap(bits, first, n, moved, 0)
		return memory.NewBufferBytes(moved)
	}
}

// bytes is the memory of a slice.
func bytes[T any](s []T) *memory.Buffer {
	if len(s) == 0 {
		return memory.NewBufferBytes([]byte{})
	}
	return memory.NewBufferBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0]))))
}
