package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	javascriptsdk "github.com/adp-host/adp/guest-sdk/javascript"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/wasm"
)

// javaScriptBuilder makes modules of JavaScript, with the user's own cache, since compiling the engine takes a minute or two.
func javaScriptBuilder(t *testing.T) *Builder {
	t.Helper()
	b := builder(t)
	b.JavaScriptSDK, b.RustSDK, b.Embed, b.MoreRust, b.MoreC = javascriptsdk.Source, rustsdk.Source, wasm.Embed, []string{"/usr/bin/rustc"}, []string{"/opt/wasi-sdk/bin/clang"}
	if cache, err := os.UserCacheDir(); err == nil {
		b.Cache = filepath.Join(cache, "adp")
	}
	if _, err := b.findJavaScript(t.Context()); err != nil {
		t.Skipf("NOT TESTED, since nothing here compiles the JavaScript engine: %v", err)
	}
	engine, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close(context.Background()) })
	b.Load, b.Check = engine.Load, engine.Check
	return b
}

const javaScriptCode = `import { letters } from "./lib/letters.js";

export function people(who, out) {
  out.greetings.emit({ name: who.name, greeting: "Hello", letters: letters(who.name) });
}
`

func javaScriptProduct(t *testing.T, main string) string {
	return lay(t, map[string]string{"product.js": main, "lib/letters.js": "export const letters = (s) => [...s].length;\n",
		"product.test.js": "this is no JavaScript", "node_modules/a.js": "nor this"})
}

