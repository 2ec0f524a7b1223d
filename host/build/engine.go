package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/host"
)

// engine is an interpreter that products of a script language are made of: the crate engine/ of the language's kit, over the Rust
// SDK. It is compiled once on a machine; a product's module is a copy of it with the product's scripts laid into it.
type engine struct {
	name  string   // as people write it: JavaScript
	kit   fs.FS    // nil: there is none
	c     bool     // parts of it are written in C
	flags []string // of rustc, that its crates ask for
	hint  string
}

// engineFlags are those of C.
const engineFlags = "-Oz"

// language is the name in product.yaml.
func (e engine) language() string { return strings.ToLower(e.name) }

// engineTool is how this machine compiles an engine.
type engineTool struct {
	engine
	cargo string
	rust  rustTool
	clang string // "" where it is not needed
	built string // the engine, where it was compiled already; else ""
	key   string // names what it is made of, compilers included
	words string // for doctor
}

func (t engineTool) says() string { return t.words }

// findEngine looks for what compiles an engine. The crates that it is made of come with the first build.
func (b *Builder) findEngine(ctx context.Context, e engine) (t engineTool, err error) {
	if e.kit == nil || b.RustSDK == nil {
		return t, host.Errorf(host.CodeBuildToolchain, "this adp carries no %s kit", e.name)
	}
	t.engine = e
	if t.cargo, err = b.tool("cargo", e.hint); err != nil {
		return t, err
	}
	if t.rust, err = b.findRust(ctx); err != nil {
		return t, host.Errorf(host.CodeBuildToolchain, "the %s engine: %w", e.name, err).WithHint("%s", e.hint)
	}
	t.words = t.rust.words
	if e.c {
		clang := ""
		if t.clang, clang, err = b.findClang(ctx, e.hint); err != nil {
			return t, err
		}
		t.words += ", " + clang
	}
	sum := sha256.New()
	for _, source := range []fs.FS{e.kit, b.RustSDK} {
		digest, err := treeDigest(source)
		if err != nil {
			return t, fmt.Errorf("sources of the %s kit: %w", e.name, err)
		}
		fmt.Fprintln(sum, digest)
	}
	fmt.Fprintln(sum, t.words, engineFlags)
	t.key = e.language() + "-" + hex.EncodeToString(sum.Sum(nil))[:16]
	if t.built = b.builtEngine(t); t.built == "" {
		t.words += "; the first build compiles the engine"
	}
	return t, nil
}

// findClang looks for a clang that compiles C to Wasm. It needs no C library: an engine brings its own.
func (b *Builder) findClang(ctx context.Context, hint string) (path, words string, err error) {
	for _, candidate := range b.clangs() {
		targets, err := b.run(ctx, "", nil, candidate, "--print-targets")
		if err != nil || !strings.Contains(targets, "wasm32") {
			continue
		}
		words, err := b.says(ctx, candidate, hint, "--version")
		return candidate, words, err
	}
	return "", "", host.Errorf(host.CodeBuildToolchain, "there is no clang that compiles to Wasm").WithHint("%s", hint)
}

// engines is the folder of those that were compiled.
func (b *Builder) engines() string { return filepath.Join(b.Cache, "engines") }

// builtEngine is the file of an engine that was compiled before, "" when there is none. Its name says what is in it, since whoever
// changes it changes every product that is built with it.
func (b *Builder) builtEngine(t engineTool) string {
	found, _ := filepath.Glob(filepath.Join(b.engines(), t.key+"-*.wasm"))
	for _, path := range found {
		if module, err := os.ReadFile(path); err == nil && path == b.engineFile(t, module) {
			return path
		}
	}
	return ""
}

func (b *Builder) engineFile(t engineTool, module []byte) string {
	sum := sha256.Sum256(module)
	return filepath.Join(b.engines(), t.key+"-"+hex.EncodeToString(sum[:])[:16]+".wasm")
}

