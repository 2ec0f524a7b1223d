package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/manifest"
)

// sqlLanguage is that of products whose outputs are statements over their inputs.
const sqlLanguage = "sql"

// sqlMain is the file of a new product in SQL that its author goes on with.
const sqlMain = "greetings.sql"

const sqlHint = "it comes beside adp when that is built where there is a C compiler: make build; or name it in ADP_DUCKDB"

// findSQL tells whether statements can be looked at here.
func (b *Builder) findSQL(ctx context.Context) (string, error) {
	s, err := b.statements(ctx, drivers.Load{})
	if err != nil {
		return "", err
	}
	return "adp-duckdb", s.Close()
}

// statements loads what statements are tried on.
func (b *Builder) statements(ctx context.Context, l drivers.Load) (drivers.Session, error) {
	if b.Compute == nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "the program adp-duckdb is needed and not there").WithHint(sqlHint)
	}
	s, err := b.Compute.Load(ctx, l)
	if errors.Is(err, drivers.ErrUnavailable) {
		return nil, host.Errorf(host.CodeBuildToolchain, "DuckDB cannot be asked: %w", err).WithHint(sqlHint)
	}
	return s, err
}

// compileSQL looks at the statements of a product, one for each output, and makes the guest that asks them. Nothing is computed:
// the statements meet tables without rows.
func (b *Builder) compileSQL(ctx context.Context, dir string, p *host.Product) ([]byte, error) {
	texts, err := readStatements(dir, p)
	if err != nil {
		return nil, err
	}
	tables, release, err := emptyTables(p)
	defer release()
	if err != nil {
		return nil, err
	}
	session, err := b.statements(ctx, drivers.Load{Tables: tables})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	var all []error
	read := map[string]bool{}
	for i := range p.Outputs {
		reads, err := b.tryStatement(ctx, session, dir, p, &p.Outputs[i], texts[i])
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, name := range reads {
			read[name] = true
		}
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		return nil, err
	}
	for _, in := range p.Inputs {
		if !read[in.Name] {
			return nil, host.Errorf(host.CodeBuildCompile, "no statement reads input %s", in.Name).WithHint("read it, or delete it from product.yaml")
		}
	}
	return sqlGuest(texts)
}

// readStatements gives the statement of each output.
func readStatements(dir string, p *host.Product) (texts []host.Statement, err error) {
	var wanted []string
	for _, o := range p.Outputs {
		name := manifest.StatementOf(o.Name)
		wanted = append(wanted, name)
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, host.Errorf(host.CodeBuildCompile, "output %s has no statement: %w", o.Name, err).WithHint("write one SELECT over the inputs into %s", filepath.Join(dir, name))
		}
		texts = append(texts, host.Statement{Text: string(text), File: name})
	}
	there, err := filepath.Glob(filepath.Join(escape(dir), "*.sql"))
	if err != nil {
		return nil, err
	}
	for _, path := range there {
		if name := filepath.Base(path); !slices.Contains(wanted, name) {
			return nil, host.Errorf(host.CodeBuildCompile, "%s is the statement of no output", path).WithHint("outputs have theirs in %s", strings.Join(wanted, ", "))
		}
	}
	return texts, nil
}

// emptyTables are the inputs of a product, without rows. release lets them go.
func emptyTables(p *host.Product) (tables []drivers.Table, release func(), err error) {
	var readers []array.RecordReader
	release = func() {
		for _, r := range readers {
			r.Release()
		}
	}
	for i := range p.Inputs {
		schema, err := columnar.Schema(p.Inputs[i].Schema)
		if err != nil {
			return nil, release, err
		}
		r, err := array.NewRecordReader(schema, nil)
		if err != nil {
			return nil, release, err
		}
		readers = append(readers, r)
		tables = append(tables, drivers.Table{Name: p.Inputs[i].Name, Rows: r})
	}
	return tables, release, nil
}

