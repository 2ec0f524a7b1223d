package wasm_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/adp-host/adp/host/wasm"
)

// TestAdmit checks modules against a small policy. want is part of the reason, or "" for a module that is admitted.
func TestAdmit(t *testing.T) {
	policy := wasm.Policy{
		Imports: []wasm.ImportRule{
			{Module: "adp_v1", Name: "log", Type: wasm.MustFuncType("(i32, i32) -> (i32)")},
			{Module: "adp_meter", Name: "refill", Type: wasm.MustFuncType("(i64) -> (i64)")}, // even if a policy is careless
		},
		Exports: []wasm.ExportRule{
			{Name: "adp_abi", Kind: wasm.KindFunc, Type: wasm.MustFuncType("() -> (i32)")},
			{Name: "memory", Kind: wasm.KindMemory},
			{Name: "_initialize", Kind: wasm.KindFunc, Type: wasm.MustFuncType("() -> ()"), Optional: true},
		},
		Reserved: "adp_",
	}
	const good = "import adp_v1.log (i32 i32) -> (i32)\nmemory 1\nfunc adp_abi () -> (i32)\n  i32.const 1\n"
	for _, c := range []struct{ name, text, want string }{
		{"good", good, ""},
		{"optional export", good + "func _initialize () -> ()\n", ""},
		{"optional export of another type", good + "func _initialize (i32) -> ()\n", "export _initialize has type (i32) -> (), want () -> ()"},
		{"an import of a long name", "import " + strings.Repeat("x", 1<<20) + ".f () -> ()\n" + good, "xxx…"},
		{"no memory", strings.Replace(good, "memory 1\n", "", 1), "export memory is missing"},
		{"no export", "memory 1\n", "export adp_abi is missing"},
		{"export of another type", "memory 1\nfunc adp_abi () -> (i64)\n  i64.const 1\n", "export adp_abi has type () -> (i64), want () -> (i32)"},
		{"import of another type", "import adp_v1.log (i32) -> (i32)\n" + good[strings.Index(good, "memory"):], "offered with (i32, i32) -> (i32)"},
		{"import not offered", "import adp_v1.exec (i32) -> (i32)\n" + good, "import adp_v1.exec: not offered"},
		{"import of another module", "import env.log (i32 i32) -> (i32)\n" + good, "import env.log: not offered"},
		{"import of the meter", "import adp_meter.refill (i64) -> (i64)\n" + good, "no guest may name the meter"},
		{"reserved export", good + "func adp_other () -> ()\n", "export adp_other: names that begin with adp_ belong to the host"},
		{"the meter's export", good + "func adp_fuel () -> ()\n", "export adp_fuel"},
		{"the meter's start", good + "func adp_start () -> ()\n", "export adp_start"},
		{"memory beyond the limit", strings.Replace(good, "memory 1", "memory 65536", 1), "65536 pages of memory, at most 65535"},
		{"two tables", good + "table funcref 1\ntable funcref 1\n", "2 tables, at most 1"},
		{"a large table", good + "table funcref 20001\n", "20001 table entries, at most 20000"},
		{"many globals", good + strings.Repeat("global i32 mut 0\n", 301), "301 globals, at most 300"},
		{"many locals", good + "func f () -> ()\n  local" + strings.Repeat(" i32", 1001), "1001 locals, at most 1000"},
		{"deep nesting", good + "func f () -> ()\n" + strings.Repeat("block\n", 8193) + strings.Repeat("end\n", 8193), "8193 nested blocks, at most 8192"},
		{"a large br_table", good + "func f () -> ()\n  i32.const 0\n  br_table" + strings.Repeat(" 0", 32770), "32769 targets of a br_table, at most 32768"},
		{"many instructions", good + "func f () -> ()\n" + strings.Repeat("nop\n", 500_001), "500002 instructions, at most 500000"},
		{"a large body", good + "func f () -> ()\n" + strings.Repeat("i64.const -9000000000000000000\ndrop\n", 90_000), "bytes of code, at most 1048576"},
		{"many parameters", good + "func f (" + strings.Repeat("i32 ", 201) + ") -> ()\n", "201 parameters in a signature, at most 200"},
		{"nested loops × locals", good + bombOfLoops(1000, 999), "blocks × locals, at most 1000000"},
		{"blocks × locals", good + bombOfBlocks(20_000, 900), "blocks × locals, at most 1000000"},
		{"a long row of ifs", good + "func f (i32) -> ()\n" + strings.Repeat("local.get 0\nif\nend\n", 20_000), "steps from the blocks of the module up to the first, at most 500000000"},
		{"a row of ifs that a table leads to", good + dispatched(8_000), ""},
		{"blocks × locals over many functions", good + strings.Repeat(bombOfBlocks(300, 900), 12), "blocks × locals in the module, at most 8000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := wasm.Parse(wasm.Assemble(numbered(c.text)))
			if err != nil {
				t.Fatal(err)
			}
			err = m.Admit(wasm.DefaultLimits, policy)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && err == nil:
				t.Errorf("admitted, want %q", c.want)
			case c.want != "" && !strings.Contains(err.Error(), c.want):
				t.Errorf("refused for %v, want %q", err, c.want)
			case c.want != "" && len(err.Error()) > 16<<10:
				t.Errorf("refused in %d bytes", len(err.Error()))
			case c.want != "" && !errors.Is(err, wasm.ErrRefused):
				t.Errorf("%v is not of the kind ErrRefused", err)
			}
		})
	}
}

