package sandbox

import (
	"context"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

// spin never ends and never calls the host.
const spin = `(loop $l (br $l)) (unreachable)`

// hostile is a guest that must be stopped.
type hostile struct {
	name  string
	guest guest
	set   func(*Spec)
	code  host.ErrorCode
	words []string // of the message
}

func limits(set func(*host.Limits)) func(*Spec) {
	return func(s *Spec) { set(&s.Product.Limits) }
}

var soon = limits(func(l *host.Limits) { l.Deadline = 100 * time.Millisecond })

var hostiles = []hostile{
	// Time and work.
	{"loops in process", guest{proc: spin}, soon, host.CodeGuestDeadline, []string{"deadline of 100ms", `in function "adp_process" (offset 0x`}},
	{"loops in open", guest{open: spin}, soon, host.CodeGuestDeadline, []string{`in function "adp_open" (offset 0x`}},
	{"loops in flush", guest{flush: spin}, soon, host.CodeGuestDeadline, nil},
	{"loops in _initialize", guest{initialize: spin}, soon, host.CodeGuestDeadline, []string{`in function "_initialize" (offset 0x`}},
	{"loops in start", guest{fields: `(func $begin ` + spin + `) (start $begin)`}, soon, host.CodeGuestDeadline, []string{`in function "begin" (offset 0x`}},
	{"loops in adp_abi", guest{abi: spin}, soon, host.CodeGuestDeadline, nil},
	{"loops in adp_alloc", guest{alloc: spin}, soon, host.CodeGuestDeadline, nil},
	{"loops in a called function", guest{proc: `(call $step)`, fields: `(func $step (result i32) ` + spin + `)`}, soon,
		host.CodeGuestDeadline, []string{`in function "step" (offset 0x`}},
	{"loops over host calls", guest{imports: `(import "adp_v1" "clock" (func $clock (result i64)))`,
		proc: `(loop $l (drop (call $clock)) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
	{"a tree of calls without a loop", guest{proc: `(call $fork (i32.const 64)) (i32.const 0)`, fields: `
		(func $fork (param $n i32) (if (local.get $n) (then
			(call $fork (i32.sub (local.get $n) (i32.const 1))) (call $fork (i32.sub (local.get $n) (i32.const 1))))))`},
		soon, host.CodeGuestDeadline, []string{`in function "fork" (offset 0x`}},
	{"fills memory over and over", guest{memory: "512", proc: `
		(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 33554432)) (br $l)) (unreachable)`}, soon, host.CodeGuestDeadline, nil},
	{"burns its fuel", guest{proc: spin}, limits(func(l *host.Limits) { l.Fuel = 1_000_000 }), host.CodeGuestFuel, []string{"fuel of 1000000"}},
	{"sleeps for ever", guest{imports: importPoll, proc: sleep(1 << 62), flush: spin}, soon, host.CodeGuestDeadline, []string{"adp_flush"}},

	// Stack and memory.
	{"recurses", guest{proc: `(call $r (i32.const 0))`, fields: `(func $r (param $n i32) (result i32)
		(i32.add (call $r (i32.add (local.get $n) (i32.const 1))) (i32.const 1)))`}, nil, host.CodeGuestStack, []string{"stack budget of 8 MiB", `in function "r" (offset 0x`}},
	{"recurses through a table", guest{proc: `(call_indirect (type $t) (i32.const 0))`, fields: `
		(type $t (func (result i32))) (table $tab 1 funcref) (elem (i32.const 0) $r)
		(func $r (result i32) (i32.add (call_indirect (type $t) (i32.const 0)) (i32.const 1)))`}, nil, host.CodeGuestStack, nil},
	{"grows memory and gives up", guest{proc: `
		(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)`},
		nil, host.CodeGuestMemory, []string{"more than its 64 MiB"}},
	{"needs more memory than it may have", guest{memory: "2000"}, nil, host.CodeGuestMemory, []string{"needs 125 MiB"}},
	{"has no room for a batch", guest{alloc: `(select (i32.const 4096) (i32.const 0) (i32.lt_u (local.get $n) (i32.const 4096)))`}, nil,
		host.CodeGuestMemory, []string{"no room"}},

	// Traps.
	{"traps", guest{proc: `(unreachable)`}, nil, host.CodeGuestTrap, []string{"adp_process trapped: unreachable"}},
	{"traps in _initialize", guest{initialize: `(unreachable)`}, nil, host.CodeGuestTrap, []string{"_initialize trapped"}},
	{"traps in start", guest{fields: `(func $begin (unreachable)) (start $begin)`}, nil, host.CodeGuestTrap, []string{`in function "begin" (offset 0x`}},
	{"reads past its memory", guest{proc: `(i32.load (i32.const -4))`}, nil, host.CodeGuestTrap, []string{"out of bounds memory access"}},
	{"divides by zero", guest{proc: `(i32.div_u (i32.const 1) (i32.const 0))`}, nil, host.CodeGuestTrap, []string{"divide by zero"}},
	{"data past its memory", guest{fields: `(data (i32.const 70000) "x")`}, nil, host.CodeGuestTrap, []string{"instantiated"}},
	{"exits", guest{imports: `(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`,
		proc: `(call $exit (i32.const 3)) (i32.const 0)`}, nil, host.CodeGuestTrap, []string{"exited with code 3"}},
	{"says why and traps", guest{imports: importLog, fields: `(data (i32.const 64) "no such airport")`,
		proc: `(drop (call $log (i32.const 3) (i32.const 64) (i32.const 15))) (unreachable)`}, nil, host.CodeGuestTrap, []string{"no such airport"}},

	// What it says to the host.
	{"returns a status", guest{proc: `(i32.const 1)`}, nil, host.CodeGuestStatus, []string{"adp_process returned status 1 (failed)"}},
	{"returns a status nobody knows", guest{open: `(i32.const -77)`}, nil, host.CodeGuestStatus, []string{"adp_open returned status -77"}},
	{"speaks another version", guest{abi: `(i32.const 2)`}, nil, host.CodeGuestABI, []string{"version 2"}},
	{"allocates misaligned", guest{alloc: `(i32.const 4097)`}, nil, host.CodeGuestABI, []string{"not aligned"}},
	{"allocates outside memory", guest{alloc: `(i32.const -64)`}, nil, host.CodeGuestABI, []string{"leaves its memory"}},
	{"allocates half outside memory", guest{alloc: `(i32.const 65472)`}, nil, host.CodeGuestABI, []string{"leaves its memory"}},
	{"gives a bad pointer", guest{imports: importLog, proc: `(call $log (i32.const 1) (i32.const -8) (i32.const 16)) (drop) (i32.const 0)`}, nil,
		host.CodeGuestABI, []string{"16 bytes at 4294967288"}},
	{"emits nonsense and ignores the answer", guest{imports: importEmit,
		proc: `(drop (call $emit (i32.const 0) (i32.const 1024))) (i32.const 0)`}, nil, host.CodeGuestBatch, []string{"output out"}},
	{"emits from outside memory", guest{imports: importEmit,
		proc: `(drop (call $emit (i32.const 0) (i32.const -64))) (i32.const 0)`}, nil, host.CodeGuestBatch, []string{"leaves the memory"}},
	{"lies about a length", guest{imports: importEmit,
		proc: `(i64.store (local.get $array) (i64.const 1000000)) (call $emit (i32.const 0) (local.get $array))`},
		nil, host.CodeGuestBatch, []string{"column n", "its parent needs 1000000"}},
	{"lies about an offset", guest{imports: importEmit, // of the text column: struct 2, buffer 1, row 3
		proc: `(i32.store offset=12 (i32.load offset=4 (i32.load offset=168 (local.get $array))) (i32.const -5))
			(call $emit (i32.const 0) (local.get $array))`}, nil, host.CodeGuestBatch, []string{"column word", "row"}},
	{"emits on after a bad batch", guest{imports: importEmit, proc: `
		(drop (call $emit (i32.const 0) (i32.const 1024)))
		(loop $l (br_if $l (i32.eq (call $emit (i32.const 0) (local.get $array)) (i32.const 7)))) (i32.const 0)`}, nil, host.CodeGuestBatch, nil},
	{"emits too much", guest{imports: importEmit, proc: `
		(loop $l (br_if $l (i32.eqz (call $emit (i32.const 0) (local.get $array))))) (i32.const 0)`},
		limits(func(l *host.Limits) { l.Output = 1 << 20 }), host.CodeGuestOutput, []string{"output limit of 1 MiB"}},
	{"floods the log", guest{imports: importLog, proc: `
		(loop $l (br_if $l (i32.eqz (call $log (i32.const 1) (i32.const 0) (i32.const 100))))) (i32.const 0)`},
		nil, host.CodeGuestLogs, []string{"256 KiB"}},
	{"floods the log with nothing", guest{imports: importLog, proc: `
		(loop $l (br_if $l (i32.eqz (call $log (i32.const 1) (i32.const 0) (i32.const 0))))) (i32.const 0)`}, nil, host.CodeGuestLogs, nil},
	{"floods standard output", guest{imports: `(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))`,
		proc: `(i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 60000))
			(loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))) (br $l)) (unreachable)`},
		nil, host.CodeGuestLogs, nil},
	{"names ever new metrics", guest{imports: `(import "adp_v1" "metric" (func $metric (param i32 i32 i32 f64) (result i32)))`,
		proc: `(local $n i32) (loop $l (i32.store (i32.const 64) (i32.or (local.get $n) (i32.const 0x10000)))
			(local.set $n (i32.add (local.get $n) (i32.const 1)))
			(br_if $l (i32.ne (call $metric (i32.const 0) (i32.const 64) (i32.const 3) (f64.const 1)) (i32.const 7)))) (i32.const 0)`},
		nil, host.CodeGuestCallLimit, []string{"256 metrics"}},
}

const importPoll = `(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))`

// sleep waits on the virtual clock, in code whose memory from 256 on is free.
func sleep(ns int) string {
	return strings.ReplaceAll(`(i64.store offset=24 (i32.const 256) (i64.const NS)) (i32.store offset=16 (i32.const 256) (i32.const 1))
		(call $poll (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 600))`, "NS", strconv.Itoa(ns))
}

// Hostile guests are stopped for the right reason, and nobody else notices.
func TestHostile(t *testing.T) {
	good := assemble(t, echo.text())
	engines(t, func(t *testing.T, e *Engine) {
		ctx := context.Background()
		var f fake
		neighbour := start(t, e, specOf(good, numbers), &f)
		if err := neighbour.Open(ctx); err != nil {
			t.Fatal(err)
		}
		for _, h := range hostiles {
			t.Run(h.name, func(t *testing.T) {
				s := specOf(assemble(t, h.guest.text()), numbers)
				if h.set != nil {
					h.set(&s)
				}
				began := time.Now()
				u, err := runAll(e, s, &fake{}, counting(100))
				took := time.Since(began)
				wantError(t, err, h.code, h.words...)
				if took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				t.Logf("%v, fuel %d: %v", took.Round(time.Millisecond), u.Fuel, err)
				before := len(f.batches)
				if err := neighbour.Process(ctx, 0, counting(3)); err != nil || len(f.batches) != before+1 {
					t.Fatalf("the neighbour: %v", err)
				}
			})
		}
	})
}

// A dead instance answers nothing but Close.
func TestDeadStaysDead(t *testing.T) {
	e := newEngine(t, Config{})
	ctx := context.Background()
	i := start(t, e, specOf(assemble(t, guest{proc: `(unreachable)`}.text()), numbers), &fake{})
	if err := i.Open(ctx); err != nil {
		t.Fatal(err)
	}
	wantError(t, i.Process(ctx, 0, counting(1)), host.CodeGuestTrap)
	for range 2 {
		if i.Process(ctx, 0, counting(1)) == nil || i.Flush(ctx) == nil {
			t.Fatal("it answers")
		}
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if u := i.Usage(); u.Fuel == 0 {
		t.Error("its cost is forgotten")
	}
}

// A cancelled run stops its guest.
func TestCancel(t *testing.T) {
	e := newEngine(t, Config{})
	i := start(t, e, specOf(assemble(t, guest{proc: spin}.text()), numbers), &fake{})
	if err := i.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	why := host.Errorf(host.CodeRunPaused, "paused")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	wantError(t, i.Process(ctx, 0, counting(1)), host.CodeRunPaused)
}

// The deadline also ends a host that is slow to take what the guest gives.
func TestDeadlineWhileTheHostWorks(t *testing.T) {
	e := newEngine(t, Config{})
	s := specOf(assemble(t, echo.text()), numbers)
	soon(&s)
	_, err := runAll(e, s, &fake{onEmit: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}, counting(1))
	wantError(t, err, host.CodeGuestDeadline)
}

// Modules that are no modules, or not such as a guest may be.
func TestHostileRefused(t *testing.T) {
	whole := assemble(t, echo.text())
	e := newEngine(t, Config{})
	for _, m := range []struct {
		name   string
		module []byte
		code   host.ErrorCode
		words  []string
	}{
		{"nothing", nil, host.CodeModuleInvalid, nil},
		{"text", []byte("#!/bin/sh\n"), host.CodeModuleInvalid, []string{"not a WebAssembly"}},
		{"a truncated module", whole[:len(whole)/2], host.CodeModuleInvalid, nil},
		{"another version", append([]byte{0, 'a', 's', 'm', 2, 0, 0, 0}, whole[8:]...), host.CodeModuleInvalid, nil},
		{"a type error", assemble(t, guest{proc: `(i64.const 0)`}.text()), host.CodeModuleInvalid, []string{"$5", "i64, want i32"}},
		{"no exports", assemble(t, `(memory (export "memory") 1)`), host.CodeModuleRefused, []string{"adp_process is missing", "adp_abi is missing"}},
		{"a private memory", assemble(t, strings.Replace(echo.text(), `(export "memory")`, "", 1)), host.CodeModuleRefused, []string{"memory is missing"}},
		{"a wrong signature", assemble(t, strings.Replace(echo.text(), `(export "adp_flush")`, `(export "adp_flush") (param i32)`, 1)),
			host.CodeModuleRefused, []string{"adp_flush has type (i32) -> (i32), want () -> (i32)"}},
		{"a reserved name", assemble(t, guest{fields: `(func $x (export "adp_x"))`}.text()), host.CodeModuleRefused, []string{"adp_x"}},
		{"a fuel of its own", assemble(t, guest{fields: `(global $f (export "adp_fuel") (mut i64) (i64.const 1))`}.text()),
			host.CodeModuleRefused, []string{"adp_fuel"}},
		{"the meter", assemble(t, guest{imports: `(import "adp_meter" "refill" (func $r (param i64) (result i64)))`}.text()),
			host.CodeModuleRefused, []string{"adp_meter.refill"}},
		{"an unknown import", assemble(t, guest{imports: `(import "env" "abort" (func $abort))`}.text()), host.CodeModuleRefused, []string{"env.abort"}},
		{"an unknown function", assemble(t, guest{imports: `(import "adp_v1" "fetch" (func $f))`}.text()), host.CodeModuleRefused, []string{"adp_v1.fetch"}},
		{"a wrong import", assemble(t, guest{imports: `(import "adp_v1" "emit" (func $f (param i64 i32) (result i32)))`}.text()),
			host.CodeModuleRefused, []string{"adp_v1.emit", "(i64, i32)"}},
		{"a socket", assemble(t, guest{imports: `(import "wasi_snapshot_preview1" "sock_recv" (func $f (param i32)))`}.text()),
			host.CodeModuleRefused, []string{"sock_recv"}},
		{"an imported memory", assemble(t, guest{imports: `(import "env" "memory" (memory $m 1))`}.text()), "", nil},
		{"an imported global", assemble(t, guest{imports: `(import "env" "g" (global $g (mut i32)))`}.text()), host.CodeModuleRefused, []string{"env.g"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			err := e.Check(context.Background(), m.module, host.Code{})
			if m.code == "" {
				m.code = host.CodeOf(err)
				if m.code != host.CodeModuleInvalid && m.code != host.CodeModuleRefused {
					t.Fatalf("got %v", err)
				}
			}
			wantError(t, err, m.code, m.words...)
			_, err = e.Start(context.Background(), specOf(m.module, numbers), &fake{})
			wantError(t, err, m.code, m.words...)
		})
	}
	if err := e.Check(context.Background(), whole, host.Code{}); err != nil {
		t.Errorf("a good module: %v", err)
	}
}

// Guests that spin stop nobody: garbage is collected, other guests run.
func TestSpinningStopsNobody(t *testing.T) {
	e := newEngine(t, Config{})
	s := specOf(assemble(t, guest{proc: spin}.text()), numbers)
	s.Product.Limits.Deadline = 5 * time.Minute // stopped before it, on any machine
	ctx, stop := context.WithCancelCause(context.Background())
	var ended atomic.Int32
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) + 1 {
		i := start(t, e, s, &fake{})
		if err := i.Open(ctx); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			_ = i.Process(ctx, 0, counting(1))
			ended.Add(1)
		})
	}
	good := specOf(assemble(t, echo.text()), numbers)
	for range 3 {
		runtime.GC()
		if _, err := runAll(e, good, &fake{}, counting(10)); err != nil {
			t.Error(err)
		}
	}
	if ended.Load() != 0 {
		t.Error("it took the spinners' whole deadline")
	}
	stop(nil)
	wg.Wait()
}

// A mistake of the host is not called the guest's.
func TestHostPanics(t *testing.T) {
	e := newEngine(t, Config{})
	module := assemble(t, echo.text())
	for name, emit := range map[string]func(context.Context) error{
		"a string":    func(context.Context) error { panic("oh") },
		"an error":    func(context.Context) error { panic(io.ErrUnexpectedEOF) },
		"a nil write": func(context.Context) error { var m map[int]int; m[1] = 1; return nil },
	} {
		_, err := runAll(e, specOf(module, numbers), &fake{onEmit: emit}, counting(1))
		if err == nil || host.CodeOf(err) != "" || !strings.Contains(err.Error(), "the host failed while adp_process ran") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
