package cdata

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
)

// put lays a batch at base into memory that ends with it.
func put(t testing.TB, l *Layout, rec arrow.RecordBatch, base uint32) []byte {
	t.Helper()
	w := l.NewWriter()
	size, err := w.Plan(rec)
	if err != nil {
		t.Fatal(err)
	}
	mem := make([]byte, int64(base)+size)
	for i := range mem {
		mem[i] = 0xa5 // what a guest left there
	}
	w.Write(mem, base)
	return mem
}

func take(l *Layout, mem []byte, at uint32) (arrow.RecordBatch, error) {
	r := l.NewReader()
	if _, err := r.Measure(mem, at); err != nil {
		return nil, err
	}
	return r.Take()
}

func layout(t testing.TB, s *arrow.Schema) *Layout {
	t.Helper()
	l, err := NewLayout(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Every type, with and without nulls, empty, short and long, whole and sliced, comes back equal.
func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, nullable := range []bool{false, true} {
		l := layout(t, everyType(nullable))
		for _, rows := range []int{0, 1, 7, 8, 9, 64, 65, 1000} {
			rec := randomBatch(l.Schema(), rows, rng)
			for _, cut := range [][2]int{{0, rows}, {rows / 3, rows}, {0, rows / 2}, {rows / 3, rows / 2}, {rows, rows}} {
				want := rec.NewSlice(int64(cut[0]), int64(cut[1]))
				mem := put(t, l, want, 128)
				got, err := take(l, mem, 128)
				if err != nil {
					t.Fatalf("nullable %v, rows %d, cut %v: %v", nullable, rows, cut, err)
				}
				clear(mem) // the result is a copy
				if !array.RecordEqual(want, got) {
					t.Fatalf("nullable %v, rows %d, cut %v:\nwant %v\ngot %v", nullable, rows, cut, want, got)
				}
				if err := validate(got); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// validate walks every value of a record as a reader would.
func validate(rec arrow.RecordBatch) error {
	for _, c := range rec.Columns() {
		for i := range c.Len() {
			_ = c.ValueStr(i)
		}
	}
	_, err := rec.MarshalJSON()
	return err
}

// A guest may emit slices: offsets in the structs, of the batch and of its columns, at every bit position.
func TestOffsets(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	l := layout(t, everyType(true))
	const rows = 50
	rec := randomBatch(l.Schema(), rows, rng)
	for skip := range 20 {
		mem := put(t, l, rec, 64)
		set64(mem, 64+abi.ArrayOffset, int64(skip))
		set64(mem, 64+abi.ArrayLength, rows-int64(skip)-3)
		got, err := take(l, mem, 64)
		if err != nil {
			t.Fatal(err)
		}
		if want := rec.NewSlice(int64(skip), rows-3); !array.RecordEqual(want, got) {
			t.Fatalf("batch offset %d:\nwant %v\ngot %v", skip, want, got)
		}

		mem = put(t, l, rec, 64)
		set64(mem, 64+abi.ArrayLength, rows-int64(skip))
		for i := range l.root.children {
			at := 64 + int(l.root.children[i].array)
			set64(mem, at+abi.ArrayOffset, int64(skip))
			set64(mem, at+abi.ArrayLength, rows-int64(skip))
			set64(mem, at+abi.ArrayNullCount, -1)
		}
		if got, err = take(l, mem, 64); err != nil {
			t.Fatal(err)
		}
		if want := rec.NewSlice(int64(skip), rows); !array.RecordEqual(want, got) {
			t.Fatalf("column offset %d:\nwant %v\ngot %v", skip, want, got)
		}
	}
}

func set64(mem []byte, at int, v int64) { binary.LittleEndian.PutUint64(mem[at:], uint64(v)) }
func set32(mem []byte, at int, v int64) { binary.LittleEndian.PutUint32(mem[at:], uint32(v)) }

// lie is a batch that is wrong in one place.
type lie struct {
	name   string
	change func(l *Layout, mem []byte, base int)
	status abi.Status
	why    string // part of the message
}

func TestLies(t *testing.T) {
	col := func(l *Layout, name string) *node {
		for i := range l.root.children {
			if l.root.children[i].name == name {
				return &l.root.children[i]
			}
		}
		panic(name)
	}
	field := func(name string, offset int, v int64) func(*Layout, []byte, int) {
		return func(l *Layout, mem []byte, base int) { set64(mem, base+int(col(l, name).array)+offset, v) }
	}
	pointer := func(name string, i int, v int64) func(*Layout, []byte, int) {
		return func(l *Layout, mem []byte, base int) { set32(mem, base+int(col(l, name).buffers)+4*i, v) }
	}
	value := func(name string, i, at int, v int64) func(*Layout, []byte, int) {
		return func(l *Layout, mem []byte, base int) {
			p := binary.LittleEndian.Uint32(mem[base+int(col(l, name).buffers)+4*i:])
			set32(mem, int(p)+at, v)
		}
	}
	lies := []lie{
		{"negative length", field("n", abi.ArrayLength, -1), abi.BadArray, "column n: length -1"},
		{"short column", field("n", abi.ArrayLength, 9), abi.BadArray, "column n: 9 rows, its parent needs 10"},
		{"huge length", field("n", abi.ArrayLength, math.MaxInt64), abi.BadArray, "column n: length"},
		{"longer than memory", func(l *Layout, mem []byte, base int) {
			for i := range l.root.children {
				set64(mem, base+int(l.root.children[i].array)+abi.ArrayLength, 1<<30)
			}
			set64(mem, base+abi.ArrayLength, 1<<30)
		}, abi.OutOfBounds, "leaves the memory"},
		{"negative offset", field("n", abi.ArrayOffset, -8), abi.BadArray, "column n: offset -8"},
		{"huge offset", field("n", abi.ArrayOffset, math.MaxInt64), abi.BadArray, "column n: offset"},
		{"offset past the end", field("n", abi.ArrayOffset, 1000), abi.OutOfBounds, "column n: values"},
		{"too few buffers", field("n", abi.ArrayNBuffers, 1), abi.BadArray, "column n: 1 buffers"},
		{"too many buffers", field("n", abi.ArrayNBuffers, 1<<40), abi.BadArray, "column n:"},
		{"children where none are", field("n", abi.ArrayNChildren, 1), abi.BadArray, "column n: 1 children"},
		{"missing child", field("items", abi.ArrayNChildren, 0), abi.BadArray, "column items: 0 children"},
		{"too many nulls", field("n", abi.ArrayNullCount, 11), abi.BadArray, "null_count 11 of 10"},
		{"nulls without a bitmap", field("n", abi.ArrayNullCount, 3), abi.BadArray, "null_count 3 without"},
		{"wrong null count", field("maybe", abi.ArrayNullCount, 1), abi.BadArray, "null_count 1, its bitmap has 2"},
		{"dictionary", field("n", abi.ArrayDictionary, 64), abi.BadArray, "a dictionary"},
		{"null pointer", pointer("n", 1, 0), abi.BadArray, "column n: values is a null pointer"},
		{"misaligned values", pointer("n", 1, 1<<10+4), abi.Misaligned, "column n: values at 1028"},
		{"misaligned offsets", pointer("name", 1, 1<<10+2), abi.Misaligned, "column name: offsets"},
		{"values past the end", pointer("n", 1, 1<<31), abi.OutOfBounds, "column n: values"},
		{"bitmap past the end", pointer("maybe", 0, 1<<31), abi.OutOfBounds, "column maybe: validity"},
		{"data past the end", pointer("name", 2, math.MaxUint32), abi.OutOfBounds, "column name: data"},
		{"table of buffers past the end", func(l *Layout, mem []byte, base int) {
			set32(mem, base+int(col(l, "n").array)+abi.ArrayBuffers, int64(len(mem))-4)
		}, abi.OutOfBounds, "column n: table of buffers"},
		{"misaligned struct", func(l *Layout, mem []byte, base int) {
			set32(mem, base+int(l.root.pointers), int64(base)+4)
		}, abi.Misaligned, "ArrowArray"},
		{"offsets decrease", value("name", 1, 4*5, 0), abi.BadArray, "column name: row 4 ends at offset 0"},
		{"offsets negative", value("name", 1, 0, -1), abi.BadArray, "column name: offsets run from -1"},
		{"last offset huge", value("name", 1, 40, math.MaxInt32), abi.BadArray, "column name: offsets run"},
		{"an offset beyond the last", value("name", 1, 4*5, math.MaxInt32), abi.BadArray, "column name: row"},
		{"list past its elements", value("items", 1, 40, 1<<20), abi.BadArray, "column items.item:"},
		{"not UTF-8", value("name", 2, 2, 0xff), abi.BadArray, "column name: row"},
		{"half a character", value("name", 1, 4*1, 1), abi.BadArray, "column name: row 0: the text is not UTF-8"},
		{"decimal too long", value("price", 1, 16*3+4, 1), abi.BadArray, "column price: row 3: 42949"},
		{"time of day", value("at", 1, 8*2+4, -1), abi.BadArray, "column at: row 2"},
		{"null in a required column", func(l *Layout, mem []byte, base int) {
			set32(mem, base+int(col(l, "n").buffers), int64(base))
			set64(mem, base+int(col(l, "n").array)+abi.ArrayNullCount, -1)
		}, abi.BadArray, "column n: row"},
		{"null rows", func(l *Layout, mem []byte, base int) {
			set32(mem, base+int(l.root.buffers), int64(base))
			set64(mem, base+abi.ArrayNullCount, -1)
		}, abi.BadArray, "rows of the batch itself"},
	}
	s := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64},
		{Name: "maybe", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "name", Type: arrow.BinaryTypes.String},
		{Name: "price", Type: &arrow.Decimal128Type{Precision: 9, Scale: 2}},
		{Name: "at", Type: arrow.FixedWidthTypes.Time64us},
		{Name: "items", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int32, Nullable: true})},
	}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader("["+strings.TrimSuffix(
		strings.Repeat(`{"n":1,"maybe":2,"name":"é€x","price":"12.34","at":"10:11:12","items":[1,2]},`, 8)+
			strings.Repeat(`{"n":1,"maybe":null,"name":"é€x","price":"12.34","at":"10:11:12","items":[]},`, 2), ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	l := layout(t, s)
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			mem := put(t, l, rec, 192)
			lie.change(l, mem, 192)
			_, err := take(l, mem, 192)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an error with %q", err, lie.why)
			}
			if e.Status != lie.status || !strings.Contains(e.Error(), lie.why) {
				t.Errorf("got status %d %q, want %d with %q", e.Status, e, lie.status, lie.why)
			}
		})
	}
	mem := put(t, l, rec, 192)
	for _, at := range []uint32{0, 4, uint32(len(mem)) - 56, uint32(len(mem)), math.MaxUint32 - 7} {
		if _, err := take(l, mem, at); err == nil {
			t.Errorf("a batch at %d was taken", at)
		}
	}
}

