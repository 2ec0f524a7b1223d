package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// witness emits, for each batch, everything that could differ from run to run: it overwrites the numbers of the batch
// with the clock, random bytes of both streams and WASI's clocks, after some work and a sleep.
var witness = guest{
	imports: importEmit + importPoll + `
		(import "adp_v1" "clock" (func $clock (result i64)))
		(import "adp_v1" "random" (func $random (param i32 i32) (result i32)))
		(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
		(import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))`,
	fields:     `(global $early (mut i64) (i64.const 0))`,
	initialize: `(drop (call $random (i32.const 64) (i32.const 8))) (global.set $early (i64.xor (call $clock) (i64.load (i32.const 64))))`,
	proc: `(local $v i32) (local $n i32)
		(local.set $v (i32.load offset=4 (i32.load offset=104 (local.get $array)))) ;; values of column 0
		(loop $work (br_if $work (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 123456))))
		(i64.store (local.get $v) (call $clock))
		(drop ` + sleep(1_500_000_000) + `)
		(drop (call $random (i32.add (local.get $v) (i32.const 8)) (i32.const 8)))
		(drop (call $random_get (i32.add (local.get $v) (i32.const 16)) (i32.const 8)))
		(drop (call $time (i32.const 0) (i64.const 0) (i32.add (local.get $v) (i32.const 24))))
		(drop (call $time (i32.const 1) (i64.const 0) (i32.add (local.get $v) (i32.const 32))))
		(i64.store offset=40 (local.get $v) (global.get $early))
		(call $emit (i32.const 0) (local.get $array))`,
}

// The same run gives the same bytes and costs the same fuel, whatever the engine and however often it is looked at.
func TestDeterminism(t *testing.T) {
	module := assemble(t, witness.text())
	run := func(cfg Config, change func(*Spec)) ([]int64, int64) {
		s := specOf(module, numbers)
		if change != nil {
			change(&s)
		}
		var f fake
		u, err := runAll(newEngine(t, cfg), s, &f, counting(6), counting(6))
		if err != nil {
			t.Fatal(err)
		}
		var out []int64
		for _, b := range f.batches {
			out = append(out, b.Column(0).(*array.Int64).Int64Values()...)
		}
		return out, u.Fuel
	}
	want, fuel := run(Config{}, nil)
	for _, cfg := range []Config{{}, {Quantum: 10}, {Quantum: 1 << 40}, {Interpreter: true}, {Interpreter: true, Quantum: 777}} {
		got, f := run(cfg, nil)
		if !slices.Equal(got, want) || f != fuel {
			t.Errorf("%+v: %v with fuel %d, want %v with %d", cfg, got, f, want, fuel)
		}
	}
	other, _ := run(Config{}, func(s *Spec) { s.RunID = "run-2" })
	for _, n := range []int{1, 2} {
		if other[n] == want[n] {
			t.Errorf("value %d is the same in another run", n)
		}
	}
	for _, n := range []int{0, 3, 4, 5} {
		if other[n] != want[n] {
			t.Errorf("value %d depends on the run's id", n)
		}
	}
	if want[1] == want[2] || want[1] == want[7] {
		t.Errorf("the streams of randomness repeat: %x", want)
	}
	start := specOf(module, numbers).Start.UnixNano()
	if d := want[0] - start; d < 100_000 || d > 10_000_000 {
		t.Errorf("the clock stands at the start + %d ns after some work", d)
	}
	if d := want[3] - want[0]; d < 1_500_000_000 || d > 1_501_000_000 {
		t.Errorf("a sleep of 1.5 s took %d ns", d)
	}
	if want[6] <= want[3] || want[10] <= want[4] {
		t.Error("a clock went back")
	}
	if later := want[4]; later < beforeOpen.UnixNano() {
		t.Errorf("the monotonic clock stands at %d", later)
	}
}

// Every type comes back from an echo guest as it went in, with nulls, slices and nothing at all.
func TestEchoEveryType(t *testing.T) {
	e := newEngine(t, Config{})
	module := assemble(t, echo.text())
	for _, b := range everyBatch(t) {
		t.Run(fmt.Sprint(b.NumRows(), " rows of ", b.Column(0).DataType()), func(t *testing.T) {
			var f fake
			if _, err := runAll(e, specOf(module, b.Schema()), &f, b); err != nil {
				t.Fatal(err)
			}
			if b.NumRows() == 0 {
				if len(f.batches) != 0 {
					t.Fatal("rows out of nothing")
				}
				return
			}
			if len(f.batches) != 1 || !array.RecordEqual(b, f.batches[0]) {
				t.Fatalf("want %v\ngot %v", b, f.batches)
			}
		})
	}
}

// everyBatch has each type of the table, with nulls and without, whole, in slices and empty.
func everyBatch(t *testing.T) (out []arrow.RecordBatch) {
	null := func(name string, typ arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: typ, Nullable: true}
	}
	list := arrow.ListOfField(null("item", arrow.BinaryTypes.String))
	for _, c := range []struct {
		typ    arrow.DataType
		values string
	}{
		{arrow.FixedWidthTypes.Boolean, `true,false,null,true,true,null,false,true,false,true`},
		{arrow.PrimitiveTypes.Int32, `1,null,-2147483648,2147483647,0`},
		{arrow.PrimitiveTypes.Int64, `1,null,-9223372036854775808,9223372036854775807,0`},
		{arrow.PrimitiveTypes.Float32, `1.5,null,-0.25,3e38,0`},
		{arrow.PrimitiveTypes.Float64, `1.5,null,-0.25,1e308,0`},
		{&arrow.Decimal128Type{Precision: 38, Scale: 2}, `"1.50",null,"-999999999999999999999999999999999999.99","0.01","0"`},
		{arrow.FixedWidthTypes.Date32, `"2026-11-22",null,"1969-12-31","0001-01-01"`},
		{arrow.FixedWidthTypes.Time64us, `"00:00:00","23:59:59.999999",null`},
		{&arrow.TimestampType{Unit: arrow.Microsecond}, `"2026-11-22T12:00:00.000001",null,"1969-12-31T23:59:59"`},
		{&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, `"2026-11-22T12:00:00.000001Z",null,"1969-12-31T23:59:59Z"`},
		{arrow.BinaryTypes.String, `"a",null,"","é€🜁","long enough to be more than a few words"`},
		{arrow.BinaryTypes.Binary, `"AAEC",null,"","/w=="`},
		{list, `["a",null,"b"],null,[],["c"],["d","e"]`},
		{arrow.ListOfField(null("item", list)), `[["a"],null,[]],null,[],[["b","c"],["d"]]`},
		{arrow.StructOf(null("x", arrow.PrimitiveTypes.Int32), null("l", list)), `{"x":1,"l":["a"]},null,{"x":null,"l":null},{"x":2,"l":[]}`},
	} {
		s := arrow.NewSchema([]arrow.Field{null("c", c.typ)}, nil)
		rows := `{"c":` + strings.Join(topLevel(c.values), `},{"c":`) + `}`
		rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader("["+rows+"]"))
		if err != nil {
			t.Fatal(c.typ, err)
		}
		n := rec.NumRows()
		out = append(out, rec, rec.NewSlice(1, n), rec.NewSlice(1, n-1), rec.NewSlice(0, 1), rec.NewSlice(n, n))
	}
	return out
}

// topLevel splits JSON values at the commas between them.
func topLevel(s string) (out []string) {
	dec := json.NewDecoder(strings.NewReader("[" + s + "]"))
	_, _ = dec.Token()
	for dec.More() {
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			panic(err)
		}
		out = append(out, string(v))
	}
	return out
}
