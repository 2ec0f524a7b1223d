package clause_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/sandbox/clause"
)

// guestText is a guest that was written from the SPEC alone; faultyText one that breaks it in many ways.
const guestText, faultyText = "../../../abi/testdata/guest.wat", "../../../abi/testdata/faulty.wat"

// mutant is the guest with one fault, which must be found by its clause.
type mutant struct {
	clauses  string // all that fail, its own first
	old, new string // of its text
	spec     func(*abitest.Spec)
}

// more goes before a function of the guest, whose own text stays.
func more(field string) string { return field + "\n  (func (export \"adp_abi\")" }

const abiFunc = `(func (export "adp_abi")`

const memory = `(memory (export "memory") 1)`

const lastEmit = `(call $emit (i32.const 0) (i32.const 64))))`

var mutants = []mutant{
	{"module", `(result i32) (i32.const 1))`, `(result i32) (i64.const 1))`, nil},
	{"size", abiFunc, more(strings.Repeat("(global i32 (i32.const 0))", 400)), nil},
	{"exports reserved", `(func (export "adp_flush")`, `(func (export "adp_flash")`, nil},
	{"exports", `(memory (export "memory") 1)`, `(memory 1)`, nil},
	{"signatures", `(result i32) (i32.const 1))`, `(result i64) (i64.const 1))`, nil},
	{"imports", `(import "adp_v1" "log"`, `(import "env" "log"`, nil},
	{"imports", memory, `(import "adp_v1" "clock" (func (result i32))) ` + memory, nil},
	{"imports", memory, `(import "env" "memory" (memory 1)) (export "memory" (memory 0))`, nil},
	{"reserved", abiFunc, more(`(global (export "adp_mine") i32 (i32.const 0))`), nil},
	{"initialize", abiFunc, more(`(func (export "_initialize") unreachable)`), nil},
	{"initialize", abiFunc, more(`(func $start unreachable) (start $start)`), nil},
	{"before-open", memory, `(import "adp_v1" "config" (func $config (param i32 i32 i32 i32) (result i64)))
		(func (export "_initialize") (drop (call $config (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0)))) ` + memory, nil},
	{"open", `(call $array (i32.const 64) (i64.const 1) (i32.const 320))`, `unreachable`, nil},
	{"batches", `(local.set $columns`, `(if (i32.gt_u (local.get $n) (i32.const 64)) (then unreachable))
		(local.set $columns`, nil},
	{"batches", `(local.set $columns`, `(if (i32.gt_u (local.get $n) (i32.const 4000)) (then unreachable))
		(local.set $columns`, nil},
	{"flush", lastEmit, lastEmit[:len(lastEmit)-2] + ` (return (i32.const 1))))`, nil},
	{"empty-run", `(i64.store (i32.const 368)`, `(if (i64.eqz (global.get $rows)) (then unreachable))
		(i64.store (i32.const 368)`, nil},
	{"status flush", lastEmit, `(i32.const 77)))`, nil},
	{"unknown-status", `(if (local.get $status)`, `(if (i32.eq (local.get $status) (i32.const 1))`, nil},
	{"pointers", `(i64.store (i32.const 368)`, `(drop (call $log (i32.const 1) (i32.const 0x7fffffff) (i32.const 10)))
		(i64.store (i32.const 368)`, nil},
	{"larger-buffer", memory, `(import "adp_v1" "config" (func $config (param i32 i32 i32 i32) (result i64)))
		(func $ask (drop (call $config (i32.const 512) (i32.const 4) (i32.const 640) (i32.const 8)))) ` + memory, func(s *abitest.Spec) {
		s.Config = map[string]string{"this": "a setting of more than eight bytes"}
	}},
	{"alloc-aligned", `(i32.const 63)) (i32.const -64)))`, `(i32.const 15)) (i32.const -16)))`, nil},
	{"alloc-inside before-open batches alloc-own alloc-full free", `(if (i64.gt_s (local.get $short) (i64.const 0))`, `(if (i32.const 0)`, nil},
	{"alloc-own arena-unwritten emit-array", `(global.set $top (i32.wrap_i64 (local.get $end)))`, `(global.set $top (i32.add (local.get $at) (i32.const 16)))`, nil},
	{"alloc-own arena-not-kept arena-unwritten", `(if (i32.eq (i32.add (local.get $at) (local.get $size)) (global.get $top))`, `(if (i32.const 1)`, nil},
	{"alloc-own emit-array", `(local.set $doubled (call $alloc (local.get $bytes)))`, `(local.set $doubled (i32.const 57344))`, nil},
	{"alloc-full", `(then (return (i32.const 0))))))`, `(then (return (i32.const 64))))))`, nil},
	{"alloc-quiet emit-array", `(local $at i32) (local $end i64) (local $short i64)`, `(local $at i32) (local $end i64) (local $short i64)
		(drop (call $emit (i32.const 0) (i32.const 64)))`, nil},
	{"free", `(then (global.set $top (local.get $at))))`, `(then (global.set $top (local.get $at))) (else unreachable))`, nil},
	{"arena-unwritten", `(call $keep_name (i32.load offset=4 (local.get $columns)) (local.get $n)))`, `(i64.store (local.get $array) (i64.const 0))
		(call $keep_name (i32.load offset=4 (local.get $columns)) (local.get $n)))`, nil},
	{"arena-not-kept", `(memory.copy (global.get $name) (i32.add (i32.load offset=8 (local.get $buffers)) (local.get $from)) (local.get $len))`,
		`(global.set $name (i32.add (i32.load offset=8 (local.get $buffers)) (local.get $from)))`, nil},
	{"open-block", `(call $three_columns (i32.load offset=8 (local.get $open)))`, `(call $three_columns (i32.add (local.get $open) (i32.const 64)))`, nil},
	{"operations", "328", "332", upserting},
	{"emit-port flush", lastEmit, `(call $emit (i32.const 1) (i32.const 64))))`, nil},
	{"emit-inside", `(i32.store (i32.const 360) (local.get $doubled))`, `(i32.store (i32.const 360) (i32.const 0x7ffffff8))`, nil},
	{"emit-aligned", `(i32.store (i32.const 360) (local.get $doubled))`, `(i32.store (i32.const 360) (i32.add (i32.const 4) (local.get $doubled)))`, nil},
	{"emit-array", `(call $array (i32.const 256) (i64.const 2)`, `(call $array (i32.const 256) (i64.const 3)`, nil},
	{"emit-array", `(i64.store offset=8 (i32.const 192) (i64.const -1))`, `(i64.store offset=8 (i32.const 192) (i64.const 1))`, nil},
	{"empty-batch", `(local.set $columns`, `(if (i32.eqz (local.get $n)) (then unreachable))
		(local.set $columns`, nil},
	{"offset", `(local.set $first (i32.wrap_i64 (i64.load offset=16 (local.get $amounts))))`, `(local.set $first (i32.const 0))`, nil},
	{"offset", `(i32.add (i32.wrap_i64 (i64.load offset=16 (local.get $column))) (local.get $n))`, `(local.get $n)`, nil},
	{"first-offset", `(local.set $from (i32.load (local.get $i)))`, `(local.set $from (i32.sub (i32.load (local.get $i)) (i32.load (i32.load offset=4 (local.get $buffers)))))
		(if (i32.ne (i32.load (i32.load offset=4 (local.get $buffers))) (i32.const 0)) (then (return (i32.const 1))))`, nil},
	{"validity", `(i32.and (i32.const 1) (i32.shr_u`, `(i32.and (i32.const 0) (i32.shr_u`, nil},
	{"members", memory, `(import "adp_v1" "decide" (func $decide (param i32 i32 i32 i32) (result i64)))
		(func $ask (if (i64.gt_s (call $decide (i32.const 512) (i32.const 4) (i32.const 640) (i32.const 300)) (i64.const 60)) (then unreachable))) ` + memory, nil},
	{"version", `(result i32) (i32.const 1))`, `(result i32) (i32.const 2))`, nil},
}

