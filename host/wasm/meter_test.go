package wasm_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

// open lifts all limits that Parse does not have itself.
func openLimits() wasm.Limits {
	l := wasm.DefaultLimits
	l.Tables, l.Globals, l.Locals, l.TableEntries, l.Params, l.Results, l.MemoryPages = 1000, 10_000, 50_000, 1<<32-1, 1000, 1000, 65536
	l.BlockLocals, l.ModuleBlockLocals, l.Nesting = 100_000_000, 100_000_000, 50_000
	return l
}

// TestMeteredValidates meters every valid module of the corpus: what comes out must validate in wazero.
func TestMeteredValidates(t *testing.T) {
	r := interpreter(t)
	n, before, after := 0, 0, 0
	for name, b := range corpus(t) {
		m, err := wasm.Parse(b)
		if err != nil {
			continue
		}
		out, err := wasm.Meter(m, wasm.Options{Limits: openLimits()})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := accepts(r, out.Bytes); err != nil && accepts(r, b) == nil {
			t.Errorf("%s: %v", name, err)
		}
		n, before, after = n+1, before+len(b), after+len(out.Bytes)
	}
	t.Logf("%d modules, %d bytes became %d", n, before, after)
}

var _ = context.Background
var _ api.Module
var _ wazero.Runtime
