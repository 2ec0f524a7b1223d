package cdata

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
)

// image is a batch in memory whose structs and values a test can change by column.
type image struct {
	l    *Layout
	mem  []byte
	base int
}

// imageOf lays down rows of one schema, given as JSON.
func imageOf(t *testing.T, s *arrow.Schema, rows string) image {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	l := layout(t, s)
	return image{l, put(t, l, rec, 192), 192}
}

// node finds a node: a column and steps into it, "#" for the values of a dictionary.
func (m image) node(column string, steps ...int) *node {
	for i := range m.l.root.children {
		if n := &m.l.root.children[i]; n.name == column {
			for _, s := range steps {
				n = &n.children[s]
			}
			return n
		}
	}
	panic(column)
}

func (m image) field(n *node, offset int, v int64) { set64(m.mem, m.base+int(n.array)+offset, v) }

func (m image) buffer(n *node, i int) int {
	return int(binary.LittleEndian.Uint32(m.mem[m.base+int(n.buffers)+4*i:]))
}

func (m image) wants(t *testing.T, status abi.Status, why string) {
	t.Helper()
	_, err := take(m.l, m.mem, uint32(m.base))
	var e *Error
	if !errors.As(err, &e) || e.Status != status || !strings.Contains(e.Error(), why) {
		t.Errorf("got %v, want status %d with %q", err, status, why)
	}
}

