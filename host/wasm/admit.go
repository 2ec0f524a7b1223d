package wasm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Admit checks a module against limits and a policy. The error joins every reason, each an Error of kind ErrRefused.
func (m *Module) Admit(l Limits, p Policy) error {
	return joined(append(m.exceeded(m.limits(l)), m.forbidden(p)...))
}

// mostReasons is how many reasons an error gives: a hostile module has thousands.
const mostReasons = 20

// joined is errors.Join of the first reasons.
func joined(errs []error) error {
	if len(errs) > mostReasons {
		errs = append(errs[:mostReasons:mostReasons], refusedf("and more"))
	}
	return errors.Join(errs...)
}

// exceeded lists which limits the module is beyond.
func (m *Module) exceeded(l Limits) []error {
	var errs []error
	check := func(what string, n, limit int) {
		if n > limit {
			errs = append(errs, refusedf("%d %s, at most %d", n, what, limit))
		}
	}
	check("bytes", len(m.raw), l.ModuleBytes)
	check("types", len(m.types), l.Types)
	for _, t := range m.types {
		check("parameters in a signature", len(t.Params), l.Params)
		check("results in a signature", len(t.Results), l.Results)
	}
	check("functions", len(m.funcs), l.Functions)
	check("imports", len(m.Imports), l.Imports)
	check("exports", len(m.Exports), l.Exports)
	check("globals", len(m.globals), l.Globals)
	check("tables", len(m.tables), l.Tables)
	check("segments", len(m.elems)+m.datas, l.Segments)
	for _, t := range m.tables {
		check("table entries", int(t.size.Min), l.TableEntries)
	}
	for _, mem := range m.memories {
		check("pages of memory", int(mem.Min), l.MemoryPages)
	}
	total, squares, walk, ways := 0, 0, 0, 0
	for i := range m.bodies {
		b := &m.bodies[i]
		total += b.blocks * b.locals
		squares += b.blocks * b.blocks
		walk += b.walk
		ways += b.ways
		if len(errs) <= mostReasons {
			errs = append(errs, m.bodyExceeded(i, l)...)
		}
	}
	check("blocks × locals in the module", total, l.ModuleBlockLocals)
	check("targets of br_tables in the module", ways, l.ModuleTargets)
	check("steps from the blocks of the module up to the first", walk, l.BlockWalks)
	check("blocks × blocks in the module", squares, l.BlockSquares)
	return errs
}

func (m *Module) bodyExceeded(i int, l Limits) []error {
	var errs []error
	b := &m.bodies[i]
	check := func(what string, n, limit int) {
		if n > limit {
			errs = append(errs, &Error{Kind: ErrRefused, Offset: b.start, Func: m.FuncName(uint32(m.importedFuncs + i)),
				Detail: fmt.Sprintf("%d %s, at most %d", n, what, limit)})
		}
	}
	check("bytes of code", b.end-b.start, l.BodyBytes)
	check("instructions", b.instructions, l.Instructions)
	check("locals", b.locals, l.Locals)
	check("calls", b.calls, l.Calls)
	check("nested blocks", b.nesting, l.Nesting)
	check("targets of a br_table", b.targets, l.BranchTargets)
	check("targets of br_tables", b.ways, l.Targets)
	check("blocks × locals", b.blocks*b.locals, l.BlockLocals)
	return errs
}

// forbidden lists what the policy does not allow.
func (m *Module) forbidden(p Policy) []error {
	var errs []error
	refuse := func(format string, a ...any) { errs = append(errs, refusedf(format, a...)) }
	for _, im := range m.Imports {
		if why := p.importRefused(im); why != "" {
			refuse("import %s.%s: %s", im.Module, im.Name, why)
		}
	}
	for _, x := range m.Exports {
		if !p.listed(x.Name) && (reservedByMeter(x.Name) || p.Reserved != "" && strings.HasPrefix(x.Name, p.Reserved)) {
			refuse("export %s: names that begin with %s belong to the host", x.Name, p.Reserved)
		}
	}
	for _, want := range p.Exports {
		i := slices.IndexFunc(m.Exports, func(x Export) bool { return x.Name == want.Name })
		switch {
		case i < 0 && !want.Optional:
			refuse("export %s is missing", want.Name)
		case i < 0:
		case m.Exports[i].Kind != want.Kind:
			refuse("export %s is a %s, want a %s", want.Name, m.Exports[i].Kind, want.Kind)
		case want.Kind == KindFunc && !m.Exports[i].Type.Equal(want.Type):
			refuse("export %s has type %s, want %s", want.Name, m.Exports[i].Type, want.Type)
		}
	}
	return errs
}

func (p *Policy) listed(export string) bool {
	return slices.ContainsFunc(p.Exports, func(x ExportRule) bool { return x.Name == export })
}

func (p *Policy) importRefused(im Import) string {
	if im.Kind != KindFunc {
		return fmt.Sprintf("a %s cannot be imported", im.Kind)
	}
	if im.Module == MeterModule {
		return "no guest may name the meter"
	}
	for _, rule := range p.Imports {
		if rule.Module != im.Module || rule.Name != im.Name {
			continue
		}
		if !rule.Type.Equal(im.Type) {
			return fmt.Sprintf("has type %s, offered with %s", im.Type, rule.Type)
		}
		return ""
	}
	if hint := p.Hint[im.Module]; hint != "" {
		return "not offered: " + hint
	}
	return "not offered"
}

func reservedByMeter(export string) bool {
	return export == ExportFuel || export == ExportStack || export == ExportStart
}
