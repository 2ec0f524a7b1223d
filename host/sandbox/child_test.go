package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestMain lets the test binary be the process that compiles.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "compile-module" {
		if err := CompileDir(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A module compiled by another process runs here as any other.
func TestCompileInChild(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	calls := 0
	child := CompileWith(self, "compile-module")
	e := newEngine(t, Config{CacheDir: dir, Compile: func(ctx context.Context, dir string) error {
		calls++
		return child(ctx, dir)
	}})
	s := specOf(assemble(t, echo.text()), numbers)
	for range 2 {
		var f fake
		if _, err := runAll(e, s, &f, counting(10)); err != nil || len(f.batches) != 1 {
			t.Fatalf("%v, %d batches", err, len(f.batches))
		}
	}
	if calls != 1 {
		t.Errorf("compiled %d times", calls)
	}
	if compiled, err := filepath.Glob(filepath.Join(entryOf(t, dir), "wazero-*", "*")); err != nil || len(compiled) != 1 {
		t.Errorf("compiled code: %v, %v", compiled, err)
	}
	if _, err := runAll(newEngine(t, Config{CacheDir: dir}), s, &fake{}, counting(10)); err != nil {
		t.Error(err)
	}
}

// A compilation that fails, or is killed, refuses the module and leaves nothing.
func TestCompileInChildFails(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := specOf(assemble(t, echo.text()), numbers)
	for name, compile := range map[string]func(context.Context, string) error{
		"says no":    func(context.Context, string) error { return errors.New("out of memory") },
		"fails":      CompileWith(self, "-test.run=^$", "-no-such-flag"),
		"is missing": CompileWith(filepath.Join(t.TempDir(), "nothing")),
		"is killed":  CompileWith("/bin/sh", "-c", "kill -9 $$"),
	} {
		dir := t.TempDir()
		e := newEngine(t, Config{CacheDir: dir, Compile: compile})
		_, err := e.Start(context.Background(), s, &fake{})
		wantError(t, err, host.CodeModuleRefused, "cannot be compiled")
		if left, _ := filepath.Glob(filepath.Join(dir, "t-local", "*")); len(left) != 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
}
