package sandbox

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// teller logs the script that was laid into it as an error while it initialises itself, and passes on what it gets.
var teller = guest{
	imports:    importEmit + importLog,
	fields:     `(func $script (export "script") (result i32) (i32.const 0))`,
	initialize: `(drop (call $log (i32.const 3) (i32.add (call $script) (i32.const 4)) (i32.load (call $script))))`,
	proc:       echo.proc,
}

// telling is a teller with a script in it.
func telling(t *testing.T, g guest, script string) []byte {
	t.Helper()
	m, err := wasm.Embed(assemble(t, g.text()), "script", []byte(script))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// counter is an engine, and how often it compiled.
func counter(t *testing.T, cfg Config) (*Engine, *atomic.Int64) {
	t.Helper()
	n := &atomic.Int64{}
	cfg.Compile = func(ctx context.Context, dir string) error {
		n.Add(1)
		m, err := readModule(dir)
		if err != nil {
			return err
		}
		p, err := compile(ctx, m, dir, Config{})
		if err != nil {
			return err
		}
		return p.close()
	}
	return newEngine(t, cfg), n
}

// tells runs a teller for a tenant and wants it to tell of its own script. It gives whether compiled code began.
func tells(t *testing.T, e *Engine, tenant string, module []byte, script string) (compiledAtOnce bool) {
	t.Helper()
	s := specOf(module, numbers)
	s.Product.ID.Tenant = tenant
	f := &fake{}
	_, err := guided(e, s, f, func(g *Guest) {
		compiledAtOnce = compiledAtOnce || g.trial == nil && len(f.batches) == 0
		compiled(g)
	}, many(enough+1)...)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"3 " + script}; !slices.Equal(f.logs, want) || len(f.batches) != enough+1 {
		t.Errorf("it tells %q, want %q, and passes %d batches on", f.logs, want, len(f.batches))
	}
	return compiledAtOnce
}

// TestKin: modules of a tenant that differ in their script alone are compiled once and compared once, in this engine and in later ones;
// each has its own script.
func TestKin(t *testing.T) {
	dir := t.TempDir()
	scripts := []string{"print(1)", "print(2)", strings.Repeat("print(3)\n", 100)}
	e, compilations := counter(t, Config{CacheDir: dir})
	for n, script := range scripts {
		if got, want := tells(t, e, host.LocalTenant, telling(t, teller, script), script), n > 0; got != want {
			t.Errorf("script %d: compiled code began: %v, want %v", n, got, want)
		}
	}
	tells(t, e, host.LocalTenant, telling(t, teller, scripts[0]), scripts[0])
	if n := compilations.Load(); n != 1 {
		t.Errorf("%d compilations", n)
	}
	if n := len(e.codes.byKin); n != 1 {
		t.Errorf("%d codes in memory, all programs are of one", n)
	}
	if complaints, err := e.Load(t.Context(), telling(t, teller, "print(4)")); err != nil || !slices.Equal(complaints, []string{"print(4)"}) {
		t.Errorf("Load: %q, %v", complaints, err)
	}
	later, more := counter(t, Config{CacheDir: dir})
	for _, script := range append(scripts, "print(5)") {
		if !tells(t, later, host.LocalTenant, telling(t, teller, script), script) || more.Load() != 0 {
			t.Errorf("a later engine compares again, or compiles: %d", more.Load())
		}
	}
	if err := errors.Join(e.Close(t.Context()), later.Close(t.Context())); err != nil || len(e.codes.byKin) != 0 || len(later.codes.byKin) != 0 {
		t.Errorf("%v, %d and %d codes are left", err, len(e.codes.byKin), len(later.codes.byKin))
	}
}

// TestLoadCompares: to load a script is to compare its interpreter, compiled, with what it does interpreted: the first run begins with
// compiled code. Where it does something else, all runs are interpreted.
func TestLoadCompares(t *testing.T) {
	const script = "print(1)"
	for _, planted := range []bool{false, true} {
		e, compilations := counter(t, Config{CacheDir: t.TempDir()})
		if planted {
			e.spoil = func(m wasm.Instantiable) wasm.Instantiable {
				old := []byte{0x41, 4, 0x6a} // what is added to the script's address
				if bytes.Count(m.Bytes, old) != 1 {
					t.Error("there is nothing to spoil")
				}
				m.Bytes = bytes.Replace(m.Bytes, old, []byte{0x41, 5, 0x6a}, 1)
				return m
			}
		}
		for range 2 {
			if complaints, err := e.Load(t.Context(), telling(t, teller, script)); err != nil || !slices.Equal(complaints, []string{script}) {
				t.Errorf("%q, %v", complaints, err)
			}
		}
		s := specOf(telling(t, teller, "print(2)"), numbers)
		s.Product.Limits.Stack = loadStack
		f := &fake{}
		interpreted := false
		if _, err := guided(e, s, f, func(g *Guest) { interpreted = interpreted || g.lead.interpreted || g.trial != nil }, many(1)...); err != nil || !slices.Equal(f.logs, []string{"3 print(2)"}) {
			t.Errorf("%v, %q", err, f.logs)
		}
		if interpreted != planted || e.Stats().Differing != map[bool]int64{true: 1}[planted] || compilations.Load() != 1 {
			t.Errorf("planted %v: interpreted %v, %d differ, %d compilations", planted, interpreted, e.Stats().Differing, compilations.Load())
		}
	}
}

