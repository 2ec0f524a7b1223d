package wasm_test

import (
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

// BenchmarkOverhead compares metered code with the original in the compiler, call by call in turn, and reports the
// ratio of the best times as x/original. Run it with -benchtime 20x or so.
func BenchmarkOverhead(b *testing.B) {
	d := newTable(1 << 17)
	for _, g := range guests(b) {
		plain, metered := newWorld(b, "plain", true, nil), newWorld(b, "metered", true, &wasm.Options{})
		metered.quantum = 100_000
		ms := []api.Module{instantiateGuest(b, plain, g), instantiateGuest(b, metered, g)}
		ps := []placed{d.place(b, ms[0]), d.place(b, ms[1])}
		ks := [][]kernelCall{d.kernels(ps[0]), d.kernels(ps[1])}
		for k := range ks[0] {
			b.Run(g.name+"/"+ks[0][k].name, func(b *testing.B) {
				best := [2]time.Duration{1 << 62, 1 << 62}
				for b.Loop() {
					for i, m := range ms {
						f := m.ExportedFunction(ks[i][k].name)
						start := time.Now()
						if _, err := f.Call(ctx, ks[i][k].args...); err != nil {
							b.Fatal(err)
						}
						best[i] = min(best[i], time.Since(start))
					}
				}
				b.ReportMetric(float64(best[1])/float64(best[0]), "x/original")
				b.ReportMetric(float64(best[0].Microseconds()), "µs/original")
			})
		}
	}
}

// BenchmarkMeter is the time to parse and to rewrite a Go guest.
func BenchmarkMeter(b *testing.B) {
	in := goGuest(b)
	b.SetBytes(int64(len(in)))
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			if _, err := wasm.Parse(in); err != nil {
				b.Fatal(err)
			}
		}
	})
	m, err := wasm.Parse(in)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("meter", func(b *testing.B) {
		for b.Loop() {
			out, err := wasm.Meter(m, wasm.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(out.Bytes))/float64(len(in)), "x/size")
		}
	})
}
