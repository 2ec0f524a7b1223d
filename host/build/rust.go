package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"

	"github.com/adp-host/adp/host"
)

// rustTarget needs no WASI: a product has no files, clocks or network of its own.
const rustTarget = "wasm32-unknown-unknown"

// rustCrate is the name under which products require the SDK; a Cargo patch puts ours in its place.
const rustCrate = "adp"

const rustHint = "install Rust from https://rustup.rs, then: rustup target add " + rustTarget

// compileRust compiles a cdylib crate. Dependencies beside the SDK come from crates.io as Cargo.lock pins them.
func (b *Builder) compileRust(ctx context.Context, dir string) ([]byte, error) {
	if b.RustSDK == nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "this adp carries no Rust SDK")
	}
	cargo, err := b.tool("cargo", rustHint)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(abs, "Cargo.toml")); err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "%s is no Rust crate: %w", dir, err).WithHint("adp new shows a whole product")
	}
	sdk, err := b.unpack("rust", b.RustSDK)
	if err != nil {
		return nil, err
	}
	out, err := b.targetDir(abs)
	if err != nil {
		return nil, err
	}
	args := []string{"build", "--release", "--target", rustTarget, "--message-format", "short",
		"--target-dir", out, "--config", "patch.crates-io." + rustCrate + ".path=" + strconv.Quote(sdk)}
	env := []string{
		"CARGO_ENCODED_RUSTFLAGS=" + rustFlags(abs, "/product", sdk, "/adp", out, "/target"),
		"CARGO_TERM_COLOR=never", "CARGO_INCREMENTAL=0", "CARGO_BUILD_TARGET=", "CARGO_TARGET_DIR=" + out,
	}
	said, err := b.run(ctx, abs, env, cargo, append(args, "--offline")...)
	if err != nil && ctx.Err() == nil { // a dependency that is not in Cargo's own cache yet
		said, err = b.run(ctx, abs, env, cargo, args...)
	}
	if err != nil {
		return nil, compilerError(ctx, abs, "cargo build", said, err)
	}
	return onlyModule(filepath.Join(out, rustTarget, "release"))
}

// targetDir is where Cargo keeps what it made of a product's folder, without the modules of earlier builds: the crate may
// have another name by now.
func (b *Builder) targetDir(dir string) (string, error) {
	sum := sha256.Sum256([]byte(dir))
	out := filepath.Join(b.Cache, "rust", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", cacheError(err)
	}
	old, err := filepath.Glob(filepath.Join(out, rustTarget, "release", "*.wasm"))
	if err != nil {
		return "", cacheError(err)
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return "", cacheError(err)
		}
	}
	return out, nil
}

// rustFlags keeps the places of this machine out of the module. Places are pairs: the real one, and what to say instead.
func rustFlags(places ...string) string {
	flags := "-Cstrip=symbols"
	for i := 0; i+1 < len(places); i += 2 {
		flags += "\x1f--remap-path-prefix=" + places[i] + "=" + places[i+1]
	}
	return flags
}

// onlyModule reads the one .wasm file of a folder.
func onlyModule(dir string) ([]byte, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, host.Errorf(host.CodeBuildModule, "the crate makes %d modules, a product is one", len(found)).
			WithHint(`in Cargo.toml: [lib] crate-type = ["cdylib"], and no binaries`)
	}
	return os.ReadFile(found[0])
}
