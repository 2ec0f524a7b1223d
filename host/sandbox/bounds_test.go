package sandbox

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// pointer is a parameter that is an address.
type pointer struct {
	param  int
	length int   // the parameter that says how many things lie there; -1: one
	size   int64 // of a thing
	align  int64 // 0: any
	empty  int64 // the answer when there are 0 of them, far outside memory
}

// guarded is an import as bounds are tested on it: a call that succeeds, in a memory made by prepared, what it answers,
// and what it costs beside the price of the call.
type guarded struct {
	args     []uint64
	answer   int64
	extra    int64
	pointers []pointer
	why      string // why an import with pointers has none to test
}

// Addresses of what prepared lays down.
const (
	aKey, aSetting, aBuffer = 64, 256, 512 // "key", "greeting", room
	aBatch                  = 1024         // three rows of numbers
	aPieces                 = 8192         // one piece for fd_write: the key
	aSubscription, aEvents  = 16384, 20480
	batchBytes              = 448 // of three rows in memory
)

// imported are all functions that a guest may import. The test fails when one is missing.
var imported = map[string]guarded{
	abi.ImportEmit:        {args: []uint64{0, aBatch}, extra: 60/bytesPerUnit + 3*arrayCost, pointers: []pointer{{1, -1, abi.ArraySize, 8, 0}}},
	abi.ImportLog:         {args: []uint64{1, aKey, 3}, pointers: []pointer{{1, 2, 1, 0, 0}}},
	abi.ImportConfig:      {args: []uint64{aSetting, 8, aBuffer, 16}, answer: 5, extra: 2 + 1, pointers: []pointer{{0, 1, 1, 0, -6}, {2, 3, 1, 0, 5}}},
	abi.ImportClock:       {answer: math.MaxInt64},
	abi.ImportRandom:      {args: []uint64{aBuffer, 16}, extra: 16, pointers: []pointer{{0, 1, 1, 0, 0}}},
	abi.ImportMetric:      {args: []uint64{0, aKey, 3, api.EncodeF64(1)}, pointers: []pointer{{1, 2, 1, 0, 6}}},
	abi.ImportStateGet:    {args: []uint64{aKey, 3, aBuffer, 16}, answer: 8, extra: 2, pointers: []pointer{{0, 1, 1, 0, -6}, {2, 3, 1, 0, 8}}},
	abi.ImportStatePut:    {args: []uint64{aKey, 3, aBuffer, 16}, extra: 4, pointers: []pointer{{0, 1, 1, 0, 6}, {2, 3, 1, 0, 0}}},
	abi.ImportStateDelete: {args: []uint64{aKey, 3}, extra: 2, pointers: []pointer{{0, 1, 1, 0, 6}}},
	abi.ImportStateScan: {args: []uint64{aKey, 1, aKey, 1, aBuffer, 64}, answer: 19, extra: 4,
		pointers: []pointer{{0, 1, 1, 0, 19}, {2, 3, 1, 0, 19}, {4, 5, 1, 0, 19}}},
	abi.ImportDriverOpen: {args: []uint64{0, aKey, 3}, answer: 2, pointers: []pointer{{1, 2, 1, 0, 2}}},
	abi.ImportDriverNext: {args: []uint64{1, aBatch, 8192}, answer: batchBytes, extra: batchBytes/bytesPerUnit + 3*arrayCost,
		pointers: []pointer{{1, 2, 1, abi.Alignment, batchBytes}}},
	abi.ImportDriverClose: {args: []uint64{1}},
	abi.ImportDriverWrite: {args: []uint64{1, aBatch}, extra: 60/bytesPerUnit + 3*arrayCost, pointers: []pointer{{1, -1, abi.ArraySize, 8, 0}}},
	abi.ImportDecide:      {args: []uint64{aKey, 3, aBuffer, 64}, answer: 33, extra: 8, pointers: []pointer{{0, 1, 1, 0, 33}, {2, 3, 1, 0, 33}}},

	"args_get":            {args: []uint64{aBuffer, aBuffer}, why: "there are no arguments to write"},
	"args_sizes_get":      {args: []uint64{aBuffer, aBuffer + 4}, pointers: []pointer{{0, -1, 4, 0, 0}, {1, -1, 4, 0, 0}}},
	"environ_get":         {args: []uint64{aBuffer, aBuffer}, why: "there is no environment to write"},
	"environ_sizes_get":   {args: []uint64{aBuffer, aBuffer + 4}, pointers: []pointer{{0, -1, 4, 0, 0}, {1, -1, 4, 0, 0}}},
	"clock_time_get":      {args: []uint64{0, 0, aBuffer}, pointers: []pointer{{2, -1, 8, 0, 0}}},
	"clock_res_get":       {args: []uint64{0, aBuffer}, pointers: []pointer{{1, -1, 8, 0, 0}}},
	"poll_oneoff":         {args: []uint64{aSubscription, aEvents, 1, aBuffer}, extra: 10, pointers: []pointer{{0, -1, 48, 0, 0}, {1, -1, 32, 0, 0}, {3, -1, 4, 0, 0}}},
	"sched_yield":         {},
	"random_get":          {args: []uint64{aBuffer, 16}, extra: 16, pointers: []pointer{{0, 1, 1, 0, 0}}},
	"fd_write":            {args: []uint64{1, aPieces, 1, aBuffer}, extra: 3, pointers: []pointer{{1, 2, 8, 0, 0}, {3, -1, 4, 0, 0}}},
	"proc_exit":           {args: []uint64{0}, why: "no pointer"},
	"fd_close":            {args: []uint64{1}},
	"fd_read":             {args: []uint64{0, aPieces, 1, aBuffer}, pointers: []pointer{{3, -1, 4, 0, 0}}, why: "standard input is empty: its pieces are not read"},
	"fd_seek":             {args: []uint64{1, 0, 0, aBuffer}, answer: abi.WASIBadFD, why: "there are no files"},
	"fd_fdstat_get":       {args: []uint64{1, aBuffer}, pointers: []pointer{{1, -1, 24, 0, 0}}},
	"fd_fdstat_set_flags": {args: []uint64{1, 0}, why: "no pointer"},
	"fd_filestat_get":     {args: []uint64{1, aBuffer}, answer: abi.WASIBadFD, why: "there are no files"},
	"fd_prestat_get":      {args: []uint64{3, aBuffer}, answer: abi.WASIBadFD, why: "there are no files"},
	"fd_prestat_dir_name": {args: []uint64{3, aBuffer, 4}, answer: abi.WASIBadFD, why: "there are no files"},
	"path_open":           {args: []uint64{3, 0, aKey, 3, 0, 0, 0, 0, aBuffer}, answer: abi.WASINotAllow, why: "there are no files"},
	"path_filestat_get":   {args: []uint64{3, 0, aKey, 3, aBuffer}, answer: abi.WASINotAllow, why: "there are no files"},
}

