package buildtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/adp-host/adp/host"
)

// Plugins are the languages in which the plug-in of samples/extism is written.
var Plugins = []string{"go", "rust", "assemblyscript"}

var plugins struct {
	sync.Mutex
	made map[string][]byte
}

// Plugin is the module of samples/extism/LANGUAGE, compiled with what the PDK's own users compile with. The test is skipped, loudly, where that
// cannot be had.
func Plugin(t testing.TB, language string) []byte {
	t.Helper()
	plugins.Lock()
	defer plugins.Unlock()
	if module := plugins.made[language]; module != nil {
		return module
	}
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("buildtest: this test does not know where its source is")
	}
	dir := filepath.Join(filepath.Dir(file), "..", "..", "..", "samples", "extism", language)
	path := ""
	switch language {
	case "go":
		path = filepath.Join(t.TempDir(), "plugin.wasm")
		do(t, dir, []string{"GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "CGO_ENABLED=0"}, "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", path, ".")
	case "rust":
		path = crate(t, dir)
	case "assemblyscript":
		path = npm(t, dir)
	}
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if plugins.made == nil {
		plugins.made = map[string][]byte{}
	}
	plugins.made[language] = module
	return module
}

// crate compiles a copy of the folder as a product is, since that works with Debian's compiler too.
func crate(t testing.TB, dir string) string {
	b := Builder(t)
	Needs(t, b, "rust")
	to := filepath.Join(t.TempDir(), "plugin")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	module, err := b.Compile(t.Context(), to, host.Code{Language: "rust", Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".wasm", module, 0o644); err != nil {
		t.Fatal(err)
	}
	return to + ".wasm"
}

// npm compiles a copy of the folder, with packages of its own.
func npm(t testing.TB, dir string) string {
	to := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "assembly/index.ts"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	do(t, to, nil, "npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts")
	do(t, to, nil, "npm", "run", "--silent", "build")
	return filepath.Join(to, "build", "plugin.wasm")
}

func do(t testing.TB, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED, since nothing here compiles this plug-in to Wasm: %s %v: %v\n%s", name, args, err, out)
	}
}
