package sandbox

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build/buildtest"
	"github.com/adp-host/adp/host/wasm"
)

var functionLimits = host.Limits{Memory: 32 << 20, Fuel: 500_000_000, Deadline: 30 * time.Second, Stack: 1 << 20, Logs: 16 << 10}

// TestFunction: calls see nothing of each other: neither variables nor memory, and the clock stands where it stood.
func TestFunction(t *testing.T) {
	for _, language := range buildtest.Plugins {
		t.Run(language, func(t *testing.T) {
			var mu sync.Mutex
			var logs []string
			f, err := newEngine(t, Config{}).Function(t.Context(), FunctionSpec{Module: buildtest.Plugin(t, language), Name: "remember", Limits: functionLimits, Log: func(_ int32, message string) {
				mu.Lock()
				defer mu.Unlock()
				logs = append(logs, message)
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			logs = nil // of the probe in both engines
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if out, err := f.Call(context.Background(), []byte("x")); err != nil || len(out) > 0 {
						t.Errorf("%q, %v", out, err)
					}
				})
			}
			wg.Wait()
			if len(logs) != 20 || logs[7] != "remembered x" {
				t.Errorf("logged %q", logs)
			}
		})
	}
}

// TestFunctionKeepsNothing: what a call leaves in its memory no other finds.
func TestFunctionKeepsNothing(t *testing.T) {
	module := assemble(t, pluginText("", `(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
		(local.set $a (call $alloc (i64.const 1))) (call $store_u8 (local.get $a) (i32.load (i32.const 0))) (call $output_set (local.get $a) (i64.const 1))`))
	f, err := newEngine(t, Config{}).Function(t.Context(), FunctionSpec{Module: module, Name: "run", Limits: functionLimits})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 10 {
		if out, err := f.Call(t.Context(), nil); err != nil || string(out) != "\x01" {
			t.Fatalf("%q, %v", out, err)
		}
	}
}

// TestFunctionsBounded: hostile ones end, each with its reason, and with the same each time.
func TestFunctionsBounded(t *testing.T) {
	for _, c := range []struct {
		name, code string
		wants      host.ErrorCode
	}{
		{"spins", `(loop $l (br $l))`, host.CodeGuestFuel},
		{"traps", `(unreachable)`, host.CodeGuestTrap},
		{"recurses", `(drop (call $run))`, host.CodeGuestStack},
		{"fills its kernel", `(loop $l (br_if $l (i64.ne (call $alloc (i64.const 1000000)) (i64.const 0)))) (unreachable)`, host.CodeGuestMemory},
		{"grows", `(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)`, host.CodeGuestMemory},
		{"asks the web", `(drop (call $http_request (call $alloc (i64.const 2)) (i64.const 0)))`, host.CodeGuestABI},
		{"floods the log", `(local.set $a (call $alloc (i64.const 1000))) (loop $l (call $log_info (local.get $a)) (br $l))`, host.CodeGuestLogs},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := newEngine(t, Config{}).Function(t.Context(), FunctionSpec{Module: assemble(t, pluginText("", c.code)), Name: "run", Limits: functionLimits, Probe: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, first := f.Call(t.Context(), []byte("{}"))
			_, again := f.Call(t.Context(), []byte("{}"))
			if host.CodeOf(first) != c.wants || host.CodeOf(again) != c.wants || first.Error() != again.Error() {
				t.Errorf("%v, then %v", first, again)
			}
		})
	}
}

// TestFunctionClaims: an output of 1 GiB that is claimed and not there is none.
func TestFunctionClaims(t *testing.T) {
	module := assemble(t, pluginText("", `(call $output_set (call $alloc (i64.const 1073741824)) (i64.const 1073741824))`))
	f, err := newEngine(t, Config{}).Function(t.Context(), FunctionSpec{Module: module, Name: "run", Limits: functionLimits})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if out, err := f.Call(t.Context(), nil); err != nil || len(out) > 0 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// TestNoFunction: what is refused, and what says so before its first call.
func TestNoFunction(t *testing.T) {
	e := newEngine(t, Config{})
	for name, c := range map[string]struct {
		module []byte
		says   string
	}{
		"no Wasm":           {[]byte("#!/bin/sh"), "not a WebAssembly 1 binary"},
		"another function":  {assemble(t, strings.Replace(pluginText("", ""), `(export "run")`, `(export "walk")`, 1)), "export run is missing"},
		"fails while young": {assemble(t, pluginText(`(func $init (export "_initialize") (unreachable))`, "")), "trapped"},
	} {
		_, err := e.Function(t.Context(), FunctionSpec{Module: c.module, Name: "run", Limits: functionLimits})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFunctionDiffers: compiled code that does something else than the interpreter is found out by the probe, and not used, by this engine and those to come.
func TestFunctionDiffers(t *testing.T) {
	module := assemble(t, pluginText("", `(local.set $a (call $alloc (i64.const 1)))
		(call $store_u8 (local.get $a) (i32.and (i32.const 0x616263) (i32.const 0xff))) (call $output_set (local.get $a) (i64.const 1))`))
	var told []string
	cfg := Config{CacheDir: t.TempDir(), Differs: func(_ host.ProductID, _ host.Digest, what string) { told = append(told, what) }}
	for range 2 {
		e := newEngine(t, cfg)
		e.spoil = func(m wasm.Instantiable) wasm.Instantiable {
			m.Bytes = bytes.Replace(m.Bytes, constant(0x616263), constant(0x616264), 1)
			return m
		}
		f, err := e.Function(t.Context(), FunctionSpec{Module: module, Name: "run", Limits: functionLimits})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := f.Call(t.Context(), nil); err != nil || string(out) != "c" {
			t.Errorf("%q, %v", out, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "output:d") {
		t.Errorf("told %q", told)
	}
}

// BenchmarkFunction is a decision of a policy, by language: the call, and the start of the next instance beside it.
func BenchmarkFunction(b *testing.B) {
	question := []byte(`{"subject":{"kind":"owner"},"action":"read","resource":{"product":{"tenant":"local","domain":"private","name":"x"}}}`)
	for _, language := range []string{"go", "rust"} {
		b.Run(language, func(b *testing.B) {
			f, err := newEngine(b, Config{}).Function(b.Context(), FunctionSpec{Module: buildtest.Plugin(b, language), Name: "decide", Limits: functionLimits, Probe: question})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			for b.Loop() {
				if _, err := f.Call(b.Context(), question); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
