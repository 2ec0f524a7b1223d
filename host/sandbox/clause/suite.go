package clause

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/sandbox"
)

// SuiteSection is the section of findings that come of the suite of abi/abitest, not of a clause.
const SuiteSection = "suite"

// Suite runs the suite of abi/abitest over a module that claims to be the reference product: a finding for each of its parts.
func Suite(e *sandbox.Engine, module []byte) []Finding {
	t := &part{}
	abitest.Run(t, Harness{Engine: e, Module: module})
	return t.findings
}

// part is a part of the suite that is under way. It stands for *testing.T outside of go test.
type part struct {
	findings []Finding // of the parts of this one
	faults   []string
	cleanups []func()
}

// abandoned unwinds a part that goes no further.
type abandoned struct{}

func (p *part) Helper() {}
func (p *part) Error(args ...any) {
	p.faults = append(p.faults, strings.TrimSpace(fmt.Sprintln(args...)))
}
func (p *part) Errorf(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}
func (p *part) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

func (p *part) Fatal(args ...any) {
	p.Error(args...)
	panic(abandoned{})
}

func (p *part) Fatalf(format string, args ...any) {
	p.Errorf(format, args...)
	panic(abandoned{})
}

// Run runs a part and says what became of it.
func (p *part) Run(name string, f func(*part)) bool {
	child := &part{}
	child.run(f)
	found := Finding{Section: SuiteSection, Clause: strings.ToLower(name), Result: OK, Seen: "as the reference product does"}
	if len(child.faults) > 0 {
		found = Finding{Section: SuiteSection, Clause: strings.ToLower(name), Result: Fail, Seen: listed(child.faults),
			Asks: "what abi/abitest describes", Mend: "see the part " + name + " of the suite in abi/abitest"}
	}
	p.findings = append(p.findings, found)
	return found.Result == OK
}

func (p *part) run(f func(*part)) {
	defer func() {
		for _, clean := range slices.Backward(p.cleanups) {
			clean()
		}
	}()
	defer func() {
		if r := recover(); r != nil && r != any(abandoned{}) {
			panic(r)
		}
	}()
	f(p)
}
