package sandbox

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
)

const importClock = `(import "adp_v1" "clock" (func $clock (result i64)))`

// Guests that abuse their start, hide behind clocks, or use up what is not fuel.
var hostileTricks = []hostile{
	// Start and initialisation run under the same limits, and before there is a product.
	{"start emits", guest{imports: importEmit, fields: `(func $begin (if (i32.ne (call $emit (i32.const 0) (i32.const 64)) (i32.const 9)) (then (unreachable)))) (start $begin)`}, nil, "", nil},
	{"start asks for a setting", guest{imports: `(import "adp_v1" "config" (func $config (param i32 i32 i32 i32) (result i64)))`,
		fields: `(func $begin (if (i64.ne (call $config (i32.const 64) (i32.const 3) (i32.const 0) (i32.const 0)) (i64.const -9)) (then (unreachable)))) (start $begin)`}, nil, "", nil},
	{"start floods the log", guest{imports: importLog, fields: `(func $begin (loop $l (br_if $l (i32.eqz (call $log (i32.const 1) (i32.const 0) (i32.const 100)))))) (start $begin)`},
		nil, host.CodeGuestLogs, nil},
	{"start recurses", guest{fields: `(func $begin (call $begin)) (start $begin)`}, nil, host.CodeGuestStack, []string{`in function "begin"`}},
	{"start takes all memory and gives up", guest{fields: `(func $begin (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)) (start $begin)`},
		nil, host.CodeGuestMemory, nil},
	{"start exits", guest{imports: `(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`, fields: `(func $begin (call $exit (i32.const 0))) (start $begin)`},
		nil, host.CodeGuestTrap, []string{"exited with code 0"}},
	{"start burns the fuel of the run", guest{fields: `(func $begin ` + spin + `) (start $begin)`}, limits(func(l *host.Limits) { l.Fuel = 1_000_000 }), host.CodeGuestFuel, nil},
	{"_initialize runs start again", guest{initialize: `(call $begin)`, fields: `(func $begin (call $begin)) (start $begin)`}, nil, host.CodeGuestStack, nil},
	{"process initialises again and again", guest{proc: `(loop $l (call $_initialize) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
	{"process calls itself", guest{proc: `(call $adp_process (local.get $input) (local.get $array))`}, nil, host.CodeGuestStack, nil},

	// The virtual clock: sleeping is free, looping is not.
	{"waits for the clock without sleeping", guest{imports: importClock, proc: `(loop $l (br_if $l (i64.lt_s (call $clock) (i64.const 9223372036854775807)))) (i32.const 0)`}, soon, host.CodeGuestDeadline, nil},
	{"sleeps a nanosecond, for ever", guest{imports: importPoll, proc: `(loop $l (drop ` + sleep(1) + `) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
	{"sleeps past the end of time, for ever", guest{imports: importPoll, proc: `(loop $l (drop ` + sleep(1<<62) + `) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
	{"sleeps for less than nothing", guest{imports: importPoll, proc: sleep(-1)}, nil, "", nil},
	{"polls a thousand descriptors, for ever", guest{imports: importPoll, memory: "2",
		proc: `(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 49152)) (drop (call $poll (i32.const 0) (i32.const 65536) (i32.const 1024) (i32.const 131000))) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},

	// Bulk and tables.
	{"copies memory over and over", guest{memory: "512", proc: `(loop $l (memory.copy (i32.const 0) (i32.const 16777216) (i32.const 16777216)) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
	{"fills past its memory", guest{proc: `(memory.fill (i32.const -1) (i32.const 1) (i32.const 2)) (i32.const 0)`}, nil, host.CodeGuestTrap, []string{"out of bounds"}},
	{"copies from past its memory", guest{proc: `(memory.copy (i32.const 0) (i32.const -1) (i32.const 2)) (i32.const 0)`}, nil, host.CodeGuestTrap, []string{"out of bounds"}},
	{"grows by nothing, for ever", guest{proc: `(loop $l (drop (memory.grow (i32.const 0))) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
	{"grows by everything, which is paid for first", guest{proc: `(loop $l (drop (memory.grow (i32.const -1))) (br $l)) (unreachable)`}, soon, host.CodeGuestFuel, nil},
	{"a storm of indirect calls", guest{proc: `(loop $l (drop (call_indirect (type $t) (i32.const 0))) (br $l)) (unreachable)`,
		fields: `(type $t (func (result i32))) (table $tab 2 funcref) (elem (i32.const 0) $one) (func $one (result i32) (i32.const 1))`}, soon, host.CodeGuestDeadline, nil},
	{"an indirect call to nothing", guest{proc: `(call_indirect (type $t) (i32.const 1))`,
		fields: `(type $t (func (result i32))) (table $tab 2 funcref) (elem (i32.const 0) $one) (func $one (result i32) (i32.const 1))`}, nil, host.CodeGuestTrap, nil},
	{"an indirect call past the table", guest{proc: `(call_indirect (type $t) (i32.const -1))`,
		fields: `(type $t (func (result i32))) (table $tab 2 funcref) (elem (i32.const 0) $one) (func $one (result i32) (i32.const 1))`}, nil, host.CodeGuestTrap, nil},
	{"an indirect call of another type", guest{proc: `(call_indirect (type $t) (i32.const 0))`,
		fields: `(type $t (func (result i32))) (table $tab 1 funcref) (elem (i32.const 0) $one) (func $one)`}, nil, host.CodeGuestTrap, nil},
	{"mutual recursion", guest{proc: `(call $a (i32.const 0))`, fields: `
		(func $a (param $n i32) (result i32) (i32.add (call $b (i32.add (local.get $n) (i32.const 1))) (local.get $n)))
		(func $b (param $n i32) (result i32) (i32.mul (call $a (i32.add (local.get $n) (i32.const 3))) (local.get $n)))`}, nil, host.CodeGuestStack, nil},
	{"recursion of fat frames", guest{proc: `(call $fat (i32.const 0))`, fields: `(func $fat (param $n i32) (result i32) (local` + strings.Repeat(" i64", 900) + `)
		(i32.add (call $fat (i32.add (local.get $n) (i32.const 1))) (local.get $n)))`}, nil, host.CodeGuestStack, nil},

	// State.
	{"state past its limit", guest{imports: `(import "adp_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))`, memory: "512", fields: `(global $n (mut i32) (i32.const 0))`,
		proc: `(loop $l (i32.store (i32.const 64) (global.get $n)) (global.set $n (i32.add (global.get $n) (i32.const 1)))
			(br_if $l (i32.eqz (call $put (i32.const 64) (i32.const 4) (i32.const 65536) (i32.const 16777217))))) (i32.const 10)`}, nil, host.CodeGuestStatus, []string{"status 10"}},
	{"keys past their length", guest{imports: `(import "adp_v1" "state_delete" (func $delete (param i32 i32) (result i32)))`,
		proc: `(call $delete (i32.const 64) (i32.const 1025))`}, nil, host.CodeGuestStatus, []string{"status 10"}},
}

func TestHostileTricks(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		for _, h := range hostileTricks {
			t.Run(h.name, func(t *testing.T) {
				s := specOf(assemble(t, h.guest.text()), numbers)
				if h.set != nil {
					h.set(&s)
				}
				u, err := runAll(e, s, &fake{}, counting(3))
				if h.code != "" {
					wantError(t, err, h.code, h.words...)
				} else if err != nil {
					t.Errorf("it harms nobody: %v", err)
				}
				if h.code != host.CodeGuestFuel { // what cannot be paid for is billed, and not done
					kept(t, s.Product.Limits, u)
				}
			})
		}
	})
}

// kept checks that no limit was passed; fuel by the last call of the host at most.
func kept(t *testing.T, l host.Limits, u Usage) {
	t.Helper()
	l = l.WithDefaults()
	if u.MemoryBytes > l.Memory || u.BytesOut > l.Output || u.LogBytes > l.Logs || u.Fuel > l.Fuel+20_000_000 {
		t.Errorf("limits %+v, used %+v", l, u)
	}
}

// swap replaces one part of the echo guest's text, which must have it once.
func swap(t *testing.T, old, new string) []byte {
	t.Helper()
	s := echo.text()
	if strings.Count(s, old) != 1 {
		t.Fatalf("%q is %d times in the guest", old, strings.Count(s, old))
	}
	return assemble(t, strings.Replace(s, old, new, 1))
}

// Modules whose exports, imports or sizes are not those of a guest are refused before anything of them runs.
func TestHostileModules(t *testing.T) {
	e := newEngine(t, Config{})
	body := func(fields string) []byte { return assemble(t, guest{fields: fields}.text()) }
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	nested := func(n int) []byte {
		return body(`(func $deep ` + many(n, "(block ") + many(n, ")") + `)`)
	}
	for _, m := range []struct {
		name   string
		module func() []byte
		code   host.ErrorCode
		words  string
	}{
		{"adp_abi is a global", func() []byte {
			return swap(t, `(func $adp_abi (export "adp_abi")`, `(global $v (export "adp_abi") i32 (i32.const 1)) (func $adp_abi`)
		}, host.CodeModuleRefused, "adp_abi is a global"},
		{"adp_alloc is a memory", func() []byte {
			return swap(t, `(memory (export "memory") 1)`, `(memory (export "memory") (export "adp_alloc") 1)`)
		}, host.CodeModuleInvalid, "adp_alloc"},
		{"memory is a function", func() []byte {
			return swap(t, `(memory (export "memory") 1)`, `(memory 1) (func $m (export "memory"))`)
		}, host.CodeModuleRefused, "memory is a function"},
		{"memory is a table", func() []byte {
			return swap(t, `(memory (export "memory") 1)`, `(memory 1) (table $m (export "memory") 1 funcref)`)
		}, host.CodeModuleRefused, "memory is a table"},
		{"adp_process without a result", func() []byte {
			return assemble(t, strings.Replace(guest{}.text(), `(param $array i32) (result i32) (i32.const 0)`, `(param $array i32)`, 1))
		}, host.CodeModuleRefused, "adp_process has type"},
		{"adp_alloc of 64 bits", func() []byte {
			return assemble(t, strings.Replace(guest{alloc: "(i32.const 4096)"}.text(), `(param $n i32) (result i32)`, `(param $n i64) (result i32)`, 1))
		}, host.CodeModuleRefused, "adp_alloc has type (i64)"},
		{"adp_free that answers", func() []byte {
			return assemble(t, strings.Replace(guest{free: "(i32.const 0)"}.text(), `(param $p i32) (param $n i32)`, `(param $p i32) (param $n i32) (result i32)`, 1))
		}, host.CodeModuleRefused, "adp_free has type"},
		{"_initialize with a parameter", func() []byte {
			return swap(t, `(func $_initialize (export "_initialize")`, `(func $_initialize (export "_initialize") (param i32)`)
		}, host.CodeModuleRefused, "_initialize has type"},
		{"a start with a parameter", func() []byte { return body(`(func $begin (param i32)) (start $begin)`) }, host.CodeModuleInvalid, "start"},
		{"a start that answers", func() []byte { return body(`(func $begin (result i32) (i32.const 1)) (start $begin)`) }, host.CodeModuleInvalid, "start"},
		{"the meter's export", func() []byte { return body(`(func $x (export "adp_start"))`) }, host.CodeModuleRefused, "adp_start"},
		{"the meter's import of another type", func() []byte {
			return assemble(t, guest{imports: `(import "adp_meter" "refill" (func $r (param i32)))`}.text())
		}, host.CodeModuleRefused, "adp_meter.refill"},
		{"another function of the meter's module", func() []byte { return assemble(t, guest{imports: `(import "adp_meter" "x" (func $r))`}.text()) }, host.CodeModuleRefused, "adp_meter.x"},
		{"WASI of another version", func() []byte {
			return assemble(t, guest{imports: `(import "wasi_unstable" "proc_exit" (func $r (param i32)))`}.text())
		}, host.CodeModuleRefused, "wasi_unstable"},
		{"an ABI to come", func() []byte {
			return assemble(t, guest{imports: `(import "adp_v2" "emit" (func $r (param i32 i32) (result i32)))`}.text())
		}, host.CodeModuleRefused, "adp_v2"},
		{"Extism's environment", func() []byte {
			return assemble(t, guest{imports: `(import "extism:host/env" "input_length" (func $r (result i64)))`}.text())
		}, host.CodeModuleRefused, "extism"},
		{"a filesystem", func() []byte {
			return assemble(t, guest{imports: `(import "wasi_snapshot_preview1" "path_unlink_file" (func $r (param i32 i32 i32) (result i32)))`}.text())
		}, host.CodeModuleRefused, "path_unlink_file"},
		{"two memories", func() []byte { return body(`(memory $two 1)`) }, host.CodeModuleInvalid, "memor"},
		{"a memory larger than addresses", func() []byte { return assemble(t, guest{memory: "65537"}.text()) }, host.CodeModuleInvalid, "at most 65536"},
		{"a memory that begins with everything", func() []byte { return assemble(t, guest{memory: "65536"}.text()) }, host.CodeModuleRefused, "memory"},
		{"a table of 2^32-1", func() []byte { return body(`(table $big 4294967295 funcref)`) }, host.CodeModuleRefused, "table"},
		{"a table of one too many", func() []byte { return body(`(table $big 20001 funcref)`) }, host.CodeModuleRefused, "table"},
		{"50,000 locals", func() []byte { return body(`(func $fat (local` + many(50_000, " i64") + `))`) }, host.CodeModuleRefused, "locals"},
		{"1,001 locals", func() []byte { return body(`(func $fat (local` + many(1_001, " i64") + `))`) }, host.CodeModuleRefused, "1001 locals"},
		{"8,193 nested blocks", func() []byte { return nested(8_193) }, host.CodeModuleRefused, "nested"},
		{"200,000 nested blocks", func() []byte { return nested(200_000) }, host.CodeModuleInvalid, "nested"},
		{"a br_table of 32,769", func() []byte { return body(`(func $far (block $b i32.const 0 br_table ` + many(32_770, "$b ") + `))`) }, host.CodeModuleRefused, "br_table"},
		{"301 globals", func() []byte { return body(many(301, `(global (mut i64) (i64.const 0)) `)) }, host.CodeModuleRefused, "globals"},
		{"20,001 functions", func() []byte { return body(many(20_001, `(func) `)) }, host.CodeModuleRefused, "functions"},
		{"500,001 instructions", func() []byte { return body(`(func $long ` + many(500_001, "nop ") + `)`) }, host.CodeModuleRefused, "instructions"},
		{"blocks times locals", func() []byte {
			return body(`(func $wide (local` + many(999, " i64") + `)` + many(1_100, "(block)") + `)`)
		}, host.CodeModuleRefused, "blocks × locals"},
		{"blocks times locals, a little in each function", func() []byte {
			return body(many(9, `(func (local`+many(999, " i64")+`)`+many(490, "(block)")+`) `))
		}, host.CodeModuleRefused, "blocks × locals in the module"},
		{"201 parameters", func() []byte { return body(`(func $many (param` + many(201, " i32") + `))`) }, host.CodeModuleRefused, "parameters"},
		{"1,001 imports", func() []byte {
			return assemble(t, guest{imports: many(1_001, `(import "adp_v1" "clock" (func (result i64)))`)}.text())
		}, host.CodeModuleRefused, "imports"},
		{"an element past its table", func() []byte { return body(`(table $t 1 funcref) (elem (i32.const 2) $adp_abi)`) }, "-", ""}, // the engine leaves it out
		{"names twice", func() []byte {
			return append(assemble(t, echo.text()), 0, 9, 4, 'n', 'a', 'm', 'e', 1, 0xff, 0xff, 0xff)
		}, host.CodeModuleInvalid, "name"},
		{"a custom section that never ends", func() []byte { return append(assemble(t, echo.text()), 0, 0xff, 0xff, 0xff, 0xff, 0x0f) }, host.CodeModuleInvalid, ""},
		{"a section twice", func() []byte { return append(assemble(t, echo.text()), 10, 1, 0) }, host.CodeModuleInvalid, ""},
		{"a number of twenty bytes", func() []byte {
			return append([]byte("\x00asm\x01\x00\x00\x00\x01"), strings.Repeat("\x80", 20)...)
		}, host.CodeModuleInvalid, ""},
		{"17 MiB of nothing", func() []byte {
			return append(assemble(t, echo.text()), append([]byte{0, 0x80, 0x80, 0xc0, 0x08}, make([]byte, 17<<20)...)...)
		}, host.CodeModuleRefused, "bytes"},
	} {
		t.Run(m.name, func(t *testing.T) {
			module := m.module()
			began := time.Now()
			_, err := runAll(e, specOf(module, numbers), &fake{}, counting(1))
			t.Logf("%d bytes, %v: %.200v", len(module), time.Since(began).Round(time.Millisecond), err)
			switch code := host.CodeOf(err); {
			case m.code == "-":
				if err != nil {
					t.Errorf("it is only odd: %v", err)
				}
			case m.code == "" && code != host.CodeModuleInvalid && code != host.CodeModuleRefused && code != host.CodeGuestTrap:
				t.Errorf("got %v", err)
			case m.code != "":
				wantError(t, err, m.code, m.words)
			}
		})
	}
}

// mutated is a module with a few of its bits changed, a piece cut out, doubled, moved, or its end missing.
func mutated(rng *rand.Rand, module []byte) []byte {
	out := append([]byte(nil), module...)
	place := func() int { return 8 + rng.IntN(len(out)-8) }
	switch rng.IntN(8) {
	case 0:
		return out[:rng.IntN(len(out))]
	case 1: // a piece is gone
		at := place()
		return append(out[:at:at], out[min(at+1+rng.IntN(8), len(out)):]...)
	case 2: // a piece is there twice
		at := place()
		end := min(at+1+rng.IntN(16), len(out))
		return append(out[:end:end], out[at:]...)
	case 3: // a byte that means much in this format
		out[place()] = []byte{0, 1, 0x40, 0x60, 0x70, 0x7f, 0x80, 0xff, 0xfc, 0xfd, 0x0b, 0x10, 0x11}[rng.IntN(13)]
	case 4: // a piece moves
		from, to := place(), place()
		copy(out[to:], append([]byte(nil), out[from:min(from+rng.IntN(32), len(out))]...))
	default:
		for range 1 + rng.IntN(3) {
			out[place()] ^= 1 << rng.IntN(8)
		}
	}
	return out
}

var mutants = flag.Int("mutants", 10_000, "how many broken modules TestHostileMutants runs")

// Broken copies of good modules: refused, or run within their limits. The host survives each.
func TestHostileMutants(t *testing.T) {
	runs := *mutants
	if testing.Short() {
		runs /= 10
	}
	checks := runs / 10
	small := [][]byte{assemble(t, echo.text()), assemble(t, proxy().text()), assemble(t, hostiles[9].guest.text()),
		assemble(t, hostileTricks[20].guest.text()), assemble(t, guest{imports: importEmit, memory: "2", proc: hostileBatches[2].change + emitIt}.text())}
	large := [][]byte{abitest.PrebuiltRust(t, "example"), abitest.PrebuiltRust(t, "kernel")}
	e := newEngine(t, Config{KeepModules: 1})
	var next, admitted, ended atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(runs+checks); n = next.Add(1) {
				rng := rand.New(rand.NewPCG(uint64(n), 4))
				if n > int64(runs) {
					if e.Check(context.Background(), mutated(rng, large[n%2]), host.Code{}) == nil {
						admitted.Add(1)
					}
					continue
				}
				s := specOf(mutated(rng, small[rng.IntN(len(small))]), numbers)
				s.Product.Limits = host.Limits{Fuel: 2_000_000, Memory: 8 << 20, Output: 1 << 20, Deadline: 5 * time.Second}
				u, err := runAll(e, s, &discard{}, counting(3))
				switch code := host.CodeOf(err); {
				case code == host.CodeModuleInvalid || code == host.CodeModuleRefused:
				case err != nil && code == "":
					t.Errorf("mutant %d: the host failed: %v", n, err)
				case code == host.CodeGuestFuel:
					ended.Add(1)
				default:
					ended.Add(1)
					kept(t, s.Product.Limits, u)
				}
			}
		})
	}
	wg.Wait()
	if ended.Load() == 0 || ended.Load() == int64(runs) {
		t.Errorf("%d of %d mutants were run", ended.Load(), runs)
	}
	t.Logf("mutants %d refused %d run %d, of large modules %d admitted %d", runs+checks, int64(runs)-ended.Load(), ended.Load(), checks, admitted.Load())
}

// Killing guests leaves nothing behind: after a thousand of them the process is as large as before.
func TestHostileKillsLeaveNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("NOT MEASURED: resident memory is read from /proc")
	}
	e := newEngine(t, Config{})
	var specs []Spec
	for _, g := range []guest{{proc: spin}, {proc: `(unreachable)`}, {proc: `(call $adp_process (local.get $input) (local.get $array))`},
		{proc: `(drop (memory.grow (i32.const 128))) (memory.fill (i32.const 65536) (i32.const 1) (i32.const 8000000)) (unreachable)`},
		{imports: importEmit, proc: `(loop $l (drop (call $emit (i32.const 0) (local.get $array))) (br $l)) (unreachable)`}} {
		s := specOf(assemble(t, g.text()), numbers)
		s.Product.Limits = host.Limits{Fuel: 3_000_000, Memory: 16 << 20, Output: 1 << 20, Deadline: time.Minute}
		specs = append(specs, s)
	}
	kill := func(n int) {
		for i := range n {
			if _, err := runAll(e, specs[i%len(specs)], &discard{}, counting(100)); host.CodeOf(err) == "" {
				t.Fatalf("guest %d: %v", i%len(specs), err)
			}
		}
		runtime.GC()
		debug.FreeOSMemory()
	}
	kill(100)
	before := resident(t)
	kill(1_000)
	after := resident(t)
	t.Logf("resident: %d KiB before, %d KiB after 1,000 kills: %.2f×", before>>10, after>>10, float64(after)/float64(before))
	if float64(after) > 1.1*float64(before) {
		t.Errorf("a thousand kills left %d KiB", (after-before)>>10)
	}
}

// resident is the memory of this process that is in RAM, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc/self", "statm"))
	if err != nil {
		t.Fatal(err)
	}
	var all, in int64
	if _, err := fmt.Sscan(string(b), &all, &in); err != nil {
		t.Fatal(err)
	}
	return in * int64(os.Getpagesize())
}
