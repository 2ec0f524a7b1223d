package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
)

// A batch of everyShape lies in memory as: the root at $array, then an ArrowArray of 64 bytes for each column and what is
// in it, in the order of the schema. at is the address of one of them in a guest's process.
const (
	rootArray = iota
	labelArray
	labelValues
	listArray
	listItems
	pairArray
	pairItems
	tagsArray
	tagsEntries
	tagsKeys
	tagsItems
	numberArray
)

func at(n int) string { return fmt.Sprintf("(i32.add (local.get $array) (i32.const %d))", 64*n) }

// buffer is the address of a buffer of an array; place that of its pointer.
func buffer(n, i int) string {
	return fmt.Sprintf("(i32.load offset=%d (i32.load offset=40 %s))", 4*i, at(n))
}
func place(n, i int) string {
	return fmt.Sprintf("(i32.add (i32.load offset=40 %s) (i32.const %d))", at(n), 4*i)
}

var everyShape = arrow.NewSchema([]arrow.Field{
	{Name: "label", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, Nullable: true},
	{Name: "list", Type: arrow.LargeListOfField(arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int64, Nullable: true}), Nullable: true},
	{Name: "pair", Type: arrow.FixedSizeListOfField(2, arrow.Field{Name: "item", Type: arrow.PrimitiveTypes.Int32, Nullable: true}), Nullable: true},
	{Name: "tags", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64), Nullable: true},
	{Name: "number", Type: &arrow.Decimal128Type{Precision: 9, Scale: 2}},
}, nil)

