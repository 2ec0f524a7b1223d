package clause

import (
	"context"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/sandbox"
)

// TestOtherRun: no guest can tell two equal runs apart in this sandbox, so this one is given two that are not: the clause
// deterministic sees calls that differ, and rows.
func TestOtherRun(t *testing.T) {
	e, err := sandbox.New(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	s := Reference(abitest.PrebuiltRust(t, "conform"))
	s.Spec.RunID = "one"
	x := newExam(context.Background(), e, s)
	if !x.plainRun() {
		t.Fatal(x.why)
	}
	x.same("deterministic", manner{}, "equal")
	if f := x.findings["deterministic"]; f.Result != OK {
		t.Fatalf("%+v", f)
	}
	x.subject.Spec.RunID = "two" // other bytes from random
	x.same("deterministic", manner{}, "equal")
	if f := x.findings["deterministic"]; f.Result != Fail || !strings.Contains(f.Seen, "random") {
		t.Errorf("%+v", f)
	}

	base, then := []call{{name: "emit", params: [6]uint64{1}}}, []call{{name: "emit", params: [6]uint64{2}}}
	for _, d := range []string{otherCalls(base, then), otherCalls(base, nil), otherCalls(nil, then)} {
		if d == "" {
			t.Error("calls that differ are taken for equal")
		}
	}
	if d := otherCalls(base, base); d != "" {
		t.Error(d)
	}
}