// tryStatement looks whether the statement of an output gives what its contract says, and what belongs to the modes of its ports.
func (b *Builder) tryStatement(ctx context.Context, s drivers.Session, dir string, p *host.Product, o *host.Output, text host.Statement) (reads []string, err error) {
	schema, err := columnar.Emitted(o)
	if err != nil {
		return nil, err
	}
	q := drivers.Question{Text: text.Text, Origin: text.File, Schema: schema, Optional: []string{abi.ColumnOp}, Growing: incremental(p)}
	plan, err := s.Plan(ctx, q)
	if err != nil {
		return nil, statementError(dir, err)
	}
	if err := fitModes(plan, p, o); err != nil {
		return plan.Reads, statementError(dir, err)
	}
	return plan.Reads, b.tellWhole(ctx, s, q, p, plan)
}

// incremental are the inputs of which a run reads only what is new.
func incremental(p *host.Product) (names []string) {
	for _, in := range p.Inputs {
		if in.Mode == host.Incremental {
			names = append(names, in.Name)
		}
	}
	return names
}

// fitModes looks whether the rows that a statement gives in a run are those that the output's mode makes of them what is meant.
func fitModes(plan drivers.Plan, p *host.Product, o *host.Output) error {
	grow := slices.DeleteFunc(incremental(p), func(name string) bool { return !slices.Contains(plan.Reads, name) })
	file := manifest.StatementOf(o.Name)
	wrong := func(format string, a ...any) *drivers.Error {
		return &drivers.Error{Kind: drivers.ErrRequest, Origin: file, Message: fmt.Sprintf(format, a...)}
	}
	switch {
	case len(grow) > 0 && plan.Whole != nil:
		var e *drivers.Error
		if errors.As(plan.Whole, &e) {
			e.Hint = fmt.Sprintf("in product.yaml: inputs: {%s: {mode: snapshot}} and outputs: {%s: {mode: replace}} compute all of it anew each time", grow[0], o.Name)
		}
		return plan.Whole
	case len(grow) > 0 && o.Mode == host.Replace:
		e := wrong("the statement gives the rows for what is new in %s, and output %s is replaced by them", strings.Join(grow, " and "), o.Name)
		e.Hint = fmt.Sprintf("in product.yaml: outputs: {%s: {mode: append}}, or inputs: {%s: {mode: snapshot}}", o.Name, grow[0])
		return e
	case len(grow) == 0 && o.Mode == host.Append:
		e := wrong("the statement gives all rows each time, and output %s is appended to: they would come again with each run", o.Name)
		e.Hint = fmt.Sprintf("in product.yaml: outputs: {%s: {mode: replace}}", o.Name)
		return e
	}
	return nil
}

// tellWhole says of a statement that reads whole tables whether it had to.
func (b *Builder) tellWhole(ctx context.Context, s drivers.Session, q drivers.Question, p *host.Product, plan drivers.Plan) error {
	if b.Again || slices.ContainsFunc(incremental(p), func(name string) bool { return slices.Contains(plan.Reads, name) }) {
		return nil
	}
	q.Growing = plan.Reads
	plan, err := s.Plan(ctx, q)
	switch {
	case err != nil:
		return err
	case plan.Whole != nil:
		b.talk("%s is computed from whole tables each time: %v", q.Origin, said(plan.Whole))
	default:
		b.talk("%s is computed from whole tables each time; with mode: incremental for its inputs and mode: append new rows would do", q.Origin)
	}
	return nil
}

// said is an error of a driver without the file.
func said(err error) string {
	var e *drivers.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// statementError puts what a driver says about a statement into the author's file.
func statementError(dir string, err error) error {
	var said *drivers.Error
	var coded *host.Error
	if errors.As(err, &coded) || !errors.As(err, &said) {
		return err
	}
	e := host.Errorf(host.CodeBuildCompile, "%s", said.Message)
	if e.Hint = said.Hint; said.Err != nil {
		e.Message += ": " + said.Err.Error()
	}
	if said.Origin != "" {
		e.At = host.Position{File: filepath.Join(dir, said.Origin), Line: int(said.Line), Column: int(said.Column)}
		e.Excerpt = excerpt(e.At.File, e.At.Line, e.At.Column)
	}
	return e
}