// The types that ABI 1 had refused at first, each lied about in the way that is its own.
func TestLiesOfMoreTypes(t *testing.T) {
	entries := arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32)
	s := arrow.NewSchema([]arrow.Field{
		{Name: "kind", Type: dictionaryOf(arrow.PrimitiveTypes.Int16, arrow.BinaryTypes.String), Nullable: true},
		{Name: "code", Type: dictionaryOf(arrow.PrimitiveTypes.Uint64, arrow.PrimitiveTypes.Int64)},
		{Name: "long", Type: arrow.BinaryTypes.LargeString},
		{Name: "many", Type: arrow.LargeListOfField(arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int8})},
		{Name: "pair", Type: arrow.FixedSizeListOfField(2, arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int64}), Nullable: true},
		{Name: "tags", Type: entries, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date64},
		{Name: "at", Type: arrow.FixedWidthTypes.Time32ms},
		{Name: "id", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}},
	}, nil)
	row := `{"kind":"a","code":7,"long":"é€x","many":[1,2],"pair":[1,2],"tags":[{"key":"k","value":1}],"day":"2024-01-02","at":"10:11:12","id":"AAEC"}`
	gone := strings.NewReplacer(`"a"`, "null", `[1,2],"tags"`, `null,"tags"`, `[{"key":"k","value":1}]`, "null").Replace(row)
	rows := "[" + row + "," + row + "," + gone + "," + row + "]"
	for name, lie := range map[string]struct {
		change func(m image)
		status abi.Status
		why    string
	}{
		"index beyond the dictionary": {func(m image) { m.mem[m.buffer(m.node("kind"), 1)] = 1 }, abi.BadArray, "column kind: row 0: index 1 of a dictionary of 1"},
		"index below 0":               {func(m image) { copy(m.mem[m.buffer(m.node("kind"), 1):], "\xff\xff") }, abi.BadArray, "column kind: row 0: index -1"},
		"index beyond int64":          {func(m image) { m.mem[m.buffer(m.node("code"), 1)+7] = 0x80 }, abi.BadArray, "column code: row 0: index"},
		"no dictionary":               {func(m image) { set32(m.mem, m.base+int(m.node("kind").array)+abi.ArrayDictionary, 0) }, abi.BadArray, "column kind: ArrowArray is a null pointer"},
		"a dictionary outside memory": {func(m image) { set32(m.mem, m.base+int(m.node("kind").array)+abi.ArrayDictionary, 1<<30) }, abi.OutOfBounds, "column kind: ArrowArray"},
		"a misaligned dictionary":     {func(m image) { set32(m.mem, m.base+int(m.node("kind").array)+abi.ArrayDictionary, 196) }, abi.Misaligned, "column kind: ArrowArray"},
		"an array that is its own dictionary": {func(m image) {
			set32(m.mem, m.base+int(m.node("kind").array)+abi.ArrayDictionary, int64(m.base)+int64(m.node("kind").array))
		}, abi.BadArray, "column kind:"},
		"a null in a dictionary": {func(m image) {
			n := m.node("kind").dict
			set32(m.mem, m.base+int(n.buffers), 64) // zeros lie there
			clear(m.mem[64:128])
			m.field(n, abi.ArrayNullCount, -1)
		}, abi.BadArray, "column kind: 1 are null"},
		"a dictionary that is not UTF-8": {func(m image) { m.mem[m.buffer(m.node("kind").dict, 2)] = 0xff }, abi.BadArray, "column kind: row 0: the text"},
		"a dictionary past its bytes":    {func(m image) { set32(m.mem, m.buffer(m.node("kind").dict, 1)+4, 1<<30) }, abi.OutOfBounds, "column kind: data"},
		"huge dictionary":                {func(m image) { m.field(m.node("kind").dict, abi.ArrayLength, 1<<30) }, abi.OutOfBounds, "column kind: offsets"},
		"large offsets fall":             {func(m image) { set64(m.mem, m.buffer(m.node("long"), 1)+8, 100) }, abi.BadArray, "column long: row 1 ends"},
		"a large offset beyond 32 bits":  {func(m image) { set64(m.mem, m.buffer(m.node("long"), 1)+32, 1<<33) }, abi.BadArray, "column long: offsets run"},
		"a large offset below 0":         {func(m image) { set64(m.mem, m.buffer(m.node("long"), 1), -1) }, abi.BadArray, "column long: offsets run"},
		"large offsets misaligned": {func(m image) { set32(m.mem, m.base+int(m.node("long").buffers)+4, 1<<10+4) },
			abi.Misaligned, "column long: offsets"},
		"large list past its elements":     {func(m image) { set64(m.mem, m.buffer(m.node("many"), 1)+32, 1<<20) }, abi.BadArray, "column many.item:"},
		"too few elements for fixed lists": {func(m image) { m.field(m.node("pair", 0), abi.ArrayLength, 7) }, abi.BadArray, "column pair.item: 7 rows, its parent needs 8"},
		"fixed lists multiply out of memory": {func(m image) {
			for _, n := range []*node{m.node("pair"), m.node("pair", 0), &m.l.root} {
				m.field(n, abi.ArrayLength, 1<<30)
			}
			for i := range m.l.root.children {
				m.field(&m.l.root.children[i], abi.ArrayLength, 1<<30)
			}
		}, abi.OutOfBounds, "leaves the memory"},
		"buffers where fixed lists have none": {func(m image) { m.field(m.node("pair"), abi.ArrayNBuffers, 2) }, abi.BadArray, "column pair: 2 buffers"},
		"a null key": {func(m image) {
			n := m.node("tags", 0, 0)
			set32(m.mem, m.base+int(n.buffers), 64)
			clear(m.mem[64:128])
			m.field(n, abi.ArrayNullCount, -1)
		}, abi.BadArray, "column tags.entries.key:"},
		"a null entry": {func(m image) {
			n := m.node("tags", 0)
			set32(m.mem, m.base+int(n.buffers), 64)
			clear(m.mem[64:128])
			m.field(n, abi.ArrayNullCount, -1)
		}, abi.BadArray, "column tags.entries:"},
		"a map without values": {func(m image) { m.field(m.node("tags", 0), abi.ArrayNChildren, 1) }, abi.BadArray, "column tags.entries: 1 children"},
		"half a day":           {func(m image) { set64(m.mem, m.buffer(m.node("day"), 1), 1) }, abi.BadArray, "column day: row 0: 1 ms are not whole days"},
		"later than midnight":  {func(m image) { set32(m.mem, m.buffer(m.node("at"), 1), 86_400_000) }, abi.BadArray, "column at: row 0: 86400000 ms is not"},
		"ids past the end":     {func(m image) { set32(m.mem, m.base+int(m.node("id").buffers)+4, int64(len(m.mem))-11) }, abi.OutOfBounds, "column id: values of 12 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			m := imageOf(t, s, rows)
			if _, err := take(m.l, m.mem, uint32(m.base)); err != nil {
				t.Fatalf("before the lie: %v", err)
			}
			lie.change(m)
			m.wants(t, lie.status, lie.why)
		})
	}
	t.Run("ids at any address", func(t *testing.T) { // fixed-size binaries need no alignment
		m := imageOf(t, s, rows)
		set32(m.mem, m.base+int(m.node("id").buffers)+4, int64(len(m.mem))-12)
		if _, err := take(m.l, m.mem, uint32(m.base)); err != nil {
			t.Error(err)
		}
	})
}

