package wasm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

// hostile are guests that would not stop, or take what is not theirs. Each is called as f(), in the compiler and in the
// interpreter, with little fuel and stack, and must end with the given trap; "" means that it must come back.
var hostile = []struct {
	name, text, trap string
}{
	{"endless loop", `
func f () -> ()
  loop
    br 0
  end`, "fuel"},
	{"endless loop, conditional", `
func f () -> ()
  loop
    i32.const 1
    br_if 0
  end`, "fuel"},
	{"endless loop with operands", `
func f () -> ()
  i32.const 1
  i64.const 2
  loop (i32 i64) -> (i32 i64)
    i64.const 1
    i64.add
    br 0
  end
  drop
  drop`, "fuel"},
	{"endless loop with operands, conditional", `
func f () -> ()
  i32.const 1
  loop (i32) -> (i32)
    i32.const 1
    br_if 0
  end
  drop`, "fuel"},
	{"endless loop through a table", `
func f () -> ()
  loop
    i32.const 7
    br_table 0 0
  end`, "fuel"},
	{"endless outer loop through a table, from within", `
func f () -> ()
  loop
    block
      loop
        i32.const 2
        br_table 1 0 2
      end
    end
  end`, "fuel"},
	{"endless loop tested at the top", `
func f () -> ()
  loop
    i32.const 1
    if
      br 1
    end
  end`, "fuel"},
	{"endless outer loop, inner loop that ends", `
func f () -> ()
  local i32
  loop
    i32.const 3
    local.set 0
    loop
      local.get 0
      i32.const 1
      i32.sub
      local.tee 0
      br_if 0
    end
    br 0
  end`, "fuel"},
	{"endless loop behind a way out that gives back", `
func f () -> ()
  block
    loop
      i32.const 0
      br_if 1
      i32.const 1
      i32.const 1
      i32.add
      drop
      br 0
    end
  end`, "fuel"},
	{"endless loop in an else", `
func f () -> ()
  i32.const 0
  if
    nop
  else
    loop
      br 0
    end
  end`, "fuel"},
	{"recursion", `
func f () -> ()
  call $f`, "stack"},
	{"recursion through a table", `
table funcref 1
elem 0 $f
func f () -> ()
  i32.const 0
  call_indirect () -> ()`, "stack"},
	{"mutual recursion, in tail position", `
func f () -> ()
  call $g
func g () -> ()
  call $f`, "stack"},
	{"recursion with large frames", bigFrames(50), "stack"},
	{"recursion with vectors", `
func f () -> ()
  local v128 v128
` + strings.Repeat("  v128.const\n  v128.const\n  i8x16.add\n  local.set 0\n", 100) + `
  call $f
  local.get 0
  drop`, "stack"},
	{"tree of calls without a loop", callTree(60), "fuel"},
	{"tree of indirect calls", `
table funcref 2
elem 0 $leaf $f
func leaf () -> ()
  nop
func f () -> ()
  i32.const 0
  call $g
func g (i32) -> ()
  local.get 0
  i32.const 1000
  i32.eq
  if
    return
  end
  local.get 0
  i32.const 1
  i32.add
  call $g
  local.get 0
  i32.const 1
  i32.add
  call $g`, "fuel"},
	{"calls of the host without end", `
import env.host () -> ()
func f () -> ()
  loop
    call $host
    br 0
  end`, "fuel"},
	{"filling memory over and over", `
memory 256
func f () -> ()
  loop
    i32.const 0
    i32.const 1
    i32.const 16777216
    memory.fill
    br 0
  end`, "fuel"},
	{"one fill that is too dear", `
memory 4096
func f () -> ()
  i32.const 0
  i32.const 1
  i32.const 268435456
  memory.fill`, "fuel"},
	{"one copy that is too dear", `
memory 4096
func f () -> ()
  i32.const 0
  i32.const 1
  i32.const 268000000
  memory.copy`, "fuel"},
	{"a length of 2^32-1", `
memory 1
func f () -> ()
  i32.const 0
  i32.const 0
  i32.const -1
  memory.fill`, "fuel"},
	{"growing by 65,535 pages", `
memory 1
func f () -> ()
  i32.const 65535
  memory.grow
  drop`, "fuel"},
	{"growing by 2^32-1 pages", `
memory 1
func f () -> ()
  i32.const -1
  memory.grow
  drop`, "fuel"},
	{"a table of 2^27 entries", `
table funcref 1
func f () -> ()
  ref.null funcref
  i32.const 134217728
  table.grow 0
  drop`, "fuel"},
	{"a table of 100,000 entries, refused", `
table funcref 1
func f () -> ()
  ref.null funcref
  i32.const 100000
  table.grow 0
  i32.const 1
  i32.add
  if
    unreachable
  end`, ""},
	{"filling a table over and over", `
table funcref 20000
func f () -> ()
  loop
    i32.const 0
    ref.null funcref
    i32.const 20000
    table.fill 0
    br 0
  end`, "fuel"},
	{"a body that costs more than there is", `
func f () -> ()
` + strings.Repeat("  i32.const 1\n  i32.const 1\n  i32.div_s\n  drop\n", 20_000), ""},
	{"straight code that costs more than there is", `
func f () -> ()
` + strings.Repeat("  i32.const 1\n  i32.const 1\n  i32.div_s\n  drop\n", 90_000), "fuel"},
	{"straight calls of straight code", `
func f () -> ()
` + strings.Repeat("  call $g\n", 200) + `
func g () -> ()
` + strings.Repeat("  i32.const 1\n  i32.const 1\n  i32.div_s\n  drop\n", 600), "fuel"},
	{"straight calls of arms", `
func f () -> ()
` + strings.Repeat("  call $g\n", 200) + `
func g () -> ()
` + strings.Repeat("  i32.const 1\n  if\n"+strings.Repeat("    i32.const 1\n    i32.const 1\n    i32.div_s\n    drop\n", 10)+"  end\n", 60), "fuel"},
	{"an honest trap", `
func f () -> ()
  unreachable`, "unreachable"},
	{"an honest trap in a loop", `
func f () -> ()
  local i32
  loop
    i32.const 1
    local.get 0
    i32.div_u
    br_if 0
  end`, "integer divide by zero"},
}

