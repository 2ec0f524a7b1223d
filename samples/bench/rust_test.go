package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/adp-host/adp/host"
)

var update = flag.Bool("update", false, "write the rebuilt modules")

// TestModules rebuilds the committed modules of the products that are measured. Another compiler gives other bytes, which it
// says; every round of a measurement compares what the modules compute.
func TestModules(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles Rust's standard library; make test runs it")
	}
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("NOT RUN: there is no Rust here, so nobody checks that the committed modules come from their source")
	}
	b, err := newBench(true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	b.builder.MoreRust = []string{"/usr/bin/rustc"}
	for _, name := range []string{"flights", "pulse"} {
		module, err := b.builder.Compile(t.Context(), name, host.Code{Language: "rust", Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(name, "product.wasm")
		if *update {
			if err := os.WriteFile(path, module, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		committed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: the rebuilt module equals the committed one: %v", name, bytes.Equal(module, committed))
	}
}
