package host

// RuleKind is a library metric of ODCS that adp checks before data is published.
type RuleKind string

const (
	NullValues      RuleKind = "nullValues"      // rows where Column is null
	MissingValues   RuleKind = "missingValues"   // rows where Column is null or one of Values
	DuplicateValues RuleKind = "duplicateValues" // rows beyond the first with the same Columns, on the resulting table
	InvalidValues   RuleKind = "invalidValues"   // rows where Column breaks Values, Pattern, Min or Max (nulls pass)
	RowCount        RuleKind = "rowCount"        // rows of the resulting table
)

// OnViolation is what a violated rule does.
type OnViolation string

const (
	Hold       OnViolation = "hold"       // nothing is published; the attempt is kept with its rejected rows
	Quarantine OnViolation = "quarantine" // the rows that break it are set aside, the rest is published (row rules only)
	Warn       OnViolation = "warn"       // published, and said
)

// Rule is one quality rule of a contract, compiled.
type Rule struct {
	ID          string      `json:"id"` // unique within its port: the ODCS id, else column.metric or metric
	Kind        RuleKind    `json:"kind"`
	Columns     []string    `json:"columns,omitempty"`
	Values      []string    `json:"values,omitempty"`  // valid (invalidValues) or missing (missingValues) values: see ParseLiteral
	Pattern     string      `json:"pattern,omitempty"` // RE2, must match the whole value
	Min         *float64    `json:"min,omitempty"`     // bounds of a number
	Max         *float64    `json:"max,omitempty"`
	MinText     string      `json:"min_text,omitempty"` // bounds of a date, time or timestamp: see ParseLiteral
	MaxText     string      `json:"max_text,omitempty"`
	MinOpen     bool        `json:"min_open,omitempty"` // the bound itself is not valid
	MaxOpen     bool        `json:"max_open,omitempty"`
	MinLength   *int64      `json:"min_length,omitempty"` // in Unicode code points
	MaxLength   *int64      `json:"max_length,omitempty"`
	MustBe      Bound       `json:"must_be"` // on the number (or percentage) of violating rows; rowCount: on the rows
	Percent     bool        `json:"percent,omitempty"`
	OnViolation OnViolation `json:"on_violation"`
	Skip        string      `json:"skip,omitempty"` // why nothing here can evaluate it; its check says skip
	Severity    string      `json:"severity,omitempty"`
	Description string      `json:"description,omitempty"`
}

// Bound is a comparison of a measured number. All set members must hold; the zero Bound means "= 0" for
// metrics that count violations.
type Bound struct {
	Eq, Ne, Gt, Ge, Lt, Le *float64 `json:",omitempty"`
	// NotFrom and NotTo, set together, are an interval that the number must lie outside of, its ends included in it.
	NotFrom, NotTo *float64 `json:",omitempty"`
}

// Holds reports whether v satisfies the bound.
func (b Bound) Holds(v float64) bool {
	return (b.Eq == nil || v == *b.Eq) && (b.Ne == nil || v != *b.Ne) &&
		(b.Gt == nil || v > *b.Gt) && (b.Ge == nil || v >= *b.Ge) &&
		(b.Lt == nil || v < *b.Lt) && (b.Le == nil || v <= *b.Le) &&
		(b.NotFrom == nil || b.NotTo == nil || v < *b.NotFrom || v > *b.NotTo)
}

// IsZero reports whether nothing is demanded explicitly.
func (b Bound) IsZero() bool { return b == Bound{} }

// RowRule reports whether the rule judges single rows, so that a violating row can be named and set aside.
func (r *Rule) RowRule() bool {
	return r.Kind == NullValues || r.Kind == MissingValues || r.Kind == InvalidValues
}

// CheckStatus is the outcome of one rule in one run. A check that did not run says so.
type CheckStatus string

const (
	CheckPass  CheckStatus = "pass"
	CheckFail  CheckStatus = "fail" // violated, and its OnViolation was hold or quarantine
	CheckWarn  CheckStatus = "warn"
	CheckError CheckStatus = "error" // could not be evaluated
	CheckSkip  CheckStatus = "skip"  // not evaluated, Reason says why
)

// Check is the result of one rule in one run.
type Check struct {
	Port     string      `json:"port"`
	Rule     string      `json:"rule"`
	Status   CheckStatus `json:"status"`
	Action   OnViolation `json:"action,omitempty"` // of a violated rule
	Measured float64     `json:"measured"`         // violating rows, percentage, or rows of the table
	Expected string      `json:"expected"`
	Reason   string      `json:"reason,omitempty"`
}

// RejectedRow is a row that was not published, with where it came from and why.
type RejectedRow struct {
	Port   string         `json:"port"`             // output port; for rows that could not be parsed: the input's name
	Rule   string         `json:"rule"`             // rule id, or "parse" for a row that could not be read
	Reason string         `json:"reason"`           // in words, with the offending value
	Origin string         `json:"origin,omitempty"` // FILE for rows of files
	Line   int64          `json:"line,omitempty"`   // 1-based, of Origin
	Row    map[string]any `json:"row,omitempty"`    // values by column; at most 4 KiB when encoded
	Raw    string         `json:"raw,omitempty"`    // the text of a row that could not be parsed, at most 4 KiB
	Seq    Seq            `json:"seq,omitempty"`    // of the attempt that set it aside
	Run    string         `json:"run,omitempty"`    // of that attempt
}
