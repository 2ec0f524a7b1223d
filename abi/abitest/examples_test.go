package abitest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
)

// exampleSpec is a run of the SDKs' example product.
func exampleSpec() abitest.Spec {
	col := func(name, format string, nullable bool) abitest.Field {
		return abitest.Field{Name: name, Format: format, Nullable: nullable}
	}
	return abitest.Spec{
		RunID:  "example",
		Config: map[string]string{"minimum_cost": "10"},
		Inputs: []abitest.Port{
			{Name: "airports", Mode: abi.ModeSnapshot, Fields: []abitest.Field{col("code", "u", false), col("name", "u", false), col("city", "u", true)}},
			{Name: "strikes", Mode: abi.ModeIncremental, Fields: []abitest.Field{col("airport", "u", false), col("date", "tdD", false), col("cost", "l", true)}},
		},
		Outputs: []abitest.Port{{Name: "risk", Mode: abi.ModeUpsert, Fields: []abitest.Field{col("airport", "u", false), col("name", "u", true),
			col("city", "u", true), col("strikes", "l", false), col("cost", "l", false), col("last", "tdD", false), col(abi.ColumnOp, "u", true)}}},
	}
}

// runExample runs the example twice, the second time on the state of the first, and tells all that came out.
func runExample(t *testing.T, module []byte) string {
	t.Helper()
	h := newPlain(t, module)
	s := exampleSpec()
	var out strings.Builder
	for run := range 2 {
		in := h.Start(t, s)
		var strikes []abitest.Row
		for i := range 10_000 {
			var cost any
			if i%7 > 0 {
				cost = int64(i % 1000)
			}
			strikes = append(strikes, abitest.Row{fmt.Sprint("A", i%(40+run)), int32(i % 365), cost})
		}
		if err := in.Open(); err != nil {
			t.Fatal(err)
		}
		for _, step := range []func() error{
			func() error {
				return in.Process(0, []abitest.Row{{"A1", "One", "Town"}, {"A2", "Two", nil}})
			},
			func() error { return in.Process(1, strikes[:5000]) },
			func() error { return in.Process(1, strikes[5000:]) },
			in.Flush,
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		r := in.Result()
		fmt.Fprintf(&out, "run %d\n%s%v\n%v\n", run, abitest.Text(r.Emitted["risk"]), r.Logs, r.Metrics)
		s.State = r.State
		in.Close()
	}
	fmt.Fprintf(&out, "%d keys\n", len(s.State))
	return out.String()
}

// runKernel runs each job of the benchmark product.
func runKernel(t *testing.T, module []byte) string {
	t.Helper()
	h := newPlain(t, module)
	number := func(name, format string) abitest.Field { return abitest.Field{Name: name, Format: format} }
	var out strings.Builder
	for _, job := range []string{"kernel", "dense", "bytesum"} {
		in := h.Start(t, abitest.Spec{
			Config:  map[string]string{"job": job},
			Inputs:  []abitest.Port{{Name: "rows", Mode: abi.ModeIncremental, Fields: []abitest.Field{number("k", "l"), number("v", "g"), number("name", "u")}}},
			Outputs: []abitest.Port{{Name: "sums", Mode: abi.ModeAppend, Fields: []abitest.Field{number("rows", "l"), number("sum", "g")}}},
		})
		var rows []abitest.Row
		for i := range 4099 {
			rows = append(rows, abitest.Row{int64(i * 7 % 1000), float64(i) / 3, strings.Repeat(string(rune('a'+i%26)), i%9)})
		}
		for _, step := range []func() error{in.Open, func() error { return in.Process(0, rows) }, in.Flush} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintf(&out, "%s %s", job, abitest.Text(in.Result().Emitted["sums"]))
		in.Close()
	}
	return out.String()
}

func sameOutputs(t *testing.T, name string, a, b []byte) {
	t.Helper()
	run := map[string]func(*testing.T, []byte) string{"example": runExample, "kernel": runKernel}[name]
	if x, y := run(t, a), run(t, b); x != y {
		t.Errorf("%s: outputs differ:\n%s\nand\n%s", name, x, y)
	}
}

// TestExamplesAgree: the same product in two languages does the same, state and log included.
func TestExamplesAgree(t *testing.T) {
	for _, name := range []string{"example", "kernel"} {
		sameOutputs(t, name, abitest.BuildGo(t, name), abitest.PrebuiltRust(t, name))
	}
}
