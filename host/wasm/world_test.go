package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

var ctx = context.Background()

var (
	errFuel  = errors.New("out of fuel")
	errStack = errors.New("out of stack")
)

// world runs modules in one engine, as they are or metered, and plays the host's part of metering.
type world struct {
	name    string
	r       wazero.Runtime
	options *wasm.Options // nil: modules run as they are
	quantum int64
	limit   int64 // of fuel granted between two resets
	granted int64
	refills int
	mods    []api.Module
	ready   bool                    // metered modules are made ready to be put back
	image   *state                  // of the module that was instantiated last, if it can be put back
	locate  func(int) wasm.Position // of the module that was instantiated last: an offset of a trace in the author's module
}

func newWorld(t testing.TB, name string, compiler bool, o *wasm.Options) *world {
	t.Helper()
	c := wazero.NewRuntimeConfigInterpreter()
	if compiler {
		c = wazero.NewRuntimeConfigCompiler()
	}
	w := &world{name: name, options: o, quantum: 10_000, limit: math.MaxInt64 / 2}
	w.r = wazero.NewRuntimeWithConfig(ctx, c.WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { w.r.Close(ctx) })
	_, err := w.r.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(w.refill), []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).
		Export(wasm.MeterRefill).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) refill(_ context.Context, stack []uint64) {
	left := int64(stack[0])
	if left == wasm.StackExhausted {
		panic(errStack)
	}
	w.refills++
	q := w.quantum + max(0, -left) // enough to come out of debt
	if w.granted += q; w.granted > w.limit {
		panic(errFuel)
	}
	stack[0] = uint64(left + q)
}

// instantiate meters a module if this world does, and runs its start function.
func (w *world) instantiate(b []byte, name string) (api.Module, error) {
	var out *wasm.Metered
	var data []wasm.Data
	w.image = nil
	if m, err := wasm.Parse(b); w.options != nil {
		if err != nil {
			return nil, err
		}
		if out, err = wasm.Meter(m, *w.options); err != nil {
			return nil, err
		}
		b = out.Bytes
		if w.ready {
			i := out.Instantiable()
			b, data = i.Bytes, i.Data
			if i.Reason == "" {
				w.image = &state{globals: make([]uint64, i.Globals)}
			}
		}
		w.locate = func(offset int) wasm.Position { p, _ := out.LocateCode(offset); return p }
	} else if err == nil {
		b, w.locate = wasm.WithDebug(m), m.At
	}
	m, err := w.r.InstantiateWithConfig(ctx, b, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	if err != nil {
		return nil, err
	}
	w.mods = append(w.mods, m)
	for _, d := range data {
		if !m.Memory().Write(d.Offset, d.Bytes) {
			return nil, fmt.Errorf("data at %d leave the memory", d.Offset)
		}
	}
	if out != nil && out.HasStart {
		if _, err := m.ExportedFunction(wasm.ExportStart).Call(ctx); err != nil {
			return nil, err
		}
	}
	if w.image != nil {
		w.image.capture(w, m)
	}
	return m, nil
}

// state is what a host keeps of an instance, to put it back.
type state struct {
	memory  []byte
	globals []uint64
	granted int64
}

func (s *state) capture(w *world, m api.Module) {
	if mem := m.Memory(); mem != nil {
		b, _ := mem.Read(0, mem.Size())
		s.memory = bytes.Clone(b)
	}
	for i := range s.globals {
		s.globals[i] = m.ExportedGlobal(wasm.ExportGlobal + strconv.Itoa(i)).Get()
	}
	s.granted = w.granted
}

// putBack makes an instance what it was after its start, false where that cannot be done: memory does not shrink.
func (s *state) putBack(w *world, m api.Module) bool {
	if mem := m.Memory(); mem != nil && (int(mem.Size()) != len(s.memory) || !mem.Write(0, s.memory)) {
		return false
	}
	for i, v := range s.globals {
		m.ExportedGlobal(wasm.ExportGlobal + strconv.Itoa(i)).(api.MutableGlobal).Set(v)
	}
	w.granted = s.granted
	return true
}

// used is the fuel that has been used since the last reset.
func (w *world) used() int64 {
	n := w.granted
	for _, m := range w.mods {
		n -= int64(m.ExportedGlobal(wasm.ExportFuel).Get())
	}
	return n
}

// reset is what a host does after a trap: all that was granted is gone.
func (w *world) reset() {
	w.granted = 0
	for _, m := range w.mods {
		m.ExportedGlobal(wasm.ExportFuel).(api.MutableGlobal).Set(0)
		m.ExportedGlobal(wasm.ExportStack).(api.MutableGlobal).Set(uint64(w.options.StackBudget))
	}
}

// stackIsWhole reports whether every call has given back what it took.
func (w *world) stackIsWhole() bool {
	for _, m := range w.mods {
		if int32(m.ExportedGlobal(wasm.ExportStack).Get()) != w.options.StackBudget {
			return false
		}
	}
	return true
}

// trap is the kind of an error, which worlds agree about. Running out of stack is the same by budget and by the
// engine's own limit.
func trap(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errFuel):
		return "fuel"
	case errors.Is(err, errStack), strings.Contains(err.Error(), "stack overflow"):
		return "stack"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// trace is where the frames of a trap stand in the author's module, the innermost first.
func (w *world) trace(err error) []string {
	var places []string
	for line := range strings.Lines(err.Error()) {
		at, file, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if n, bad := strconv.ParseInt(at, 0, 32); ok && bad == nil && file == wasm.DebugFile+":1" {
			places = append(places, w.locate(int(n)).String())
		}
	}
	return places
}

// sameResults compares results: of 32-bit types the lower half, and any NaN with any other, since engines differ in
// their payloads. A v128 takes two words, whose lanes have no type here.
func sameResults(types []api.ValueType, a, b []uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		wide := len(a) > len(types)
		if !wide && (types[i] == api.ValueTypeI32 || types[i] == api.ValueTypeF32) {
			x, y = uint64(uint32(x)), uint64(uint32(y))
		}
		floats := wide || types[i] == api.ValueTypeF32 || types[i] == api.ValueTypeF64
		if x != y && !(floats && (nan64(x) && nan64(y) || sameF32s(x, y))) {
			return false
		}
	}
	return true
}