// prepared is a fresh guest that exports its imports, with something for each of them in its memory.
func prepared(t testing.TB, e *Engine, module []byte) *Instance {
	t.Helper()
	s := specOf(module, numbers)
	f := &fake{read: []arrow.RecordBatch{counting(3)}, state: map[string]string{"key": "a value."}}
	i, err := e.Start(context.Background(), s, f)
	if err != nil {
		t.Fatal(err)
	}
	i.meter.setClock(s.Start)
	i.seed(s.RunID)
	i.phase = running
	i.ctx.Context = context.Background()
	mem := i.mem.bytes()
	copy(mem[aKey:], "key")
	copy(mem[aSetting:], "greeting")
	w := i.inputs[0]
	if _, err := w.Plan(counting(3)); err != nil {
		t.Fatal(err)
	}
	w.Write(mem, aBatch)
	binary.LittleEndian.PutUint32(mem[aPieces:], aKey)
	binary.LittleEndian.PutUint32(mem[aPieces+4:], 3)
	stack := []uint64{0, 0, 0}
	i.driverOpen(stack) // reader 1
	return i
}

// called calls an import through the guest.
func called(t testing.TB, i *Instance, name string, args []uint64) (int64, error) {
	t.Helper()
	f := i.mod.ExportedFunction("p." + name)
	if f == nil {
		t.Fatalf("the proxy does not export %s", name)
	}
	stack := append(slices.Clone(args), 0)
	if err := f.CallWithStack(&i.ctx, stack); err != nil {
		return 0, i.fault(f.Definition(), err)
	}
	switch r := f.Definition().ResultTypes(); {
	case len(r) == 0:
		return 0, nil
	case r[0] == api.ValueTypeI32:
		return int64(int32(stack[0])), nil
	}
	return int64(stack[0]), nil
}

