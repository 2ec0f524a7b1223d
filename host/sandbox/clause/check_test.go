package clause_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/sandbox/clause"
)

// prebuilt is the committed module of a text: it is that of the text where there is an assembler, and stands for it where there is none.
func prebuilt(t *testing.T, wat string) []byte {
	t.Helper()
	b, err := os.ReadFile(strings.TrimSuffix(wat, ".wat") + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("wat2wasm"); err != nil {
		t.Log("NOT COMPARED with its text: there is no wat2wasm here (Debian: wabt)")
		return b
	}
	text, err := os.ReadFile(wat)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(wat2wasm(t, string(text)), b) {
		t.Errorf("the committed module of %s is another one: wat2wasm --debug-names %s", wat, wat)
	}
	return b
}

// results are the clauses with that result.
func results(list []clause.Finding, r clause.Result) (out []string) {
	for _, f := range list {
		if f.Result == r {
			out = append(out, f.Clause)
		}
	}
	return out
}

// A guest in plain text, written from the SPEC alone, keeps every clause that it comes to.
func TestGuestFromSpec(t *testing.T) {
	e := newEngine(t, sandbox.Config{})
	list := check(t, e, clause.Subject{Module: prebuilt(t, guestText)})
	if got := failures(list); got != nil {
		t.Errorf("failed: %v\n%+v", got, list)
	}
	want := []string{"larger-buffer", "operations", "members"}
	if got := results(list, clause.NotShown); !slices.Equal(got, want) {
		t.Errorf("not shown: %v, want %v", got, want)
	}
}

// A guest with many faults is told all of them at once.
func TestFaultyGuest(t *testing.T) {
	list := check(t, newEngine(t, sandbox.Config{}), clause.Subject{Module: prebuilt(t, faultyText)})
	want := []string{"before-open", "unknown-status", "alloc-aligned", "alloc-full", "arena-not-kept", "arena-unwritten", "open-block", "empty-batch", "validity", "offset"}
	if got := failures(list); !slices.Equal(got, want) {
		t.Errorf("failed: %v, want %v", got, want)
	}
}

// The reference products of the SDKs come to every clause and keep it, and pass the suite.
func TestReferenceProducts(t *testing.T) {
	for name, module := range map[string][]byte{"Go": abitest.BuildGo(t, "conform"), "Rust": abitest.PrebuiltRust(t, "conform")} {
		e := newEngine(t, sandbox.Config{})
		for _, f := range check(t, e, clause.Reference(module)) {
			if f.Result != clause.OK {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// The suite outside of go test gives a finding a part, and says what is wrong. TestScripts in cmd/adp has it pass.
func TestSuite(t *testing.T) {
	e := newEngine(t, sandbox.Config{})
	list := clause.Suite(e, prebuilt(t, guestText)) // of other ports
	if len(list) < 15 {
		t.Errorf("only %d parts", len(list))
	}
	for _, f := range list {
		if f.Result != clause.Fail || !strings.Contains(f.Seen+f.Mend, "three columns") && f.Clause != "failures" {
			t.Errorf("%+v", f)
		}
	}
}

// A guest that refuses the ports it is given has done nothing wrong; what needs a run is not shown.
func TestOtherPorts(t *testing.T) {
	s := clause.Reference(prebuilt(t, guestText))
	list := check(t, newEngine(t, sandbox.Config{}), s)
	if got := failures(list); got != nil {
		t.Errorf("failed: %v", got)
	}
	i := slices.IndexFunc(list, func(f clause.Finding) bool { return f.Clause == "open" })
	if list[i].Result != clause.NotShown || !strings.Contains(list[i].Seen, "this guest wants one input") {
		t.Errorf("%+v", list[i])
	}
	if got := results(list, clause.OK); !slices.Contains(got, "alloc-aligned") || slices.Contains(got, "batches") {
		t.Errorf("ok: %v", got)
	}
}

// A guest that tells the time is not blamed for what it tells: its clock goes on with its work, of which another layout makes more.
func TestTellsTime(t *testing.T) {
	b, err := os.ReadFile(guestText)
	if err != nil {
		t.Fatal(err)
	}
	clock := mutant{"time", memory, `(import "adp_v1" "clock" (func $clock (result i64))) ` + memory, nil}.text(t, string(b))
	clock = mutant{"time", `(i64.store (i32.const 368) (global.get $rows))`, `(i64.store (i32.const 368) (call $clock))`, nil}.text(t, clock)
	e := newEngine(t, sandbox.Config{})
	if got := failures(check(t, e, clause.Subject{Module: wat2wasm(t, clock)})); got != nil {
		t.Errorf("failed: %v", got)
	}
}

// A check that is interrupted gives no findings.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if list, err := clause.Check(ctx, newEngine(t, sandbox.Config{}), clause.Subject{Module: prebuilt(t, guestText)}); err == nil {
		t.Errorf("%+v", list)
	}
}

// Columns that a product asks for in another form cross in it, in rows that fit it.
func TestForms(t *testing.T) {
	columns := host.Schema{Fields: []host.Field{{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
		{Name: "name", Type: host.Type{Kind: host.String}}, {Name: "amount", Type: host.Type{Kind: host.Float64}}}}
	p := &host.Product{Inputs: []host.Input{{Name: "in", Mode: host.Incremental, Schema: columns, Forms: host.Forms{"id": "int16"}}},
		Outputs: []host.Output{{Name: "out", Mode: host.Append, Schema: columns, Forms: host.Forms{"id": "int16"}}}}
	e := newEngine(t, sandbox.Config{})
	s, err := clause.Product(p, prebuilt(t, guestText), nil)
	if err != nil {
		t.Fatal(err)
	}
	list := check(t, e, s)
	if got := failures(list); got != nil {
		t.Errorf("failed: %v: %+v", got, list)
	}
	want := []string{"larger-buffer", "open-block", "operations", "validity", "offset", "first-offset", "members"}
	if got := results(list, clause.NotShown); !slices.Equal(got, want) {
		t.Errorf("not shown: %v, want %v", got, want)
	}
	p.Outputs[0].Forms = host.Forms{"name": "large_utf8"} // which the guest does not make
	if s, err = clause.Product(p, prebuilt(t, guestText), nil); err != nil {
		t.Fatal(err)
	}
	if got := failures(check(t, e, s)); len(got) == 0 {
		t.Error("rows in the wrong form are taken")
	}
}

// A guest that never returns is ended, and the check with it.
func TestSpinning(t *testing.T) {
	b, err := os.ReadFile(guestText)
	if err != nil {
		t.Fatal(err)
	}
	spin := mutant{"", `(call $array (i32.const 64) (i64.const 1) (i32.const 320))`, `(loop $l (br $l))`, nil}.text(t, string(b))
	list := check(t, newEngine(t, sandbox.Config{}), clause.Subject{Module: wat2wasm(t, spin), Deadline: 100 * time.Millisecond})
	i := slices.IndexFunc(list, func(f clause.Finding) bool { return f.Clause == "open" })
	if list[i].Result != clause.Fail || !strings.Contains(list[i].Seen, "deadline") {
		t.Errorf("%+v", list[i])
	}
}

// A guest that calls its host very often is looked at for a while, and counted.
func TestManyCalls(t *testing.T) {
	b, err := os.ReadFile(guestText)
	if err != nil {
		t.Fatal(err)
	}
	text := mutant{"many", memory, `(import "adp_v1" "clock" (func $clock (result i64))) ` + memory, nil}.text(t, string(b))
	text = mutant{"many", `(i64.store (i32.const 368)`, `(loop $l (drop (call $clock))
		(i32.store (i32.const 640) (i32.add (i32.load (i32.const 640)) (i32.const 1))) (br_if $l (i32.lt_u (i32.load (i32.const 640)) (i32.const 150000))))
		(i64.store (i32.const 368)`, nil}.text(t, text)
	list := check(t, newEngine(t, sandbox.Config{}), clause.Subject{Module: wat2wasm(t, text)})
	i := slices.IndexFunc(list, func(f clause.Finding) bool { return f.Clause == "pointers" })
	if list[i].Result != clause.OK || list[i].Seen != "150010 calls into the host" || failures(list) != nil {
		t.Errorf("%+v, failed: %v", list[i], failures(list))
	}
}

// An input that comes from another product may be a change feed: a guest that wants one is given one.
func TestChangeFeed(t *testing.T) {
	b, err := os.ReadFile(guestText)
	if err != nil {
		t.Fatal(err)
	}
	text := mutant{"feed", `(call $three_columns (i32.load offset=8 (local.get $open)))`,
		`(i64.eq (i64.load offset=24 (i32.load offset=12 (i32.load offset=8 (local.get $open)))) (i64.const 5))`, nil}.text(t, string(b))
	columns := host.Schema{Fields: []host.Field{{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
		{Name: "name", Type: host.Type{Kind: host.String}}, {Name: "amount", Type: host.Type{Kind: host.Float64}}}}
	p := &host.Product{Inputs: []host.Input{{Name: "in", From: "adp://./a/b/c", Mode: host.Incremental, Schema: columns}},
		Outputs: []host.Output{{Name: "out", Mode: host.Append, Schema: columns}}}
	s, err := clause.Product(p, wat2wasm(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	list := check(t, newEngine(t, sandbox.Config{}), s)
	want := []string{"larger-buffer", "operations", "members"}
	if got := results(list, clause.NotShown); !slices.Equal(got, want) || failures(list) != nil {
		t.Errorf("not shown: %v, failed: %v", got, failures(list))
	}
}

// A guest that refuses unusual rows, and says why, is given others.
func TestUsualRows(t *testing.T) {
	b, err := os.ReadFile(guestText)
	if err != nil {
		t.Fatal(err)
	}
	text := mutant{"usual", `    (local.set $amounts (i32.load offset=8`, `    (if (i32.and (i32.ne (local.get $n) (i32.const 0)) (i64.gt_u (i64.load (i32.add
		(i32.shl (i32.wrap_i64 (i64.load offset=16 (i32.load (local.get $columns)))) (i32.const 3))
		(i32.load offset=4 (i32.load offset=40 (i32.load (local.get $columns)))))) (i64.const 1023)))
      (then (drop (call $log (i32.const 3) (i32.const 512) (i32.const 58))) (return (i32.const 1))))
    (local.set $amounts (i32.load offset=8`, nil}.text(t, string(b))
	list := check(t, newEngine(t, sandbox.Config{}), clause.Subject{Module: wat2wasm(t, text)})
	if got := results(list, clause.NotShown); len(got) != 3 || failures(list) != nil {
		t.Errorf("not shown: %v, failed: %v: %+v", got, failures(list), list)
	}
}