// A buffer that every column uses is paid for by every column, before anything is allocated.
func TestOverlapIsExpanded(t *testing.T) {
	const cols, rows = 50, 4096
	fields := make([]arrow.Field, cols)
	for i := range fields {
		fields[i] = arrow.Field{Name: string(rune('a' + i)), Type: arrow.PrimitiveTypes.Int64}
	}
	l := layout(t, arrow.NewSchema(fields, nil))
	mem := put(t, l, randomBatch(l.Schema(), rows, rand.New(rand.NewPCG(5, 6))), 64)
	first := binary.LittleEndian.Uint32(mem[64+l.root.children[0].buffers+4:])
	for i := range l.root.children {
		set32(mem, 64+int(l.root.children[i].buffers)+4, int64(first))
	}
	bytes, err := l.NewReader().Measure(mem, 64)
	if err != nil || bytes < cols*rows*8 {
		t.Fatalf("measured %d, %v", bytes, err)
	}
}

func TestNaNsAreCanonical(t *testing.T) {
	s := arrow.NewSchema([]arrow.Field{{Name: "f", Type: arrow.PrimitiveTypes.Float32}, {Name: "d", Type: arrow.PrimitiveTypes.Float64}}, nil)
	l := layout(t, s)
	for rows := range 20 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, s)
		for i := range rows {
			f, d := float32(math.Inf(-1)), math.Inf(1)
			if i == rows-1 {
				f, d = math.Float32frombits(0xff80_0001), math.Float64frombits(0xfff0_0000_0000_0001)
			}
			b.Field(0).(*array.Float32Builder).Append(f)
			b.Field(1).(*array.Float64Builder).Append(d)
		}
		got, err := take(l, put(t, l, b.NewRecordBatch(), 64), 64)
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			f := math.Float32bits(got.Column(0).(*array.Float32).Value(i))
			d := math.Float64bits(got.Column(1).(*array.Float64).Value(i))
			wantF, wantD := math.Float32bits(float32(math.Inf(-1))), math.Float64bits(math.Inf(1))
			if i == rows-1 {
				wantF, wantD = nan32, nan64
			}
			if f != wantF || d != wantD {
				t.Fatalf("row %d of %d: %x %x, want %x %x", i, rows, f, d, wantF, wantD)
			}
		}
	}
}

