//go:build cgo && duckdb_arrow

package duckdb

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// function is what there is to know of all functions of one name.
type function struct {
	varies    bool     // its result is not that of its arguments alone: time, randomness, the state of the database
	aggregate bool     // or a macro whose expression calls one
	macros    []string // expressions that it stands for
}

// catalogue is what DuckDB says of its own functions, asked once a process. Each has a stability there.
var catalogue = sync.OnceValues(func() (map[string]function, error) {
	ctx := context.Background()
	in, err := open(ctx, defaultMemory, 1)
	if err != nil {
		return nil, err
	}
	rows, err := in.texts(ctx, `SELECT lower(function_name), function_type, coalesce(stability, ''), coalesce(macro_definition, '') FROM duckdb_functions()`)
	if err != nil {
		return nil, err
	}
	all := map[string]function{}
	for _, r := range rows {
		f := all[r[0]]
		switch kind, stability, definition := r[1], r[2], r[3]; kind {
		case "scalar", "aggregate":
			f.varies = f.varies || stability != "" && stability != "CONSISTENT"
			f.aggregate = f.aggregate || kind == "aggregate"
		case "macro":
			f.macros = append(f.macros, definition)
		default:
			continue // tables and pragmas are allowed by name, or not at all
		}
		all[r[0]] = f
	}
	var aggregates []string
	for name, f := range all {
		if f.aggregate {
			aggregates = append(aggregates, name+"(")
		}
	}
	for name, f := range all { // a name that only ends like one counts too, which refuses without need and harms nobody
		for _, m := range f.macros {
			f.aggregate = f.aggregate || slices.ContainsFunc(aggregates, func(call string) bool { return strings.Contains(strings.ToLower(m), call) })
		}
		all[name] = f
	}
	return all, in.close()
})

// Warm does what the first session of a process would have to: a process that waits for its session can have done it.
func Warm() error {
	_, err := catalogue()
	return err
}

// series are the functions that a statement may read like tables: what they give depends on their arguments alone.
var series = map[string]bool{"range": true, "generate_series": true, "unnest": true, "repeat": true, "repeat_row": true,
	"json_each": true, "json_tree": true}

// reaching are functions that stand for what they are not called for, whatever their stability says.
var reaching = map[string]bool{"getenv": true, "current_setting": true, "getvariable": true, "query": true, "query_table": true,
	"json_execute_serialized_sql": true}

// current are functions of the clock whose stability does not say so; age is one with a single argument.
var current = map[string]bool{"current_localtime": true, "current_localtimestamp": true}

// raises fails with a text of the statement's. It counts as varying so that DuckDB does not call it while it plans.
const raises = "error"

// clocks are words that DuckDB takes for functions of the clock where no column has their name.
var clocks = map[string]bool{"current_date": true, "current_time": true, "current_timestamp": true, "localtime": true, "localtimestamp": true}

// outside says why a function may not be called, "" when it may. A macro may do what its definition may.
func (in *instance) outside(ctx context.Context, known map[string]function, name string) (string, error) {
	name = strings.ToLower(name)
	f := known[name]
	switch {
	case reaching[name]:
		return "reaches beyond the tables of the statement", nil
	case f.varies && name != raises, current[name]:
		return "does not depend on its arguments alone", nil
	}
	for _, definition := range f.macros {
		tree, _, err := in.parse(ctx, "SELECT "+definition)
		if err != nil {
			return "", err
		}
		w := walk{known: known, in: in, macro: name}
		if err := w.visit(ctx, tree, nil); err != nil {
			return "", err
		}
		if w.refused != nil {
			return "stands for " + w.refused.message, nil
		}
	}
	return "", nil
}
