package wasm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

// wazeroDir is where the module cache keeps wazero, whose archive carries the specification's own test suite and the
// modules of its examples. It is there whenever this test could be compiled.
func wazeroDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if dir := strings.TrimSpace(string(out)); err == nil && dir != "" {
		return dir
	}
	t.Skipf("SKIPPED: the go command does not tell where wazero's archive is, so nothing was compared: %v", err)
	return ""
}

// corpus is every binary in wazero's archive.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	root := wazeroDir(t)
	files := make(map[string][]byte)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".wasm" {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(rel)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 1000 {
		t.Fatalf("only %d modules in %s", len(files), root)
	}
	return files
}

// accepts reports whether wazero's own validation takes a module, with the features of WebAssembly 2.0.
func accepts(r wazero.Runtime, b []byte) error {
	c, err := r.CompileModule(context.Background(), b)
	if err == nil {
		err = c.Close(context.Background())
	}
	return err
}

func interpreter(t testing.TB) wazero.Runtime {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

// TestParseIsNoLaxerThanWazero: a module that Parse takes must be one that wazero takes as well, over everything in the
// archive, valid and invalid. (Parse is stricter in places: proposals beyond 2.0 that wazero lets through.)
func TestParseIsNoLaxerThanWazero(t *testing.T) {
	r := interpreter(t)
	valid, invalid := 0, 0
	for name, b := range corpus(t) {
		if _, err := wasm.Parse(b); err != nil {
			invalid++
			continue
		}
		valid++
		if err := accepts(r, b); err != nil && !strings.Contains(err.Error(), "empty module name") { // valid, but wazero cannot link it
			t.Errorf("%s: we take what wazero refuses: %v", name, err)
		}
	}
	if valid < 2000 || invalid < 2000 {
		t.Errorf("%d valid and %d invalid modules", valid, invalid)
	}
}

// TestParseAgreesWithSpecification: the scripts of WebAssembly 2.0 say which modules are valid.
func TestParseAgreesWithSpecification(t *testing.T) {
	modules, invalid := 0, 0
	for _, path := range specScripts(t) {
		for _, c := range readScript(t, path) {
			if !strings.HasSuffix(c.Filename, ".wasm") {
				continue // text, or no module at all
			}
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), c.Filename))
			if err != nil {
				t.Fatal(err)
			}
			_, err = wasm.Parse(b)
			switch c.Type {
			case "module", "assert_unlinkable", "assert_uninstantiable":
				if modules++; err != nil {
					t.Errorf("%s:%d: %s is valid: %v", filepath.Base(path), c.Line, c.Filename, err)
				}
			case "assert_invalid", "assert_malformed":
				if invalid++; err == nil {
					t.Errorf("%s:%d: %s is not valid", filepath.Base(path), c.Line, c.Filename)
				} else if !errors.Is(err, wasm.ErrInvalid) {
					t.Errorf("%s:%d: %v is not of the kind ErrInvalid", filepath.Base(path), c.Line, err)
				}
			}
		}
	}
	t.Logf("%d valid and %d invalid modules", modules, invalid)
}

// TestMeteredValidates meters every valid module of the archive: what comes out must validate in wazero.
func TestMeteredValidates(t *testing.T) {
	r := interpreter(t)
	n := 0
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
		n++
	}
	t.Logf("%d modules", n)
}
