package wasm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/adp-host/adp/host/wasm"
)

// fuzzLimits keep modules small enough for thousands of tries.
func fuzzLimits() wasm.Limits {
	l := wasm.DefaultLimits
	l.MemoryPages, l.TableEntries, l.Locals, l.BlockLocals = 16, 1000, 200, 100_000
	return l
}

// checkMetered is what must hold of every module that Parse takes: wazero takes it too, and either Meter refuses it or
// wazero takes what Meter writes.
func checkMetered(t *testing.T, r wazero.Runtime, m *wasm.Module, b []byte) {
	t.Helper()
	for _, im := range m.Imports {
		if im.Module == "" {
			return // valid, but wazero cannot link it
		}
	}
	if err := accepts(r, b); err != nil && !strings.Contains(err.Error(), "custom section") { // names are hints; wazero refuses bad ones
		t.Errorf("we take what wazero refuses: %v", err)
		return
	}
	for _, o := range []wasm.Options{{Limits: fuzzLimits()}, wasm.EveryInstruction(wasm.Options{Limits: fuzzLimits()})} {
		out, err := wasm.Meter(m, o)
		if err != nil {
			if strings.Contains(err.Error(), "invalid") {
				t.Errorf("metering made it invalid: %v", err)
			}
			return
		}
		if err := accepts(r, out.Bytes); err != nil {
			t.Errorf("what Meter writes is invalid: %v", err)
		}
	}
}

// FuzzMeter: no bytes make Parse, Admit or Meter panic, and what Meter writes is valid. Seeds are small modules of every
// kind; run it with -fuzz FuzzMeter.
func FuzzMeter(f *testing.F) {
	f.Add(wasm.Assemble(everything))
	for _, h := range hostile {
		if len(h.text) < 1000 {
			f.Add(wasm.Assemble(h.text))
		}
	}
	files, err := filepath.Glob("testdata/guests/*.wasm")
	if err != nil || len(files) == 0 {
		f.Fatal("no guests", err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	f.Cleanup(func() { r.Close(ctx) })
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasm.Parse(b)
		if err != nil {
			return
		}
		_ = m.Admit(fuzzLimits(), wasm.Policy{})
		checkMetered(t, r, m, b)
	})
}
