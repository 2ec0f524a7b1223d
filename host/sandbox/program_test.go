package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

// counted is a spec that counts how often its module is asked for.
func counted(module []byte, n *atomic.Int64) Spec {
	s := specOf(module, numbers)
	s.Bytes = func() ([]byte, error) { n.Add(1); return module, nil }
	return s
}

// A module that many ask for at once is compiled once.
func TestCompiledOnce(t *testing.T) {
	e := newEngine(t, Config{})
	var asked atomic.Int64
	s := counted(assemble(t, echo.text()), &asked)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			var f fake
			if _, err := runAll(e, s, &f, counting(10)); err != nil || len(f.batches) != 1 {
				t.Errorf("%v, %d batches", err, len(f.batches))
			}
		})
	}
	wg.Wait()
	if asked.Load() != 1 {
		t.Errorf("the module was read %d times", asked.Load())
	}
}

// Hostile and good guests side by side, under the race detector's eyes.
func TestSideBySide(t *testing.T) {
	e := newEngine(t, Config{})
	good := specOf(assemble(t, echo.text()), numbers)
	bad := specOf(assemble(t, guest{proc: spin}.text()), numbers)
	soon(&bad)
	worse := specOf(assemble(t, guest{proc: `(unreachable)`}.text()), numbers)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := runAll(e, bad, &fake{}, counting(1))
			wantError(t, err, host.CodeGuestDeadline)
		})
		wg.Go(func() {
			for range 10 {
				_, err := runAll(e, worse, &fake{}, counting(1))
				wantError(t, err, host.CodeGuestTrap)
			}
		})
		wg.Go(func() {
			for range 10 {
				var f fake
				if _, err := runAll(e, good, &f, counting(100), counting(7)); err != nil || len(f.batches) != 2 {
					t.Errorf("%v, %d batches", err, len(f.batches))
				}
			}
		})
	}
	wg.Wait()
}

