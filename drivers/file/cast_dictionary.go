package file

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// castDictionary looks texts up. Each word of the dictionary is checked once, however often it is used.
func castDictionary(from *arrow.DictionaryType, to arrow.DataType) (caster, bool) {
	words, ok := castBytes(from.ValueType, to)
	if !ok || from.IndexType.ID() != arrow.INT32 {
		return nil, false
	}
	return func(a arrow.Array) (arrow.Array, []int) {
		d := a.(*array.Dictionary)
		dict, badWords := words(d.Dictionary())
		defer dict.Release()
		return lookUp(d, dict, badWords, to)
	}, true
}

// castThroughText is for columns of texts that are to become something else.
func castThroughText(field arrow.Field, from *arrow.DictionaryType, f timeFormat) (caster, bool) {
	plain, ok := castDictionary(from, from.ValueType)
	if !ok {
		return nil, false
	}
	parse, ok := newCaster(field, from.ValueType, f)
	return func(a arrow.Array) (arrow.Array, []int) {
		text, bad := plain(a)
		defer text.Release()
		out, more := parse(text)
		return out, merge(bad, more)
	}, ok
}

// maxBatchText bounds what a batch's indices can unfold to: a dictionary of long words may be small in the file.
const maxBatchText = 1 << 30

// lookUp copies the words that the indices name. Words of up to eight bytes, which codes and categories are, are copied
// by one store each.
func lookUp(d *array.Dictionary, dict arrow.Array, badWords []int, to arrow.DataType) (arrow.Array, []int) {
	indices := valuesOf[int32](d.Indices())
	nulls := d.NullN() > 0
	word := valueBytes(dict)
	short := make([]uint64, dict.Len())
	lengths := make([]int32, dict.Len())
	small := true
	for i := range short {
		w := word(i)
		lengths[i] = int32(len(w))
		if small = small && len(w) <= 8; small {
			var b [8]byte
			copy(b[:], w)
			short[i] = binary.LittleEndian.Uint64(b[:])
		}
	}
	isBad := make(map[int32]bool, len(badWords))
	for _, i := range badWords {
		isBad[int32(i)] = true
	}
	offsets := make([]int32, len(indices)+1)
	total := int64(0)
	var bad []int
	for i, at := range indices {
		if !nulls || d.IsValid(i) {
			total += int64(lengths[at])
			if len(isBad) > 0 && isBad[at] {
				bad = append(bad, i)
			}
		}
		if total > maxBatchText {
			panic(&drivers.Error{Kind: drivers.ErrFormat, Message: fmt.Sprintf("%d rows hold more than %d MiB of text", len(indices), maxBatchText>>20)})
		}
		offsets[i+1] = int32(total)
	}
	data := make([]byte, int(total)+8)
	for i, at := range indices {
		switch from := offsets[i]; {
		case offsets[i+1] == from:
		case small:
			binary.LittleEndian.PutUint64(data[from:], short[at])
		default:
			copy(data[from:], word(int(at)))
		}
	}
	return rebuilt(d, to, bad, memory.NewBufferBytes(bytesOf(offsets)), memory.NewBufferBytes(data[:total])), bad
}