// shapes is rows of everyShape; each label has size bytes.
func shapes(t testing.TB, rows, size int) arrow.RecordBatch {
	t.Helper()
	row := fmt.Sprintf(`{"label":%q,"list":[1,2],"pair":[3,4],"tags":[{"key":"k","value":1}],"number":"1.50"}`, strings.Repeat("x", size))
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, everyShape, strings.NewReader("["+strings.TrimSuffix(strings.Repeat(row+",", rows), ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

const emitIt = `(call $emit (i32.const 0) (local.get $array))`

// hostileBatches are changes to a batch of everyShape before it is emitted. Those without a code are no lies: the host
// takes them for what they are, and what it has taken can be read.
var hostileBatches = []struct {
	name   string
	change string
	words  []string // of the refusal; nil: the batch is taken
}{
	{"nothing is changed", ``, nil},
	{"all buffers are one", `(i32.store ` + place(listItems, 1) + buffer(numberArray, 1) + `) (i32.store ` + place(pairItems, 1) + buffer(numberArray, 1) + `)`, nil},
	{"a buffer lies over the structs", `(i32.store ` + place(listItems, 1) + `(local.get $array))`, nil},
	{"an array is two columns", `(i32.store offset=16 (i32.load offset=44 (local.get $array)) ` + at(listArray) + `)`, []string{"column number", "children"}},
	{"the batch is its own column", `(i32.store (i32.load offset=44 (local.get $array)) (local.get $array))`, []string{"column label"}},
	{"a list is its own element", `(i32.store (i32.load offset=44 ` + at(listArray) + `) ` + at(listArray) + `)`, []string{"column list.item", "children"}},
	{"the table of children is past memory", `(i32.store offset=44 (local.get $array) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)))`, []string{"table of children", "leaves the memory"}},
	{"the table of children wraps around", `(i32.store offset=44 (local.get $array) (i32.const -4))`, []string{"leaves the memory"}},
	{"the table of children is null", `(i32.store offset=44 (local.get $array) (i32.const 0))`, []string{"null pointer"}},
	{"indices beyond the dictionary", `(i32.store ` + buffer(labelArray, 1) + ` (i32.const 7))`, []string{"column label", "index 7"}},
	{"indices below the dictionary", `(i32.store ` + buffer(labelArray, 1) + ` (i32.const -7))`, []string{"column label", "index -7"}},
	{"a dictionary of nothing", `(i64.store ` + at(labelValues) + ` (i64.const 0))`, []string{"column label", "of a dictionary of 0"}},
	{"a dictionary longer than memory", `(i64.store ` + at(labelValues) + ` (i64.const 1000000))`, []string{"column label", "leaves the memory"}},
	{"no dictionary", `(i32.store offset=48 ` + at(labelArray) + ` (i32.const 0))`, []string{"column label", "null pointer"}},
	{"a dictionary that is a list", `(i32.store offset=48 ` + at(labelArray) + at(listArray) + `)`, []string{"column label"}},
	{"a dictionary in a list", `(i32.store offset=48 ` + at(listItems) + at(labelValues) + `)`, []string{"column list.item", "a dictionary"}},
	{"large offsets of 2^40", `(i64.store offset=24 ` + buffer(listArray, 1) + ` (i64.const 1099511627776))`, []string{"column list", "offsets run"}},
	{"large offsets below zero", `(i64.store ` + buffer(listArray, 1) + ` (i64.const -1))`, []string{"column list", "offsets run from -1"}},
	{"large offsets that fall", `(i64.store offset=8 ` + buffer(listArray, 1) + ` (i64.const 5))`, []string{"column list"}},
	{"an offset of 2^62", `(i64.store offset=16 ` + at(listArray) + ` (i64.const 4611686018427387904))`, []string{"column list", "offset"}},
	{"lengths that overflow when they are added", `(i64.store ` + at(listItems) + ` (i64.const 9223372036854775807)) (i64.store offset=16 ` + at(listItems) + ` (i64.const 1))`, []string{"column list.item"}},
	{"fixed-size lists without elements", `(i64.store ` + at(pairItems) + ` (i64.const 1))`, []string{"column pair.item", "its parent needs 6"}},
	{"a map whose key is null", `(i32.store ` + place(tagsKeys, 0) + ` (i32.const 16)) (i64.store offset=8 ` + at(tagsKeys) + ` (i64.const -1))`, []string{"column tags.entries.key", "null"}},
	{"a map whose entry is null", `(i32.store ` + place(tagsEntries, 0) + ` (i32.const 16)) (i64.store offset=8 ` + at(tagsEntries) + ` (i64.const -1))`, []string{"column tags.entries", "null"}},
	{"a key that is not UTF-8", `(i32.store8 ` + buffer(tagsKeys, 2) + ` (i32.const 255))`, []string{"column tags.entries.key", "UTF-8"}},
	{"a number of too many digits", `(i64.store offset=8 ` + buffer(numberArray, 1) + ` (i64.const 1))`, []string{"column number", "digits"}},
	{"more nulls than rows", `(i64.store offset=8 ` + at(numberArray) + ` (i64.const 4))`, []string{"column number", "null_count"}},
	{"nulls where none may be", `(i32.store ` + place(numberArray, 0) + ` (i32.const 16)) (i64.store offset=8 ` + at(numberArray) + ` (i64.const -1))`, []string{"column number", "requires"}},
	{"a release that is called", `(i32.store offset=52 (local.get $array) (i32.const 1))`, nil},
}

// Batches that lie are refused with their column; those that are only odd are taken, and everything in them can be read.
func TestHostileBatches(t *testing.T) {
	e := newEngine(t, Config{})
	for _, h := range hostileBatches {
		t.Run(h.name, func(t *testing.T) {
			var f fake
			s := specOf(assemble(t, guest{imports: importEmit, memory: "2", proc: h.change + emitIt}.text()), everyShape)
			_, err := runAll(e, s, &f, shapes(t, 3, 5))
			if h.words != nil {
				wantError(t, err, host.CodeGuestBatch, h.words...)
				return
			}
			if err != nil || len(f.batches) != 1 {
				t.Fatalf("%d batches, %v", len(f.batches), err)
			}
			if _, err := f.batches[0].MarshalJSON(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A dictionary of one long text, referred to by every row, counts as what it unfolds to: against the memory that a guest
// may have at once, and against the output that it may have at all.
func TestHostileDictionaryBombs(t *testing.T) {
	e := newEngine(t, Config{})
	module := assemble(t, guest{imports: importEmit, memory: "64", proc: emitIt}.text())
	for _, c := range []struct {
		name       string
		rows, size int
		set        func(*host.Limits)
		code       host.ErrorCode
		words      string
	}{
		{"one batch", 4096, 64 << 10, func(*host.Limits) {}, host.CodeGuestBatch, "all buffers expanded"},
		{"the output limit", 512, 16 << 10, func(l *host.Limits) { l.Output = 4 << 20 }, host.CodeGuestOutput, "output limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := array.NewRecordBuilder(memory.DefaultAllocator, everyShape)
			var f fake
			one := shapes(t, 1, c.size)
			label := one.Column(0).(*array.Dictionary)
			indices := array.NewData(arrow.PrimitiveTypes.Int32, c.rows, []*memory.Buffer{nil, memory.NewBufferBytes(make([]byte, 4*c.rows))}, nil, 0, 0)
			cols := []arrow.Array{array.NewDictionaryArray(label.DataType(), array.MakeFromData(indices), label.Dictionary())}
			for i := range 4 {
				fb := b.Field(i + 1)
				for range c.rows {
					fb.AppendEmptyValue()
				}
				cols = append(cols, fb.NewArray())
			}
			s := specOf(module, everyShape)
			c.set(&s.Product.Limits)
			u, err := runAll(e, s, &f, array.NewRecordBatch(everyShape, cols, int64(c.rows)))
			wantError(t, err, c.code, c.words)
			if len(f.batches) > 0 || u.BytesOut > s.Product.Limits.WithDefaults().Output {
				t.Errorf("%d batches of %d bytes left the guest", len(f.batches), u.BytesOut)
			}
		})
	}
}

// What the host has taken is its own: a guest that writes over a batch after emit answered changes nothing.
func TestHostileChangesAfterEmit(t *testing.T) {
	e := newEngine(t, Config{})
	for name, later := range map[string]string{
		"at once":          `(memory.fill (i32.const 4096) (i32.const 255) (i32.const 60000)) (i32.const 0)`,
		"and emits again":  `(i64.store ` + buffer(1, 1) + ` (i64.const 77)) ` + emitIt,
		"by growing first": `(drop (memory.grow (i32.const 8))) (memory.fill (i32.const 4096) (i32.const 255) (i32.const 60000)) (i32.const 0)`,
	} {
		t.Run(name, func(t *testing.T) {
			var f fake
			s := specOf(assemble(t, guest{imports: importEmit, proc: `(drop ` + emitIt + `)` + later}.text()), numbers)
			if _, err := runAll(e, s, &f, counting(50)); err != nil {
				t.Fatal(err)
			}
			if len(f.batches) == 0 || !array.RecordEqual(f.batches[0], counting(50)) {
				t.Errorf("the batch is now %v", f.batches)
			}
		})
	}
}

// Guests that answer the host in ways nobody foresees: memory that is not there, or somebody else's, or gone.
func TestHostileAnswers(t *testing.T) {
	e := newEngine(t, Config{})
	for _, h := range []hostile{
		{"alloc always gives the same", guest{memory: "64", alloc: `(i32.const 4096)`, proc: `(i32.const 0)`}, nil, "", nil},
		{"alloc gives the open block again, which open reads", guest{memory: "64", alloc: `(i32.const 4096)`, open: `(i32.load (local.get $block))`}, nil, host.CodeGuestStatus, []string{"status 1"}},
		{"alloc emits", guest{memory: "64", imports: importEmit, alloc: `(drop (call $emit (i32.const 0) (i32.const 64))) (i32.const 4096)`}, nil, "", nil},
		{"alloc wants a policy", guest{memory: "64", imports: `(import "adp_v1" "decide" (func $decide (param i32 i32 i32 i32) (result i64)))`,
			alloc: `(drop (call $decide (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) (i32.const 4096)`}, nil, "", nil},
		{"alloc traps on the second call", guest{memory: "64", fields: `(global $n (mut i32) (i32.const 0))`,
			alloc: `(if (global.get $n) (then (unreachable))) (global.set $n (i32.const 1)) (i32.const 4096)`}, nil, host.CodeGuestTrap, []string{"adp_alloc"}},
		{"alloc gives the end of memory", guest{alloc: `(i32.const 65536)`}, nil, host.CodeGuestABI, []string{"leaves its memory"}},
		{"alloc gives the end of addresses", guest{alloc: `(i32.const -64)`}, nil, host.CodeGuestABI, []string{"leaves its memory"}},
		{"alloc grows to the limit first", guest{alloc: `(drop (memory.grow (i32.const 1023))) (i32.const 4096)`}, nil, "", nil},
		{"alloc exits", guest{imports: `(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`, alloc: `(call $exit (i32.const 0)) (i32.const 4096)`},
			nil, host.CodeGuestTrap, []string{"exited with code 0"}},
		{"process emits its own open block", guest{imports: importEmit, open: `(i32.store (i32.const 64) (local.get $block)) (i32.const 0)`,
			proc: `(call $emit (i32.const 0) (i32.load (i32.const 64)))`}, nil, host.CodeGuestBatch, []string{"output out"}},
		{"process emits to a port that is not", guest{imports: importEmit, proc: `(call $emit (i32.const 1) (local.get $array))`}, nil, host.CodeGuestStatus, []string{"status 2 (not found)"}},
		{"process writes to what it may only read", guest{imports: `(import "adp_v1" "driver_write" (func $write (param i32 i32) (result i32)))`,
			proc: `(call $write (i32.const 0) (local.get $array))`}, nil, host.CodeGuestStatus, []string{"status 8 (denied)"}},
		{"process takes the wrong way out", guest{proc: `(i32.const 2147483647)`}, nil, host.CodeGuestStatus, []string{"status 2147483647"}},
		{"open keeps the block and loops over it", guest{open: `(loop $l (drop (i32.load (local.get $block))) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
		{"flush emits a batch of before", guest{imports: importEmit, fields: `(global $kept (mut i32) (i32.const 0))`,
			proc: `(global.set $kept (local.get $array)) (i32.const 0)`, flush: `(call $emit (i32.const 0) (global.get $kept))`}, nil, "", nil},
	} {
		t.Run(h.name, func(t *testing.T) {
			s := specOf(assemble(t, h.guest.text()), numbers)
			if h.set != nil {
				h.set(&s)
			}
			_, err := runAll(e, s, &fake{}, counting(10), counting(20))
			if h.code == "" {
				if err != nil {
					t.Errorf("it harms nobody but itself: %v", err)
				}
				return
			}
			wantError(t, err, h.code, h.words...)
		})
	}
}

// Each function that a guest may import, called for ever: fuel, a limit of the run or the function itself ends it.
func TestHostileFloods(t *testing.T) {
	e := newEngine(t, Config{})
	ends := map[string]host.ErrorCode{"emit": host.CodeGuestFuel, "log": host.CodeGuestLogs, "fd_write": host.CodeGuestLogs, "proc_exit": host.CodeGuestTrap,
		"driver_open": host.CodeGuestCallLimit}
	for _, f := range append(guestImports(), wasiImports()...) {
		t.Run(f.name, func(t *testing.T) {
			s := specOf(assemble(t, flood(f).text()), numbers)
			s.Product.Limits = host.Limits{Fuel: 50_000_000, Deadline: time.Minute}
			want := host.CodeGuestFuel
			if code, ok := ends[f.name]; ok {
				want = code
			}
			u, err := runAll(e, s, &discard{fake{read: []arrow.RecordBatch{counting(3)}}}, counting(3))
			wantError(t, err, want)
			if over := u.Fuel - s.Product.Limits.Fuel; over > 2*max(f.cost, 100_000) {
				t.Errorf("it ran for %d more than its fuel", over)
			}
		})
	}
}

// flood calls an import as the table of bounds does, for ever.
func flood(f hostFunc) guest {
	params, results, _ := strings.Cut(f.signature, "->")
	call, signature := "(call $f", ""
	for n, typ := range strings.Fields(params) {
		signature += " " + typ
		v := imported[f.name].args[n]
		switch {
		case (f.name == "emit" || f.name == "driver_write") && n == 1:
			call += " (local.get $array)"
		case f.name == "driver_next" && n == 1:
			call += " (i32.const 8192)"
		case typ == "f64":
			call += " (f64.const 1)"
		default:
			call += fmt.Sprintf(" (%s.const %d)", typ, v)
		}
	}
	call += ")"
	result := ""
	if results = strings.TrimSpace(results); results != "" {
		call, result = "(drop "+call+")", " (result "+results+")"
	}
	module := "adp_v1"
	for _, w := range wasiImports() {
		if w.name == f.name {
			module = "wasi_snapshot_preview1"
		}
	}
	param := ""
	if signature != "" {
		param = " (param" + signature + ")"
	}
	return guest{imports: fmt.Sprintf("(import %q %q (func $f%s%s))", module, f.name, param, result), memory: "64",
		fields: `(data (i32.const 64) "key") (data (i32.const 256) "greeting")`,
		alloc:  `(i32.const 65536)`,
		proc:   `(i32.store (i32.const 8192) (i32.const 64)) (i32.store (i32.const 8196) (i32.const 3)) (loop $l ` + call + ` (br $l)) (unreachable)`}
}

// The host spends no longer on one call than the guest's deadline and a little: a write of newlines from everywhere at once.
func TestHostileWriteOfEverything(t *testing.T) {
	e := newEngine(t, Config{})
	s := specOf(assemble(t, guest{imports: `(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))`, memory: "512",
		proc: `(local $p i32) (memory.fill (i32.const 65536) (i32.const 10) (i32.const 33000000)) (local.set $p (i32.const 16384))
			(loop $l (i32.store (local.get $p) (i32.const 65536)) (i32.store offset=4 (local.get $p) (i32.const 33000000))
				(br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 8))) (i32.const 24576))))
			(drop (call $write (i32.const 1) (i32.const 16384) (i32.const 1024) (i32.const 16)))
			(i32.ne (i32.load (i32.const 16)) (i32.const 262144))`}.text()), numbers)
	if _, err := runAll(e, s, &fake{}, counting(1)); err != nil {
		t.Errorf("a write takes %d bytes and says so: %v", maxWrite, err)
	}
}