// What lies under a null struct is nobody's value, even in a required field.
func TestRequiredUnderNull(t *testing.T) {
	s := arrow.NewSchema([]arrow.Field{{Name: "s", Nullable: true,
		Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32})}}, nil)
	l := layout(t, s)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	sb := b.Field(0).(*array.StructBuilder)
	sb.Append(true)
	sb.FieldBuilder(0).(*array.Int32Builder).Append(1)
	sb.AppendNull()
	got, err := take(l, put(t, l, b.NewRecordBatch(), 64), 64)
	if err != nil || got.Column(0).NullN() != 1 {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestTypesOutsideTheTable(t *testing.T) {
	for _, typ := range []arrow.DataType{arrow.Null, &arrow.Decimal256Type{Precision: 50}, &arrow.Decimal128Type{Precision: 39}, &arrow.Decimal128Type{Precision: 9, Scale: -1},
		arrow.FixedWidthTypes.Duration_us, arrow.FixedWidthTypes.MonthInterval, arrow.BinaryTypes.StringView, arrow.ListViewOf(arrow.PrimitiveTypes.Int32),
		arrow.RunEndEncodedOf(arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int32), arrow.SparseUnionOf(nil, nil),
		&arrow.FixedSizeBinaryType{}, &arrow.FixedSizeBinaryType{ByteWidth: 1 << 20}, arrow.FixedSizeListOf(1<<20, arrow.PrimitiveTypes.Int8),
		&arrow.Time32Type{Unit: arrow.Nanosecond}, &arrow.Time64Type{Unit: arrow.Second},
		&arrow.TimestampType{Unit: arrow.Second, TimeZone: "a\x00b"},
		dictionaryOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String), dictionaryOf(arrow.PrimitiveTypes.Int32, arrow.ListOf(arrow.PrimitiveTypes.Int32)),
		dictionaryOf(arrow.PrimitiveTypes.Int32, dictionaryOf(arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String)),
		arrow.ListOf(arrow.Null)} {
		if _, err := NewLayout(arrow.NewSchema([]arrow.Field{{Name: "c", Type: typ}}, nil)); err == nil {
			t.Errorf("%s has a layout", typ)
		}
	}
}