// upserting makes the output one whose last column is the operation.
func upserting(s *abitest.Spec) {
	s.Outputs[0] = abitest.Port{Name: "out", Mode: abi.ModeUpsert, Fields: []abitest.Field{
		{Name: "id", Format: "l"}, {Name: "amount", Format: "g", Nullable: true}, {Name: abi.ColumnOp, Format: "u", Nullable: true}}}
}

// text is the guest's with the fault in it.
func (m mutant) text(t *testing.T, guest string) string {
	if !strings.Contains(guest, m.old) {
		t.Fatalf("the guest has no %q", m.old)
	}
	if m.clauses == "operations" {
		return strings.NewReplacer("i32.store (i32.const 328)", "i32.store (i32.const 332)", "i32.store (i32.const 332)", "i32.store (i32.const 328)").Replace(guest)
	}
	out := strings.Replace(guest, m.old, m.new, 1)
	if strings.Contains(m.new, "(func $ask") {
		out = strings.Replace(out, "(i64.store (i32.const 368)", "(call $ask) (i64.store (i32.const 368)", 1)
	}
	return out
}

// TestMutants: every clause is failed by a guest with a fault that it is there for.
func TestMutants(t *testing.T) {
	guest, err := os.ReadFile(guestText)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, sandbox.Config{})
	found := map[string]bool{"deterministic": true} // TestOtherRun
	for _, m := range mutants {
		s := clause.Subject{Module: wat2wasm(t, m.text(t, string(guest))), Spec: clause.Standard()}
		if m.spec != nil {
			m.spec(&s.Spec)
		}
		list := check(t, e, s)
		want := strings.Fields(m.clauses)
		own := want[0]
		found[own] = true
		i := slices.IndexFunc(list, func(f clause.Finding) bool { return f.Clause == own })
		if got := failures(list); !sameWords(got, want) || list[i].Asks == "" || list[i].Mend == "" {
			t.Errorf("a guest with %q fails %v, want %v: %+v", m.new, got, want, list[i])
		}
		t.Logf("%-16s %s", own, list[i].Seen)
	}
	for _, c := range clause.Clauses {
		if !found[c.Name] {
			t.Errorf("no mutant fails %s", c.Name)
		}
	}
}

func sameWords(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func check(t *testing.T, e *sandbox.Engine, s clause.Subject) []clause.Finding {
	t.Helper()
	list, err := clause.Check(context.Background(), e, s)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// failures are the clauses that failed.
func failures(list []clause.Finding) (out []string) {
	for _, f := range list {
		if f.Result == clause.Fail {
			out = append(out, f.Clause)
		}
	}
	return out
}

// wat2wasm assembles a module, also one that is not valid.
func wat2wasm(t *testing.T, text string) []byte {
	t.Helper()
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		t.Skip("NOT CHECKED: there is no wat2wasm here (Debian: wabt)")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "guest.wat"), filepath.Join(dir, "guest.wasm")
	if err := os.WriteFile(in, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command(tool, "--debug-names", "--no-check", in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
