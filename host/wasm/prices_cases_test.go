package wasm

import (
	"fmt"
	"strings"
)

// Spending is a module whose function run(n) executes one instruction over and over, n times a few dozens, each depending on the one
// before where it can.
type Spending struct {
	Name   string
	Module []byte
	Free   bool // told, not judged: what is slow about it is not the instruction
}

// Spendings are all instructions that do something, by themselves, and what makes some of them slow.
func Spendings() []Spending {
	var out []Spending
	t := opcodes()
	for _, ops := range [][]*opcode{t.core[:], t.misc[:], t.vector[:]} {
		for _, op := range ops {
			if op != nil && op.typed && !op.dynamic && op.name != "nop" && !strings.HasSuffix(op.name, ".drop") {
				out = append(out, Spending{Name: op.name, Module: spending(startFor(op), unitOf(op))})
			}
		}
	}
	for name, unit := range map[string]string{
		"select":              "local.get 1\nlocal.get 2\nlocal.get 0\nselect\nlocal.set 1",
		"select of floats":    "local.get 7\nlocal.get 8\nlocal.get 0\nselect\nlocal.set 7",
		"select of vectors":   "local.get 9\nlocal.get 10\nlocal.get 0\nselect\nlocal.set 9",
		"globals":             "global.get 0\nlocal.get 1\ni32.xor\nglobal.set 0",
		"table.get, set":      "i32.const 3\ni32.const 2\ntable.get 0\ntable.set 0",
		"ref.func, is_null":   "ref.func $nothing\nref.is_null\nlocal.get 1\ni32.xor\nlocal.set 1",
		"block, br":           "block\nlocal.get 1\ni32.const 1\ni32.xor\nlocal.set 1\nbr 0\nend",
		"if, else":            "local.get 1\nif\nlocal.get 1\ni32.const 1\ni32.sub\nlocal.set 1\nelse\nlocal.get 2\nlocal.set 1\nend",
		"br_table":            "block\nblock\nblock\nlocal.get 1\ni32.const 3\ni32.and\nbr_table 0 1 2\nend\nend\nend\nlocal.get 1\ni32.const 1\ni32.add\nlocal.set 1",
		"loop":                "i32.const 8\nlocal.set 1\nloop\nlocal.get 1\ni32.const 1\ni32.sub\nlocal.tee 1\nbr_if 0\nend",
		"call":                "call $nothing",
		"call_indirect":       "i32.const 1\ncall_indirect () -> ()",
		"memory.size":         "memory.size\nlocal.get 1\ni32.xor\nlocal.set 1",
		"memory.grow by 0":    "i32.const 0\nmemory.grow\ndrop",
		"memory.fill of 0":    bulk("memory.fill", 0),
		"memory.fill of 32":   bulk("memory.fill", 32),
		"memory.fill of 64 K": bulk("memory.fill", 1<<16),
		"memory.copy of 0":    bulk("memory.copy", 0),
		"memory.copy of 32":   bulk("memory.copy", 32),
		"memory.copy of 64 K": bulk("memory.copy", 1<<16),
		"memory.init of 4":    "i32.const 0\ni32.const 0\ni32.const 4\nmemory.init 0",
		"table.fill of 16":    "i32.const 0\nref.null funcref\nlocal.get 11\ntable.fill 0\ni32.const 1\nref.func $nothing\ntable.set 0",
		"table.copy of 16":    "i32.const 0\ni32.const 0\ni32.const 16\ntable.copy 0 0",
		"table.grow by 0":     "ref.null funcref\ni32.const 0\ntable.grow 0\ndrop",
	} {
		out = append(out, Spending{Name: name, Module: spending("", strings.ReplaceAll(unit, "local.get 11", "i32.const 16"))})
	}
	const denormal = "i64.const 4503599627370495\nf64.reinterpret_i64\nlocal.set 7"
	for _, op := range []string{"add", "mul", "div"} {
		out = append(out, Spending{Name: "f64." + op + " of subnormals", Module: spending(denormal, unitOf(opcodeNamed("f64."+op))), Free: true})
	}
	chase := "local.get 1\ni32.const 1664525\ni32.mul\ni32.const 1013904223\ni32.add\nlocal.tee 1\ni32.const 0x3ffffff\ni32.and\ni32.load 0\nlocal.get 1\ni32.xor\nlocal.set 1"
	return append(out, Spending{Name: "i32.load far away", Module: spending("", chase), Free: true})
}

