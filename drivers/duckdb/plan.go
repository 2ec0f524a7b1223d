//go:build cgo && duckdb_arrow

package duckdb

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/adp-host/adp/drivers"
)

// parsed is DuckDB's own tree of a text, as json_serialize_sql gives it: statements, or an error.
type parsed struct {
	Error      bool
	Type       string `json:"error_type"`
	Message    string `json:"error_message"`
	Position   string
	Statements []any
}

// onlySelects is the type of error that json_serialize_sql, which knows SELECT alone, has for every other statement.
const onlySelects = "not implemented"

// parse gives the tree of a text, or what is wrong with it.
func (in *instance) parse(ctx context.Context, text string) (tree []any, wrong *refusal, err error) {
	rows, err := in.texts(ctx, "SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", text)
	if err != nil {
		return nil, nil, err
	}
	var p parsed
	if err := json.Unmarshal([]byte(rows[0][0]), &p); err != nil {
		return nil, nil, err
	}
	switch {
	case p.Error && p.Type == onlySelects:
		return nil, &refusal{kind: drivers.ErrBeyond, message: "only a SELECT can be asked: this statement would change something", at: -1}, nil
	case p.Error:
		return nil, &refusal{kind: drivers.ErrRequest, message: p.Message, at: byteOf(text, offset(p.Position))}, nil
	}
	return p.Statements, nil, nil
}

// plan refuses a statement that reaches beyond the tables, and says what there is to see in it.
func (in *instance) plan(ctx context.Context, q drivers.Question, tables []drivers.Table, known map[string]function) (p drivers.Plan, err error) {
	tree, wrong, err := in.parse(ctx, q.Text)
	switch {
	case err != nil && ctx.Err() != nil:
		return p, fmt.Errorf("the statement was stopped: %w", context.Cause(ctx))
	case err != nil:
		return p, err
	case wrong == nil && len(tree) != 1:
		wrong = &refusal{kind: drivers.ErrRequest, message: fmt.Sprintf("one statement is wanted, here are %d", len(tree)), at: -1}
	}
	if wrong != nil {
		return p, wrong.in(q)
	}
	w := walk{known: known, in: in, tables: map[string]bool{}, reads: map[string]bool{}}
	g := growth{known: known, grows: map[string]bool{}}
	for _, t := range tables {
		name := strings.ToLower(t.Name)
		w.tables[name] = true
		w.names = append(w.names, t.Name)
	}
	for _, name := range q.Growing {
		g.grows[strings.ToLower(name)] = true
	}
	if err := w.visit(ctx, tree, nil); err != nil {
		return p, err
	}
	if w.refused != nil {
		return p, w.refused.in(q)
	}
	for _, t := range tables {
		if w.reads[strings.ToLower(t.Name)] {
			p.Reads = append(p.Reads, t.Name)
		}
	}
	if why := g.judge(tree[0]); why != nil {
		p.Whole = why.in(q)
	}
	return p, nil
}

// walk goes through a tree once.
type walk struct {
	known   map[string]function
	in      *instance
	tables  map[string]bool
	names   []string // of tables, as they were declared
	macro   string   // whose definition this is, "" for a statement
	reads   map[string]bool
	refused *refusal // the first
}

func (w *walk) refuse(kind error, node map[string]any, format string, a ...any) {
	if w.refused == nil {
		w.refused = &refusal{kind: kind, message: fmt.Sprintf(format, a...), at: place(node)}
	}
}

// visit looks at a value of the tree and all below it. scope are the common table expressions that are known there.
func (w *walk) visit(ctx context.Context, v any, scope []string) error {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if err := w.visit(ctx, e, scope); err != nil {
				return err
			}
		}
	case map[string]any:
		if names := expressions(v); len(names) > 0 {
			scope = append(slices.Clip(scope), names...)
		}
		if err := w.node(ctx, v, scope); err != nil {
			return err
		}
		for _, k := range slices.Sorted(keys(v)) { // in one order, so that the same refusal comes first each time
			if err := w.visit(ctx, v[k], scope); err != nil {
				return err
			}
		}
	}
	return nil
}