// What nobody uses goes when there is too much of it; what is in use stays.
func TestEviction(t *testing.T) {
	e := newEngine(t, Config{KeepModules: 1})
	ctx := context.Background()
	var asked [3]atomic.Int64
	specs := make([]Spec, 3)
	for n := range specs {
		specs[n] = counted(assemble(t, guest{flush: `(i32.const 0)`, fields: `(data (i32.const 0) "` + strings.Repeat("x", n+1) + `")`}.text()), &asked[n])
	}
	var f fake
	held := start(t, e, specs[0], &f)
	for range 2 {
		for n := range specs {
			if _, err := runAll(e, specs[n], &f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if asked[0].Load() != 1 || asked[1].Load() != 2 || asked[2].Load() != 2 {
		t.Errorf("read %d, %d and %d times", asked[0].Load(), asked[1].Load(), asked[2].Load())
	}
	if err := held.Open(ctx); err != nil {
		t.Error(err)
	}
}

// Interpreted modules are large, and few of them stay: by their sizes, and the newest in any case.
func TestFewInterpretedStay(t *testing.T) {
	e := newEngine(t, Config{})
	ps, size := e.programs, 0
	ps.load = func(_ context.Context, id programID, _ func() ([]byte, error)) (*program, error) {
		return &program{code: &code{size: size}, interpreted: id.interpreted}, nil
	}
	for n, c := range []struct {
		size, stay int
	}{{keepInterpreted / 2, 2}, {keepInterpreted / 4, 4}, {keepInterpreted * 2, 1}, {1, 5}} {
		size = c.size
		for m := range 5 {
			for _, interpreted := range []bool{false, true} {
				p, err := ps.acquire(t.Context(), programID{module: host.Digest(fmt.Sprint(n, m)), interpreted: interpreted}, nil)
				if err != nil {
					t.Fatal(err)
				}
				p.release()
			}
		}
		got := 0
		for _, p := range ps.idle {
			if p.interpreted && p.size == size {
				got++
			}
		}
		if got != c.stay || len(ps.ready) != len(ps.idle) {
			t.Errorf("%d interpreted modules of %d bytes stay, want %d; %d programs, %d of them idle", got, size, c.stay, len(ps.ready), len(ps.idle))
		}
	}
	if len(ps.idle) != 20+5 {
		t.Errorf("%d programs are idle: those that are compiled stay", len(ps.idle))
	}
}

// An instance survives the end of its engine.
func TestCloseWhileInUse(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	s := specOf(assemble(t, echo.text()), numbers)
	var f fake
	i := start(t, e, s, &f)
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(i.Open(ctx), i.Process(ctx, 0, counting(5)), i.Flush(ctx), i.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Start(ctx, s, &f); err == nil {
		t.Error("a closed engine starts guests")
	}
}

// The module's bytes cannot be had: the next who asks may have more luck.
func TestBytesFail(t *testing.T) {
	e := newEngine(t, Config{})
	s := specOf(assemble(t, echo.text()), numbers)
	whole := s.Bytes
	s.Bytes = func() ([]byte, error) { return nil, fs.ErrNotExist }
	if _, err := e.Start(context.Background(), s, &fake{}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	s.Bytes = whole
	start(t, e, s, &fake{})
}

// Compiled modules are found again after a restart, under a private key, and nothing else is loaded.
func TestCache(t *testing.T) {
	for _, interpreter := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "modules")
		var asked atomic.Int64
		s := counted(assemble(t, echo.text()), &asked)
		run := func(cfg Config, want int64) {
			t.Helper()
			asked.Store(0)
			cfg.CacheDir, cfg.Interpreter = dir, interpreter
			var f fake
			if _, err := runAll(newEngine(t, cfg), s, &f, counting(10)); err != nil || len(f.batches) != 1 {
				t.Fatalf("%v, %d batches", err, len(f.batches))
			}
			if asked.Load() != want {
				t.Fatalf("the module was read %d times, want %d", asked.Load(), want)
			}
		}
		run(Config{}, 1)
		run(Config{}, 0)
		for name, mode := range map[string]fs.FileMode{".": 0o700 | fs.ModeDir, "t-local": 0o700 | fs.ModeDir, "key": 0o600} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		entry := entryOf(t, dir)
		for _, file := range files(t, entry) {
			damage(t, file)
			run(Config{}, 1) // and made again
			run(Config{}, 0)
		}
		if err := os.WriteFile(filepath.Join(entry, "more"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		run(Config{}, 1)
		run(Config{CacheKey: bytes.Repeat([]byte{7}, 32)}, 1)
		run(Config{CacheKey: bytes.Repeat([]byte{7}, 32)}, 0)
		run(Config{}, 1)

		damage(t, filepath.Join(dir, "key"))
		run(Config{}, 1)
		run(Config{}, 0)
		s.Product.Limits.Stack = 123456 // another budget is another program
		run(Config{}, 1)
	}
}

// An entry cannot stand in for another module.
func TestCacheEntriesDoNotMove(t *testing.T) {
	dir := t.TempDir()
	e := newEngine(t, Config{CacheDir: dir})
	if _, err := runAll(e, specOf(assemble(t, echo.text()), numbers), &fake{}); err != nil {
		t.Fatal(err)
	}
	mine := entryOf(t, dir)
	s := specOf(assemble(t, guest{proc: `(i32.const 9)`}.text()), numbers)
	theirs := filepath.Join(dir, e.cache.name(programID{tenant: host.LocalTenant, module: s.Module, stack: host.DefaultLimits.Stack}, meterOptions(host.DefaultLimits.Stack), false))
	if err := os.CopyFS(theirs, os.DirFS(mine)); err != nil {
		t.Fatal(err)
	}
	_, err := runAll(newEngine(t, Config{CacheDir: dir}), s, &fake{}, counting(1))
	wantError(t, err, host.CodeGuestStatus, "status 9")
}

// Leftovers of crashes and modules that nobody uses any more go.
func TestCachePrune(t *testing.T) {
	dir := t.TempDir()
	make := func(name string, age time.Duration) {
		name = filepath.Join("t-local", name)
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	fresh, stale := strings.Repeat("a", 64), strings.Repeat("b", 64)
	make(fresh, 24*time.Hour)
	make(stale, 2*unused)
	make("tmp-1", time.Minute)
	make("tmp-2", 2*time.Hour)
	newEngine(t, Config{CacheDir: dir})
	for name, want := range map[string]bool{fresh: true, stale: false, "tmp-1": true, "tmp-2": false} {
		if _, err := os.Stat(filepath.Join(dir, "t-local", name)); (err == nil) != want {
			t.Errorf("%.8s exists: %v", name, !want)
		}
	}
}

// A cache that cannot be used is said at once; one that stops working slows, no more.
func TestCacheCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{CacheDir: file})
	wantError(t, err, host.CodeNodeSetup)

	dir := filepath.Join(t.TempDir(), "gone")
	e := newEngine(t, Config{CacheDir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := runAll(e, specOf(assemble(t, echo.text()), numbers), &fake{}); err != nil {
		t.Fatal(err)
	}
}

func entryOf(t *testing.T, dir string) string {
	t.Helper()
	entries, err := filepath.Glob(filepath.Join(dir, "t-local", strings.Repeat("?", 64)))
	if err != nil || len(entries) == 0 {
		t.Fatalf("nothing is cached: %v", err)
	}
	return entries[0]
}

func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil || len(out) < 2 {
		t.Fatalf("%v, %v", out, err)
	}
	return out
}

// damage changes the last byte of a file, or cuts a key short.
func damage(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if filepath.Base(file) == "key" {
		b = b[:len(b)-1]
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The version in the cache's keys and in heads is the one that is linked.
func TestWazeroVersion(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github.com/tetratelabs/wazero (v\S+)`).FindSubmatch(b)
	if m == nil || string(m[1]) != wazeroVersion {
		t.Errorf("go.mod has wazero %s, the constant is %s", m[1], wazeroVersion)
	}
	if id := newEngine(t, Config{}).Identity(); id.Version != wazeroVersion || id.Name == "" || id.Arch == "" || id.Rewriter == "" {
		t.Errorf("%+v", id)
	}
}