// A dictionary's value counts as often as rows refer to it, before anything is copied: one megabyte of indices to a text
// of one megabyte is a terabyte for whoever unfolds it.
func TestDictionaryBomb(t *testing.T) {
	const rows, size = 1 << 20, 1 << 20
	s := arrow.NewSchema([]arrow.Field{{Name: "c", Type: dictionaryOf(arrow.PrimitiveTypes.Int8, arrow.BinaryTypes.String), Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	d := b.Field(0).(*array.BinaryDictionaryBuilder)
	if err := d.AppendString(strings.Repeat("x", size)); err != nil {
		t.Fatal(err)
	}
	valid := make([]bool, rows-1)
	for i := range valid {
		valid[i] = i%2 == 1
	}
	d.AppendIndices(make([]int, rows-1), valid)
	l := layout(t, s)
	mem := put(t, l, b.NewRecordBatch(), 64)
	r := l.NewReader()
	n, err := r.Measure(mem, 64)
	if err != nil || n < rows/2*size || n > rows/2*size+8*rows+2*size {
		t.Fatalf("measured %d, %v; nulls refer to nothing", n, err)
	}
	if allocs := testing.AllocsPerRun(5, func() { _, _ = r.Measure(mem, 64) }); allocs > 0 {
		t.Errorf("measuring allocates %v times", allocs)
	}
}

// Indices under a null may be anything, and whoever gets the batch finds none outside the dictionary.
func TestIndicesUnderNulls(t *testing.T) {
	dict := arrow.Field{Name: "d", Type: dictionaryOf(arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String), Nullable: true}
	s := arrow.NewSchema([]arrow.Field{dict, {Name: "s", Type: arrow.StructOf(dict), Nullable: true}}, nil)
	m := imageOf(t, s, `[{"d":"a","s":{"d":"b"}},{"d":null,"s":null}]`)
	m.mem[m.buffer(m.node("d"), 1)+4] = 99
	inner := m.node("s", 0)
	m.mem[m.buffer(inner, 1)+4] = 99
	set32(m.mem, m.base+int(inner.buffers), 0) // valid, under a null struct
	m.field(inner, abi.ArrayNullCount, 0)
	rec, err := take(m.l, m.mem, uint32(m.base))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []arrow.Array{rec.Column(0), rec.Column(1).(*array.Struct).Field(0)} {
		if k := a.(*array.Dictionary).GetValueIndex(1); k != 0 {
			t.Errorf("index %d was left under a null", k)
		}
	}
}

// A wrong value is excused by a null above it, through every kind of nesting, and only by that.
func TestExcuses(t *testing.T) {
	late := arrow.Field{Name: "item", Type: arrow.FixedWidthTypes.Time64us} // required, and 0 ≤ value < 24 h
	for name, typ := range map[string]arrow.DataType{
		"struct": arrow.StructOf(late), "list": arrow.ListOfField(late), "large list": arrow.LargeListOfField(late), "fixed-size list": arrow.FixedSizeListOfField(1, late),
		"map":                   arrow.MapOf(arrow.PrimitiveTypes.Int32, late.Type),
		"list of structs":       arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.StructOf(late)}),
		"fixed-size of a fixed": arrow.FixedSizeListOfField(2, arrow.Field{Name: "item", Type: arrow.FixedSizeListOfField(1, late)}),
	} {
		t.Run(name, func(t *testing.T) {
			s := arrow.NewSchema([]arrow.Field{{Name: "c", Type: typ, Nullable: true}}, nil)
			l := layout(t, s)
			m := image{l, put(t, l, randomBatch(arrow.NewSchema([]arrow.Field{{Name: "c", Type: typ}}, nil), 40, rand.New(rand.NewPCG(1, 9))), 192), 192}
			n := m.node("c")
			leaf := n
			for len(leaf.children) > 0 {
				leaf = &leaf.children[len(leaf.children)-1]
			}
			values := m.buffer(leaf, 1)
			set64(m.mem, values, -1)
			m.wants(t, abi.BadArray, "row 0: -1 us is not a time of day")
			bitmap := m.mem[64:128]
			for i := range bitmap {
				bitmap[i] = 0xff
			}
			first := 0 // the row that the leaf's first row belongs to
			if n.kind == list {
				for offset(m.mem[m.buffer(n, 1):], first+1, n.width) == 0 {
					first++
				}
			}
			bitmap[first/8] &^= 1 << (first % 8)
			set32(m.mem, m.base+int(n.buffers), 64)
			m.field(n, abi.ArrayNullCount, -1)
			rec, err := take(l, m.mem, uint32(m.base))
			if err != nil {
				t.Fatalf("under a null: %v", err)
			}
			if rec.Column(0).NullN() != 1 {
				t.Errorf("%d nulls", rec.Column(0).NullN())
			}
			count := int(leaf.lengthIn(m))
			set64(m.mem, values+8*(count-1), -1)
			m.wants(t, abi.BadArray, "-1 us is not a time of day")
		})
	}
}

// lengthIn is the length that a node's struct says.
func (n *node) lengthIn(m image) int64 {
	return int64(binary.LittleEndian.Uint64(m.mem[m.base+int(n.array)+abi.ArrayLength:]))
}
