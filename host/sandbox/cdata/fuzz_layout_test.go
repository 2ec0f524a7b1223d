package cdata

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/abi"
)

// randomSchema is a schema of types drawn from bytes, nested as they say.
func randomSchema(draw []byte) *arrow.Schema {
	next := func() int {
		if len(draw) == 0 {
			return 0
		}
		b := draw[0]
		draw = draw[1:]
		return int(b)
	}
	flat := everyType(true).Fields()
	var field func(name string, depth int) arrow.Field
	field = func(name string, depth int) arrow.Field {
		b := next()
		f := arrow.Field{Name: name, Nullable: b&1 == 1}
		b >>= 1
		if depth > 3 {
			b %= 64
		}
		switch {
		case b < 64:
			f.Type = flat[b%len(flat)].Type
		case b < 80:
			f.Type = arrow.ListOfField(field("item", depth+1))
		case b < 90:
			f.Type = arrow.LargeListOfField(field("item", depth+1))
		case b < 100:
			f.Type = arrow.FixedSizeListOfField(int32(1+next()%4), field("item", depth+1))
		case b < 110:
			key := field("key", 9)
			key.Nullable = false
			f.Type = arrow.MapOfFields(key, field("value", depth+1))
		default:
			members := make([]arrow.Field, 1+next()%4)
			for i := range members {
				members[i] = field(fmt.Sprintf("m%d", i), depth+1)
			}
			f.Type = arrow.StructOf(members...)
		}
		return f
	}
	fields := make([]arrow.Field, next()%6)
	for i := range fields {
		fields[i] = field(fmt.Sprintf("é%d", i), 0)
	}
	return arrow.NewSchema(fields, nil)
}

// describe reads an ArrowSchema as a guest does: format, name, flags and what it points to, all inside the block.
func describe(block []byte, base, at uint32) string {
	word := func(p uint32) uint32 { return binary.LittleEndian.Uint32(block[p-base:]) }
	long := func(p uint32) int64 { return int64(binary.LittleEndian.Uint64(block[p-base:])) }
	text := func(p uint32) string {
		s, _, _ := strings.Cut(string(block[p-base:]), "\x00")
		return s
	}
	if at%8 != 0 {
		panic("a misaligned ArrowSchema")
	}
	out := fmt.Sprintf("%q %q %d", text(word(at+abi.SchemaName)), text(word(at+abi.SchemaFormat)), long(at+abi.SchemaFlags))
	if d := word(at + abi.SchemaDictionary); d != 0 {
		out += " of " + describe(block, base, d)
	}
	for i := range uint32(long(at + abi.SchemaNChildren)) {
		out += " (" + describe(block, base, word(word(at+abi.SchemaChildren)+4*i)) + ")"
	}
	return out
}

// told is what describe must say of a field.
func told(f arrow.Field) string {
	out := fmt.Sprintf("%q %q %d", f.Name, format(f.Type), flags(f))
	if d, ok := f.Type.(*arrow.DictionaryType); ok {
		return out + " of " + told(arrow.Field{Type: d.ValueType})
	}
	for _, c := range childFields(f.Type) {
		out += " (" + told(c) + ")"
	}
	return out
}

// FuzzLayout lays random batches of random schemas down at random places, cut anywhere, as driver_next and the arena do: a
// guest that follows the schema's pointers finds what the host meant, and the batch reads back equal.
func FuzzLayout(f *testing.F) {
	f.Add([]byte{}, uint64(0), uint16(0), uint16(0))
	f.Add([]byte{5, 1, 60, 130, 170, 180, 201, 3, 240, 2, 8, 9, 255}, uint64(1), uint16(70), uint16(3))
	for i := range 44 {
		f.Add([]byte{3, byte(2 * i), byte(2*i + 1), byte(255 - i), byte(i)}, uint64(i), uint16(20+i), uint16(i))
	}
	f.Fuzz(func(t *testing.T, draw []byte, seed uint64, rows, cut uint16) {
		s := randomSchema(draw)
		l, err := NewLayout(s)
		if err != nil {
			t.Fatalf("%v: %v", s, err)
		}
		base := uint32(64 * (1 + seed%1000))
		block, at := AppendSchema(nil, base, s)
		if got, want := describe(block, base, at), told(arrow.Field{Type: arrow.StructOf(s.Fields()...)}); got != want {
			t.Fatalf("a guest reads\n%s\nof\n%s", got, want)
		}
		n := int64(rows % 80)
		rec := randomBatch(s, int(n), rand.New(rand.NewPCG(seed, 1)))
		defer rec.Release()
		from := int64(cut) % (n + 1)
		part := rec.NewSlice(from, from+(n-from+1)/2)
		defer part.Release()
		mem := put(t, l, part, base)
		got, err := take(l, mem, base)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Release()
		if !array.RecordEqual(part, got) {
			t.Fatalf("%v came back as %v", part, got)
		}
	})
}
