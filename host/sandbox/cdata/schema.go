package cdata

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
)

// AppendSchema appends the ArrowSchema of a struct that holds the columns of s, with all it points to, to a block that
// will begin at base, itself aligned to 8. It returns the block and the address of the ArrowSchema. The schema has a
// layout: its types are in the table.
func AppendSchema(block []byte, base uint32, s *arrow.Schema) ([]byte, uint32) {
	return appendField(block, base, arrow.Field{Type: arrow.StructOf(s.Fields()...)})
}

func appendField(block []byte, base uint32, f arrow.Field) ([]byte, uint32) {
	le := binary.LittleEndian
	for len(block)%8 != 0 {
		block = append(block, 0)
	}
	at := len(block)
	block = append(block, make([]byte, abi.SchemaSize)...)
	text := func(place int, s string) {
		le.PutUint32(block[at+place:], base+uint32(len(block)))
		block = append(append(block, s...), 0)
	}
	text(abi.SchemaFormat, format(f.Type))
	text(abi.SchemaName, f.Name)
	le.PutUint64(block[at+abi.SchemaFlags:], flags(f))
	if d, ok := f.Type.(*arrow.DictionaryType); ok {
		var p uint32
		block, p = appendField(block, base, arrow.Field{Type: d.ValueType})
		le.PutUint32(block[at+abi.SchemaDictionary:], p)
		return block, base + uint32(at)
	}
	children := childFields(f.Type)
	if len(children) == 0 {
		return block, base + uint32(at)
	}
	for len(block)%4 != 0 {
		block = append(block, 0)
	}
	table := len(block)
	block = append(block, make([]byte, 4*len(children))...)
	le.PutUint64(block[at+abi.SchemaNChildren:], uint64(len(children)))
	le.PutUint32(block[at+abi.SchemaChildren:], base+uint32(table))
	for i, c := range children {
		var p uint32
		block, p = appendField(block, base, c)
		le.PutUint32(block[table+4*i:], p)
	}
	return block, base + uint32(at)
}

func flags(f arrow.Field) (flags uint64) {
	if f.Nullable {
		flags |= abi.FlagNullable
	}
	switch t := f.Type.(type) {
	case *arrow.DictionaryType:
		if t.Ordered {
			flags |= abi.FlagOrdered
		}
	case *arrow.MapType:
		if t.KeysSorted {
			flags |= abi.FlagKeysSorted
		}
	}
	return flags
}

func childFields(t arrow.DataType) []arrow.Field {
	if n, ok := t.(arrow.NestedType); ok {
		return n.Fields()
	}
	return nil
}

// format is the format string of the Arrow C Data Interface. That of a dictionary is its indices'.
func format(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.Decimal128Type:
		return fmt.Sprintf("d:%d,%d", t.Precision, t.Scale)
	case *arrow.FixedSizeBinaryType:
		return fmt.Sprintf("w:%d", t.ByteWidth)
	case *arrow.FixedSizeListType:
		return fmt.Sprintf("+w:%d", t.Len())
	case *arrow.Time32Type:
		return "tt" + unit(t.Unit)
	case *arrow.Time64Type:
		return "tt" + unit(t.Unit)
	case *arrow.TimestampType:
		return "ts" + unit(t.Unit) + ":" + t.TimeZone
	case *arrow.DictionaryType:
		return format(t.IndexType)
	}
	f, ok := formats[t.ID()]
	if !ok {
		panic("no layout has " + t.String()) // NewLayout refuses it
	}
	return f
}

// formats of the types that have no parameters.
var formats = map[arrow.Type]string{
	arrow.BOOL: "b", arrow.INT8: "c", arrow.UINT8: "C", arrow.INT16: "s", arrow.UINT16: "S", arrow.INT32: "i", arrow.UINT32: "I",
	arrow.INT64: "l", arrow.UINT64: "L", arrow.FLOAT16: "e", arrow.FLOAT32: "f", arrow.FLOAT64: "g",
	arrow.STRING: "u", arrow.LARGE_STRING: "U", arrow.BINARY: "z", arrow.LARGE_BINARY: "Z", arrow.DATE32: "tdD", arrow.DATE64: "tdm",
	arrow.LIST: "+l", arrow.LARGE_LIST: "+L", arrow.STRUCT: "+s", arrow.MAP: "+m",
}

func unit(u arrow.TimeUnit) string { return [...]string{"s", "m", "u", "n"}[u] }
