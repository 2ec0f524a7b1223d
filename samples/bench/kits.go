package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/host"
)

// kit is a compiler that guests come from. All compile the same kernels, those of host/wasm/testdata/guests.
type kit struct {
	name                string
	compile             func(*bench, context.Context, kitFolder) error
	kernelAim, bytesAim float64 // metered, times unmetered
}

// kits in the order of their lines.
var kits = []kit{
	{"c", compileC(), 1.08, 1.25},
	{"c-simd", compileC("-msimd128"), 1.08, 1.2},
	{"rust", (*bench).compileRust, 1.08, 1.25},
	{"go", (*bench).compileGo, 1.15, 1.25},
	{"assemblyscript", (*bench).compileAssemblyScript, 1.08, 1.25},
}

// kitFolder is where a kit works: a copy of the sources, and the module that it writes.
type kitFolder struct{ dir, out string }

var errNoKit = errors.New("no such compiler here")

// guest compiles the kernels. A compiler that is missing gives errNoKit: the rest can still be measured.
func (b *bench) guest(ctx context.Context, k kit) ([]byte, error) {
	root, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.work, "guest-*")
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "host", "wasm", "testdata", "guests"))); err != nil {
		return nil, err
	}
	f := kitFolder{dir: dir, out: filepath.Join(dir, "guest.wasm")}
	if err := k.compile(b, ctx, f); err != nil {
		return nil, fmt.Errorf("compiling the guest of %s: %w", k.name, err)
	}
	return os.ReadFile(f.out)
}

// tool runs the first of names that is installed.
func tool(ctx context.Context, dir string, env []string, names []string, args ...string) error {
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		c := exec.CommandContext(ctx, path, args...)
		c.Dir, c.Env = dir, append(os.Environ(), env...)
		if said, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, said)
		}
		return nil
	}
	return fmt.Errorf("%s: %w", strings.Join(names, " or "), errNoKit)
}

func compileC(flags ...string) func(*bench, context.Context, kitFolder) error {
	return func(_ *bench, ctx context.Context, f kitFolder) error {
		args := append([]string{"--target=wasm32-unknown-unknown", "-O3", "-nostdlib", "-mbulk-memory", "-Wl,--no-entry", "-Wl,--strip-all",
			"-Wl,-z,stack-size=65536", "-o", f.out, "kernel.c"}, flags...)
		return tool(ctx, f.dir, nil, []string{"clang-19", "clang"}, args...)
	}
}

func (b *bench) compileGo(ctx context.Context, f kitFolder) error {
	return tool(ctx, filepath.Join(f.dir, "go"), []string{"GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS="}, []string{"go"},
		"build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", f.out, ".")
}

// compileRust goes through the builder, which knows how to come by Rust's library for wasm32.
func (b *bench) compileRust(ctx context.Context, f kitFolder) error {
	if _, err := exec.LookPath("cargo"); err != nil {
		return fmt.Errorf("cargo: %w", errNoKit)
	}
	builder := *b.builder
	builder.Check = nil // it is no product
	module, err := builder.Compile(ctx, filepath.Join(f.dir, "rust"), host.Code{Language: "rust", Path: "."})
	if err != nil {
		return err
	}
	return os.WriteFile(f.out, module, 0o644)
}

// compileAssemblyScript installs what package-lock.json pins.
func (b *bench) compileAssemblyScript(ctx context.Context, f kitFolder) error {
	if err := tool(ctx, f.dir, nil, []string{"npm"}, "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	return tool(ctx, f.dir, nil, []string{"node"}, filepath.Join("node_modules", "assemblyscript", "bin", "asc.js"),
		"kernel.ts", "-O3", "--runtime", "minimal", "--noAssert", "--use", "abort=", "-o", f.out)
}
