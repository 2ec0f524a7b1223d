package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// guided is runAll with a Guest. before is called with it before each batch.
func guided(e *Engine, s Spec, c Calls, before func(*Guest), batches ...arrow.RecordBatch) (Usage, error) {
	ctx := context.Background()
	g, err := e.Guest(ctx, s, c)
	if err != nil {
		return Usage{}, err
	}
	defer g.Close()
	if err = g.Open(ctx); err != nil {
		return g.Usage(), err
	}
	for _, b := range batches {
		if before != nil {
			before(g)
		}
		if err = g.Process(ctx, 0, b); err != nil {
			return g.Usage(), err
		}
	}
	return g.Usage(), g.Flush(ctx)
}

// compiled waits until the trial of a guest has compiled code.
func compiled(g *Guest) {
	if g.trial != nil {
		<-g.trial.coming.done
	}
}

func many(n int) (out []arrow.RecordBatch) {
	for k := range n {
		out = append(out, counting(k+16))
	}
	return out
}

// A new module begins in the interpreter. Compiled code that does the same takes the run over, and later runs begin with it, of
// engines to come too. Nobody can tell from what reaches the run.
func TestTrial(t *testing.T) {
	dir := t.TempDir()
	g := planter
	g.proc = strings.NewReplacer("LOOK", "(nop)", "PLANT", "").Replace(g.proc)
	s := specOf(assemble(t, g.text()), numbers)
	var want fake
	wanted, err := runAll(newEngine(t, Config{}), s, &want, many(enough+3)...)
	if err != nil {
		t.Fatal(err)
	}
	run := func(e *Engine, interpreted []bool) {
		t.Helper()
		var f fake
		var engines []bool
		use, err := guided(e, s, &f, func(g *Guest) {
			compiled(g)
			engines = append(engines, g.lead.interpreted)
			if name := g.Engine().Name; (name == interpreterName) != g.lead.interpreted {
				t.Errorf("the engine is %s", name)
			}
		}, many(enough+3)...)
		if err != nil {
			t.Fatal(err)
		}
		if use != wanted {
			t.Errorf("usage %+v, want %+v", use, wanted)
		}
		if !slices.Equal(f.logs, want.logs) || !slices.Equal(f.asked, want.asked) || !slices.Equal(f.metrics, want.metrics) || len(f.batches) != len(want.batches) {
			t.Errorf("the run saw\n%q %q %q\nwant\n%q %q %q", f.logs, f.asked, f.metrics, want.logs, want.asked, want.metrics)
		}
		for n := range min(len(f.batches), len(want.batches)) {
			if !array.RecordEqual(f.batches[n], want.batches[n]) {
				t.Errorf("batch %d is different", n)
			}
		}
		if n := slices.Index(engines, false); interpreted[0] && n > 0 {
			interpreted = slices.Concat(slices.Repeat([]bool{true}, n), make([]bool, len(engines)-n)) // on a slow machine fewer are enough
		}
		if !slices.Equal(engines, interpreted) {
			t.Errorf("interpreted before each batch: %v, want %v", engines, interpreted)
		}
	}
	first := slices.Concat(slices.Repeat([]bool{true}, enough), make([]bool, 3))
	e := newEngine(t, Config{CacheDir: dir})
	run(e, first)
	run(e, make([]bool, enough+3))
	run(newEngine(t, Config{CacheDir: dir}), make([]bool, enough+3))
	run(newEngine(t, Config{}), first)
	damage(t, verdictOf(t, dir))
	run(newEngine(t, Config{CacheDir: dir}), first)
	if n := e.Stats().Differing; n != 0 {
		t.Errorf("%d modules differ", n)
	}
}

// TestNoTrialOfStatements: a guest that asks a compute driver is interpreted, for ever and alone.
func TestNoTrialOfStatements(t *testing.T) {
	e := newEngine(t, Config{CacheDir: t.TempDir()})
	s := specOf(assemble(t, echo.text()), numbers)
	s.Product.Bindings = []host.Binding{{Name: "out.sql", Access: "read", Compute: true}}
	s.Bindings = s.Outputs
	for range 2 {
		if _, err := guided(e, s, &fake{}, func(g *Guest) {
			if g.trial != nil || g.Engine().Name != interpreterName {
				t.Errorf("it runs in %s, tried %v", g.Engine().Name, g.trial != nil)
			}
		}, many(enough+3)...); err != nil {
			t.Fatal(err)
		}
	}
}

