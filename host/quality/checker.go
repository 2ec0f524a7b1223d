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
}

// rule is a compiled rule and what it has seen.
type rule struct {
	host.Rule
	find    func(rec arrow.RecordBatch, hit func(row int)) // row rules: calls hit for each row that breaks it
	reason  func(rec arrow.RecordBatch, row int) string
	broken  int64
	sampled int
	skip    string // why it cannot be evaluated, "" when it can
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
	for _, name := range r.Columns {
		if len(s.FieldIndices(name)) != 1 {
			return nil, fmt.Errorf("the port has no column %q", name)
		}
	}
	if !r.RowRule() {
		if r.OnViolation == host.Quarantine {
			return nil, fmt.Errorf("%s is about the table; quarantine sets single rows aside", r.Kind)
		}
		switch r.Kind {
		case host.RowCount:
		case host.DuplicateValues:
			if len(r.Columns) == 0 {
				return nil, fmt.Errorf("duplicateValues names no column")
			}
		default:
			out.skip = fmt.Sprintf("a check of kind %q is not evaluated here", r.Kind)
		}
		return out, nil
	}
	if len(r.Columns) != 1 {
		return nil, fmt.Errorf("%s is about one column, %d are named", r.Kind, len(r.Columns))
	}
	i := s.FieldIndices(r.Columns[0])[0]
	test, err := rowTest(r, s.Field(i).Type)
	if err != nil {
		return nil, err
	}
	out.find = func(rec arrow.RecordBatch, hit func(int)) { test(rec.Column(i), hit) }
	out.reason = func(rec arrow.RecordBatch, row int) string { return reason(r, columnar.Value(rec.Column(i), row)) }
	return out, nil
}

// Batch judges a batch. keep is rec itself when no row is set aside, else a new batch without the rows that a
// quarantine rule refuses; the caller releases keep in either case, rec stays the caller's. violations are in no
// particular order, at most MaxSamples a rule and run.
func (c *Checker) Batch(rec arrow.RecordBatch) (keep arrow.RecordBatch, violations []Violation) {
	n := int(rec.NumRows())
	skip := c.deletes(rec)
	c.rows += int64(n)
	if skip != nil {
		for _, s := range skip {
			if s {
				c.rows--
			}
		}
	}
	var drop []bool
	for _, r := range c.rules {
		if r.find == nil {
			continue
		}
		r.find(rec, func(row int) {
			if skip != nil && skip[row] {
				return
			}
			r.broken++
			if r.OnViolation == host.Quarantine {
				if drop == nil {
					drop = make([]bool, n)
				}
				drop[row] = true
			}
			// Rows that are set aside are all named: they are nowhere else. Of others, some are enough.
			if r.sampled < MaxSamples || r.OnViolation == host.Quarantine {
				r.sampled++
				violations = append(violations, Violation{Row: row, Rule: r.ID, Action: r.OnViolation, Reason: r.reason(rec, row)})
			}
		})
	}
	if drop == nil {
		rec.Retain()
		return rec, violations
	}
	return without(rec, drop), violations
}

// deletes marks the rows that only remove: they have no values to judge. nil: there are none.
func (c *Checker) deletes(rec arrow.RecordBatch) []bool {
	if c.op < 0 {
		return nil
	}
	ops, ok := rec.Column(c.op).(*array.String)
	if !ok || ops.NullN() == ops.Len() {
		return nil
	}
	var out []bool
	for i := range ops.Len() {
		if ops.IsValid(i) && ops.Value(i) == abi.OpDelete {
			if out == nil {
				out = make([]bool, ops.Len())
			}
			out[i] = true
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
	if r.skip != "" {
		k.Status, k.Reason = host.CheckSkip, r.skip
		return k
	}
	measured, of := r.broken, c.rows
	switch r.Kind {
	case host.RowCount:
		measured = m.Rows
	case host.DuplicateValues:
		n, err := m.Duplicates(r.Columns)
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
