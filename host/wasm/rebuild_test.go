package wasm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuestsAreRebuilt compiles the committed guests anew with the compilers of their README, where they are.
func TestGuestsAreRebuilt(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/guests")); err != nil {
		t.Fatal(err)
	}
	clang := strings.Fields("clang-19 --target=wasm32-unknown-unknown -O3 -nostdlib -mbulk-memory -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 kernel.c -o new.wasm")
	for _, g := range []struct {
		name    string
		command []string
	}{
		{"c", clang},
		{"c_simd", append(clang, "-msimd128")},
		{"as", strings.Fields("node node_modules/assemblyscript/bin/asc.js kernel.ts -O3 --runtime minimal --noAssert --use abort= -o new.wasm")},
	} {
		t.Run(g.name, func(t *testing.T) {
			if _, err := exec.LookPath(g.command[0]); err != nil {
				t.Skipf("NOT RUN: there is no %s here, so nobody checks that the committed module comes from its source", g.command[0])
			}
			if g.name == "as" {
				npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
				npm.Dir = dir
				if said, err := npm.CombinedOutput(); err != nil {
					t.Skipf("NOT RUN: npm cannot install the compiler: %v\n%s", err, said)
				}
			}
			c := exec.Command(g.command[0], g.command[1:]...)
			c.Dir = dir
			if said, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			built, err := os.ReadFile(filepath.Join(dir, "new.wasm"))
			if err != nil {
				t.Fatal(err)
			}
			committed, err := os.ReadFile("testdata/guests/kernel_" + g.name + ".wasm")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(built, committed) {
				t.Error("the committed module is not what the compiler makes of its source")
			}
		})
	}
}