// numbered gives functions of the same name different ones.
func numbered(text string) string {
	for i := 0; strings.Contains(text, "func bomb "); i++ {
		text = strings.Replace(text, "func bomb ", fmt.Sprintf("func bomb%d ", i), 1)
	}
	return text
}

// dispatched is a table and as many cases, each with a branch of its own: what compilers make of switches and state machines.
func dispatched(cases int) string {
	var b strings.Builder
	b.WriteString("func f (i32) -> ()\n" + strings.Repeat("block\n", cases) + "local.get 0\nbr_table")
	for i := range cases {
		fmt.Fprintf(&b, " %d", i)
	}
	for i := range cases {
		fmt.Fprintf(&b, "\nend\nlocal.get 0\nif\nend\nbr %d", cases-1-i)
	}
	return b.String() + "\n"
}

// bombOfLoops is 12 KB that took 1.4 s and 149 MiB to compile at a thousand loops and locals.
func bombOfLoops(depth, locals int) string {
	var b strings.Builder
	b.WriteString("func bomb (i32) -> ()\n  local" + strings.Repeat(" i32", locals) + "\n" + strings.Repeat("loop\n", depth))
	for i := range locals {
		fmt.Fprintf(&b, "local.get %d\ni32.const 1\ni32.add\nlocal.set %d\n", i+1, i+1)
	}
	b.WriteString("local.get 0\nbr_if 0\n" + strings.Repeat("end\n", depth))
	return b.String()
}

// bombOfBlocks is 317 KB that took over a minute at 20,000 blocks and 2,000 locals.
func bombOfBlocks(blocks, locals int) string {
	var b strings.Builder
	b.WriteString("func bomb (i32) -> ()\n  local" + strings.Repeat(" i32", locals) + "\n")
	for i := range blocks {
		fmt.Fprintf(&b, "block\nlocal.get 0\nbr_if 0\nlocal.get %d\ni32.const 1\ni32.add\nlocal.set %d\nend\n", i%locals+1, i%locals+1)
	}
	return b.String()
}

