package build

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if left, _ := filepath.Glob(filepath.Join(b.Cache, "asc-*")); len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
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
		{"an old one", map[string]string{"node": filepath.Join(bin, "node")}, "is Node.js v18.19.0; AssemblyScript needs 20"},
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