// What was interpreted goes with the run that found compiled code to do the same: it is much larger, and nobody asks for it again.
func TestTrialLeavesOneProgram(t *testing.T) {
	s := specOf(assemble(t, echo.text()), numbers)
	for _, batches := range []int{1, enough + 3} { // ended by the flush, and in the middle
		e := newEngine(t, Config{})
		if _, err := guided(e, s, &fake{}, compiled, many(batches)...); err != nil {
			t.Fatal(err)
		}
		if _, err := guided(e, s, &fake{}, nil, many(1)...); err != nil {
			t.Fatal(err)
		}
		e.programs.mu.Lock()
		for _, p := range e.programs.ready {
			if p.interpreted {
				t.Errorf("after %d batches the interpreted module is still there", batches)
			}
		}
		if len(e.programs.ready) != 1 || len(e.programs.idle) != 1 {
			t.Errorf("after %d batches there are %d programs, %d of them idle", batches, len(e.programs.ready), len(e.programs.idle))
		}
		e.programs.mu.Unlock()
	}
}

func verdictOf(t *testing.T, dir string) string {
	t.Helper()
	for _, f := range files(t, dir) {
		if strings.HasSuffix(f, "/"+cachedVerdict) {
			return f
		}
	}
	t.Fatal("there is no verdict")
	return ""
}

// Compiled code that does anything else than the interpreter is found out, told of, and never used: not in the run, not in
// later ones, not after a restart.
func TestTrialFindsDifferences(t *testing.T) {
	const mark = 0x616263
	module := func(body string) []byte {
		return assemble(t, guest{imports: importEmit + importLog + `
			(import "adp_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))`,
			fields: `(data (i32.const 64) "key1key2")`,
			proc:   fmt.Sprintf(body, mark)}.text())
	}
	for name, c := range map[string]struct{ body, what string }{
		"rows": {`(i64.store (i32.load offset=4 (i32.load offset=104 (local.get $array))) (i64.const %d)) (call $emit (i32.const 0) (local.get $array))`,
			"other rows with emit 0"},
		"a log":   {`(i32.store (i32.const 128) (i32.const %d)) (call $log (i32.const 1) (i32.const 128) (i32.const 3))`, "log"},
		"a value": {`(i32.store (i32.const 128) (i32.const %d)) (call $put (i32.const 64) (i32.const 4) (i32.const 128) (i32.const 4))`, "state_put"},
		"fuel": {`(local $n i32) (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 0x10000))) (i32.const %d)))) (i32.const 0)`,
			"it has used"},
		"a status": {`(i32.eq (i32.const %d) (i32.const 0x616264))`, "status 1"},
		"a trap":   {`(drop (i32.div_u (i32.const 1) (i32.sub (i32.const %d) (i32.const 0x616264)))) (i32.const 0)`, "trapped"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, told := t.TempDir(), []string(nil)
			s := specOf(module(c.body), numbers)
			cfg := Config{CacheDir: dir, Differs: func(id host.ProductID, m host.Digest, what string) {
				if id != s.Product.ID || m != s.Module {
					t.Errorf("told of %s %s", id, m)
				}
				told = append(told, what)
			}}
			e := newEngine(t, cfg)
			e.spoil = func(m wasm.Instantiable) wasm.Instantiable {
				was, is := constant(mark), constant(mark+1)
				if name == "fuel" {
					is = constant(mark + 0x20000)
				}
				if !bytes.Contains(m.Bytes, was) {
					t.Error("there is nothing to spoil")
				}
				m.Bytes = bytes.Replace(m.Bytes, was, is, 1)
				return m
			}
			var want fake
			wanted, err := runAll(newEngine(t, Config{Interpreter: true}), s, &want, many(3)...)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				var f fake
				use, err := guided(e, s, &f, compiled, many(3)...)
				if err != nil || use != wanted || !slices.Equal(f.logs, want.logs) || fmt.Sprint(f.batches) != fmt.Sprint(want.batches) || fmt.Sprint(f.state) != fmt.Sprint(want.state) {
					t.Errorf("run %d: %v, %+v, %q", n, err, use, f.logs)
				}
				if n == 1 {
					e = newEngine(t, cfg)
				}
			}
			if len(told) != 1 || !strings.Contains(told[0], c.what) {
				t.Errorf("told %q, want %q", told, c.what)
			}
		})
	}
}

