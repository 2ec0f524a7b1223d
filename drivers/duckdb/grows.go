//go:build cgo && duckdb_arrow

package duckdb

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adp-host/adp/drivers"
)

// growth tells whether the answer over tables that grow is what it was, followed by the answer over what has come. It knows the
// shapes of which that is so, and refuses all other.
type growth struct {
	known map[string]function
	grows map[string]bool // tables, in lower case
}

// shared are the common table expressions of a scope, by their names in lower case.
type shared map[string]*expression

// expression is a common table expression, looked at once.
type expression struct {
	node  any
	scope shared // that of its own text
	done  bool
	reads bool
	why   *refusal
}

// judge gives what speaks against it, nil if nothing does.
func (g *growth) judge(statement any) *refusal {
	if len(g.grows) == 0 {
		return nil
	}
	root, _ := statement.(map[string]any)
	reads, why := g.query(root["node"], nil)
	if why == nil && !reads {
		return refuseGrowth(object(root["node"]), "the statement reads no input that grows: its rows would come again with each run")
	}
	return why
}

func refuseGrowth(n map[string]any, format string, a ...any) *refusal {
	return &refusal{kind: drivers.ErrRequest, message: fmt.Sprintf(format, a...), at: firstPlace(n)}
}

// query looks at what gives rows: whether it reads what grows, and if it does, why its rows are not just added.
func (g *growth) query(v any, scope shared) (reads bool, why *refusal) {
	n := object(v)
	scope = scope.with(n)
	switch n["type"] {
	case "SELECT_NODE":
		return g.selects(n, scope)
	case "SET_OPERATION_NODE":
		return g.union(n, scope)
	}
	if g.anywhere(n, scope) {
		return true, refuseGrowth(n, "what this computes needs all rows of an input that grows")
	}
	return false, nil
}

func (g *growth) selects(n map[string]any, scope shared) (bool, *refusal) {
	reads, why := g.from(n["from_table"], scope)
	if why != nil {
		return reads, why
	}
	for _, part := range []string{"select_list", "where_clause", "group_expressions", "having", "qualify", "modifiers"} {
		if at := g.subquery(n[part], scope); at != nil {
			return true, refuseGrowth(at, "a subquery reads an input that grows, and rows that were judged by it stay as they are")
		}
	}
	if !reads {
		return false, nil
	}
	for _, part := range []string{"select_list", "qualify"} {
		if at, what := g.whole(n[part]); at != nil {
			return true, refuseGrowth(at, "%s needs all rows of an input that grows", what)
		}
	}
	switch {
	case n["aggregate_handling"] != "STANDARD_HANDLING", filled(n["group_expressions"]), filled(n["group_sets"]), filled(n["having"]):
		return true, refuseGrowth(n, "groups need all rows of an input that grows")
	}
	return true, g.modifiers(n)
}

// modifiers speak against it whatever they are: DISTINCT, LIMIT, ORDER BY.
func (g *growth) modifiers(n map[string]any) *refusal {
	for _, m := range list(n["modifiers"]) {
		kind, _ := object(m)["type"].(string)
		kind, _, _ = strings.Cut(kind, "_MODIFIER")
		return refuseGrowth(n, "%s needs all rows of an input that grows", strings.ReplaceAll(kind, "_", " "))
	}
	return nil
}

// union looks at UNION ALL; of the other operations on sets none adds rows only.
func (g *growth) union(n map[string]any, scope shared) (bool, *refusal) {
	parts := []any{n["left"], n["right"]}
	if all := list(n["children"]); len(all) > 0 {
		parts = all
	}
	var readers int
	for _, p := range parts {
		reads, why := g.query(p, scope)
		if why != nil {
			return true, why
		}
		if reads {
			readers++
		}
	}
	switch all, _ := n["setop_all"].(bool); {
	case readers == 0:
		return false, nil
	case n["setop_type"] != "UNION" || !all:
		return true, refuseGrowth(n, "%v needs all rows of an input that grows; UNION ALL does not", n["setop_type"])
	case readers < len(parts):
		return true, refuseGrowth(n, "a part of UNION ALL reads no input that grows: its rows would come again with each run")
	}
	return true, g.modifiers(n)
}

// from looks at what stands behind FROM.
func (g *growth) from(v any, scope shared) (bool, *refusal) {
	n := object(v)
	switch n["type"] {
	case "BASE_TABLE":
		name, _ := n["table_name"].(string)
		if e := scope[strings.ToLower(name)]; e != nil {
			return g.expression(e)
		}
		return g.grows[strings.ToLower(name)], nil
	case "SUBQUERY":
		return g.query(object(n["subquery"])["node"], scope)
	case "JOIN":
		return g.join(n, scope)
	}
	if g.anywhere(n, scope) {
		return true, refuseGrowth(n, "what this computes needs all rows of an input that grows")
	}
	return false, nil
}

