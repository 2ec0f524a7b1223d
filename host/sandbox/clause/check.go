package clause

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/sandbox"
)

// Subject is a module that is held against the SPEC, and what it is run with.
type Subject struct {
	Module []byte
	// Spec has the ports, settings and state of its product. Without ports they are those of Standard.
	Spec abitest.Spec
	// Rows are fed to the inputs they are named by, whole and in parts. An input without rows gets random ones.
	Rows map[string][]abitest.Row
	// Deadline is how long the guest's own work may take in each of the runs. 0: 20 s.
	Deadline time.Duration

	usual bool   // made-up rows are nothing special
	feeds []int  // inputs that may be change feeds
	ports *ports // of a product with forms; nil: as Spec has them
}

// Standard are the ports of a module of which nothing else is known: those that §12 of the SPEC names.
func Standard() abitest.Spec {
	columns := []abitest.Field{{Name: "id", Format: "l"}, {Name: "name", Format: "u", Nullable: true}, {Name: "amount", Format: "g", Nullable: true}}
	return abitest.Spec{
		Inputs:  []abitest.Port{{Name: "in", Mode: abi.ModeIncremental, Fields: columns}},
		Outputs: []abitest.Port{{Name: "out", Mode: abi.ModeAppend, Fields: columns}},
	}
}

// withDefaults fills in what a Subject need not say.
func (s Subject) withDefaults() Subject {
	if len(s.Spec.Inputs)+len(s.Spec.Outputs) == 0 {
		s.Spec = Standard()
	}
	if s.Spec.RunID == "" {
		s.Spec.RunID = "abi-check"
	}
	if s.Spec.Start.IsZero() {
		s.Spec.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if s.Deadline == 0 {
		s.Deadline = 20 * time.Second
	}
	if s.ports == nil {
		p := plainPorts(s.Spec)
		s.ports = &p
	}
	return s
}

func newExam(ctx context.Context, e *sandbox.Engine, s Subject) *exam {
	s = s.withDefaults()
	return &exam{ctx: ctx, engine: e, subject: s, ports: *s.ports, feed: feed(s), findings: map[string]Finding{}}
}

// Check holds a module against all clauses, in their order. It fails only when ctx ends.
func Check(ctx context.Context, e *sandbox.Engine, s Subject) ([]Finding, error) {
	x := newExam(ctx, e, s)
	if x.static() && x.allocation() && x.plainRun() {
		x.variations()
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	out := make([]Finding, len(Clauses))
	for i, c := range Clauses {
		f, ok := x.findings[c.Name]
		if !ok {
			f = Finding{Result: NotShown, Seen: x.why}
		}
		f.Section, f.Clause = c.Section, c.Name
		out[i] = f
	}
	return out, nil
}

// Runs reports whether the module was admitted and started: only then is there more to try.
func Runs(list []Finding) bool {
	return slices.ContainsFunc(list, func(f Finding) bool { return f.Clause == "version" && f.Result == OK })
}

// formed reports whether columns cross in other forms than Spec says. Those are laid down in one way only, the sandbox's.
func (x *exam) formed() bool {
	all := slices.Concat(x.ports.inputs, x.ports.outputs, x.ports.bindings)
	return slices.ContainsFunc(all, crossing.formed)
}

// exam is one module under examination.
type exam struct {
	ctx      context.Context
	engine   *sandbox.Engine
	subject  Subject
	ports    ports
	feed     []batch
	base     *outcome // of the plain run
	skewed   bool     // adp_alloc gives addresses that are not aligned: the rest is shown all the same
	findings map[string]Finding
	why      string // the rest was not shown
}

// ok says what was seen of a clause that was kept. A failure stands.
func (x *exam) ok(clause, format string, args ...any) { x.find(clause, OK, format, args) }

// notShown says why a clause could not be shown.
func (x *exam) notShown(clause, format string, args ...any) { x.find(clause, NotShown, format, args) }

func (x *exam) find(clause string, r Result, format string, args []any) {
	named(clause) // or panics
	if x.findings[clause].Result != Fail {
		x.findings[clause] = Finding{Result: r, Seen: plain(fmt.Sprintf(format, args...))}
	}
}

// fail says how a clause was broken. The first time counts.
func (x *exam) fail(clause, format string, args ...any) {
	c := named(clause)
	if x.findings[clause].Result != Fail {
		x.findings[clause] = Finding{Result: Fail, Seen: plain(fmt.Sprintf(format, args...)), Asks: c.Asks, Mend: c.Mend}
	}
}

// plain makes words of a guest fit for a line: they may be long, and may move a terminal's cursor.
func plain(s string) string {
	const most = 400
	r := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

// failed reports whether anything has failed so far.
func (x *exam) failed() bool {
	for _, f := range x.findings {
		if f.Result == Fail {
			return true
		}
	}
	return false
}

// stop says why nothing else will be shown.
func (x *exam) stop(format string, args ...any) { x.why = plain(fmt.Sprintf(format, args...)) }