// TestJavaScriptIsReproducible: the same scripts give the same module in any folder, which holds nothing of this machine.
func TestJavaScriptIsReproducible(t *testing.T) {
	b := javaScriptBuilder(t)
	var modules [][]byte
	for range 2 {
		dir := javaScriptProduct(t, javaScriptCode)
		m, err := b.Compile(t.Context(), dir, host.Code{Language: "javascript", Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		home, _ := os.UserHomeDir()
		for _, path := range []string{dir, b.Cache, home + "/.cargo"} {
			if bytes.Contains(m, []byte(path)) {
				t.Errorf("the module names %s", path)
			}
		}
		if !bytes.Contains(m, []byte(javaScriptCode)) || bytes.Contains(m, []byte("nor this")) || bytes.Contains(m, []byte("this is no JavaScript")) {
			t.Error("other scripts are in it than those of the product")
		}
		modules = append(modules, m)
	}
	if !bytes.Equal(modules[0], modules[1]) {
		t.Error("two builds differ")
	}
}

// TestJavaScriptErrors: what keeps scripts from loading has its place.
func TestJavaScriptErrors(t *testing.T) {
	b := javaScriptBuilder(t)
	for _, c := range []struct {
		name, old, new, want string
		file                 string
		line, column         int
	}{
		{"syntax", "out) {", "out {", "SyntaxError: ", "product.js", 3, 33},
		{"a file", "./lib/letters.js", "./lib/lettres.js", "no file lib/lettres.js; there are product.js, lib/letters.js", "product.js", 1, 25},
		{"a package", "./lib/letters.js", "lodash", "there is no npm here", "product.js", 1, 25},
		{"outside", "./lib/letters.js", "../other.js", "lies outside the product's folder", "product.js", 1, 25},
		{"a name", "{ letters }", "{ words }", "Could not find export 'words' in module 'lib/letters.js'", "product.js", 1, 10},
		{"a throw", "export function", "const n = null;\nn.length;\nexport function", "TypeError: ", "product.js", 4, 1},
		{"a promise", "export function", "await new Promise(() => {});\nexport function", "waits for something that never comes", "product.js", 1, 1},
		{"a rejection", "export function", "await Promise.reject(new RangeError('far'));\nexport function", "RangeError: far", "product.js", 3, 26},
	} {
		_, err := b.Compile(t.Context(), javaScriptProduct(t, strings.Replace(javaScriptCode, c.old, c.new, 1)), host.Code{Language: "javascript", Path: "."})
		var e *host.Error
		if !errors.As(err, &e) || e.Code != host.CodeBuildCompile || e.At.Line != c.line || e.At.Column != c.column || filepath.Base(e.At.File) != c.file || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := b.Compile(t.Context(), t.TempDir(), host.Code{Language: "javascript", Path: "."}); host.CodeOf(err) != host.CodeBuildCompile {
		t.Errorf("no scripts: %v", err)
	}
}

// TestEngineIsChecked: an engine that somebody changed in the cache is not used.
func TestEngineIsChecked(t *testing.T) {
	b := javaScriptBuilder(t)
	tool := engineTool{engine: b.javaScript(), key: "javascript-0123456789abcdef"}
	b.Cache = t.TempDir()
	module := []byte("\x00asm")
	file := b.engineFile(tool, module)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, module, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := b.builtEngine(tool); got != file {
		t.Errorf("%q, want %q", got, file)
	}
	if err := os.WriteFile(file, []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := b.builtEngine(tool); got != "" {
		t.Errorf("a changed engine is used: %s", got)
	}
}

// TestEngineToolchain: where the crates cannot be had, that is said.
func TestEngineToolchain(t *testing.T) {
	real := javaScriptBuilder(t)
	bin := lay(t, map[string]string{"cargo": "#!/bin/sh\necho no network >&2\nexit 1\n"})
	if err := os.Chmod(filepath.Join(bin, "cargo"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := *real
	b.Cache = t.TempDir()
	b.LookPath = func(name string) (string, error) {
		if name == "cargo" {
			return filepath.Join(bin, name), nil
		}
		return real.LookPath(name)
	}
	_, err := b.compileJavaScript(t.Context(), javaScriptProduct(t, javaScriptCode))
	if host.CodeOf(err) != host.CodeBuildToolchain || !strings.Contains(err.Error(), "could not fetch the crates of the JavaScript engine: no network") {
		t.Errorf("%v", err)
	}
}

// node runs the tests of a folder, which finds the kit as npm would install it.
func node(t *testing.T, dir string) (string, error) {
	t.Helper()
	b := builder(t)
	path, err := b.LookPath("node")
	if err != nil {
		t.Skipf("NOT TESTED, since there is no Node.js: %v", err)
	}
	kit, err := filepath.Abs(filepath.Join("..", "..", "guest-sdk", "javascript"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(kit, filepath.Join(dir, "node_modules", "adp")); err != nil {
		t.Fatal(err)
	}
	return b.run(t.Context(), dir, []string{"NODE_OPTIONS="}, path, "--test")
}

// TestJavaScriptUnits runs the tests of the kit and of its example, with the kit's test host.
func TestJavaScriptUnits(t *testing.T) {
	kit := filepath.Join("..", "..", "guest-sdk", "javascript")
	for folder, passes := range map[string]string{"tests": "# pass 5", "example": "# pass 2"} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(kit, folder))); err != nil {
			t.Fatal(err)
		}
		if said, err := node(t, dir); err != nil || !strings.Contains(said, passes+"\n") {
			t.Errorf("%s: %v\n%s", folder, err, said)
		}
	}
}

// TestJavaScriptReadme: the product of the kit's README is that of its example, and its test passes.
func TestJavaScriptReadme(t *testing.T) {
	kit := filepath.Join("..", "..", "guest-sdk", "javascript")
	text, err := os.ReadFile(filepath.Join(kit, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(filepath.Join(kit, "example", "product.js"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, rest := range strings.Split(string(text), "```js\n")[1:] {
		block, _, _ := strings.Cut(rest, "```")
		blocks = append(blocks, block)
	}
	if len(blocks) != 2 || blocks[0] != string(example) {
		t.Fatalf("%d blocks of code, want the example and its test", len(blocks))
	}
	if said, err := node(t, lay(t, map[string]string{"product.js": blocks[0], "product.test.js": blocks[1]})); err != nil || !strings.Contains(said, "# pass 1\n") {
		t.Errorf("%v\n%s", err, said)
	}
}
