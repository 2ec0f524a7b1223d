package clause

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/adp-host/adp/abi/abitest"
)

// difference is the first thing in which a run differs from the plain one, "" when they are equal.
func difference(base, o *outcome) string {
	if base.good() != o.good() {
		return o.why()
	}
	for _, part := range []struct {
		what       string
		base, then map[string][]abitest.Row
	}{{"output", base.result.Emitted, o.result.Emitted}, {"binding", base.result.Written, o.result.Written}} {
		for _, port := range slices.Sorted(maps.Keys(part.base)) {
			if d := otherRows(part.base[port], part.then[port]); d != "" {
				return part.what + " " + port + ": " + d
			}
		}
		if len(part.then) != len(part.base) {
			return fmt.Sprintf("%d %ss get rows, %d in the plain run", len(part.then), part.what, len(part.base))
		}
	}
	if a, b := fmt.Sprint(o.result.State), fmt.Sprint(base.result.State); a != b {
		return "it leaves another state"
	}
	if a, b := fmt.Sprint(o.result.Metrics), fmt.Sprint(base.result.Metrics); a != b {
		return fmt.Sprintf("metrics %s, %s in the plain run", a, b)
	}
	return ""
}

// otherRows is the first row that differs. Another order is none: what a runtime's hash maps look like may depend on where things lie.
func otherRows(base, then []abitest.Row) string {
	if abitest.Text(base) == abitest.Text(then) {
		return ""
	}
	a, b := sorted(base), sorted(then)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("a row is %s, %s in the plain run", clip(b[i]), clip(a[i]))
		}
	}
	if len(base) != len(then) {
		return fmt.Sprintf("%d rows, %d in the plain run", len(then), len(base))
	}
	return ""
}

func sorted(rows []abitest.Row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = text(r)
	}
	slices.Sort(out)
	return out
}

// text is a row for people, with all that tells it from others.
func text(r abitest.Row) string {
	out := make([]string, len(r))
	for i, v := range r {
		switch v := v.(type) {
		case float32, float64:
			out[i] = fmt.Sprint(v)
		default:
			out[i] = strings.TrimSuffix(abitest.Text([]abitest.Row{{v}}), "\n")
		}
	}
	return strings.Join(out, ", ")
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

func otherCalls(base, o *outcome) string {
	for i := range min(len(base.calls), len(o.calls)) {
		if a, b := o.calls[i], base.calls[i]; a != b {
			return fmt.Sprintf("call %d into the host is %s, %s in the run before", i+1, a, b)
		}
	}
	if base.made != o.made {
		return fmt.Sprintf("%d calls into the host, %d in the run before", o.made, base.made)
	}
	return ""
}
