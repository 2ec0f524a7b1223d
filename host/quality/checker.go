// Package quality judges record batches by the rules of a contract, before anything is published.
//
// Row rules look at each batch as it is emitted and can name, and set aside, the rows that break them. Table rules are
// judged at the end from measures of the resulting table. Every rule gives one check, in every run: pass, fail, warn,
// error or skip.
package quality

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// MaxSamples is how many violating rows a rule names in one run; all are counted.
const MaxSamples = 100

// Checker judges the rows of one port in one run. It is used by one goroutine.
type Checker struct {
	port  string
	rules []*rule
	op    int // column _op, -1: none
	rows  int64
	drop  mask // of the batch at hand
}

// rule is a compiled rule and what it has seen.
type rule struct {
	host.Rule
	judge   judge // nil for rules about the table
	column  int
	bad     mask  // rows of the batch at hand that break it
	hits    int64 // how many those are
	broken  int64 // in the run
	sampled int
}

// Violation is a row of a batch that breaks a rule.
type Violation struct {
	Row    int // of the batch handed to Batch
	Rule   string
	Action host.OnViolation
	Reason string
}

// Compile prepares the rules of a port for rows of schema s, which may end in the reserved column _op. It fails with
// host.CodeManifestRule when a rule cannot mean anything for these columns.
func Compile(port string, rules []host.Rule, s *arrow.Schema) (*Checker, error) {
	c := &Checker{port: port, op: -1}
	if n := s.NumFields(); n > 0 && s.Field(n-1).Name == abi.ColumnOp {
		c.op = n - 1
	}
	for _, r := range rules {
		compiled, err := compile(r, s)
		if err != nil {
			return nil, host.Errorf(host.CodeManifestRule, "rule %s of port %s: %w", r.ID, port, err)
		}
		c.rules = append(c.rules, compiled)
	}
	return c, nil
}

func compile(r host.Rule, s *arrow.Schema) (*rule, error) {
	out := &rule{Rule: r}
	if r.Skip != "" {
		return out, nil
	}
	for _, name := range r.Columns {
		if len(s.FieldIndices(name)) != 1 {
			return nil, fmt.Errorf("the port has no column %q", name)
		}
	}
	if !r.RowRule() {
		return out, out.compileTable()
	}
	if len(r.Columns) != 1 {
		return nil, fmt.Errorf("%s is about one column, %d are named", r.Kind, len(r.Columns))
	}
	out.column = s.FieldIndices(r.Columns[0])[0]
	var err error
	out.judge, err = rowJudge(r, s.Field(out.column).Type)
	return out, err
}

// compileTable prepares a rule about the resulting table, or one that nothing here can evaluate.
func (r *rule) compileTable() error {
	switch {
	case r.Kind != host.RowCount && r.Kind != host.DuplicateValues:
		r.Skip = fmt.Sprintf("rules of kind %s are not evaluated here", r.Kind)
	case r.OnViolation == host.Quarantine:
		return fmt.Errorf("%s is about the table; quarantine sets single rows aside", r.Kind)
	case r.Kind == host.RowCount && r.MustBe.IsZero():
		return fmt.Errorf("rowCount does not say how many rows there must be")
	case r.Kind == host.DuplicateValues && len(r.Columns) == 0:
		return fmt.Errorf("duplicateValues names no column")
	}
	return nil
}

// Batch judges a batch. keep is rec itself when no row is set aside, else a new batch without the rows that a
// quarantine rule refuses; the caller releases keep in either case, rec stays the caller's.
//
// Of the violations come first the rows that are set aside, each once and in order, under the first rule that refuses
// it: they are nowhere else, so all are named. Then come up to MaxSamples rows a run for each other rule.
func (c *Checker) Batch(rec arrow.RecordBatch) (keep arrow.RecordBatch, violations []Violation) {
	n := int(rec.NumRows())
	deletes := c.deletes(rec)
	c.rows += int64(n) - deletes.count()
	dropping := false
	c.drop = c.drop.cleared(n)
	for _, r := range c.rules {
		if r.judge == nil {
			continue
		}
		r.bad = r.bad.cleared(n)
		r.judge(rec.Column(r.column), r.bad)
		r.bad.andNot(deletes)
		r.hits = r.bad.count()
		r.broken += r.hits
		if r.hits > 0 && r.OnViolation == host.Quarantine {
			dropping = true
			c.drop.or(r.bad)
		}
	}
	if dropping {
		violations = c.setAside(rec)
	}
	for _, r := range c.rules {
		if r.judge != nil && r.hits > 0 && r.OnViolation != host.Quarantine && r.sampled < MaxSamples {
			violations = r.sample(rec, violations)
		}
	}
	if !dropping {
		rec.Retain()
		return rec, violations
	}
	return without(rec, c.drop), violations
}

