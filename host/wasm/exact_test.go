package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

var (
	modules   = flag.Int("modules", 10_000, "how many generated modules TestExactness runs")
	firstSeed = flag.Uint64("seed", 0, "the seed of the first")
)

// TestExactness runs generated modules in the reference interpreter, as they are and metered, in the compiler and in the
// interpreter, with quanta of 1, 7 and 100,000: results, traps, memory, what the host hears and what is charged are the same,
// to the bit and to the unit. Every other module is metered with canonical NaNs; in the rest, the comparison ends with the
// first NaN that arithmetic gives.
func TestExactness(t *testing.T) {
	n := *modules
	if testing.Short() {
		n = min(n, 500)
	}
	var next, differences atomic.Int64
	var sums exactSums
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			l := newExactLab(t)
			for differences.Load() < 10 {
				i := next.Add(1) - 1
				if i >= int64(n) {
					break
				}
				seed := *firstSeed + uint64(i)
				if err := l.module(seed); err != nil {
					differences.Add(1)
					t.Errorf("seed %d: %v", seed, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			sums.add(&l.sums)
		})
	}
	wg.Wait()
	sums.differences = differences.Load()
	t.Log(&sums)
	if n >= 500 && (sums.trapped*20 < sums.calls || sums.located*2 < sums.trapped || sums.putBack*4 < sums.modules || sums.fuel == 0 || sums.tooLong*10 > sums.modules || sums.nans == 0 || sums.engine*1000 > sums.modules) {
		t.Error("the generated modules are too much alike")
	}
}

// exactSums is what was compared.
type exactSums struct {
	modules, calls, trapped, tooLong, nans, instructions, fuel, differences int64
	located                                                                 int64 // traps whose place was compared
	putBack                                                                 int64 // modules whose instances were put back into their first state
	engine                                                                  int64 // modules with which the compiler disagrees as they are
}

func (s *exactSums) add(o *exactSums) {
	s.modules += o.modules
	s.calls += o.calls
	s.trapped += o.trapped
	s.tooLong += o.tooLong
	s.nans += o.nans
	s.instructions += o.instructions
	s.fuel += o.fuel
	s.engine += o.engine
	s.located += o.located
	s.putBack += o.putBack
}

func (s *exactSums) String() string {
	return fmt.Sprintf("modules %d (%d put back and run again), calls %d (%d trapped, %d at the same place everywhere), instructions %d, fuel %d, left early for NaNs %d, for length %d, differences %d (and %d of the unmetered compiler)",
		s.modules, s.putBack, s.calls, s.trapped, s.located, s.instructions, s.fuel, s.nans, s.tooLong, s.differences, s.engine)
}

// exactLab has the engines that modules are compared in, and keeps them from module to module.
type exactLab struct {
	sums   exactSums
	worlds []*exactWorld
	trace  []string // of the call, in the author's module, as the first world has it
}

// exactWorld is an engine and what it does.
type exactWorld struct {
	*world
	compiler bool
	heard    []uint32
	mod      api.Module
	gone     bool // for the rest of the module
}

var quanta = []int64{1, 7, 100_000}

func newExactLab(t testing.TB) *exactLab {
	l := &exactLab{}
	for _, compiler := range []bool{false, true} {
		for _, metered := range []bool{false, true} {
			w := &exactWorld{compiler: compiler, world: newWorld(t, fmt.Sprintf("compiler %v, metered %v", compiler, metered), compiler, nil)}
			if metered {
				w.options, w.ready = new(wasm.Options), true
			}
			i32 := []api.ValueType{api.ValueTypeI32}
			_, err := w.r.NewHostModuleBuilder("env").NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
				w.heard = append(w.heard, uint32(stack[0]))
				stack[0] = uint64(uint32(stack[0])*3 + 1)
			}), i32, i32).Export("host").Instantiate(ctx)
			if err != nil {
				t.Fatal(err)
			}
			l.worlds = append(l.worlds, w)
		}
	}
	return l
}

// errDone ends a module early without a difference.
var errDone = errors.New("nothing more to compare")

