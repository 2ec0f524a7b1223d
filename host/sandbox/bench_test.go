package sandbox

import (
	"context"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
)

// discard is a run that keeps nothing.
type discard struct{ fake }

func (*discard) Emit(context.Context, int, arrow.RecordBatch) error { return nil }

// opened is an instance after open, with limits that a benchmark does not reach.
func opened(b *testing.B, module []byte, schema *arrow.Schema) *Instance {
	b.Helper()
	s := specOf(module, schema)
	s.Product.Limits.Fuel, s.Product.Limits.Output, s.Product.Limits.Deadline = 1<<60, 1<<60, 1<<60
	i := start(b, newEngine(b, Config{}), s, &discard{})
	if err := i.Open(context.Background()); err != nil {
		b.Fatal(err)
	}
	return i
}

// BenchmarkCall is a call of the guest that does nothing, with all that surrounds it but a batch.
func BenchmarkCall(b *testing.B) {
	i := opened(b, assemble(b, guest{}.text()), numbers)
	ctx := context.Background()
	for b.Loop() {
		if err := i.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostCall is a call of the host by the guest: 1000 an operation.
func BenchmarkHostCall(b *testing.B) {
	i := opened(b, assemble(b, guest{imports: `(import "adp_v1" "clock" (func $clock (result i64)))`, flush: `(local $n i32)
		(loop $l (drop (call $clock)) (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))) (i32.const 0)`}.text()), numbers)
	ctx := context.Background()
	for b.Loop() {
		if err := i.Flush(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBatch is a batch in and out again, small and large.
func BenchmarkBatch(b *testing.B) {
	module := assemble(b, echo.text())
	for name, rows := range map[string]int{"10 rows": 10, "8192 rows": 8192} {
		b.Run(name, func(b *testing.B) {
			i := opened(b, module, numbers)
			rec := counting(rows)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if err := i.Process(ctx, 0, rec); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(i.usage.BytesIn / int64(b.N))
		})
	}
}

// BenchmarkStart is an instance of a compiled module, from nothing to after open.
func BenchmarkStart(b *testing.B) {
	ctx := context.Background()
	for name, module := range map[string][]byte{"small": assemble(b, echo.text()), "Go": abitest.BuildGo(b, "conform")} {
		b.Run(name, func(b *testing.B) {
			e := newEngine(b, Config{})
			s := specOf(module, numbers)
			start(b, e, s, &fake{})
			b.ReportAllocs()
			for b.Loop() {
				i, err := e.Start(ctx, s, &fake{})
				if err != nil {
					b.Fatal(err)
				}
				i.Close()
			}
		})
	}
}

// BenchmarkLoad is a module on its way into a fresh engine: admitted, metered and compiled, or found on disk.
func BenchmarkLoad(b *testing.B) {
	module := abitest.BuildGo(b, "conform")
	once := func(b *testing.B, cfg Config) {
		e, err := New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		p, err := e.programs.acquire(context.Background(), programID{tenant: "local", module: "m", stack: 1 << 20}, func() ([]byte, error) { return module, nil })
		if err != nil {
			b.Fatal(err)
		}
		p.release()
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	load := func(b *testing.B, cfg Config) {
		for b.Loop() {
			once(b, cfg)
		}
	}
	b.Run("compiled", func(b *testing.B) { load(b, Config{}) })
	b.Run("cached", func(b *testing.B) {
		cfg := Config{CacheDir: b.TempDir()}
		once(b, cfg)
		load(b, cfg)
	})
	b.Run("check", func(b *testing.B) {
		e := newEngine(b, Config{})
		for b.Loop() {
			if err := e.Check(context.Background(), module, host.Code{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkImports is each function that a guest may import, called as TestEveryImportIsGuarded calls it, with its price
// beside its time: a unit of fuel should be about a nanosecond.
func BenchmarkImports(b *testing.B) {
	e := newEngine(b, Config{})
	module := assemble(b, proxy().text())
	for _, f := range append(guestImports(), wasiImports()...) {
		switch f.name {
		case "proc_exit", abi.ImportDriverClose, abi.ImportDriverOpen: // once, or up to a bound
			continue
		}
		b.Run(f.name, func(b *testing.B) {
			i := prepared(b, e, module)
			defer i.Close()
			i.meter.limit, i.limits.Output, i.log.limit = 1<<60, 1<<60, 1<<60
			i.calls = &discard{}
			before := i.meter.used()
			call, stack := i.mod.ExportedFunction("p."+f.name), make([]uint64, 10)
			for b.Loop() {
				clear(i.counted)
				copy(stack, imported[f.name].args)
				if err := call.CallWithStack(&i.ctx, stack); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(i.meter.used()-before)/float64(b.N), "fuel/op")
		})
	}
}