// engineModule is the engine, compiled now if it was not before.
func (b *Builder) engineModule(ctx context.Context, e engine) ([]byte, error) {
	t, err := b.findEngine(ctx, e)
	if err != nil {
		return nil, err
	}
	if t.built != "" {
		return os.ReadFile(t.built)
	}
	if b.Ready {
		return nil, host.Errorf(host.CodeBuildToolchain, "the %s engine was not compiled on this machine yet", e.name).
			WithHint("adp build does it with the first product in %s: some minutes, once", e.name)
	}
	// Cargo takes what is new by the times of files: two that compile at once would take each other's for their own.
	done, err := b.alone(ctx, b.engineOut(t))
	if err != nil {
		return nil, err
	}
	defer done()
	if built := b.builtEngine(t); built != "" { // by another process meanwhile
		return os.ReadFile(built)
	}
	b.talk("compiling the %s engine: some minutes, once", e.name)
	module, err := b.compileEngine(ctx, t)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "the %s engine does not compile here: %w", e.name, err).WithHint("%s", e.hint)
	}
	if err := os.MkdirAll(b.engines(), 0o755); err != nil {
		return nil, cacheError(err)
	}
	tmp, err := os.MkdirTemp(b.engines(), ".compiled-*")
	if err != nil {
		return nil, cacheError(err)
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "engine.wasm")
	if err := os.WriteFile(file, module, 0o644); err != nil {
		return nil, cacheError(err)
	}
	return module, cacheError(os.Rename(file, b.engineFile(t, module)))
}

// engineOut is the folder for what Cargo writes of an engine: products are not to wait for it, which takes minutes.
func (b *Builder) engineOut(t engineTool) string { return filepath.Join(b.Cache, "rust-"+t.language()) }

func (b *Builder) compileEngine(ctx context.Context, t engineTool) ([]byte, error) {
	sdk, err := b.unpack("rust", b.RustSDK)
	if err != nil {
		return nil, err
	}
	args, env, err := b.cargo(t.rust, sdk, b.engineOut(t), t.flags...)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(b.engineOut(t), ".engine-*")
	if err != nil {
		return nil, cacheError(err)
	}
	defer os.RemoveAll(work)
	// The SDK lies in the engine's folder: Cargo names crates, and symbols by them, by the paths of their folders, but for those below
	// the folder that is compiled.
	dir, inside := filepath.Join(work, "engine"), filepath.Join(work, "engine", "sdk")
	if err := errors.Join(os.CopyFS(work, t.kit), os.CopyFS(inside, b.RustSDK)); err != nil {
		return nil, cacheError(err)
	}
	args = append(args, "--config", patched(inside))
	lock, err := os.ReadFile(filepath.Join(dir, "Cargo.lock"))
	if err != nil {
		return nil, fmt.Errorf("sources of the %s kit: %w", t.name, err)
	}
	sum := sha256.Sum256(append(lock, t.rust.crates...))
	crates := filepath.Join(b.engineOut(t), "crates-"+hex.EncodeToString(sum[:])[:16])
	if err := b.vendor(ctx, t.rust, dir, crates, "the "+t.name+" engine", inside); err != nil {
		return nil, err
	}
	timeless, err := b.timeless(filepath.Join(work, "bin"))
	if err != nil {
		return nil, cacheError(err)
	}
	env = append(env, timeless...)
	if t.clang != "" {
		env = append(env, "CC_wasm32_unknown_unknown="+t.clang, "CFLAGS_wasm32_unknown_unknown="+engineFlags+" -ffile-prefix-map="+b.engineOut(t)+"=/target")
	}
	// Crates ask for the newest compiler long before they need it; one that is too old says so itself.
	said, err := b.run(ctx, dir, env, t.cargo, append(append(args, from(crates)...), "--offline", "--locked", "--ignore-rust-version")...)
	return builtModule(ctx, dir, said, err)
}

// timeless is the environment of a build that does not depend on when and where it happens: crates write into themselves what they learn
// of git, and where there is none the time of day. dir becomes the place of a git that knows one moment and nothing else.
func (b *Builder) timeless(dir string) (env []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := ""
	for _, setting := range b.Env {
		if value, ok := strings.CutPrefix(setting, "PATH="); ok {
			path = value
		}
	}
	git := "#!/bin/sh\n[ \"$1\" = log ] && echo 0\n"
	return []string{"TZ=UTC", "PATH=" + dir + string(os.PathListSeparator) + path}, os.WriteFile(filepath.Join(dir, "git"), []byte(git), 0o755)
}