// module compares one generated module.
func (l *exactLab) module(seed uint64) error {
	b := wasm.Generate(seed)
	m, err := wasm.Parse(b)
	if err != nil {
		return fmt.Errorf("the generator: %w", err)
	}
	l.sums.modules++
	strict := seed%2 == 1
	for i, w := range l.worlds {
		if w.options != nil {
			w.options = &wasm.Options{CanonicalNaNs: strict, StackBudget: 1 << 20}
		}
		w.quantum, w.granted, w.limit, w.heard, w.mods = quanta[(seed+uint64(i))%3], 0, 1<<60, nil, w.mods[:0]
		w.gone = false
		if w.mod, err = w.instantiate(b, ""); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		defer w.mod.Close(ctx)
	}
	ref := wasm.NewReference(m)
	for k := range 3 {
		for _, x := range m.Exports {
			if x.Kind != wasm.KindFunc {
				continue
			}
			if err := l.call(ref, x, wasm.Arguments(seed+uint64(k)<<32, x.Type.Params), strict); errors.Is(err, errDone) {
				l.sums.instructions += int64(ref.Counts)
				return nil
			} else if err != nil {
				return fmt.Errorf("%s, round %d: %w", x.Name, k, err)
			}
		}
	}
	l.sums.instructions += int64(ref.Counts)
	l.sums.fuel += ref.Fuel
	return l.again(m, seed, strict)
}

// again puts the metered instances back into the state of their start, as a host does between runs, and makes the first calls once
// more: nothing of all that happened can be left.
func (l *exactLab) again(m *wasm.Module, seed uint64, strict bool) error {
	back := false
	for _, w := range l.worlds {
		w.heard, w.gone = nil, w.gone || w.image == nil || !w.image.putBack(w.world, w.mod)
		back = back || !w.gone
	}
	if !back {
		return nil
	}
	l.sums.putBack++
	ref := wasm.NewReference(m)
	for _, x := range m.Exports {
		if x.Kind != wasm.KindFunc {
			continue
		}
		if err := l.call(ref, x, wasm.Arguments(seed, x.Type.Params), strict); errors.Is(err, errDone) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s, put back: %w", x.Name, err)
		}
	}
	return nil
}

func (l *exactLab) call(ref *wasm.Reference, x wasm.Export, args []uint64, strict bool) error {
	before := ref.Fuel
	ref.Steps = 50_000
	want, wantErr := ref.Call(x.Name, args...)
	if errors.Is(wantErr, wasm.TooLong) {
		l.sums.tooLong++
		return errDone
	}
	l.sums.calls++
	if wantErr != nil {
		l.sums.trapped++
	}
	if ref.NaNs && !strict {
		l.sums.nans++
		return errDone
	}
	l.trace = nil
	for _, w := range l.worlds {
		if w.gone = w.gone || ref.NaNs && w.options == nil; w.gone { // its NaNs are its own
			continue
		}
		err := w.compare(l, ref, x, args, want, wantErr, ref.Fuel-before)
		if err != nil && w.options == nil && w.compiler {
			w.gone = true // what ands.go and choice.go are for; metered, it must agree
			l.sums.engine++
			continue
		}
		if err != nil {
			return fmt.Errorf("%s, quantum %d: %w", w.name, w.quantum, err)
		}
	}
	return nil
}

// compare makes one call and compares all that can be seen of it.
func (w *exactWorld) compare(l *exactLab, ref *wasm.Reference, x wasm.Export, args, want []uint64, wantErr error, fuel int64) error {
	before := int64(0)
	if w.options != nil {
		before = w.used()
	}
	got, err := w.mod.ExportedFunction(x.Name).Call(ctx, args...)
	if trap(err) != trap(wantErr) {
		return fmt.Errorf("traps with %q, want %q", trap(err), trap(wantErr))
	}
	if err != nil && trap(err) != "stack" {
		if got := w.trace(err); len(got) == 0 {
			return fmt.Errorf("nobody knows where it traps: %v", err)
		} else if l.trace == nil {
			l.trace = got
			l.sums.located++
		} else if !slices.Equal(got, l.trace) {
			return fmt.Errorf("traps (%s) at %s, want %s", trap(err), got, l.trace)
		}
	}
	for i, t := range x.Type.Results {
		if err == nil && low(t, got[i]) != low(t, want[i]) {
			return fmt.Errorf("result %d of type %s is %#x, want %#x", i, t, got[i], want[i])
		}
	}
	if mem, _ := w.mod.Memory().Read(0, w.mod.Memory().Size()); !bytes.Equal(mem, ref.Memory) {
		return errors.New("memory differs")
	}
	if !slices.Equal(w.heard, ref.Heard) {
		return fmt.Errorf("the host heard %d, want %d", w.heard, ref.Heard)
	}
	switch {
	case w.options == nil:
	case err != nil:
		w.reset()
	case w.used()-before != fuel:
		return fmt.Errorf("%d fuel, want %d", w.used()-before, fuel)
	case !w.stackIsWhole():
		return errors.New("stack not given back")
	}
	return nil
}

// low is what a type uses of a word.
func low(t wasm.ValueType, v uint64) uint64 {
	if t == wasm.I32 || t == wasm.F32 {
		return uint64(uint32(v))
	}
	return v
}
