package wasm_test

import (
	"context"
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

// TestParseAgreesWithWazero compares verdicts over the specification's test suite, valid and invalid modules alike.
func TestParseAgreesWithWazero(t *testing.T) {
	r := interpreter(t)
	valid, invalid := 0, 0
	for name, b := range corpus(t) {
		_, ours := wasm.Parse(b)
		theirs := accepts(r, b)
		switch {
		case (ours == nil) != (theirs == nil):
			t.Errorf("%s: we say %v, wazero says %v", name, ours, theirs)
		case ours == nil:
			valid++
		default:
			invalid++
		}
	}
	t.Logf("%d valid and %d invalid modules", valid, invalid)
}
