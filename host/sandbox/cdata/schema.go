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
	if f.Nullable {
		le.PutUint64(block[at+abi.SchemaFlags:], abi.FlagNullable)
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

func childFields(t arrow.DataType) []arrow.Field {
	switch t := t.(type) {
	case *arrow.ListType:
		return []arrow.Field{t.ElemField()}
	case *arrow.StructType:
		return t.Fields()
	}
	return nil
}

// format is the format string of the Arrow C Data Interface.
func format(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return "b"
	case *arrow.Int32Type:
		return "i"
	case *arrow.Int64Type:
		return "l"
	case *arrow.Float32Type:
		return "f"
	case *arrow.Float64Type:
		return "g"
	case *arrow.Decimal128Type:
		return fmt.Sprintf("d:%d,%d", t.Precision, t.Scale)
	case *arrow.Date32Type:
		return "tdD"
	case *arrow.Time64Type:
		return "ttu"
	case *arrow.TimestampType:
		return "tsu:" + t.TimeZone
	case *arrow.StringType:
		return "u"
	case *arrow.BinaryType:
		return "z"
	case *arrow.ListType:
		return "+l"
	case *arrow.StructType:
		return "+s"
	}
	panic("no layout has " + t.String()) // NewLayout refuses it
}