func (g *growth) expression(e *expression) (bool, *refusal) {
	if !e.done {
		e.done = true // one that names itself reads nothing new
		e.reads, e.why = g.query(e.node, e.scope)
	}
	return e.reads, e.why
}

func (g *growth) join(n map[string]any, scope shared) (bool, *refusal) {
	left, why := g.from(n["left"], scope)
	if why != nil {
		return true, why
	}
	right, why := g.from(n["right"], scope)
	if why != nil {
		return true, why
	}
	if at := g.subquery(n["condition"], scope); at != nil {
		return true, refuseGrowth(at, "a subquery reads an input that grows, and rows that were judged by it stay as they are")
	}
	if !left && !right {
		return false, nil
	}
	kind, _ := n["join_type"].(string)
	way, _ := n["ref_type"].(string)
	switch {
	case left && right:
		return true, refuseGrowth(n, "both sides of a join grow: a row would miss those of the other side that come later")
	case !slices.Contains([]string{"REGULAR", "CROSS", "NATURAL", "ASOF"}, way):
		return true, refuseGrowth(n, "a %s join needs all rows of an input that grows", strings.ToLower(way))
	case left && slices.Contains([]string{"INNER", "LEFT", "SEMI", "ANTI"}, kind), right && way != "ASOF" && slices.Contains([]string{"INNER", "RIGHT"}, kind):
		return true, nil
	}
	return true, refuseGrowth(n, "a %s join needs all rows of an input that grows on that side", strings.ToLower(kind))
}

// subquery finds an expression below v that reads what grows.
func (g *growth) subquery(v any, scope shared) (at map[string]any) {
	visitObjects(v, func(n map[string]any) bool {
		if n["class"] == "SUBQUERY" && at == nil && g.anywhere(n["subquery"], scope) {
			at = n
		}
		return at == nil
	})
	return at
}

// whole finds a function below v, outside of subqueries, that needs all rows.
func (g *growth) whole(v any) (at map[string]any, what string) {
	visitObjects(v, func(n map[string]any) bool {
		name, _ := n["function_name"].(string)
		switch {
		case at != nil || n["class"] == "SUBQUERY":
			return false
		case n["class"] == "WINDOW":
			at, what = n, "a window"
		case n["class"] == "FUNCTION" && g.known[strings.ToLower(name)].aggregate:
			at, what = n, "the aggregate "+strings.TrimSuffix(name, "_star")
		}
		return at == nil
	})
	return at, what
}

// anywhere tells whether anything below v reads what grows.
func (g *growth) anywhere(v any, scope shared) (found bool) {
	visitObjects(v, func(n map[string]any) bool {
		if name, ok := n["table_name"].(string); ok && n["type"] == "BASE_TABLE" {
			name = strings.ToLower(name)
			if e := scope[name]; e != nil {
				reads, _ := g.expression(e)
				found = found || reads
			}
			found = found || g.grows[name] // also when a name hides it: then it is refused without need
		}
		return !found
	})
	return found
}

// with is the scope inside a node that brings common table expressions: each knows those before it.
func (s shared) with(n map[string]any) shared {
	all := list(object(n["cte_map"])["map"])
	if len(all) == 0 {
		return s
	}
	inner := shared{}
	for name, e := range s {
		inner[name] = e
	}
	for _, c := range all {
		name, _ := object(c)["key"].(string)
		before := shared{}
		for k, e := range inner {
			before[k] = e
		}
		inner[strings.ToLower(name)] = &expression{node: object(object(object(c)["value"])["query"])["node"], scope: before}
	}
	return inner
}

// visitObjects goes through a tree as long as look says so.
func visitObjects(v any, look func(map[string]any) bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			visitObjects(e, look)
		}
	case map[string]any:
		if look(v) {
			for _, e := range v {
				visitObjects(e, look)
			}
		}
	}
}

// firstPlace is where a node stands, or else the first of what is in it.
func firstPlace(n map[string]any) int {
	if at := place(n); at >= 0 && n["query_location"] != nil {
		return at
	}
	first := -1
	visitObjects(n, func(m map[string]any) bool {
		if at := place(m); at >= 0 && (first < 0 || at < first) {
			first = at
		}
		return true
	})
	return first
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// filled tells whether a part of a node is there: one that is not is null or empty.
func filled(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