// TestEveryImportIsGuarded: each function that a guest may import has a line in a golden script, a charge, a bound of its
// rate, and a line in the table above, by which its pointers are tested. A new import without them fails here.
func TestEveryImportIsGuarded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var scripts []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, b...)
	}
	e := newEngine(t, Config{})
	module := assemble(t, proxy().text())
	seen := 0
	for _, f := range append(guestImports(), wasiImports()...) {
		t.Run(f.name, func(t *testing.T) {
			if !regexp.MustCompile(`(?m)^` + f.name + `\b.*\n  `).Match(scripts) {
				t.Error("no script of testdata shows what it does")
			}
			g, ok := imported[f.name]
			if !ok {
				t.Fatal("it has no line in the table of imports")
			}
			seen++
			if f.cost < callCost {
				t.Errorf("a call costs %d, less than a switch between the worlds", f.cost)
			}
			if len(g.pointers) == 0 && g.why == "" && strings.Count(f.signature, "i32") > 2 {
				t.Error("none of its parameters is a pointer, and the table does not say why")
			}
			answers(t, e, module, f, g)
			charges(t, e, module, f, g)
			isRated(t, e, module, f, g)
			for _, p := range g.pointers {
				moved(t, e, module, f, g, p)
			}
		})
	}
	if seen != len(imported) {
		t.Errorf("the table has %d functions, %d are imported", len(imported), seen)
	}
}

// answers: the call of the table succeeds, and does so without failing the run.
func answers(t *testing.T, e *Engine, module []byte, f hostFunc, g guarded) {
	i := prepared(t, e, module)
	defer i.Close()
	got, err := called(t, i, f.name, g.args)
	if f.name == "proc_exit" {
		wantError(t, err, host.CodeGuestTrap)
		return
	}
	if err != nil || i.failure != nil || got != g.answer && g.answer != math.MaxInt64 {
		t.Errorf("it answers %d, want %d (%v, %v)", got, g.answer, err, i.failure)
	}
}

