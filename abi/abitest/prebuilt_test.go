package abitest_test

import (
	"crypto/sha256"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/adp-host/adp/abi/abitest"
)

var update = flag.Bool("update", false, "write golden files and prebuilt modules anew")

// TestRustUnits runs the native tests of the Rust guests, which use the SDK's fake host.
func TestRustUnits(t *testing.T) {
	cargo, err := exec.LookPath("cargo")
	if err != nil {
		t.Skip("NOT RUN: there is no cargo")
	}
	root := filepath.Join(abitest.Root(t), "guest-sdk", "rust")
	for _, name := range []string{"example", "kernel"} {
		cmd := exec.Command(cargo, "test", "--quiet", "--offline", "--target-dir", filepath.Join(abitest.Root(t), "build", "rust"))
		cmd.Dir = filepath.Join(root, name)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// TestRustPrebuilt rebuilds the committed modules of the Rust guests: equal digests with the toolchain they were built with, else
// the rebuilt reference product passes the suite. It prints which.
func TestRustPrebuilt(t *testing.T) {
	tc, ok := abitest.FindRust()
	if !ok {
		t.Skip("NOT CHECKED: no Rust toolchain for wasm32-unknown-unknown here, so the committed modules stand as they are")
	}
	root := filepath.Join(abitest.Root(t), "guest-sdk", "rust")
	for name, built := range tc.Build(t) {
		if *update {
			if err := os.WriteFile(filepath.Join(root, "prebuilt", name+".wasm"), built, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		committed := abitest.PrebuiltRust(t, name)
		if sha256.Sum256(built) == sha256.Sum256(committed) {
			t.Logf("%s: EQUAL DIGEST with %s", name, tc.Name)
			continue
		}
		t.Logf("%s: other bytes with %s: comparing outputs", name, tc.Name)
		if name == "conform" {
			both(t, built)
		} else {
			sameOutputs(t, name, built, committed)
		}
		t.Logf("%s: EQUAL OUTPUTS", name)
	}
}
