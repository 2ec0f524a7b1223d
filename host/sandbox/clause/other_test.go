package clause

import (
	"context"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
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

	base := &outcome{calls: []call{{name: "emit", params: [6]uint64{1}}}, made: 1}
	for _, o := range []*outcome{{calls: []call{{name: "emit", params: [6]uint64{2}}}, made: 1}, {}, {calls: base.calls, made: 2}} {
		if otherCalls(base, o) == "" || otherCalls(o, base) == "" {
			t.Errorf("%+v is taken for equal", o)
		}
	}
	if d := otherCalls(base, base); d != "" {
		t.Error(d)
	}
}

// What a guest says cannot move a terminal's cursor, and fits a line.
func TestPlain(t *testing.T) {
	if got := plain("one\ntwo\x1b[2J\tü"); got != "one two\ufffd[2J ü" {
		t.Errorf("%q", got)
	}
	if got := plain(strings.Repeat("ü", 10_000)); len([]rune(got)) != 401 {
		t.Errorf("%d runes", len([]rune(got)))
	}
}

// TestCodeOfTheProduct: a product's module is checked as its nodes run it, canonical NaNs included.
func TestCodeOfTheProduct(t *testing.T) {
	p := &host.Product{Code: host.Code{NaNs: host.CanonicalNaNs}}
	s, err := Product(p, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s = s.withDefaults()
	if got := sandboxSpec(nil, newRun(s.Spec, *s.ports)).Product.Code; got != p.Code {
		t.Errorf("the guest is run as %+v", got)
	}
}
