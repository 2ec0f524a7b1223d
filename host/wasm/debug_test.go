package wasm_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

// TestDebugCostsNothing: that traps know their place changes no byte of machine code. It is written behind the code in the
// engine's cache.
func TestDebugCostsNothing(t *testing.T) {
	for _, g := range guests(t) {
		m, err := wasm.Parse(g.wasm)
		if err != nil {
			t.Fatal(err)
		}
		out, err := wasm.Meter(m, wasm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		without, with := compiled(t, out.Bytes, false), compiled(t, out.Bytes, true)
		code := without[:len(without)-5] // the last bytes say that there is neither a table of places nor one of handlers
		if !bytes.HasPrefix(with, code) || len(with) == len(without) {
			t.Errorf("%s: %d bytes without, %d with, not the same code", g.name, len(without), len(with))
		}
		t.Logf("%s: module %d bytes, code %d, table of places %d", g.name, len(out.Bytes), len(code), len(with)-len(without))
	}
}

// compiled is what the engine keeps of a module.
func compiled(t *testing.T, module []byte, debug bool) (b []byte) {
	dir := t.TempDir()
	c, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(c).WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(debug))
	defer r.Close(ctx)
	if _, err := r.CompileModule(ctx, module); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil || len(b) == 0 {
		t.Fatal("the engine has kept nothing: ", err)
	}
	return b
}
