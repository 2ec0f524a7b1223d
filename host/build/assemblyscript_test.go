package build

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	"github.com/adp-host/adp/host"
)

// assemblyScriptBuilder compiles AssemblyScript, with the user's own cache: else each test would fetch the compiler.
func assemblyScriptBuilder(t *testing.T) *Builder {
	t.Helper()
	b := builder(t)
	b.AssemblyScriptSDK = assemblyscriptsdk.Source
	if cache, err := os.UserCacheDir(); err == nil {
		b.Cache = filepath.Join(cache, "adp")
	}
	if _, err := b.findNode(t.Context()); err != nil {
		t.Skipf("NOT TESTED, since nothing here compiles AssemblyScript: %v", err)
	}
	return b
}

const scriptMain = `import { Batch, Product, register, run } from "adp";
import { part } from "./part";

class Idle extends Product {
  process(batch: Batch): void { run.info(part(batch.rows)); }
}

register((): Product => new Idle());
`

func scriptProduct(t *testing.T, main string) string {
	return lay(t, map[string]string{"assembly/index.ts": main, "assembly/part.ts": "export function part(n: i32): string { assert(n > 0, \"no rows\"); return n.toString(); }\n"})
}

// TestAssemblyScriptIsReproducible: the same sources give the same module in any folder, and nothing is left behind.
func TestAssemblyScriptIsReproducible(t *testing.T) {
	b := assemblyScriptBuilder(t)
	work := filepath.Join(b.Cache, "asc-*")
	before, _ := filepath.Glob(work)
	var modules [][]byte
	for range 2 {
		dir := scriptProduct(t, scriptMain)
		m, err := b.Compile(t.Context(), dir, host.Code{Language: "assemblyscript", Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(m, []byte("\x00asm")) || bytes.Contains(m, []byte(dir)) || bytes.Contains(m, []byte(b.Cache)) {
			t.Errorf("%d bytes with paths of this machine", len(m))
		}
		modules = append(modules, m)
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("left in the product's folder: %v", entries)
		}
	}
	if !bytes.Equal(modules[0], modules[1]) {
		t.Error("two builds differ")
	}
	after, _ := filepath.Glob(work)
	for _, left := range after {
		if !slices.Contains(before, left) && !vanishes(left) {
			t.Errorf("left in the cache: %s", left)
		}
	}
}

// TestCompilerStays: a compiler that stays makes the same module of the same code, after errors and after its death as well.
func TestCompilerStays(t *testing.T) {
	b := assemblyScriptBuilder(t)
	good, bad := scriptProduct(t, scriptMain), scriptProduct(t, "import { nobody } from \"adp\";\nnobody();\n")
	code := host.Code{Language: "assemblyscript", Path: "."}
	b.Again = true
	defer b.Close()
	want, err := b.Compile(t.Context(), good, code)
	if err != nil {
		t.Fatal(err)
	}
	again := func() {
		t.Helper()
		if m, err := b.Compile(t.Context(), good, code); err != nil || !bytes.Equal(m, want) {
			t.Errorf("%d bytes, at first %d: %v", len(m), len(want), err)
		}
	}
	again()
	first := b.asc
	var e *host.Error
	if _, err := b.Compile(t.Context(), bad, code); !errors.As(err, &e) || e.At.Line != 1 || !strings.HasPrefix(e.At.File, bad) {
		t.Errorf("of an error in the code it says %v", err)
	}
	again()
	if b.asc != first {
		t.Error("it did not stay")
	}
	_ = first.cmd.Process.Kill()
	again()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := b.Compile(ctx, good, code); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	again()
}

// vanishes waits for a folder of the cache that may be another process's, which works there just now.
func vanishes(dir string) bool {
	for range 600 {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return true
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

// TestAssemblyScriptErrors: what the compiler complains of has its place.
func TestAssemblyScriptErrors(t *testing.T) {
	b := assemblyScriptBuilder(t)
	for _, c := range []struct {
		name, old, new, want string
		line, column         int
	}{
		{"a name", "part(batch.rows)", "prat(batch.rows)", "Cannot find name 'prat'", 5, 42},
		{"a member", "batch.rows)", "batch.rowz)", "Property 'rowz' does not exist", 5, 53},
		{"a file", `"./part"`, `"./prat"`, "'assembly/prat.ts' not found", 2, 22},
		{"syntax", "class Idle extends", "class Idle exteds", "expected", 4, 7},
	} {
		_, err := b.Compile(t.Context(), scriptProduct(t, strings.Replace(scriptMain, c.old, c.new, 1)), host.Code{Language: "assemblyscript", Path: "."})
		var e *host.Error
		if !errors.As(err, &e) || e.Code != host.CodeBuildCompile || e.At.Line != c.line || e.At.Column != c.column || filepath.Base(e.At.File) != "index.ts" || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestAssemblyScriptToolchain: what is missing is named: Node.js, one that is new enough, npm, the registry, the product's sources.
func TestAssemblyScriptToolchain(t *testing.T) {
	real := assemblyScriptBuilder(t)
	bin := lay(t, map[string]string{"node": "#!/bin/sh\necho v18.19.0\n", "npm": "#!/bin/sh\necho no network >&2\nexit 1\n"})
	for _, name := range []string{"node", "npm"} {
		if err := os.Chmod(filepath.Join(bin, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		look map[string]string
		want string
	}{
		{"no Node.js", nil, "node is needed"},
		{"an old one", map[string]string{"node": filepath.Join(bin, "node")}, "is Node.js v18.19.0, which is too old: AssemblyScript needs 20"},
		{"no npm", map[string]string{"node": "real"}, "npm is needed"},
		{"no registry", map[string]string{"node": "real", "npm": filepath.Join(bin, "npm")}, "npm could not fetch the AssemblyScript compiler: no network"},
	} {
		b := *real
		b.Cache = t.TempDir()
		b.LookPath = func(name string) (string, error) {
			switch path := c.look[name]; path {
			case "":
				return "", os.ErrNotExist
			case "real":
				return real.LookPath(name)
			default:
				return path, nil
			}
		}
		if _, err := b.compileAssemblyScript(t.Context(), scriptProduct(t, scriptMain)); host.CodeOf(err) != host.CodeBuildToolchain || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := real.compileAssemblyScript(t.Context(), t.TempDir()); host.CodeOf(err) != host.CodeBuildCompile {
		t.Errorf("no sources: %v", err)
	}
}

// unitTests runs the kit's test runner over a folder.
func unitTests(t *testing.T, b *Builder, dir string) (string, error) {
	t.Helper()
	tool, err := b.findNode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	modules, err := b.fetchModules(t.Context(), tool)
	if err != nil {
		t.Fatal(err)
	}
	return b.run(t.Context(), "", nil, tool.node, filepath.Join("..", "..", "guest-sdk", "assemblyscript", "bin", "test.mjs"), dir, modules)
}

// TestAssemblyScriptUnits runs the tests of the kit and of its example, with the kit's test host.
func TestAssemblyScriptUnits(t *testing.T) {
	b := assemblyScriptBuilder(t)
	for _, folder := range []string{"tests", "example"} {
		said, err := unitTests(t, b, filepath.Join("..", "..", "guest-sdk", "assemblyscript", folder))
		if err != nil || !strings.Contains(said, " passed, 0 failed") {
			t.Errorf("%s: %v\n%s", folder, err, said)
		}
	}
}

// TestAssemblyScriptReadme: the product and the tests of the kit's README are as it says.
func TestAssemblyScriptReadme(t *testing.T) {
	b := assemblyScriptBuilder(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "guest-sdk", "assemblyscript", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, rest := range strings.Split(string(text), "```ts\n")[1:] {
		block, _, _ := strings.Cut(rest, "```")
		blocks = append(blocks, block)
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of code, want the product and its tests", len(blocks))
	}
	dir := lay(t, map[string]string{"assembly/index.ts": blocks[0], "assembly/index.test.ts": blocks[1]})
	if said, err := unitTests(t, b, dir); err != nil || !strings.Contains(said, "2 passed, 0 failed") {
		t.Errorf("%v\n%s", err, said)
	}
	if asc, _, err := pinned(b.AssemblyScriptSDK); err != nil || !strings.Contains(string(text), "AssemblyScript "+asc) {
		t.Errorf("README does not name the compiler %s: %v", asc, err)
	}
}

// TestAssemblyScriptUnitsFail: a test that fails says where and why, and so does one that should have failed and did not.
func TestAssemblyScriptUnitsFail(t *testing.T) {
	b := assemblyScriptBuilder(t)
	const imports = "import { fails, Host, test } from \"adp/assembly/test\";\nimport \"./index\";\n"
	for text, want := range map[string][]string{
		`test("sums", () => { assert(1 + 1 == 3, "wrong"); });
test("divides", () => { let n = 0; new Host().at(7 / n); });
fails("fails", "why", () => { new Host().open(); });
fails("fails otherwise", "why", () => { assert(false, "how"); });
test("holds", () => { assert(true); });`: {
			"FAIL  index.test.ts: sums: wrong (in assembly/index.test.ts:3:22)",
			"FAIL  index.test.ts: divides: divide by zero",
			"FAIL  index.test.ts: fails: it did not fail; expected: why",
			"FAIL  index.test.ts: fails otherwise: it failed otherwise: how (in assembly/index.test.ts:6:41); expected: why",
			"ok    index.test.ts: holds",
			"1 passed, 4 failed",
		},
		`assert(false, "early");`: {"FAIL  index.test.ts: begins: early (in"},
		`tset("sums", () => {});`: {"assembly/index.test.ts:3:1: error: Cannot find name 'tset'", "0 passed, 1 failed"},
		"":                        {"there is no test in"},
	} {
		dir := scriptProduct(t, scriptMain)
		if err := os.WriteFile(filepath.Join(dir, "assembly", "index.test.ts"), []byte(imports+text), 0o644); err != nil {
			t.Fatal(err)
		}
		said, err := unitTests(t, b, dir)
		for _, w := range want {
			if err == nil || !strings.Contains(said, w) {
				t.Errorf("want %s; got %v\n%s", w, err, said)
			}
		}
	}
}
