package clause

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/wasm"
)

// static looks at the module without running it. It gives false when no host would run it.
func (x *exam) static() bool {
	m, err := wasm.Parse(x.subject.Module)
	if err != nil {
		x.fail("module", "%s", reason(err))
		x.stop("the module is not valid")
		return false
	}
	rules := sandbox.Rules()
	x.imports(m, rules)
	x.exports(m, rules)
	x.size(m, rules)
	refused := x.failed()
	if err := x.engine.Check(x.ctx, x.subject.Module, host.Code{}); err != nil && !refused {
		x.fail("module", "%s", reason(err)) // the engine's own validation
		refused = true
	}
	if refused {
		x.ok("module", "%d bytes, valid", len(x.subject.Module))
		x.stop("the module is refused, see above")
		return false
	}
	x.ok("module", "%d bytes, valid", len(x.subject.Module))
	return true
}

// reason is an error without its code.
func reason(err error) string {
	var e *host.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

func (x *exam) imports(m *wasm.Module, rules wasm.Policy) {
	var bad []string
	for _, im := range m.Imports {
		name := im.Module + "." + im.Name
		i := slices.IndexFunc(rules.Imports, func(r wasm.ImportRule) bool { return r.Module == im.Module && r.Name == im.Name })
		switch {
		case im.Kind != wasm.KindFunc:
			bad = append(bad, fmt.Sprintf("%s is a %s", name, im.Kind))
		case i < 0:
			bad = append(bad, name+" is not offered")
		case !im.Type.Equal(rules.Imports[i].Type):
			bad = append(bad, fmt.Sprintf("%s has type %s, want %s", name, im.Type, rules.Imports[i].Type))
		}
	}
	if len(bad) > 0 {
		x.fail("imports", "%s", listed(bad))
		return
	}
	x.ok("imports", "%d functions", len(m.Imports))
}

func (x *exam) exports(m *wasm.Module, rules wasm.Policy) {
	var missing, wrong, reserved []string
	known := 0
	for _, want := range rules.Exports {
		i := slices.IndexFunc(m.Exports, func(e wasm.Export) bool { return e.Name == want.Name })
		if i < 0 {
			if !want.Optional {
				missing = append(missing, want.Name)
			}
			continue
		}
		known++
		switch got := m.Exports[i]; {
		case got.Kind != want.Kind:
			wrong = append(wrong, fmt.Sprintf("%s is a %s, want a %s", got.Name, got.Kind, want.Kind))
		case got.Kind == wasm.KindFunc && !got.Type.Equal(want.Type):
			wrong = append(wrong, fmt.Sprintf("%s has type %s, want %s", got.Name, got.Type, want.Type))
		}
	}
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, abi.Reserved) && !slices.ContainsFunc(rules.Exports, func(r wasm.ExportRule) bool { return r.Name == e.Name }) {
			reserved = append(reserved, e.Name)
		}
	}
	x.judge("exports", missing, "missing: ", "all %d are there", known)
	x.judge("signatures", wrong, "", "%d exports as they should be", known)
	x.judge("reserved", reserved, "exported: ", "none of %d exports", len(m.Exports))
}

// size asks for admission and takes what is not about names.
func (x *exam) size(m *wasm.Module, rules wasm.Policy) {
	var beyond []string
	if joined, ok := m.Admit(wasm.DefaultLimits, rules).(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			var e *wasm.Error
			if errors.As(err, &e) && !strings.HasPrefix(e.Detail, "import ") && !strings.HasPrefix(e.Detail, "export ") {
				where := ""
				if e.Func != "" {
					where = "function " + e.Func + ": "
				}
				beyond = append(beyond, where+e.Detail)
			}
		}
	}
	x.judge("size", beyond, "", "%d bytes", len(x.subject.Module))
}

// judge fails a clause for what is bad, and is content when there is nothing.
func (x *exam) judge(clause string, bad []string, before, good string, args ...any) {
	if len(bad) > 0 {
		x.fail(clause, "%s%s", before, listed(bad))
		return
	}
	x.ok(clause, good, args...)
}

// listed is the first few of a list.
func listed(all []string) string {
	const most = 4
	if n := len(all) - most; n > 0 {
		return strings.Join(all[:most], "; ") + fmt.Sprintf("; and %d more", n)
	}
	return strings.Join(all, "; ")
}