// setAside names the rows that quarantine rules refuse.
func (c *Checker) setAside(rec arrow.RecordBatch) []Violation {
	out := make([]Violation, 0, c.drop.count())
	c.drop.rows(func(row int) bool {
		v := Violation{Row: row, Action: host.Quarantine}
		for _, r := range c.rules {
			switch {
			case r.judge == nil || r.OnViolation != host.Quarantine || !r.bad.has(row):
			case v.Rule == "":
				v.Rule, v.Reason = r.ID, r.reason(rec, row)
			default:
				v.Reason += fmt.Sprintf("; also breaks %s: %s", r.ID, r.reason(rec, row))
			}
		}
		out = append(out, v)
		return true
	})
	return out
}

// sample names rows that break a rule which sets none aside, while there is room.
func (r *rule) sample(rec arrow.RecordBatch, out []Violation) []Violation {
	r.bad.rows(func(row int) bool {
		r.sampled++
		out = append(out, Violation{Row: row, Rule: r.ID, Action: r.OnViolation, Reason: r.reason(rec, row)})
		return r.sampled < MaxSamples
	})
	return out
}

func (r *rule) reason(rec arrow.RecordBatch, row int) string {
	return reason(r.Rule, columnar.Value(rec.Column(r.column), row))
}

// deletes marks the rows that only remove: they have no values to judge. nil: there are none.
func (c *Checker) deletes(rec arrow.RecordBatch) mask {
	if c.op < 0 {
		return nil
	}
	ops, ok := rec.Column(c.op).(*array.String)
	if !ok || ops.NullN() == ops.Len() {
		return nil
	}
	var out mask
	for i := range ops.Len() {
		if ops.IsValid(i) && ops.Value(i) == abi.OpDelete {
			if out == nil {
				out = out.cleared(ops.Len())
			}
			out.set(i)
		}
	}
	return out
}

// Measures are numbers of the resulting table.
type Measures struct {
	Rows int64
	// Duplicates counts rows beyond the first with the same values of columns.
	Duplicates func(columns []string) (int64, error)
}

func (m Measures) duplicates(columns []string) (int64, error) {
	if m.Duplicates == nil {
		return 0, fmt.Errorf("duplicates of the table were not measured")
	}
	return m.Duplicates(columns)
}

// Finish judges the run: one check a rule, in the order of the contract.
func (c *Checker) Finish(m Measures) []host.Check {
	out := make([]host.Check, 0, len(c.rules))
	for _, r := range c.rules {
		out = append(out, c.check(r, m))
	}
	return out
}

func (c *Checker) check(r *rule, m Measures) host.Check {
	k := host.Check{Port: c.port, Rule: r.ID, Expected: expected(r.Rule)}
	if r.Skip != "" {
		k.Status, k.Reason, k.Expected = host.CheckSkip, r.Skip, r.Description
		return k
	}
	measured, of := r.broken, c.rows
	switch r.Kind {
	case host.RowCount:
		measured = m.Rows
	case host.DuplicateValues:
		n, err := m.duplicates(r.Columns)
		if err != nil {
			k.Status, k.Reason = host.CheckError, err.Error()
			return k
		}
		measured, of = n, m.Rows
	}
	k.Measured = float64(measured)
	if r.Percent && of > 0 {
		k.Measured = 100 * float64(measured) / float64(of)
	}
	bound := r.MustBe
	if bound.IsZero() {
		zero := 0.0
		bound.Eq = &zero
	}
	if bound.Holds(k.Measured) {
		k.Status = host.CheckPass
		return k
	}
	k.Status, k.Action = host.CheckFail, r.OnViolation
	if r.OnViolation == host.Warn {
		k.Status = host.CheckWarn
	}
	k.Reason = found(r.Rule, measured, of)
	return k
}

// Holds reports whether one of the checks holds the attempt back. A check that could not be evaluated does too: what
// was not judged is not published.
func Holds(checks []host.Check) bool {
	for _, k := range checks {
		if k.Status == host.CheckError || k.Status == host.CheckFail && k.Action == host.Hold {
			return true
		}
	}
	return false
}