func bulk(op string, n int) string {
	return fmt.Sprintf("i32.const 65536\ni32.const 0\ni32.const %d\n%s", n, op)
}

// Two locals of each type: what instructions work on, and what they change.
var spendingLocals = map[ValueType][2]int{I32: {1, 2}, I64: {3, 4}, F32: {5, 6}, F64: {7, 8}, V128: {9, 10}}

// startFor sets operands that an instruction neither traps on nor makes simpler from turn to turn.
func startFor(op *opcode) string {
	switch {
	case op.imm[0] == immMem:
		return "i32.const 64\nlocal.set 1"
	case strings.Contains(op.name, ".rem_"):
		return "i32.const 0x7fffffff\nlocal.set 2\ni64.const 0x7fffffffffffffff\nlocal.set 4"
	case strings.Contains(op.name, ".div_"):
		return "i32.const 1\nlocal.set 2\ni64.const 1\nlocal.set 4"
	}
	return ""
}

// unitOf is the instruction with its operands, its result in the place of one of them or mixed into a local.
func unitOf(op *opcode) string {
	var s strings.Builder
	seen := map[ValueType]int{}
	for _, t := range op.params {
		fmt.Fprintf(&s, "local.get %d\n", spendingLocals[t][seen[t]%2])
		seen[t]++
	}
	s.WriteString(op.name + "\n")
	if len(op.results) == 0 {
		return s.String()
	}
	t := op.results[0]
	to := spendingLocals[t][0]
	if seen[t] == 0 {
		mix := map[ValueType]string{I32: "i32.xor", I64: "i64.xor", F32: "f32.add", F64: "f64.add", V128: "v128.xor"}[t]
		fmt.Fprintf(&s, "local.get %d\n%s\n", to, mix)
	}
	fmt.Fprintf(&s, "local.set %d\n", to)
	return s.String()
}

// spending makes the module: start once, then units in a loop, then everything is used.
func spending(start, unit string) []byte {
	const units = 32
	return Assemble(`memory 1024
table funcref 16 16
global i32 mut 0
data four
elem 0 $nothing $nothing $nothing $nothing
func nothing () -> ()
func run (i32) -> ()
  local i32 i32 i64 i64 f32 f32 f64 f64 v128 v128
  i32.const 0x7ffffff1
  local.set 1
  i32.const 5
  local.set 2
  i64.const 0x7ffffffffffffff1
  local.set 3
  i64.const 5
  local.set 4
  i32.const 0x3fc00000
  f32.reinterpret_i32
  local.set 5
  i32.const 0x3f800000
  f32.reinterpret_i32
  local.set 6
  i64.const 0x3ff8000000000000
  f64.reinterpret_i64
  local.set 7
  i64.const 0x3ff0000000000000
  f64.reinterpret_i64
  local.set 8
  local.get 3
  i64x2.splat
  local.set 9
  local.get 4
  i64x2.splat
  local.set 10
` + start + "\n  loop\n" + strings.Repeat(unit+"\n", units) + `  local.get 0
  i32.const 1
  i32.sub
  local.tee 0
  br_if 0
  end
  i32.const 0
  local.get 1
  i32.store 1024
  i32.const 0
  local.get 3
  i64.store 1024
  i32.const 0
  local.get 5
  f32.store 1024
  i32.const 0
  local.get 7
  f64.store 1024
  i32.const 0
  local.get 9
  v128.store 1024
`)
}