// bigFrames recurses with many values that live across the call.
func bigFrames(values int) string {
	var b strings.Builder
	b.WriteString("memory 1\nfunc f () -> ()\n")
	for range values {
		b.WriteString("  i32.const 0\n  i64.load 0\n")
	}
	b.WriteString("  call $f\n")
	for range values {
		b.WriteString("  drop\n")
	}
	return b.String()
}

// callTree is 2^depth calls without a loop and without depth.
func callTree(depth int) string {
	var b strings.Builder
	b.WriteString("func f () -> ()\n  call $f0\n")
	for i := range depth {
		fmt.Fprintf(&b, "func f%d () -> ()\n  call $f%d\n  call $f%d\n", i, i+1, i+1)
	}
	fmt.Fprintf(&b, "func f%d () -> ()\n  nop\n", depth)
	return b.String()
}

func TestHostileGuests(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			var used [2]int64
			for i, compiler := range []bool{false, true} {
				w := newWorld(t, h.name, compiler, &wasm.Options{StackBudget: 4 << 20})
				w.limit = 1_000_000
				_, err := w.r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() {}).Export("host").Instantiate(ctx)
				if err != nil {
					t.Fatal(err)
				}
				m, err := w.instantiate(wasm.Assemble(h.text), "")
				if err != nil {
					t.Fatal(err)
				}
				_, err = m.ExportedFunction("f").Call(ctx)
				if h.trap == "" && err != nil || !strings.Contains(trap(err), h.trap) {
					t.Errorf("compiler %v: trap %q, want %q", compiler, trap(err), h.trap)
				}
				used[i] = w.granted
				// The instance answers afterwards, once its budgets are set again.
				w.reset()
				if _, again := m.ExportedFunction("f").Call(ctx); trap(again) != trap(err) {
					t.Errorf("compiler %v: the second time %v, the first %v", compiler, again, err)
				}
			}
			if used[0] != used[1] {
				t.Errorf("%d fuel granted in the interpreter, %d in the compiler", used[0], used[1])
			}
		})
	}
}

