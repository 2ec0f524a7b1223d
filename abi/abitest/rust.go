package abitest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// rustTarget needs no WASI and no C library: a Rust guest imports nothing but adp_v1.
const rustTarget = "wasm32-unknown-unknown"

// RustToolchain is a Rust compiler that can make guests.
type RustToolchain struct {
	Name string   // of the toolchain, with its version
	Args []string // of cargo build
	Env  []string
	src  string // the standard library's source, when it is built along
}

// FindRust looks for a toolchain with the standard library for Wasm, as rustup has it, or with its source, as Debian's rust-web-src
// has it. ok is false when there is none.
func FindRust() (tc RustToolchain, ok bool) {
	if _, err := exec.LookPath("cargo"); err != nil {
		return tc, false
	}
	out := func(name string, args ...string) string {
		b, _ := exec.Command(name, args...).Output()
		return strings.TrimSpace(string(b))
	}
	base := []string{"build", "--release", "--offline", "--target", rustTarget}
	if dir := out("rustc", "--print", "target-libdir", "--target", rustTarget); dir != "" {
		if _, err := os.Stat(dir); err == nil {
			return RustToolchain{Name: out("rustc", "--version"), Args: base}, true
		}
	}
	const debian = "/usr/bin/rustc"
	src := filepath.Join(out(debian, "--print", "sysroot"), "lib/rustlib/src/rust")
	vendor := filepath.Join(src, "library/vendor")
	linker := ""
	for _, l := range []string{"wasm-ld", "wasm-ld-19", "wasm-ld-21", "wasm-ld-18"} {
		if p, err := exec.LookPath(l); err == nil && linker == "" {
			linker = p
		}
	}
	if _, err := os.Stat(vendor); err != nil || linker == "" {
		return tc, false
	}
	return RustToolchain{
		Name: out(debian, "--version") + ", standard library built along",
		Args: append(base, "-Zbuild-std=std,panic_abort", "--config", `source.crates-io.replace-with="vendored"`,
			"--config", `source.vendored.directory="`+vendor+`"`),
		Env: []string{"RUSTC=" + debian, "RUSTC_BOOTSTRAP=1", "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=" + linker},
		src: src,
	}, true
}

// workspace makes Cargo name crates by their place in it: else the place of the checkout would change the module's bytes.
const workspace = `[workspace]
members = ["rust", "rust/conform", "rust/example", "rust/kernel"]
resolver = "2"

[profile.release]
opt-level = 3
lto = true
codegen-units = 1
panic = "abort"
strip = true
`

// Build compiles the SDK's own guests and returns their modules by name. Nothing of this machine's folders gets into them.
func (tc RustToolchain) Build(t T) map[string][]byte {
	t.Helper()
	sdk := filepath.Join(Root(t), "guest-sdk", "rust")
	// Both stay where they are: other flags, or another target, would compile the standard library again, which takes a minute.
	stage, target := filepath.Join(Root(t), "build", "rust-stage"), filepath.Join(Root(t), "build", "rust")
	if err := os.RemoveAll(stage); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Cargo.toml", "src", "conform", "example", "kernel"} {
		if text, err := exec.Command("cp", "-R", filepath.Join(sdk, part), mkdir(t, filepath.Join(stage, "rust"))).CombinedOutput(); err != nil {
			t.Fatalf("copying %s: %v\n%s", part, err, text)
		}
	}
	if err := os.WriteFile(filepath.Join(stage, "Cargo.toml"), []byte(workspace), 0o644); err != nil {
		t.Fatal(err)
	}
	flags := "--remap-path-prefix=" + stage + "=/adp"
	if tc.src != "" {
		real, err := filepath.EvalSymlinks(tc.src)
		if err != nil {
			t.Fatal(err)
		}
		flags += " -Clinker-flavor=wasm-ld --remap-path-prefix=" + tc.src + "=/rust --remap-path-prefix=" + real + "=/rust"
	}
	cmd := exec.Command("cargo", append(tc.Args, "-p", "conform", "-p", "example", "-p", "kernel")...)
	cmd.Dir = stage
	cmd.Env = append(append(os.Environ(), tc.Env...), "CARGO_TARGET_DIR="+target, "RUSTFLAGS="+flags)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, text)
	}
	out := map[string][]byte{}
	for _, name := range []string{"conform", "example", "kernel"} {
		b, err := os.ReadFile(filepath.Join(target, rustTarget, "release", name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

func mkdir(t T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
