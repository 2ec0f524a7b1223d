package build

import (
	"context"
	"os"
	"path/filepath"

	"github.com/adp-host/adp/host"
)

const rustHint = "install Rust from https://rustup.rs and its target with: rustup target add " + rustTarget +
	"; on Debian: apt-get install cargo-web rustc-web rust-web-src lld-19"

// rustTool is how this machine compiles Rust to Wasm.
type rustTool struct {
	rustc   string
	env     []string
	args    []string // of cargo
	library bool     // the standard library is compiled too
	crates  string   // the folder of those that the standard library is made of, where crates.io need not be asked for them
	words   string   // for doctor
}

// findCargo looks for what compiles a crate.
func (b *Builder) findCargo(ctx context.Context) (words string, err error) {
	if _, err := b.tool("cargo", rustHint); err != nil {
		return "", err
	}
	t, err := b.findRust(ctx)
	return t.words, err
}

// findRust looks for a compiler with the target's standard library; failing that for one with the library's source,
// which is then compiled along. The first rustc on the PATH is often rustup's, without the target, while the system's own
// one has the source: both are looked at.
func (b *Builder) findRust(ctx context.Context) (rustTool, error) {
	var compilers []string
	lacks := ""
	if path, err := b.LookPath("rustc"); err == nil {
		compilers = append(compilers, path)
	}
	for _, path := range b.MoreRust {
		if _, err := os.Stat(path); err == nil {
			compilers = append(compilers, path)
		}
	}
	for _, rustc := range compilers {
		dir, err := b.says(ctx, rustc, rustHint, "--print", "target-libdir", "--target", rustTarget)
		if found, _ := filepath.Glob(filepath.Join(dir, "libstd-*.rlib")); err == nil && len(found) > 0 {
			return b.describeRust(ctx, rustTool{rustc: rustc, env: []string{"RUSTC=" + rustc}})
		}
	}
	for _, rustc := range compilers {
		sysroot, err := b.says(ctx, rustc, rustHint, "--print", "sysroot")
		if err != nil {
			continue
		}
		library, err := filepath.EvalSymlinks(filepath.Join(sysroot, "lib", "rustlib", "src", "rust", "library"))
		if err != nil {
			continue
		}
		if t, ok := b.compileLibrary(rustc, sysroot, library); ok {
			return b.describeRust(ctx, t)
		}
		lacks = "; " + rustc + " has the source and lacks a linker (lld)"
	}
	return rustTool{}, host.Errorf(host.CodeBuildToolchain, "no Rust compiler here has the target %s or the source of its standard library%s", rustTarget, lacks).
		WithHint("%s", rustHint)
}

// compileLibrary has Cargo compile the standard library too, which takes a minute or two, once. The option is unstable in
// name only here: the library is the compiler's own. It is not ok where there is no linker.
func (b *Builder) compileLibrary(rustc, sysroot, library string) (t rustTool, ok bool) {
	t = rustTool{rustc: rustc, library: true, env: []string{"RUSTC=" + rustc, "RUSTC_BOOTSTRAP=1"}, args: []string{"-Zbuild-std=std,panic_abort"}}
	if vendor := filepath.Join(library, "vendor"); isDir(vendor) { // Debian's source comes with its dependencies
		t.crates = vendor
	}
	if lld, _ := filepath.Glob(filepath.Join(sysroot, "lib", "rustlib", "*", "bin", "rust-lld")); len(lld) > 0 {
		return t, true
	}
	for _, name := range []string{"wasm-ld", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19", "wasm-ld-18", "wasm-ld-17"} {
		if path, err := b.LookPath(name); err == nil {
			t.env = append(t.env, "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="+path)
			return t, true
		}
	}
	return t, false
}

func (b *Builder) describeRust(ctx context.Context, t rustTool) (rustTool, error) {
	var err error
	t.words, err = b.says(ctx, t.rustc, rustHint, "--version")
	if t.library {
		t.words += ", compiling the standard library once"
	}
	return t, err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