// TestStackBudgetBoundsNativeStack: recursion takes no more native stack than a small multiple of the budget, whatever
// its frames hold. An engine's stack grows by doubling, so the sum of what it allocates is within four times what it
// needs.
func TestStackBudgetBoundsNativeStack(t *testing.T) {
	const budget = 4 << 20
	for _, text := range []string{
		"func f () -> ()\n  call $f\n", bigFrames(100), bigFrames(5000),
		"func f (i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) -> ()\n" + strings.Repeat("  local.get 0\n  i64.const 1\n  i64.add\n", 12) + "  call $f\n",
	} {
		w := newWorld(t, "", true, &wasm.Options{StackBudget: budget})
		m, err := w.instantiate(wasm.Assemble(text), "")
		if err != nil {
			t.Fatal(err)
		}
		f := m.ExportedFunction("f")
		args := make([]uint64, len(f.Definition().ParamTypes()))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = f.Call(ctx, args...)
		runtime.ReadMemStats(&after)
		wantTrap(t, err, "stack")
		if took := after.TotalAlloc - before.TotalAlloc; took > 4*budget+1<<20 {
			t.Errorf("%.30q: %d bytes allocated under a budget of %d", text, took, budget)
		}
	}
}

// TestLargeLeavesGiveTheirStackBack: a function that calls nothing is charged when its frame is large, and gives that back by
// whatever way it returns.
func TestLargeLeavesGiveTheirStackBack(t *testing.T) {
	text := "func f (i32) -> (i32)\n  local.get 0\n  local.get 0\n  return\n"
	text = strings.Replace(text, "  local.get 0\n", "  local.get 0\n"+strings.Repeat("  i32.const 1\n  i32.add\n", 100), 1)
	w := newWorld(t, "", true, &wasm.Options{StackBudget: 64 << 10})
	m, err := w.instantiate(wasm.Assemble(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("f").Call(ctx, 7); err != nil || !w.stackIsWhole() {
		t.Errorf("%v, stack given back: %v", err, w.stackIsWhole())
	}
}

// TestSizesAreCapped: memory and tables grow to the limits, whatever the module declares, and no further.
func TestSizesAreCapped(t *testing.T) {
	limits := wasm.DefaultLimits
	limits.MemoryPages, limits.TableEntries = 5, 50
	for sizes, want := range map[string][4]int32{ // what growing by 4 pages and 49 entries gives, and by one more
		"memory 1\ntable funcref 1\n":            {1, 1, -1, -1},
		"memory 1 60000\ntable funcref 1 9999\n": {1, 1, -1, -1},
		"memory 1 3\ntable funcref 1 30\n":       {-1, -1, 1, 1},
	} {
		text := sizes + "func f (i32 i32) -> (i32 i32)\n  local.get 0\n  memory.grow\n  ref.null funcref\n  local.get 1\n  table.grow 0"
		w := newWorld(t, "", true, &wasm.Options{Limits: limits})
		m, err := w.instantiate(wasm.Assemble(text), "")
		if err != nil {
			t.Fatal(err)
		}
		var got []int32
		for _, by := range [][]uint64{{4, 49}, {1, 1}} {
			r, err := m.ExportedFunction("f").Call(ctx, by...)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, int32(r[0]), int32(r[1]))
		}
		if [4]int32(got) != want {
			t.Errorf("%q: growing gives %d, want %d", sizes, got, want)
		}
	}
}

// TestDepthIsBounded: recursion without any frame stops before the interpreter's own limit, at the same depth in both
// engines.
func TestDepthIsBounded(t *testing.T) {
	var depths []uint64
	for _, compiler := range []bool{false, true} {
		w := newWorld(t, "", compiler, &wasm.Options{StackBudget: 4 << 20})
		m, err := w.instantiate(wasm.Assemble("global i32 mut 0\nfunc depth () -> (i32)\n  global.get 0\nfunc f () -> ()\n  global.get 0\n  i32.const 1\n  i32.add\n  global.set 0\n  call $f"), "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.ExportedFunction("f").Call(ctx)
		if !errors.Is(err, errStack) {
			t.Fatalf("stopped by %v, not by the budget", err)
		}
		w.reset()
		d, err := m.ExportedFunction("depth").Call(ctx)
		if err != nil {
			t.Fatal(err)
		}
		depths = append(depths, d[0])
	}
	if depths[0] != depths[1] || depths[0] < 1800 || depths[0] > 1900 {
		t.Errorf("stopped at depths %d", depths)
	}
}

// TestHostSeesExactFuel: in a host function the global holds what is left, to the instruction, and the host may charge.
func TestHostSeesExactFuel(t *testing.T) {
	const text = `
import env.host () -> ()
func f () -> ()
  nop
  nop
  nop
  call $host
  nop
  nop
  call $host
  i32.const 1
  drop`
	for _, compiler := range []bool{false, true} {
		w := newWorld(t, "", compiler, &wasm.Options{})
		w.quantum = 1000
		var seen []int64
		_, err := w.r.NewHostModuleBuilder("env").NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, _ []uint64) {
			fuel := m.ExportedGlobal(wasm.ExportFuel).(api.MutableGlobal)
			seen = append(seen, int64(fuel.Get()))
			fuel.Set(fuel.Get() - 100)
		}), nil, nil).Export("host").Instantiate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		m, err := w.instantiate(wasm.Assemble(text), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.ExportedFunction("f").Call(ctx); err != nil {
			t.Fatal(err)
		}
		// One segment: 5 for the call, 5 nops, 2 calls of 2, a constant and a drop. The grant covered it and 1,000 more.
		if want := []int64{1000, 900}; len(seen) != 2 || seen[0] != want[0] || seen[1] != want[1] {
			t.Errorf("the host saw %d, want %d", seen, want)
		}
		if w.used() != 16+200 {
			t.Errorf("%d used, want 216", w.used())
		}
	}
}