// TestKinWithoutCache: the same in an engine that keeps nothing on disk.
func TestKinWithoutCache(t *testing.T) {
	e := newEngine(t, Config{})
	for n, script := range []string{"print(1)", "print(2)"} {
		if got := tells(t, e, host.LocalTenant, telling(t, teller, script), script); got != (n > 0) {
			t.Errorf("script %d: compiled code began: %v", n, got)
		}
	}
}

// TestNoKin: what differs in anything but the script is compiled for itself, and compared for itself; so is everything of another tenant.
func TestNoKin(t *testing.T) {
	e, compilations := counter(t, Config{CacheDir: t.TempDir()})
	const script = "print(1)"
	good := telling(t, teller, script)
	tells(t, e, host.LocalTenant, good, script)
	quiet := teller
	quiet.free = `(nop)`
	pages := teller
	pages.memory = "3"
	for n, c := range []struct {
		name, tenant string
		module       []byte
	}{
		{"another tenant", "other", good},
		{"other code", host.LocalTenant, telling(t, quiet, script)},
		{"more memory", host.LocalTenant, telling(t, pages, script)},
		{"no script section", host.LocalTenant, bytes.Replace(good, []byte("adp_script"), []byte("adp_skript"), 1)},
		{"more at the end", host.LocalTenant, append(bytes.Clone(good), 0, 2, 1, 'x')},
	} {
		if tells(t, e, c.tenant, c.module, script) || compilations.Load() != int64(n+2) {
			t.Errorf("%s: it is run as its kin is: %d compilations", c.name, compilations.Load())
		}
	}
}

// TestKinOfTheHostile: what is wrong with a module is found, also where it has the code of one that was admitted.
func TestKinOfTheHostile(t *testing.T) {
	e, _ := counter(t, Config{CacheDir: t.TempDir()})
	const script = "print(1)"
	good := telling(t, teller, script)
	if err := e.Check(t.Context(), good, host.Code{}); err != nil {
		t.Fatal(err)
	}
	tells(t, e, host.LocalTenant, good, script)
	entry := []byte{0, 0x41, 0x80, 0x80, 0x04, 0x0b, 12} // a segment at 65,536, where Embed lays scripts
	if bytes.Count(good, entry) != 1 {
		t.Fatal("the test does not find the script's segment")
	}
	outside := bytes.Replace(good, entry, []byte{0, 0x41, 0xff, 0xff, 0x3f, 0x0b, 12}, 1)
	_, err := guided(e, specOf(outside, numbers), &fake{}, nil, many(1)...)
	wantError(t, err, host.CodeGuestTrap, "leave the memory")

	for name, module := range map[string][]byte{"cut short": good[:len(good)-1], "a section after its end": append(bytes.Clone(good), 0), "no data": bytes.Replace(good, entry, []byte{1, 0x41, 0x80, 0x80, 0x04, 0x0b, 12}, 1)} {
		if err := e.Check(t.Context(), module, host.Code{}); err == nil {
			t.Errorf("%s: it is admitted", name)
		}
		if _, err := guided(e, specOf(module, numbers), &fake{}, nil); err == nil {
			t.Errorf("%s: it runs", name)
		}
	}
	huge := telling(t, teller, strings.Repeat("x", wasm.DefaultLimits.ModuleBytes))
	if err := e.Check(t.Context(), huge, host.Code{}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a module that is too large: %v", err)
	}
}

// TestKinEntryVerifies: code of kin on disk is under the MAC, as all is.
func TestKinEntryVerifies(t *testing.T) {
	dir := t.TempDir()
	e, _ := counter(t, Config{CacheDir: dir})
	tells(t, e, host.LocalTenant, telling(t, teller, "print(1)"), "print(1)")
	for _, file := range files(t, entryOf(t, dir)) {
		if filepath.Base(file) == cachedVerdict { // it has a MAC of its own
			continue
		}
		damage(t, file)
		later, compilations := counter(t, Config{CacheDir: dir})
		tells(t, later, host.LocalTenant, telling(t, teller, "print(2)"), "print(2)")
		if n := compilations.Load(); n != 1 {
			t.Errorf("%s is damaged, and there are %d compilations", file, n)
		}
	}
}
