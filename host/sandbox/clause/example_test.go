package clause_test

import (
	"slices"
	"testing"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/sandbox/clause"
)

// exampleSpec is a run of the SDKs' example product: what bird strikes cost each airport.
func exampleSpec() abitest.Spec {
	text := func(name string, null bool) abitest.Field {
		return abitest.Field{Name: name, Format: "u", Nullable: null}
	}
	number := func(name string, null bool) abitest.Field {
		return abitest.Field{Name: name, Format: "l", Nullable: null}
	}
	date := func(name string) abitest.Field { return abitest.Field{Name: name, Format: "tdD"} }
	return abitest.Spec{
		RunID:  "run-1",
		Config: map[string]string{"minimum_cost": "10"},
		Inputs: []abitest.Port{
			{Name: "airports", Mode: abi.ModeSnapshot, Fields: []abitest.Field{text("code", false), text("name", false), text("city", true)}},
			{Name: "strikes", Mode: abi.ModeIncremental, Fields: []abitest.Field{text("airport", false), date("date"), number("cost", true)}},
		},
		Outputs: []abitest.Port{{Name: "risk", Mode: abi.ModeUpsert, Fields: []abitest.Field{text("airport", false), text("name", true),
			text("city", true), number("strikes", false), number("cost", false), date("last"), text(abi.ColumnOp, true)}}},
		State: map[string][]byte{"strikes/SEA": {41, 0, 0, 0, 0, 0, 0, 0}},
	}
}

// The same example in two languages and two engines, looked at often and seldom, gives the same rows and state.
func TestExamples(t *testing.T) {
	golang, rust := abitest.BuildGo(t, "example"), abitest.PrebuiltRust(t, "example")
	var first abitest.Result
	dir := t.TempDir()
	for n, c := range []struct {
		name   string
		cfg    sandbox.Config
		module []byte
	}{
		{"Go", sandbox.Config{}, golang}, {"Rust", sandbox.Config{}, rust},
		{"Go, interpreter", sandbox.Config{Interpreter: true}, golang}, {"Rust, interpreter", sandbox.Config{Interpreter: true}, rust},
		{"Go, short quanta", sandbox.Config{Quantum: 1000}, golang}, {"Rust, long quanta", sandbox.Config{Quantum: 1 << 40}, rust},
	} {
		c.cfg.CacheDir = dir
		in := clause.Harness{Engine: newEngine(t, c.cfg), Module: c.module}.Start(t, exampleSpec())
		for _, err := range []error{
			in.Open(),
			in.Process(0, []abitest.Row{{"SEA", "Seattle-Tacoma", "Seattle"}, {"XYZ", "Nowhere", nil}}),
			in.Process(1, []abitest.Row{{"SEA", int32(20000), int64(100)}, {"SEA", int32(19000), int64(5)}, {"PDX", int32(20001), int64(70)}}),
			in.Process(1, []abitest.Row{{"PDX", int32(18000), int64(30)}}),
			in.Flush(),
		} {
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		got := in.Result()
		if n == 0 {
			first = got
			if text := abitest.Text(got.Emitted["risk"]); text != "\"PDX\", null, null, 2, 100, 20001, null\n\"SEA\", \"Seattle-Tacoma\", \"Seattle\", 42, 100, 20000, null\n" {
				t.Errorf("rows:\n%s", text)
			}
		}
		if a, b := abitest.Text(got.Emitted["risk"]), abitest.Text(first.Emitted["risk"]); a != b {
			t.Errorf("%s emits\n%swant\n%s", c.name, a, b)
		}
		if a, b := len(got.State), len(first.State); a != b || !slices.Equal(got.State["strikes/SEA"], first.State["strikes/SEA"]) {
			t.Errorf("%s leaves the state %v, want %v", c.name, got.State, first.State)
		}
	}
}
