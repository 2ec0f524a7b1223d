package sandbox

import (
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
)

// nanny tells the bits of the sum of two NaNs: on amd64 the engine's compiler takes those of the first, its interpreter those of the
// second.
var nanny = guest{imports: importEmit, proc: `
	(i64.store (i32.load offset=4 (i32.load offset=40 (i32.load (i32.load offset=44 (local.get $array)))))
		(i64.reinterpret_f64 (f64.add
			(f64.reinterpret_i64 (i64.or (i64.const 0x7ff8000000000123) (i64.extend_i32_u (local.get $input))))
			(f64.reinterpret_i64 (i64.or (i64.const 0x7ff8000000000456) (i64.extend_i32_u (local.get $input)))))))
	(call $emit (i32.const 0) (local.get $array))`}

// TestCanonicalNaNs: a product that asks for it has the same bits in both engines, and its module passes the trial; one that does
// not is seen to differ, and stays in the interpreter. The two are different programs.
func TestCanonicalNaNs(t *testing.T) {
	module := assemble(t, nanny.text())
	const canonical, differs = 0x7ff8 << 48, runtime.GOARCH == "amd64"
	seen := map[uint64]bool{}
	dir := t.TempDir()
	for _, nans := range []string{"", host.CanonicalNaNs} {
		s := specOf(module, numbers)
		s.Product.Code.NaNs = nans
		for _, cfg := range []Config{{Interpreter: true, CacheDir: dir}, {CacheDir: dir}} {
			var f fake
			if _, err := runAll(newEngine(t, cfg), s, &f, counting(1)); err != nil {
				t.Fatal(err)
			}
			switch bits := uint64(f.batches[0].Column(0).(*array.Int64).Value(0)); {
			case nans == "":
				seen[bits] = true
			case bits != canonical:
				t.Errorf("interpreter %v: %#x", cfg.Interpreter, bits)
			}
		}
		e := newEngine(t, Config{})
		if _, err := guided(e, s, &fake{}, compiled, many(enough+2)...); err != nil {
			t.Fatal(err)
		}
		if v, _ := e.judged(programOf(s), s.Bytes); nans != "" && v != same || differs && nans == "" && v != other {
			t.Errorf("NaNs %q: the verdict is %q", nans, v)
		}
	}
	if differs && len(seen) != 2 {
		t.Errorf("this guest shows nothing: both engines give %v", seen)
	}
}

// TestTrialKnowsNaNs: a guest that gives another NaN in each engine, in rows that are numbers, and does not look at its bits, differs in
// nothing, and is taken over by compiled code.
func TestTrialKnowsNaNs(t *testing.T) {
	floats := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Float64}}, nil)
	e := newEngine(t, Config{})
	s := specOf(assemble(t, nanny.text()), floats)
	var batches []arrow.RecordBatch
	for range enough + 2 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, floats)
		b.Field(0).(*array.Float64Builder).AppendValues([]float64{1, 2}, nil)
		batches = append(batches, b.NewRecordBatch())
	}
	var f fake
	if _, err := guided(e, s, &f, compiled, batches...); err != nil {
		t.Fatal(err)
	}
	if v, _ := e.judged(programOf(s), s.Bytes); v != same {
		t.Errorf("the verdict is %q", v)
	}
	if bits := math.Float64bits(f.batches[0].Column(0).(*array.Float64).Value(0)); bits != 0x7ff8<<48 {
		t.Errorf("the rows have %#x", bits)
	}
}

// TestCheckCountsNaNs: a module that is too large with canonical NaNs, and not without, is refused before it is published.
func TestCheckCountsNaNs(t *testing.T) {
	module := assemble(t, guest{proc: `local.get $input f64.convert_i32_u` + strings.Repeat(" f64.sqrt", 200_000) + ` drop i32.const 0`}.text())
	e := newEngine(t, Config{})
	for range 2 { // what is remembered of one is not said of the other
		if err := e.Check(t.Context(), module, host.Code{}); err != nil {
			t.Error(err)
		}
		wantError(t, e.Check(t.Context(), module, host.Code{NaNs: host.CanonicalNaNs}), host.CodeModuleRefused, "instructions")
	}
}