// TestMeterChecksWhatItWrites: a module within the limits may leave them when it is metered.
func TestMeterChecksWhatItWrites(t *testing.T) {
	text := "func bomb (i32) -> ()\n" + strings.Repeat("loop\nlocal.get 0\nbr_if 0\nend\n", 6_000) // three blocks each; metered, more than twice as many
	m, err := wasm.Parse(wasm.Assemble(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Admit(wasm.DefaultLimits, wasm.Policy{}); err != nil {
		t.Fatal(err)
	}
	_, err = wasm.Meter(m, wasm.Options{})
	if !errors.Is(err, wasm.ErrRefused) || !strings.Contains(err.Error(), "rewritten module") {
		t.Errorf("%v", err)
	}
}

// TestMeterRefusesItsOwnNames, and so refuses to meter twice.
func TestMeterRefusesItsOwnNames(t *testing.T) {
	for _, text := range []string{"import adp_meter.refill (i64) -> (i64)\n", "import adp_meter.other () -> ()\n",
		"func adp_fuel () -> ()\n", "func adp_stack () -> ()\n", "func adp_start () -> ()\n"} {
		m, err := wasm.Parse(wasm.Assemble(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = wasm.Meter(m, wasm.Options{}); !errors.Is(err, wasm.ErrRefused) {
			t.Errorf("%q: %v", text, err)
		}
	}
	m, err := wasm.Parse(wasm.Assemble("func f () -> ()\n"))
	if err != nil {
		t.Fatal(err)
	}
	once, err := wasm.Meter(m, wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = wasm.Parse(once.Bytes); err != nil {
		t.Fatal(err)
	}
	if _, err = wasm.Meter(m, wasm.Options{}); !errors.Is(err, wasm.ErrRefused) {
		t.Errorf("metered twice: %v", err)
	}
}

// TestPrivateIndicesAreOutOfReach: a module that names what metering is about to add is invalid, and stays so.
func TestPrivateIndicesAreOutOfReach(t *testing.T) {
	for _, text := range []string{
		"func f () -> ()\n  i64.const 1000000000\n  global.set 0",
		"global i32 mut 0\nfunc f () -> ()\n  i32.const 1000000000\n  global.set 2",
		"func f () -> ()\n  i64.const 1\n  call 1\n  drop",
		"func f () -> ()\n  i64.const 1\n  local.set 0",
		"func f (i32) -> ()\n  i64.const 1\n  local.set 1",
		"func f () -> ()\n  loop\n  br 2\n  end",
		"func f () -> ()\n  i32.const 0\n  br_table 0 1",
		"func f () -> ()\n  i64.const 0\n  i32.const 0\n  call_indirect (i64) -> (i64)\n  drop",
		"elem 0 1\ntable funcref 2\nfunc f () -> ()\n",
		"func f () -> ()\n  ref.func 1\n  drop",
	} {
		b := wasm.Assemble(text)
		if _, err := wasm.Parse(b); !errors.Is(err, wasm.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
		if accepts(interpreter(t), b) == nil {
			t.Errorf("%q is valid", text)
		}
	}
}

// TestKeyNamesEverything that changes the rewritten bytes.
func TestKeyNamesEverything(t *testing.T) {
	if wasm.CostHash() == "" || !strings.Contains(wasm.Options{}.Key(), wasm.CostHash()) {
		t.Error("no hash of the cost table in the key")
	}
	if (wasm.Options{}).Key() != (wasm.Options{StackBudget: wasm.DefaultStackBudget, Limits: wasm.DefaultLimits}).Key() {
		t.Error("defaults have two keys")
	}
	if (wasm.Options{}).Key() == (wasm.Options{StackBudget: 1 << 20}).Key() {
		t.Error("the stack budget is not in the key")
	}
}

// TestLocate finds each instruction of a function again.
func TestLocate(t *testing.T) {
	in := wasm.Assemble("import env.host () -> ()\nfunc f (i32) -> ()\n  loop\n    local.get 0\n    br_if 0\n  end\n  call $host\n  unreachable\nfunc g () -> ()\n")
	m, err := wasm.Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := wasm.Meter(m, wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	last := 0
	for at := range 200 {
		p, ok := out.Locate(2, at)
		if !ok || p.Func != 1 || p.Name != "f" {
			t.Fatalf("%+v %v", p, ok)
		}
		if p.Offset < last {
			t.Fatalf("offset %d leads back from %d to %d", at, last, p.Offset)
		}
		last = p.Offset
		seen[in[last]] = true
	}
	if end := bytes.Index(in, []byte{0x10, 0x00, 0x00, 0x0b}) + 3; last != end { // call 0, unreachable, end
		t.Errorf("the end of the function is at %d, not at %d", end, last)
	}
	for _, op := range []byte{0x03, 0x20, 0x0d, 0x0b, 0x10, 0x00} {
		if !seen[op] {
			t.Errorf("no offset leads to the instruction %#x", op)
		}
	}
	if p, ok := out.Locate(0, -1); !ok || p.Name != "env.host" {
		t.Errorf("%v %v", p, ok)
	}
	if p, ok := out.Locate(3, -1); !ok || p.String() != "g" {
		t.Errorf("%v %v", p, ok)
	}
	if _, ok := out.Locate(out.Refill, 0); ok {
		t.Error("the meter's import has a place in the author's module")
	}
	if _, ok := out.Locate(4, 0); ok {
		t.Error("a function that does not exist has a place")
	}
}
