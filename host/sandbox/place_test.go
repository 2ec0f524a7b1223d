package sandbox

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
)

// TestTrapsSayWhere: an error names the function and the byte in the author's module at which it happened, and where its callers
// stood, the same in both engines, from a cache too.
func TestTrapsSayWhere(t *testing.T) {
	deep := guest{fields: `
		(type $none (func)) (table 2 funcref) (elem (i32.const 0) $nothing)
		(func $nothing)
		(func $loops (param $n i32) (param $x i32) (result i32)
			(loop $l
				(if (local.get $n) (then
					(local.set $x (i32.add (local.get $x) (i32.load8_u (local.get $n))))
					(local.set $n (i32.add (local.get $n) (i32.const 4096))) (br $l))))
			(local.get $x))
		(func $step (param $n i32) (result i32) (call $nothing) DO)`, proc: `(call $nothing) (call $step (i32.const 0))`}
	for _, c := range []struct{ do, trap, op string }{
		{`(unreachable)`, "unreachable", "\x00"},
		{`(i32.div_u (i32.const 1) (local.get $n))`, "divide by zero", "\x6e"},
		{`(i32.div_s (i32.const -2147483648) (i32.sub (local.get $n) (i32.const 1)))`, "overflow", "\x6d"},
		{`(i32.trunc_f64_s (f64.const 1e300))`, "overflow", "\xaa"},
		{`(i32.load offset=16 (i32.const -4))`, "out of bounds memory access", "\x28\x02\x10"},
		{`(i64.store (i32.const -8) (i64.const 1)) (i32.const 0)`, "out of bounds memory access", "\x37"},
		{`(memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) (i32.const 0)`, "out of bounds memory access", "\xfc\x0b"},
		{`(call_indirect (type $none) (i32.const 2)) (i32.const 0)`, "invalid table access", "\x11"},
		{`(call_indirect (type $none) (i32.const 1)) (i32.const 0)`, "invalid table access", "\x11"},
		{`(call $loops (i32.const 1) (local.get $n))`, "out of bounds memory access", "\x2d"},
	} {
		g := deep
		g.fields = strings.Replace(g.fields, "DO", c.do, 1)
		module := assemble(t, g.text())
		var first string
		dir := t.TempDir()
		for _, cfg := range []Config{{Interpreter: true}, {}, {CacheDir: dir}, {CacheDir: dir}} {
			_, err := runAll(newEngine(t, cfg), specOf(module, numbers), &fake{}, counting(1))
			wantError(t, err, host.CodeGuestTrap, c.trap+` in function "`)
			text := placesOf(err)
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("%s with %+v:\n%s\nfirst\n%s", c.do, cfg, text, first)
			}
		}
		places := regexp.MustCompile(`at (\S+)\+(0x[0-9a-f]+)`).FindAllStringSubmatch(first, -1)
		if n := len(places); n < 2 || places[n-2][1] != "step" || places[n-1][1] != "adp_process" {
			t.Fatalf("%s: the stack is\n%s", c.do, first)
		}
		for n, p := range places {
			at, _ := strconv.ParseInt(p[2], 0, 64)
			if op := map[bool]string{true: c.op, false: "\x10"}[n == 0]; !strings.HasPrefix(string(module[at:]), op) {
				t.Errorf("%s: %s is at % x, not at % x", c.do, p[0], module[at:at+4], op)
			}
		}
	}
}

// placesOf is what an error says of where it happened.
func placesOf(err error) string {
	e, ok := err.(*host.Error)
	if !ok {
		return ""
	}
	return regexp.MustCompile(`in function .*\)`).FindString(e.Message) + "\n" + e.Excerpt
}

// TestKitsTrapsSayWhere does the same for what Go and Rust make: a trap of Go's runtime, and Rust code that ran out of fuel, which
// stops both engines at the same instruction.
func TestKitsTrapsSayWhere(t *testing.T) {
	folder, err := filepath.Abs("testdata/goguest")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		module []byte
		set    func(*Spec)
		code   host.ErrorCode
		says   string // on the stack; Rust is built without names
	}{
		{"go", abitest.BuildGo(t, folder), func(s *Spec) { s.Product.Config = map[string]string{"do": "deadlock"} }, host.CodeGuestTrap, `at runtime\.\w+\+0x\w+\n.*at runtime\.\w+\+0x`},
		{"rust", abitest.PrebuiltRust(t, "conform"), func(s *Spec) { s.Product.Limits.Fuel = 170_000 }, host.CodeGuestFuel, `at adp_alloc\+0x`},
	} {
		var first string
		for _, interpreter := range []bool{true, false} {
			e := newEngine(t, Config{Interpreter: interpreter, Quantum: 100})
			s := specOf(c.module, numbers)
			c.set(&s)
			_, err := runAll(e, s, &fake{}, counting(1))
			wantError(t, err, c.code, ` in function "`, `(offset 0x`)
			text := placesOf(err)
			if first == "" {
				first = text
				t.Logf("%s: %v\n%s", c.name, err, text)
			}
			if text != first || !regexp.MustCompile(c.says).MatchString(text) {
				t.Errorf("%s, interpreter %v:\n%s\nfirst\n%s", c.name, interpreter, text, first)
			}
		}
	}
}

// TestLargeModulesLoadFast: compiled code of a large module is read from the disk without the places of its instructions; its traps
// name the function, and those of the interpreter the byte as well.
func TestLargeModulesLoadFast(t *testing.T) {
	folder, err := filepath.Abs("testdata/goguest")
	if err != nil {
		t.Fatal(err)
	}
	s := specOf(abitest.BuildGo(t, folder), numbers)
	s.Product.Config = map[string]string{"do": "deadlock"}
	dir := t.TempDir()
	for _, interpreter := range []bool{true, false} {
		_, err := runAll(newEngine(t, Config{CacheDir: dir, Interpreter: interpreter}), s, &fake{}, counting(1))
		wantError(t, err, host.CodeGuestTrap, `in function "runtime.`, "deadlock")
		if says := strings.Contains(err.Error(), "(offset 0x"); says != interpreter {
			t.Errorf("interpreter %v: %v", interpreter, err)
		}
	}

	e := newEngine(t, Config{CacheDir: dir})
	e.agrees(programOf(s))
	for n, says := range []bool{false, true} { // the run after one that trapped is looked at again
		if _, err := guided(e, s, &fake{}, nil, counting(1)); strings.Contains(err.Error(), "(offset 0x") != says {
			t.Errorf("run %d: %v", n, err)
		}
	}
}