func nan64(x uint64) bool { return math.IsNaN(math.Float64frombits(x)) }

func sameF32s(a, b uint64) bool {
	same := func(a, b uint32) bool {
		return a == b || math.IsNaN(float64(math.Float32frombits(a))) && math.IsNaN(float64(math.Float32frombits(b)))
	}
	return same(uint32(a), uint32(b)) && same(uint32(a>>32), uint32(b>>32))
}

// worlds are the ways of running that every test compares: the first is the oracle, the last charges each
// instruction by itself.
func worlds(t testing.TB, o wasm.Options) []*world {
	ws := []*world{newWorld(t, "original, interpreter", false, nil)}
	for _, quantum := range quanta {
		for _, compiler := range []bool{false, true} {
			w := newWorld(t, fmt.Sprintf("metered, compiler %v, quantum %d", compiler, quantum), compiler, &o)
			w.quantum = quantum
			ws = append(ws, w)
		}
	}
	each := wasm.EveryInstruction(o)
	return append(ws, newWorld(t, "metered by instruction, interpreter", false, &each))
}

// call calls an export in every world and compares results, traps, fuel and stack. It returns what the oracle gave.
func call(t *testing.T, where string, ws []*world, mods []api.Module, export string, args ...uint64) ([]uint64, error) {
	t.Helper()
	oracle := mods[0].ExportedFunction(export)
	if oracle == nil {
		t.Fatalf("%s: no export %s", where, export)
	}
	want, wantErr := oracle.Call(ctx, args...)
	var fuel int64
	for i, w := range ws[1:] {
		before := w.used()
		got, err := mods[i+1].ExportedFunction(export).Call(ctx, args...)
		if trap(err) != trap(wantErr) {
			t.Errorf("%s: %s(%d) in %s: %v, want %v", where, export, args, w.name, trap(err), trap(wantErr))
		} else if err == nil && !sameResults(oracle.Definition().ResultTypes(), got, want) {
			t.Errorf("%s: %s(%d) in %s gives %x, want %x", where, export, args, w.name, got, want)
		}
		if err != nil {
			w.reset()
			continue
		}
		if !w.stackIsWhole() {
			t.Errorf("%s: %s(%d) in %s did not give its stack back", where, export, args, w.name)
		}
		spent := w.used() - before
		if i == 0 {
			fuel = spent
		}
		if spent != fuel || spent <= 0 {
			t.Errorf("%s: %s(%d) in %s took %d fuel, %d in the first", where, export, args, w.name, spent, fuel)
		}
	}
	return want, wantErr
}

// wantTrap fails unless err is the given kind of trap.
func wantTrap(t *testing.T, err error, kind string) {
	t.Helper()
	if got := trap(err); !strings.Contains(got, kind) || err == nil {
		t.Errorf("trap is %q, want %q", got, kind)
	}
}