// TestTrapsNameTheAuthorsFunction: a trace shows names, or the indices of the original module.
func TestTrapsNameTheAuthorsFunction(t *testing.T) {
	for _, compiler := range []bool{false, true} {
		w := newWorld(t, "", compiler, &wasm.Options{})
		m, err := w.instantiate(wasm.Assemble("func f () -> ()\n  call $inner\nfunc inner () -> ()\n  unreachable"), "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.ExportedFunction("f").Call(ctx)
		if err == nil || !strings.Contains(err.Error(), ".inner()") || !strings.Contains(err.Error(), ".f()") {
			t.Errorf("trace %v", err)
		}
	}
}

// TestHostileNames: names of megabytes, and of many lines, are neither in every frame of a trace. They were: eight of megabytes made
// a quarter of a gigabyte of one error.
func TestHostileNames(t *testing.T) {
	name := strings.Repeat("x", 8<<20) + "\n\t\t0x10: adp:1\n\t.forged()"
	vec := func(b []byte) []byte { return append(binary.AppendUvarint(nil, uint64(len(b))), b...) }
	section := func(id byte, content []byte) []byte { return append([]byte{id}, vec(content)...) }
	names := append(section(0, vec([]byte("m\nm"))), section(1, slices.Concat([]byte{2, 0}, vec([]byte(name)), []byte{1}, vec([]byte("short\n\t.forged()"))))...)
	module := append(wasm.Assemble("func f (i32) -> ()\n  local.get 0\n  if\n  local.get 0\n  i32.const 1\n  i32.sub\n  call $f\n  end\n  call $g\nfunc g () -> ()\n  unreachable"),
		section(0, append(vec([]byte("name")), names...))...)
	for _, compiler := range []bool{false, true} {
		m, err := newWorld(t, "", compiler, &wasm.Options{}).instantiate(module, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.ExportedFunction("f").Call(ctx, 50)
		if err == nil || len(err.Error()) > 16<<10 || strings.Contains(err.Error(), "\n\t.forged") || !strings.Contains(err.Error(), "short\uFFFD") {
			t.Errorf("compiler %v: %d bytes, %.300q", compiler, len(fmt.Sprint(err)), err)
		}
	}
}

// TestStartRunsMetered: instantiation runs nothing; the start function is an export that can be stopped.
func TestStartRunsMetered(t *testing.T) {
	w := newWorld(t, "", true, &wasm.Options{})
	w.limit = 100_000
	_, err := w.instantiate(wasm.Assemble("func spin () -> ()\n  loop\n    br 0\n  end\nstart spin"), "")
	wantTrap(t, err, "fuel")
}