// constant is an integer as an instruction has it.
func constant(v int64) []byte { return sleb(nil, v) }

// A guest that is too slow for the interpreter is not killed for that: compiled code does again what was done, and goes on from
// there. The run sees everything once.
func TestTrialTakesOver(t *testing.T) {
	work := guest{imports: importEmit + importLog, proc: `(local $n i32)
		(drop (call $emit (i32.const 0) (local.get $array)))
		(drop (call $log (i32.const 1) (i32.const 64) (i32.const 5)))
		(if (i64.eq (i64.load (local.get $array)) (i64.const 20)) (then
			(loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000000))))))
		(drop (call $log (i32.const 1) (i32.const 72) (i32.const 5)))
		(call $emit (i32.const 0) (local.get $array))`, fields: `(data (i32.const 64) "before..after")`}
	s := specOf(assemble(t, work.text()), numbers)
	s.Product.Limits.Deadline = 700 * time.Millisecond
	_, err := runAll(newEngine(t, Config{Interpreter: true}), s, &fake{}, counting(20))
	if host.CodeOf(err) != host.CodeGuestDeadline {
		t.Skipf("NOT TESTED: this machine interprets 60 million rounds in time: %v", err)
	}
	var want fake
	wanted, err := runAll(newEngine(t, Config{}), s, &want, counting(10), counting(20), counting(30))
	if err != nil {
		t.Skipf("NOT TESTED: this machine is too slow for 60 million rounds of compiled code: %v", err)
	}
	var f fake
	e := newEngine(t, Config{})
	use, err := guided(e, s, &f, nil, counting(10), counting(20), counting(30))
	if err != nil {
		t.Fatal(err)
	}
	if use != wanted || !slices.Equal(f.logs, want.logs) || fmt.Sprint(f.batches) != fmt.Sprint(want.batches) {
		t.Errorf("%+v %q %d batches, want %+v %q %d", use, f.logs, len(f.batches), wanted, want.logs, len(want.batches))
	}
}

// A guest without inputs never gets a batch: its first whole run is what it is judged by. One with inputs is not judged by
// a run in which none came.
func TestTrialWithoutBatches(t *testing.T) {
	wat := guest{imports: importLog, fields: `(data (i32.const 64) "hello")`,
		flush: `(call $log (i32.const 1) (i32.const 64) (i32.const 5))`}.text()
	for _, inputs := range []int{0, 1} {
		e := newEngine(t, Config{})
		s := specOf(assemble(t, wat), numbers)
		s.Inputs, s.Product.Inputs = s.Inputs[:inputs], s.Product.Inputs[:inputs]
		for n := range 3 {
			var f fake
			g, err := e.Guest(t.Context(), s, &f)
			if err != nil {
				t.Fatal(err)
			}
			compiled(g)
			if want := n == 0 || inputs > 0; g.lead.interpreted != want {
				t.Errorf("run %d with %d inputs is interpreted: %v", n, inputs, g.lead.interpreted)
			}
			if err := errors.Join(g.Open(t.Context()), g.Flush(t.Context()), g.Close()); err != nil || len(f.logs) != 1 {
				t.Errorf("%q, %v", f.logs, err)
			}
		}
	}
}

// A module that cannot be compiled serves while nobody knows, and is refused then.
func TestTrialOfTheUncompilable(t *testing.T) {
	e := newEngine(t, Config{CacheDir: t.TempDir(), Compile: func(context.Context, string) error { return errors.New("out of memory") }})
	s := specOf(assemble(t, echo.text()), numbers)
	if _, err := guided(e, s, &fake{}, compiled, many(2)...); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := guided(e, s, &fake{}, nil, many(1)...)
		if err == nil {
			continue // the verdict is on its way
		}
		wantError(t, err, host.CodeModuleRefused, "cannot be compiled", "out of memory")
		break
	}
}

// A guest that fails in the interpreter fails for its own reason.
func TestTrialOfTheFailing(t *testing.T) {
	e := newEngine(t, Config{})
	s := specOf(assemble(t, guest{proc: `(i32.const 9)`}.text()), numbers)
	for range 2 {
		_, err := guided(e, s, &fake{}, compiled, many(1)...)
		wantError(t, err, host.CodeGuestStatus, "status 9")
	}
	if e.turns == nil || e.Stats().Differing != 0 {
		t.Error("it differs")
	}
}