func dictionaryOf(index, value arrow.DataType) arrow.DataType {
	return &arrow.DictionaryType{IndexType: index, ValueType: value}
}

// The scans agree with their definitions at every length and position: three wide steps, and what words take of the rest.
func TestScans(t *testing.T) { scans(t) }

func scans(t *testing.T) {
	for n := range 3*128 + 30 {
		for hit := range n {
			b := make([]byte, n)
			if b[hit] = 0x80; ascii(b) {
				t.Fatalf("ascii missed byte %d of %d", hit, n)
			}
		}
	}
	for n := range 3*32 + 30 {
		rising32, rising64, floats32, floats64 := make([]byte, 4*n), make([]byte, 8*n), make([]byte, 4*n), make([]byte, 8*n)
		for i := range n {
			set32(rising32, 4*i, int64(i+1))
			set64(rising64, 8*i, int64(i+1))
			set32(floats32, 4*i, int64(math.Float32bits(float32(-i))))
			set64(floats64, 8*i, int64(math.Float64bits(float64(-i))))
		}
		if !ascending(rising32, 4) || !ascending(rising64, 8) || hasNaN32(floats32) || mayHaveNaN64(floats64) {
			t.Fatalf("%d good values are refused", n)
		}
		for hit := range n {
			for _, v := range []int{hit - 1, math.MinInt32} {
				down := v < 0 || hit > 0 // the first may be anything that is not negative
				set32(rising32, 4*hit, int64(v))
				set64(rising64, 8*hit, int64(v))
				if ascending(rising32, 4) == down || ascending(rising64, 8) == down {
					t.Fatalf("%d offsets, number %d is %d", n, hit, v)
				}
			}
			set32(rising32, 4*hit, int64(hit+1))
			set64(rising64, 8*hit, int64(hit+1))
			for _, nan := range []struct{ of32, of64 uint64 }{
				{0x7fc0_0000, 0x7ff8_0000_0000_0000}, {0x7f80_0001, 0x7ff0_0000_0000_0001}, {0xffff_ffff, 0xffff_ffff_ffff_ffff}} {
				set32(floats32, 4*hit, int64(nan.of32))
				set64(floats64, 8*hit, int64(nan.of64))
				if !hasNaN32(floats32) || !mayHaveNaN64(floats64) {
					t.Fatalf("%d floats, number %d is the NaN %x", n, hit, nan.of64)
				}
			}
			set32(floats32, 4*hit, 0)
			set64(floats64, 8*hit, 0)
		}
	}
}

