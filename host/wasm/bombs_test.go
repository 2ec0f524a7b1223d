package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/adp-host/adp/host/wasm"
)

// What a module may take: to be refused, wall time; to be compiled, processor time and resident memory of a process of its own.
const (
	refusalTime = 50 * time.Millisecond
	bombTime    = 10 * time.Second
	bombMemory  = 1 << 30
)

var (
	bombs = flag.Int("bombs", 4, "compile every so many of the bombs of TestBombs; 1 compiles all, and those one below their limit too")
	bomb  = flag.String("bomb", "", "be the process that compiles this bomb") // how the test starts its own children
)

// TestBombs makes modules that are as large in one respect as may be, and one larger. Those beyond a limit are refused at once, all
// others are compiled in bounded time and memory.
func TestBombs(t *testing.T) {
	if *bomb != "" {
		compileBomb(t)
		return
	}
	all := wasm.Bombs()
	if len(all) < 30 {
		t.Errorf("%d generators", len(all))
	}
	compiled, worst, most := 0, time.Duration(0), int64(0)
	for i, b := range all {
		if took, err := refuse(b, b.Limit+1); err == nil {
			t.Errorf("%s, %d: admitted", b.Name, b.Limit+1)
		} else if took > refusalTime {
			t.Errorf("%s, %d: refused after %v", b.Name, b.Limit+1, took)
		}
		for _, n := range []int{b.Limit, b.Limit - 1} {
			if _, err := refuse(b, n); err != nil {
				t.Errorf("%s, %d: refused: %v", b.Name, n, err)
			}
			if testing.Short() || i%*bombs != 0 || n < b.Limit && *bombs > 1 {
				continue
			}
			took, memory, err := explode(t, b.Name, n)
			if err != nil {
				t.Errorf("%s, %d: %v", b.Name, n, err)
			}
			t.Logf("%-30s %8d  %8.2f s  %5d MiB", b.Name, n, took.Seconds(), memory>>20)
			compiled, worst, most = compiled+1, max(worst, took), max(most, memory)
		}
	}
	t.Logf("bombs %d, all refused beyond their limit; compiled %d, in at most %.1f s and %d MiB", len(all), compiled, worst.Seconds(), most>>20)
}

// refuse admits a module, and meters it if that is its limit; it returns the best time of three.
func refuse(bomb wasm.Bomb, n int) (best time.Duration, err error) {
	b := bomb.Make(n)
	best = time.Hour
	for range 3 {
		start := time.Now()
		var m *wasm.Module
		if m, err = wasm.ParseWithin(b, wasm.DefaultLimits); err == nil {
			err = m.Admit(wasm.DefaultLimits, wasm.Policy{Imports: anything(m)})
		}
		if err == nil && bomb.Metered {
			_, err = wasm.Meter(m, wasm.Options{})
		}
		best = min(best, time.Since(start))
	}
	return best, err
}

// anything is a policy that offers what a module imports.
func anything(m *wasm.Module) (rules []wasm.ImportRule) {
	for _, im := range m.Imports {
		rules = append(rules, wasm.ImportRule{Module: im.Module, Name: im.Name, Type: im.Type})
	}
	return rules
}

// explode compiles a bomb in a process of its own.
func explode(t *testing.T, name string, n int) (took time.Duration, memory int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 12*bombTime) // a busy machine is not the bomb's fault
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestBombs$", "-test.v", "-bomb", fmt.Sprintf("%s/%d", name, n))
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		return 0, 0, fmt.Errorf("%w\n%s", err, said.Bytes())
	}
	usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Skip("NOT RUN: this system does not tell what a process took")
	}
	took, memory = c.ProcessState.UserTime()+c.ProcessState.SystemTime(), usage.Maxrss<<10
	switch {
	case took > bombTime:
		err = fmt.Errorf("takes %v", took)
	case memory > bombMemory:
		err = fmt.Errorf("takes %d MiB", memory>>20)
	}
	return took, memory, err
}

// compileBomb meters and compiles one. The metered module may be beyond the limits, which is a refusal.
func compileBomb(t *testing.T) {
	name, limit, _ := strings.Cut(*bomb, "/")
	n, _ := strconv.Atoi(limit)
	for _, b := range wasm.Bombs() {
		if b.Name != name {
			continue
		}
		m, err := wasm.Parse(b.Make(n))
		if err != nil {
			t.Fatal(err)
		}
		out, err := wasm.Meter(m, wasm.Options{})
		if errors.Is(err, wasm.ErrRefused) {
			t.Logf("refused: %v", err)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
		defer r.Close(ctx)
		if _, err := r.CompileModule(ctx, out.Bytes); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no bomb %q", name)
}