// charges: the call costs what the table of imports and its bytes and arrays say; the guest's own share is a few units.
func charges(t *testing.T, e *Engine, module []byte, f hostFunc, g guarded) {
	i := prepared(t, e, module)
	defer i.Close()
	before := i.meter.used()
	_, err := called(t, i, f.name, g.args)
	if f.name == "proc_exit" {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	const own = 60
	if got, want := i.meter.used()-before, f.cost+g.extra; got < want || got > want+own {
		t.Errorf("a call took %d of fuel, want %d and at most %d of the guest's", got, want, own)
	}
}

// isRated: a function that may be called so often only says so; the fuel of the run bounds the others.
func isRated(t *testing.T, e *Engine, module []byte, f hostFunc, g guarded) {
	if f.most == 0 {
		return
	}
	i := prepared(t, e, module)
	defer i.Close()
	i.counted = map[string]int64{f.name: f.most - 1}
	if _, err := called(t, i, f.name, g.args); err != nil || i.failure != nil {
		t.Fatalf("call %d: %v, %v", f.most, err, i.failure)
	}
	got, err := called(t, i, f.name, g.args)
	if err != nil || got != -int64(abi.LimitExceeded) && got != int64(abi.LimitExceeded) {
		t.Errorf("call %d answers %d, %v", f.most+1, got, err)
	}
	wantError(t, i.failure, host.CodeGuestCallLimit, f.name, fmt.Sprint(f.most))
}

// moved moves one pointer of a call out of memory: by a byte, by wrapping around, by a length; then to an odd address;
// and gives it nothing to point to.
func moved(t *testing.T, e *Engine, module []byte, f hostFunc, g guarded, p pointer) {
	bytes := p.size
	if p.length >= 0 {
		bytes *= int64(g.args[p.length])
	}
	with := func(at int64, length int64) (int64, error, *Instance) {
		i := prepared(t, e, module)
		t.Cleanup(func() { i.Close() })
		args := slices.Clone(g.args)
		if at < 0 {
			at += int64(i.mem.size) + 1 // −1: the end of memory
		}
		args[p.param] = uint64(uint32(at))
		if length >= 0 {
			args[p.length] = uint64(uint32(length))
		}
		got, err := called(t, i, f.name, args)
		return got, err, i
	}
	step := max(p.align, 1)
	refused := func(what string, at, length int64) {
		t.Helper()
		got, err, i := with(at, length)
		if err != nil {
			t.Errorf("parameter %d, %s: %v", p.param, what, err)
			return
		}
		if got < 0 {
			got = -got
		}
		switch wasi := slices.ContainsFunc(wasiImports(), func(w hostFunc) bool { return w.name == f.name }); {
		case wasi && (got != abi.WASIFault && got != abi.WASIInvalid || i.failure != nil):
			t.Errorf("parameter %d, %s: answers %d, want errno %d (%v)", p.param, what, got, abi.WASIFault, i.failure)
		case !wasi && got == int64(abi.TooLarge) && i.failure == nil: // longer than the ABI allows
		case !wasi && (got != int64(abi.OutOfBounds) || i.failure == nil):
			t.Errorf("parameter %d, %s: answers %d, want %d and a failed run (%v)", p.param, what, got, abi.OutOfBounds, i.failure)
		}
	}
	refused("one step past the end", -1-(bytes+step-1)/step*step+step, -1)
	refused("around the end of addresses", math.MaxUint32+1-step, lengthOr(p, 16))
	if p.length >= 0 {
		refused("a length of everything", int64(g.args[p.param]), math.MaxUint32)
		refused("a length to the last address", int64(g.args[p.param]), math.MaxUint32+1-int64(g.args[p.param]))
		got, err, i := with(math.MaxUint32-7, 0)
		if err != nil || got != p.empty || i.failure != nil {
			t.Errorf("parameter %d, nothing anywhere: answers %d, want %d (%v, %v)", p.param, got, p.empty, err, i.failure)
		}
	}
	got, err, i := with(int64(g.args[p.param])+1, -1)
	switch {
	case err != nil:
		t.Errorf("parameter %d, misaligned: %v", p.param, err)
	case p.align > 0 && (got != int64(abi.Misaligned) && got != -int64(abi.Misaligned) || i.failure == nil):
		t.Errorf("parameter %d, misaligned: answers %d, want %d and a failed run (%v)", p.param, got, abi.Misaligned, i.failure)
	case p.align == 0 && i.failure != nil:
		t.Errorf("parameter %d needs no alignment: %v", p.param, i.failure)
	}
}

// lengthOr is n when a pointer has a length, else −1: leave it.
func lengthOr(p pointer, n int64) int64 {
	if p.length < 0 {
		return -1
	}
	return n
}

// TestStartIsPaidFor: memory, table and segments of a module are paid for before they are there, by runs from an image too.
func TestStartIsPaidFor(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		fat := guest{memory: "200", fields: `(table 10000 funcref) (data (i32.const 0) "` + strings.Repeat("x", 64_000) + `")`}
		slim, large := specOf(assemble(t, guest{memory: "200"}.text()), numbers), specOf(assemble(t, fat.text()), numbers)
		const more = 10_000<<2 + 64_000/8 // the segment and its frame apart
		usage := func(s Spec) (u [3]int64) {
			for n := range u {
				use, err := runAll(e, s, &fake{}, counting(1))
				if err != nil {
					t.Fatal(err)
				}
				u[n] = use.Fuel
			}
			return u
		}
		a, b := usage(slim), usage(large)
		for n := range a {
			if a[n] != a[0] || b[n] != b[0] {
				t.Fatalf("runs cost %d and %d", a, b)
			}
		}
		if d := b[0] - a[0]; d < more || d > more+100 {
			t.Errorf("a table of 10,000 and 64,000 bytes of data cost %d, want %d", d, more)
		}
		if a[0] < 200<<13 {
			t.Errorf("200 pages of memory cost less than %d", a[0])
		}
		before := e.Stats().Initialised
		large.Product.Limits.Fuel = 200<<13 + more
		_, err := runAll(e, large, &fake{}, counting(1))
		wantError(t, err, host.CodeGuestFuel, "to start")
		if n := e.Stats().Initialised - before; n != 0 {
			t.Errorf("%d instances were made that could not be paid for", n)
		}
	})
}
