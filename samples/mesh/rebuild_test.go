package mesh_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/registry"
	"github.com/adp-host/adp/samples/mesh"
)

var update = flag.Bool("update", false, "write the rebuilt modules of the products in Rust and AssemblyScript")

// TestRustSamples rebuilds the committed modules of the Rust products. Another compiler gives other bytes; then the rebuilt
// modules must make the same tables of the same data.
func TestRustSamples(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles Rust's standard library; make test runs it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("NOT RUN: there is no Rust here, so nobody checks that the committed modules come from their source")
	}
	b := builder(t)
	b.RustSDK = rustsdk.Source
	b.MoreRust = []string{"/usr/bin/rustc"}
	rebuild(ctx, t, b, "rust")
}

// TestAssemblyScriptSamples does the same for those in AssemblyScript.
func TestAssemblyScriptSamples(t *testing.T) {
	b := builder(t)
	b.AssemblyScriptSDK = assemblyscriptsdk.Source
	for _, tool := range b.Toolchains(t.Context()) {
		if tool.Language == "assemblyscript" && tool.Err != nil {
			t.Skipf("NOT RUN: nobody checks that the committed modules come from their source: %v", tool.Err)
		}
	}
	rebuild(t.Context(), t, b, "assemblyscript")
}

func rebuild(ctx context.Context, t *testing.T, b *build.Builder, language string) {
	products := slices.DeleteFunc(slices.Clone(mesh.Products), func(name string) bool { // of statements and scripts no module is committed
		return slices.Contains([]string{"safety/species-costs", "weather/seattle-spells"}, name)
	})
	w := newWorldOf(t, 1, products)
	rebuilt := append([]registry.Artifact(nil), w.artifacts...)
	equal, other := 0, 0
	for i, a := range w.artifacts {
		if a.Product.Code.Language != language {
			continue
		}
		dir := filepath.Join(w.samples, filepath.FromSlash(products[i]))
		module, err := b.Compile(ctx, dir, host.Code{Language: language, Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(filepath.Join(dir, "product.wasm"), module, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if bytes.Equal(module, a.Module) {
			equal++
			continue
		}
		other++
		rebuilt[i].Module = module
	}
	t.Logf("%d rebuilt modules have the committed digest, %d are compared by what they publish", equal, other)
	if equal+other == 0 {
		t.Fatalf("no product in %s was found", language)
	}
	if other == 0 {
		return
	}
	want := w.recomputed(ctx, t)
	w.artifacts = rebuilt
	compare(t, w.recomputed(ctx, t), want)
}
