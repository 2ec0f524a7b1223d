package wasm_test

import (
	"bytes"
	"cmp"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/adp-host/adp/host/wasm"
)

var prices = flag.Bool("prices", false, "let TestPrices measure, and judge, what a unit of fuel buys")

// What a unit of fuel may buy of a processor's time in compiled code: of any instruction that is judged at most so many times what it
// buys in the median, and that within some ns, on machines that differ by as much.
const (
	mostOfMedian            = 15
	leastMedian, mostMedian = 0.03, 1.5
)

// spent is what an instruction took.
type spent struct {
	name  string
	price float64 // fuel, operands and what goes with it included
	ns    float64
	free  bool
}

func (s spent) unit() float64 { return s.ns / s.price }

// TestPrices runs every instruction by itself. That each has a module that ends is always tested; with -prices it is measured what a
// unit of fuel buys of each, and no price may be a lever: an instruction that takes far longer than it is paid for.
func TestPrices(t *testing.T) {
	w := newWorld(t, "", true, &wasm.Options{})
	w.quantum = 10_000_000
	var all []spent
	for _, s := range wasm.Spendings() {
		m, err := w.instantiate(s.Module, "")
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		run := m.ExportedFunction("run")
		once := func(n uint64) (fuel int64, took time.Duration) {
			w.mods = w.mods[len(w.mods)-1:]
			before, start := w.used(), time.Now()
			if _, err := run.Call(ctx, n); err != nil {
				t.Fatalf("%s: %v", s.Name, err)
			}
			return w.used() - before, time.Since(start)
		}
		w.granted = 0
		if s.Free && *prices { // pages that nobody has written are all the same, and near
			m.Memory().Write(0, bytes.Repeat([]byte{1}, int(m.Memory().Size())))
		}
		n, best := uint64(1), time.Duration(1<<62)
		fuel, _ := once(n)
		if *prices {
			for took := time.Duration(0); took < 2*time.Millisecond; n *= 2 {
				_, took = once(n)
			}
			for range 5 {
				var took time.Duration
				if fuel, took = once(n); took < best {
					best = took
				}
			}
		}
		if fuel <= 0 {
			t.Errorf("%s costs %d", s.Name, fuel)
		}
		all = append(all, spent{s.Name, float64(fuel) / float64(32*n), float64(best) / float64(32*n), s.Free})
		if err := m.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if *prices {
		judge(t, all)
		for _, compiler := range []bool{true, false} {
			judgeStarts(t, compiler)
		}
	}
}

// judgeStarts prints what a unit of fuel buys of what an engine does before any code runs, and fails where it buys more than of the
// dearest instruction.
func judgeStarts(t *testing.T, compiler bool) {
	w := newWorld(t, "", compiler, nil)
	if _, err := w.r.NewHostModuleBuilder("a").NewFunctionBuilder().WithFunc(func() {}).Export("b").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	take := func(text string) (fuel int64, least time.Duration) {
		m, err := wasm.Parse(wasm.Assemble(text + "\nfunc f () -> ()\n"))
		if err != nil {
			t.Fatal(err)
		}
		x, err := wasm.Meter(m, wasm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ready := x.Instantiable()
		c, err := w.r.CompileModule(ctx, ready.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		least = 1 << 62
		for range 200 {
			begin := time.Now()
			i, err := w.r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName(""))
			if err != nil {
				t.Fatal(err)
			}
			for n := range ready.Globals {
				i.ExportedGlobal(wasm.ExportGlobal + strconv.Itoa(n))
			}
			least = min(least, time.Since(begin))
			if err := i.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
		return ready.Start, least
	}
	fuel, took := take("")
	for _, s := range []struct {
		name, text string
		n          int
	}{
		{"start: functions", "func f# () -> ()\n", 1_900},
		{"start: imports", "import a.b ()->()\n", 500},
		{"start: globals", "global i64 7\n", 200},
		{"start: globals that change", "global i64 mut 7\n", 200},
	} {
		var text strings.Builder
		for n := range s.n {
			text.WriteString(strings.ReplaceAll(s.text, "#", strconv.Itoa(n)))
		}
		f, d := take(text.String())
		unit := float64(d-took) / float64(f-fuel)
		t.Logf("%-36s %8.2f ns  %8.2f fuel  %6.3f ns a unit, compiled %v", s.name, float64(d-took)/float64(s.n), float64(f-fuel)/float64(s.n), unit, compiler)
		if unit > mostMedian {
			t.Errorf("%s: a unit of fuel buys %.2f ns, compiled %v", s.name, unit, compiler)
		}
	}
}

// judge prints what a unit buys, most first, and fails where it buys too much.
func judge(t *testing.T, all []spent) {
	slices.SortFunc(all, func(a, b spent) int { return cmp.Compare(b.unit(), a.unit()) })
	median := all[len(all)/2].unit()
	t.Logf("rewriter %s, prices %s: %d instructions, a unit of fuel buys %.3f ns in the median", wasm.Version, wasm.CostHash(), len(all), median)
	for _, s := range all {
		t.Logf("%-36s %8.2f ns  %8.2f fuel  %6.3f ns a unit, %.1f of the median", s.name, s.ns, s.price, s.unit(), s.unit()/median)
		if s.unit() > mostOfMedian*median && !s.free {
			t.Errorf("%s: a unit of fuel buys %.2f ns", s.name, s.unit())
		}
	}
	if median < leastMedian || median > mostMedian {
		t.Errorf("a unit of fuel buys %.3f ns in the median", median)
	}
}