func keys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// node looks at one object of the tree.
func (w *walk) node(ctx context.Context, n map[string]any, scope []string) error {
	if n["sample"] != nil {
		w.refuse(drivers.ErrBeyond, n, "a sample is another one each time")
	}
	switch kind, _ := n["type"].(string); kind {
	case "BASE_TABLE":
		w.table(n, scope)
	case "TABLE_FUNCTION":
		call, _ := n["function"].(map[string]any)
		if name, _ := call["function_name"].(string); !series[strings.ToLower(name)] {
			w.refuse(drivers.ErrBeyond, n, "%s reaches beyond the tables of the statement", name)
		}
	case "SHOW_REF":
		w.refuse(drivers.ErrBeyond, n, "SHOW, DESCRIBE and SUMMARIZE are no questions about rows")
	case "VALUE_PARAMETER":
		w.refuse(drivers.ErrRequest, n, "a statement has no parameters here")
	case "COLUMN_REF":
		path, _ := n["column_names"].([]any)
		if name, _ := path[len(path)-1].(string); len(path) == 1 && clocks[strings.ToLower(name)] {
			w.refuse(drivers.ErrBeyond, n, "%s is another one each time; name the table where it is a column", name)
		}
	}
	class, _ := n["class"].(string)
	switch name, _ := n["function_name"].(string); {
	case class == "FUNCTION" && strings.EqualFold(name, w.macro): // one of its other definitions
	case class == "FUNCTION" && strings.EqualFold(name, "age") && countOf(n["children"]) == 1:
		w.refuse(drivers.ErrBeyond, n, "age counts from today unless it has two arguments")
	case class == "FUNCTION":
		why, err := w.in.outside(ctx, w.known, name)
		if why != "" && !series[strings.ToLower(name)] {
			w.refuse(drivers.ErrBeyond, n, "the function %s %s", name, why)
		}
		return err
	}
	return nil
}

func countOf(list any) int {
	all, _ := list.([]any)
	return len(all)
}

// table notes a table that is read, and refuses one that is not there.
func (w *walk) table(n map[string]any, scope []string) {
	name, _ := n["table_name"].(string)
	schema, _ := n["schema_name"].(string)
	catalog, _ := n["catalog_name"].(string)
	lower := strings.ToLower(name)
	switch plain := schema == "" && catalog == ""; {
	case plain && slices.Contains(scope, lower):
	case plain && w.tables[lower]:
		w.reads[lower] = true
	default:
		for _, part := range []string{schema, catalog} {
			if part != "" {
				name = part + "." + name
			}
		}
		have := "there are none"
		if len(w.names) > 0 {
			have = "there is " + strings.Join(w.names, ", ")
		}
		w.refuse(drivers.ErrBeyond, n, "there is no table %s; %s", name, have)
	}
}

// expressions are the names of the common table expressions that an object of the tree brings, in lower case.
func expressions(n map[string]any) (names []string) {
	all, _ := n["cte_map"].(map[string]any)
	list, _ := all["map"].([]any)
	for _, e := range list {
		entry, _ := e.(map[string]any)
		if name, ok := entry["key"].(string); ok {
			names = append(names, strings.ToLower(name))
		}
	}
	if name, ok := n["cte_name"].(string); ok { // of a recursive one
		names = append(names, strings.ToLower(name))
	}
	return names
}

// byteOf is the offset in bytes of a character: DuckDB counts characters where it cannot parse, and bytes everywhere else.
func byteOf(text string, character int) int {
	if character < 0 {
		return -1
	}
	for at := range text {
		if character == 0 {
			return at
		}
		character--
	}
	return len(text)
}

// place is where in the text an object of the tree begins, in bytes; -1 when the tree does not say.
func place(n map[string]any) int {
	at, ok := n["query_location"].(float64)
	if !ok || at > math.MaxInt32 {
		return -1
	}
	return int(at)
}
