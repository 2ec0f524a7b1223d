package columnar

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Convert gives a batch the schema of a crossing, or takes it back: its columns are those of want, some in another form.
// Values that fit are the same on both sides, floats rounded; the error names the first that does not fit. Columns of the
// same type are shared, not copied. The caller releases the result.
func Convert(rec arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, rec.NumCols())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	if int(rec.NumCols()) != want.NumFields() {
		return nil, fmt.Errorf("%d columns, not %d", rec.NumCols(), want.NumFields())
	}
	for i, c := range rec.Columns() {
		to, err := convert(c, want.Field(i).Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", want.Field(i).Name, err)
		}
		cols = append(cols, to)
	}
	return array.NewRecordBatch(want, cols, rec.NumRows()), nil
}

// convert is a in another form.
func convert(a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), want) {
		a.Retain()
		return a, nil
	}
	switch from := a.(type) {
	case *array.Dictionary:
		return unfold(from, want)
	case array.ListLike:
		return relist(from, want)
	}
	switch want.(type) {
	case *arrow.DictionaryType:
		return foldUp(a, want.(*arrow.DictionaryType))
	case *arrow.Float16Type, *arrow.Float32Type, *arrow.Float64Type:
		return refloat(a, want)
	case *arrow.Date32Type, *arrow.Date64Type, *arrow.Time32Type, *arrow.Time64Type, *arrow.TimestampType:
		return retime(a, want)
	case *arrow.StringType, *arrow.LargeStringType, *arrow.BinaryType, *arrow.LargeBinaryType, *arrow.FixedSizeBinaryType:
		return rebytes(a, want)
	}
	return renumber(a, want)
}

// misfit is a value that the other side cannot hold.
func misfit(a arrow.Array, row int, want arrow.DataType) error {
	v := a.ValueStr(row)
	if r := []rune(v); len(r) > 60 {
		v = string(r[:60]) + "…"
	}
	return fmt.Errorf("row %d: %s does not fit into %s", row, v, want)
}

// bytesOf is the value of a row of strings or binaries of any form.
func bytesOf(a arrow.Array) (func(row int) []byte, error) {
	switch a := a.(type) {
	case *array.String:
		return func(i int) []byte { return []byte(a.Value(i)) }, nil
	case *array.LargeString:
		return func(i int) []byte { return []byte(a.Value(i)) }, nil
	case *array.Binary:
		return a.Value, nil
	case *array.LargeBinary:
		return a.Value, nil
	case *array.FixedSizeBinary:
		return a.Value, nil
	}
	return nil, fmt.Errorf("type %s has no bytes", a.DataType())
}

// rebytes copies strings and binaries into another form.
func rebytes(a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	value, err := bytesOf(a)
	if err != nil {
		return nil, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, want)
	defer b.Release()
	b.Reserve(a.Len())
	total := 0
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		v := value(i)
		switch b := b.(type) {
		case *array.FixedSizeBinaryBuilder:
			if len(v) != want.(*arrow.FixedSizeBinaryType).ByteWidth {
				return nil, fmt.Errorf("row %d has %d bytes, which do not fit into %s", i, len(v), want)
			}
			b.Append(v)
		case *array.LargeStringBuilder:
			b.Append(string(v))
		case *array.StringBuilder:
			if total += len(v); total > math.MaxInt32 {
				return nil, fmt.Errorf("a batch of %d bytes of text does not fit into %s", total, want)
			}
			b.Append(string(v))
		case *array.BinaryBuilder: // large or not
			if total += len(v); total > math.MaxInt32 && want.ID() == arrow.BINARY {
				return nil, fmt.Errorf("a batch of %d bytes does not fit into %s", total, want)
			}
			b.Append(v)
		}
	}
	return b.NewArray(), nil
}

// unfold puts the values of a dictionary where rows refer to them. Whoever made the batch has counted what that takes.
func unfold(a *array.Dictionary, want arrow.DataType) (arrow.Array, error) {
	value, err := bytesOf(a.Dictionary())
	if err != nil {
		return nil, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, want)
	defer b.Release()
	b.Reserve(a.Len())
	total := 0
	for i := range a.Len() {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		v := value(a.GetValueIndex(i))
		if total += len(v); total > math.MaxInt32 {
			return nil, fmt.Errorf("a batch of more than %d bytes does not fit into %s", math.MaxInt32, want)
		}
		switch b := b.(type) {
		case *array.StringBuilder:
			b.Append(string(v))
		case *array.BinaryBuilder:
			b.Append(v)
		default:
			return nil, fmt.Errorf("type %s has no form %s", want, a.DataType())
		}
	}
	return b.NewArray(), nil
}

// foldUp makes a dictionary of the values of a batch, in the order in which they come.
func foldUp(a arrow.Array, want *arrow.DictionaryType) (arrow.Array, error) {
	value, err := bytesOf(a)
	if err != nil {
		return nil, err
	}
	width := want.IndexType.(arrow.FixedWidthDataType).Bytes()
	most := uint64(1)<<(8*width-1) - 1
	if !arrow.IsSignedInteger(want.IndexType.ID()) {
		most = 2*most + 1
	}
	known := map[string]uint64{}
	values := array.NewBuilder(memory.DefaultAllocator, want.ValueType)
	defer values.Release()
	indices := make([]byte, width*a.Len())
	var eight [8]byte
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		v := value(i)
		k, ok := known[string(v)]
		if !ok {
			k = uint64(len(known))
			if k > most {
				return nil, fmt.Errorf("a batch has more than %d values, which do not fit into %s", most, want)
			}
			known[string(v)] = k
			switch b := values.(type) {
			case *array.StringBuilder:
				b.Append(string(v))
			case *array.BinaryBuilder:
				b.Append(v)
			}
		}
		binary.LittleEndian.PutUint64(eight[:], k)
		copy(indices[i*width:], eight[:width])
	}
	dict := values.NewArray()
	defer dict.Release()
	d := array.NewDataWithDictionary(want, a.Len(), []*memory.Buffer{validityOf(a), memory.NewBufferBytes(indices)}, a.NullN(), 0, dict.Data().(*array.Data))
	defer d.Release()
	return array.MakeFromData(d), nil
}

// validityOf is the validity of an array as a bitmap from row 0 on, nil when all rows are there.
func validityOf(a arrow.Array) *memory.Buffer {
	if a.NullN() == 0 {
		return nil
	}
	out := make([]byte, bitutil.BytesForBits(int64(a.Len())))
	bitutil.CopyBitmap(a.NullBitmapBytes(), a.Data().Offset(), a.Len(), out, 0)
	return memory.NewBufferBytes(out)
}
