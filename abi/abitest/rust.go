package abitest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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

// Build compiles a guest crate to a module. Paths of this machine are kept out of it.
func (tc RustToolchain) Build(t testing.TB, folder string) []byte {
	t.Helper()
	target := filepath.Join(Root(t), "build", "rust") // shared: the standard library may take a minute
	flags := "--remap-path-prefix=" + filepath.Join(Root(t), "guest-sdk", "rust") + "=/adp"
	if tc.src != "" {
		real, err := filepath.EvalSymlinks(tc.src)
		if err != nil {
			t.Fatal(err)
		}
		flags += " -Clinker-flavor=wasm-ld --remap-path-prefix=" + tc.src + "=/rust --remap-path-prefix=" + real + "=/rust"
	}
	cmd := exec.Command("cargo", tc.Args...)
	cmd.Dir = folder
	cmd.Env = append(append(os.Environ(), tc.Env...), "CARGO_TARGET_DIR="+target, "RUSTFLAGS="+flags)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", folder, err, text)
	}
	b, err := os.ReadFile(filepath.Join(target, rustTarget, "release", filepath.Base(folder)+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
