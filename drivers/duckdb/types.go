//go:build cgo && duckdb_arrow

package duckdb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/drivers"
)

// given is a column of an answer: its name, and its type in DuckDB's words.
type given struct{ name, kind string }

// view gives a statement a name, under which DuckDB finds out what it gives, or what is wrong with it before it runs.
func (in *instance) view(ctx context.Context, name, text string) ([]given, error) {
	before := "CREATE OR REPLACE TEMP VIEW " + quoted(name) + " AS "
	if err := in.exec(ctx, before+text); err != nil {
		return nil, moved{err, len(before)}
	}
	rows, err := in.texts(ctx, "DESCRIBE "+quoted(name))
	if err != nil {
		return nil, err
	}
	var all []given
	for _, r := range rows {
		all = append(all, given{r[0], r[1]})
	}
	return all, nil
}

// moved is an error of DuckDB about a statement with so many bytes before it that are ours.
type moved struct {
	error
	by int
}

func (m moved) Unwrap() error { return m.error }

// typed is a statement over a view whose columns are those of a schema, in its order: what a value would lose by it is refused.
func typed(q drivers.Question, view string, have []given) (string, *refusal) {
	var columns []string
	for _, f := range q.Schema.Fields() {
		at := slices.IndexFunc(have, func(g given) bool { return g.name == f.Name })
		kind, err := kindOf(f.Type)
		switch {
		case err != nil:
			return "", &refusal{drivers.ErrRequest, fmt.Sprintf("column %s: %v", f.Name, err), -1}
		case at < 0 && slices.Contains(q.Optional, f.Name):
			columns = append(columns, "CAST(NULL AS "+kind+") AS "+quoted(f.Name))
		case at < 0:
			return "", &refusal{drivers.ErrRequest, fmt.Sprintf("there is no column %s: the statement gives %s", f.Name, namesOf(have)), -1}
		case have[at].kind == kind:
			columns = append(columns, quoted(f.Name))
		case !becomes(have[at].kind, f.Type):
			return "", &refusal{drivers.ErrRequest, fmt.Sprintf("column %s is %s, wanted is %s: say how one becomes the other, as in CAST(… AS %s)", f.Name, have[at].kind, kind, kind), -1}
		default:
			columns = append(columns, "CAST("+quoted(f.Name)+" AS "+kind+") AS "+quoted(f.Name))
		}
	}
	for i, g := range have {
		switch {
		case !q.Schema.HasField(g.name):
			return "", &refusal{drivers.ErrRequest, fmt.Sprintf("column %s is not wanted: wanted are %s", g.name, wanted(q)), -1}
		case slices.ContainsFunc(have[:i], func(other given) bool { return other.name == g.name }):
			return "", &refusal{drivers.ErrRequest, fmt.Sprintf("two columns are called %s", g.name), -1}
		}
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + quoted(view), nil
}

func namesOf(have []given) string {
	var names []string
	for _, g := range have {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}

func wanted(q drivers.Question) string {
	var names []string
	for _, f := range q.Schema.Fields() {
		if !slices.Contains(q.Optional, f.Name) {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ")
}

// kindOf is DuckDB's type for one of Arrow.
func kindOf(t arrow.DataType) (string, error) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return "BOOLEAN", nil
	case *arrow.Int32Type:
		return "INTEGER", nil
	case *arrow.Int64Type:
		return "BIGINT", nil
	case *arrow.Float32Type:
		return "FLOAT", nil
	case *arrow.Float64Type:
		return "DOUBLE", nil
	case *arrow.Decimal128Type:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), nil
	case *arrow.StringType:
		return "VARCHAR", nil
	case *arrow.BinaryType:
		return "BLOB", nil
	case *arrow.Date32Type:
		return "DATE", nil
	case *arrow.Time64Type:
		return "TIME", nil
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return "TIMESTAMP WITH TIME ZONE", nil
		}
		return "TIMESTAMP", nil
	case *arrow.ListType:
		of, err := kindOf(t.Elem())
		return of + "[]", err
	case *arrow.StructType:
		var members []string
		for _, f := range t.Fields() {
			of, err := kindOf(f.Type)
			if err != nil {
				return "", err
			}
			members = append(members, quoted(f.Name)+" "+of)
		}
		return "STRUCT(" + strings.Join(members, ", ") + ")", nil
	}
	return "", fmt.Errorf("%s is no type of an answer", t)
}

var wholeNumbers = []string{"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}

// becomes tells whether values of a type of DuckDB can be of one of Arrow without losing anything; one that is out of its range
// fails when it comes. Of nested types DuckDB itself looks at the members.
func becomes(have string, want arrow.DataType) bool {
	whole := slices.Contains(wholeNumbers, have)
	_, scale, isDecimal := decimalOf(have)
	switch want := want.(type) {
	case *arrow.Int32Type, *arrow.Int64Type:
		return whole || isDecimal && scale == 0
	case *arrow.Float32Type, *arrow.Float64Type:
		return whole || isDecimal || have == "FLOAT" || have == "DOUBLE"
	case *arrow.Decimal128Type:
		return whole || isDecimal && scale <= int(want.Scale)
	case *arrow.TimestampType:
		return want.TimeZone == "" && slices.Contains([]string{"DATE", "TIMESTAMP_S", "TIMESTAMP_MS"}, have)
	case *arrow.ListType:
		return strings.HasSuffix(have, "]")
	case *arrow.StructType:
		return strings.HasPrefix(have, "STRUCT(")
	}
	return false
}

// decimalOf reads DECIMAL(p,s).
func decimalOf(kind string) (precision, scale int, ok bool) {
	inner, ok := strings.CutPrefix(kind, "DECIMAL(")
	if !ok || !strings.HasSuffix(inner, ")") {
		return 0, 0, false
	}
	p, s, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ",")
	precision, err := strconv.Atoi(p)
	if err != nil {
		return 0, 0, false
	}
	scale, err = strconv.Atoi(strings.TrimSpace(s))
	return precision, scale, err == nil
}

// retyped is an array under a type that differs only in names and in what it says of nulls.
func retyped(d arrow.ArrayData, t arrow.DataType) *array.Data {
	children := make([]arrow.ArrayData, len(d.Children()))
	for i, c := range d.Children() {
		children[i] = retyped(c, t.(arrow.NestedType).Fields()[i].Type)
	}
	out := array.NewData(t, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
	for _, c := range children {
		c.Release()
	}
	return out
}
