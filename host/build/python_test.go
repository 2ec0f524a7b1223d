package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	pythonsdk "github.com/adp-host/adp/guest-sdk/python"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/wasm"
)

// pythonBuilder makes modules of Python, with the user's own cache, since compiling the engine takes minutes.
func pythonBuilder(t *testing.T) *Builder {
	t.Helper()
	b := builder(t)
	b.PythonSDK, b.RustSDK, b.Embed, b.MoreRust = pythonsdk.Source, rustsdk.Source, wasm.Embed, []string{"/usr/bin/rustc"}
	if cache, err := os.UserCacheDir(); err == nil {
		b.Cache = filepath.Join(cache, "adp")
	}
	if _, err := b.findPython(t.Context()); err != nil {
		t.Skipf("NOT TESTED, since nothing here compiles the Python engine: %v", err)
	}
	engine, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close(context.Background()) })
	b.Load, b.Check = engine.Load, engine.Check
	return b
}

const pythonCode = `import adp
from lib import letters


@adp.on_row("people")
def greet(who):
    adp.emit("greetings", name=who["name"], greeting="Hello", letters=letters(who["name"]))
`

func pythonProduct(t *testing.T, main string) string {
	return lay(t, map[string]string{"main.py": main, "lib.py": "letters = len\n", "main_test.py": "this is no Python", "tests/a.py": "nor this"})
}

// TestPythonIsReproducible: the same scripts give the same module in any folder, which holds nothing of this machine.
func TestPythonIsReproducible(t *testing.T) {
	b := pythonBuilder(t)
	var modules [][]byte
	for range 2 {
		dir := pythonProduct(t, pythonCode)
		m, err := b.Compile(t.Context(), dir, host.Code{Language: "python", Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		home, _ := os.UserHomeDir()
		for _, path := range []string{dir, b.Cache, home + "/.cargo"} {
			if bytes.Contains(m, []byte(path)) {
				t.Errorf("the module names %s", path)
			}
		}
		if !bytes.Contains(m, []byte(pythonCode)) || bytes.Contains(m, []byte("nor this")) || bytes.Contains(m, []byte("this is no Python")) {
			t.Error("other scripts are in it than those of the product")
		}
		modules = append(modules, m)
	}
	if !bytes.Equal(modules[0], modules[1]) {
		t.Error("two builds differ")
	}
}

// TestPythonErrors: what keeps scripts from loading has its place.
func TestPythonErrors(t *testing.T) {
	b := pythonBuilder(t)
	for _, c := range []struct {
		name, old, new, want string
		file                 string
		line, column         int
	}{
		{"syntax", "(who):", "(who:", "SyntaxError: ", "main.py", 6, 10},
		{"a module", "import adp\n", "import adp\nimport numpy\n", "ModuleNotFoundError: No module named 'numpy'", "main.py", 2, 1},
		{"an exception", "@adp.on_row", "1 / 0\n@adp.on_row", "ZeroDivisionError: ", "main.py", 5, 1},
	} {
		_, err := b.Compile(t.Context(), pythonProduct(t, strings.Replace(pythonCode, c.old, c.new, 1)), host.Code{Language: "python", Path: "."})
		var e *host.Error
		if !errors.As(err, &e) || e.Code != host.CodeBuildCompile || e.At.Line != c.line || e.At.Column != c.column || filepath.Base(e.At.File) != c.file || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := b.Compile(t.Context(), t.TempDir(), host.Code{Language: "python", Path: "."}); host.CodeOf(err) != host.CodeBuildCompile {
		t.Errorf("no scripts: %v", err)
	}
}

// pythonTests runs the unit tests of a folder over the kit's fake host.
func pythonTests(t *testing.T, dir string) (string, error) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("NOT TESTED: there is no python3 to run the kit's unit tests: %v", err)
	}
	lib, err := filepath.Abs(filepath.Join("..", "..", "guest-sdk", "python", "lib"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), python, "-m", "unittest", "discover", "-p", "*_test.py")
	c.Dir, c.Env = dir, append(os.Environ(), "PYTHONPATH="+lib, "PYTHONDONTWRITEBYTECODE=1")
	said, err := c.CombinedOutput()
	return string(said), err
}

// TestPythonUnits runs the tests of the kit and of its example.
func TestPythonUnits(t *testing.T) {
	for _, folder := range []string{"lib", "example"} {
		said, err := pythonTests(t, filepath.Join("..", "..", "guest-sdk", "python", folder))
		if err != nil || !strings.Contains(said, "\nOK") || strings.Contains(said, "Ran 0 tests") {
			t.Errorf("%s: %v\n%s", folder, err, said)
		}
	}
}

// TestPythonReadme: the product and the test of the kit's README are as it says.
func TestPythonReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "guest-sdk", "python", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, rest := range strings.Split(string(text), "```python\n")[1:] {
		block, _, _ := strings.Cut(rest, "```")
		blocks = append(blocks, block)
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of code, want the product and its test", len(blocks))
	}
	dir := lay(t, map[string]string{"main.py": blocks[0], "main_test.py": blocks[1]})
	if said, err := pythonTests(t, dir); err != nil || !strings.Contains(said, "Ran 1 test") {
		t.Errorf("%v\n%s", err, said)
	}
}