// The quick looks at decimals and indices pass what the slow ones pass, at every bound.
func TestQuickLooks(t *testing.T) {
	for precision := int32(1); precision <= 19; precision++ {
		bound := int64(1)
		for range min(precision, 18) {
			bound *= 10
		}
		for _, v := range []struct {
			lo, hi int64
			fits   bool
		}{{0, 0, true}, {bound - 1, 0, true}, {1 - bound, -1, true}, {bound, 0, false}, {-bound, -1, false}, {1, 1, false}, {-1, 0, false},
			{1, -1, false}, {math.MinInt64, -1, false}, {math.MinInt64, 0, false}, {math.MaxInt64, 0, false}} {
			b := make([]byte, 48)
			set64(b, 16, v.lo)
			set64(b, 24, v.hi)
			if got := fitDecimals(b, precision); got != (v.fits && precision <= 18) {
				t.Errorf("decimal %d %d within %d digits: %v", v.hi, v.lo, precision, got)
			}
		}
	}
	for _, v := range []struct{ index, most int64 }{{0, 1}, {1, 1}, {-1, 5}, {4, 5}, {5, 5}, {math.MinInt32, math.MaxInt32}, {0, 0}} {
		b := make([]byte, 12)
		set32(b, 4, v.index)
		if got, want := belowInt32(b, v.most), v.index >= 0 && v.index < v.most && v.most > 0; got != want {
			t.Errorf("index %d of %d: %v", v.index, v.most, got)
		}
	}
}
