package wasm

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what comes out as what is expected")

// TestGolden shows what the rewriting makes of small modules: testdata/meter holds a module and its metered bodies in
// one file.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/meter/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	const divider = "--- metered\n"
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), divider)
			m, err := Parse(Assemble(in))
			if err != nil {
				t.Fatal(err)
			}
			out, err := Meter(m, Options{StackBudget: 190_000})
			if err != nil {
				t.Fatal(err)
			}
			got := Disassemble(out.Bytes)
			if *update {
				if err := os.WriteFile(path, []byte(in+divider+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
