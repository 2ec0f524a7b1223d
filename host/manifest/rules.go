package manifest

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// rules compiles the quality of a schema object and of its properties. A rule that nothing here can evaluate stays in the
// list and is reported as skipped in every run; one that means nothing is refused.
type rules struct {
	*sink
	edition
	schema host.Schema
	out    []host.Rule
	ids    map[string]bool
}

func (s *rules) object(object *yaml.Node) {
	for _, q := range items(object, "quality") {
		s.entry(q, "")
	}
	for _, p := range items(object, "properties") {
		for _, q := range items(p, "quality") {
			s.entry(q, text(p, "name"))
		}
		s.nested(p, text(p, "name"))
	}
}

// nested keeps what a contract demands of values inside of a column, which are not judged, as skipped.
func (s *rules) nested(p *yaml.Node, path string) {
	if item := value(p, "items"); item != nil {
		s.inside(item, path+"[]")
	}
	for _, sub := range items(p, "properties") {
		s.inside(sub, join(path, text(sub, "name")))
	}
}

func (s *rules) inside(p *yaml.Node, path string) {
	const reason = "values inside of an object or a list are not judged"
	for _, q := range items(p, "quality") {
		if typeOf(q) != "text" {
			r := named(q, path)
			r.Skip = reason
			s.keep(r)
		}
	}
	for _, f := range pairs(value(p, "logicalTypeOptions")) {
		if slices.Contains(judged, f.key.Value) || slices.Contains(unjudged, f.key.Value) {
			s.keep(host.Rule{ID: path + "." + f.key.Value, Kind: host.InvalidValues, Columns: []string{path}, OnViolation: host.Hold, Skip: reason})
		}
	}
	s.nested(p, path)
}

// keep adds a rule under an id that no other has.
func (s *rules) keep(r host.Rule) {
	if s.ids == nil {
		s.ids = map[string]bool{}
	}
	id := r.ID
	for n := 2; s.ids[r.ID]; n++ {
		r.ID = id + "-" + strconv.Itoa(n)
	}
	s.ids[r.ID] = true
	s.out = append(s.out, r)
}

// oldMetrics are the names that the documentation of ODCS 3.0 gave to metrics.
var oldMetrics = map[string]host.RuleKind{"duplicateCount": host.DuplicateValues, "validValues": host.InvalidValues, "nullCheck": host.NullValues}

var metrics = []string{string(host.NullValues), string(host.MissingValues), string(host.InvalidValues), string(host.DuplicateValues), string(host.RowCount)}

// metricOf is the kind of a rule as its document names it, "" when it does not.
func metricOf(q *yaml.Node) host.RuleKind {
	name := text(q, "metric")
	if name == "" {
		name = text(q, "rule") // before ODCS 3.1
	}
	if kind, ok := oldMetrics[name]; ok && text(q, "metric") == "" {
		return kind
	}
	return host.RuleKind(name)
}

// named is a rule with the id and the words of its document; column is "" at the schema object.
func named(q *yaml.Node, column string) host.Rule {
	r := host.Rule{Kind: metricOf(q), Severity: text(q, "severity"), Description: text(q, "description"), OnViolation: host.Hold}
	if r.Kind == "" {
		r.Kind = host.RuleKind(typeOf(q))
	}
	if column != "" {
		r.Columns = []string{column}
	}
	if r.ID = text(q, "id"); r.ID == "" {
		r.ID = text(q, "name")
	}
	if r.ID == "" {
		r.ID = strings.TrimPrefix(column+"."+string(r.Kind), ".")
	}
	return r
}

// entry compiles one entry of quality; column is "" at the schema object.
func (s *rules) entry(q *yaml.Node, column string) {
	r := named(q, column)
	switch kind := typeOf(q); {
	case kind == "text":
		return // words for people, kept in the document
	case kind == "sql" || kind == "custom":
		r.Skip = "rules of type " + kind + " are not run here"
	case metricOf(q) == "":
		s.add(at(q), host.CodeManifestRule, "add metric: "+strings.Join(metrics, ", ")+"; or type: text for words", "the rule does not say what to measure")
		return
	case !slices.Contains(metrics, string(r.Kind)):
		if !s.strange(&r, q) {
			return
		}
	}
	s.onViolation(&r, q)
	if r.Skip == "" {
		s.arguments(&r, q, column)
		s.bound(&r, q)
	}
	s.keep(r)
}

// typeOf is the type of a rule, by what it has where it does not say.
func typeOf(q *yaml.Node) string {
	switch kind := text(q, "type"); {
	case kind != "":
		return kind
	case metricOf(q) != "":
		return "library"
	case text(q, "query") != "":
		return "sql"
	case text(q, "engine") != "":
		return "custom"
	}
	return "library"
}

// strange handles a metric that is not known: ODCS 3.0 left their names to everybody, so there only what looks like a
// misspelt name is refused.
func (s *rules) strange(r *host.Rule, q *yaml.Node) bool {
	where := value(q, "metric")
	if where == nil {
		where = value(q, "rule")
	}
	hint := didYouMean(string(r.Kind), slices.Concat(metrics, slices.Sorted(maps.Keys(oldMetrics))))
	if before(s.minor, "3.1") && hint == "" {
		r.Skip = "the rule " + string(r.Kind) + " is not known here"
		return true
	}
	if hint == "" {
		hint = "write one of " + strings.Join(metrics, ", ")
	}
	s.add(at(where), host.CodeManifestRule, hint, "metric %q is not known", shorten(string(r.Kind)))
	return false
}

// onViolation reads what a violated rule does: its customProperty, else what its severity says.
func (s *rules) onViolation(r *host.Rule, q *yaml.Node) {
	if sev := strings.ToLower(r.Severity); sev == "warning" || sev == "warn" || sev == "info" {
		r.OnViolation = host.Warn
	}
	v := custom(q, "onViolation")
	if v == nil {
		return
	}
	known := []string{string(host.Hold), string(host.Quarantine), string(host.Warn)}
	if !slices.Contains(known, v.Value) {
		s.add(at(v), host.CodeManifestRule, oneOf(v.Value, known), "onViolation of rule %s is %s", r.ID, describe(v))
		return
	}
	r.OnViolation = host.OnViolation(v.Value)
	if r.OnViolation == host.Quarantine && !r.RowRule() && r.Skip == "" {
		s.add(at(v), host.CodeManifestRule, "use hold or warn", "rule %s is about the table; quarantine sets single rows aside", r.ID)
	}
}

// argumentNames are what a metric takes: the standard's, and of adp for invalidValues ranges and lengths.
var argumentNames = map[host.RuleKind][]string{
	host.NullValues: {}, host.RowCount: {}, host.MissingValues: {"missingValues"}, host.DuplicateValues: {"properties"},
	host.InvalidValues: {"validValues", "pattern", "min", "max", "minLength", "maxLength"},
}

func (s *rules) arguments(r *host.Rule, q *yaml.Node, column string) {
	args := value(q, "arguments")
	for _, f := range pairs(args) {
		if names := argumentNames[r.Kind]; !slices.Contains(names, f.key.Value) {
			hint := r.ID + " takes no arguments"
			if len(names) > 0 {
				hint = oneOf(f.key.Value, names)
			}
			s.add(at(f.key), host.CodeManifestRule, hint, "%s takes no argument %q", r.Kind, f.key.Value)
		}
	}
	switch {
	case column == "" && r.RowRule():
		s.add(at(q), host.CodeManifestRule, "move it to the quality of a property", "%s is about one column", r.Kind)
		return
	case column != "" && r.Kind == host.RowCount:
		s.add(at(q), host.CodeManifestRule, "move it to the quality of the schema object", "rowCount is about the table, not about column %q", column)
		r.Columns = nil
		return
	}
	switch r.Kind {
	case host.MissingValues:
		list := value(args, "missingValues")
		if r.Values = scalars(args, "missingValues"); list == nil || list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
			s.add(at(q), host.CodeManifestRule, "add arguments: {missingValues: [null, '', N/A]}", "rule %s does not say which values stand for missing", r.ID)
		}
	case host.DuplicateValues:
		s.duplicates(r, q, args, column)
	case host.InvalidValues:
		s.invalid(r, q, args)
	}
}

func (s *rules) duplicates(r *host.Rule, q, args *yaml.Node, column string) {
	list := value(args, "properties")
	switch {
	case list != nil && column != "":
		s.add(at(list), host.CodeManifestRule, "move the rule to the quality of the schema object", "a rule of column %q is about that column alone", column)
		return
	case list == nil && column == "":
		s.add(at(q), host.CodeManifestRule, "add arguments: {properties: [COLUMN]}", "rule %s does not say which columns are unique together", r.ID)
		return
	case list == nil:
		return
	}
	for _, n := range items(args, "properties") {
		switch {
		case s.schema.Index(n.Value) < 0:
			s.add(at(n), host.CodeManifestColumn, didYouMean(n.Value, names(s.schema)), "rule %s names column %s, which is not in the contract", r.ID, describe(n))
		case slices.Contains(r.Columns, n.Value):
			s.add(at(n), host.CodeManifestRule, "delete it", "rule %s names column %q twice", r.ID, n.Value)
		default:
			r.Columns = append(r.Columns, n.Value)
		}
	}
	if len(list.Content) == 0 {
		s.add(at(list), host.CodeManifestRule, "write properties: [COLUMN]", "rule %s does not say which columns are unique together", r.ID)
	}
}

func names(schema host.Schema) []string {
	var out []string
	for _, f := range schema.Fields {
		out = append(out, f.Name)
	}
	return out
}

func (s *rules) invalid(r *host.Rule, q, args *yaml.Node) {
	c := s.criteria(r)
	c.values(args, "validValues")
	if len(r.Values) == 0 {
		c.values(q, "validValues") // its place in ODCS 3.0
	}
	c.pattern(args, "pattern")
	c.low(args, "min")
	c.high(args, "max")
	r.MinLength, r.MaxLength = c.length(args, "minLength"), c.length(args, "maxLength")
	c.consistent(at(args))
	if c.given == 0 {
		s.add(at(q), host.CodeManifestRule, "add arguments: validValues, pattern, min, max, minLength or maxLength", "rule %s does not say what is valid", r.ID)
	}
}

// bound reads the operator of a rule.
func (s *rules) bound(r *host.Rule, q *yaml.Node) {
	given := s.operators(r, q)
	switch {
	case len(given) > 1 && !before(s.minor, "3.1"):
		s.add(at(given[1]), host.CodeManifestRule, "keep one, or use mustBeBetween", "rule %s has %d operators", r.ID, len(given))
	case len(given) == 0 && r.Kind == host.RowCount:
		s.add(at(q), host.CodeManifestRule, "add mustBeGreaterThan: 0", "rule %s does not say how many rows there must be", r.ID)
	}
	unit := value(q, "unit")
	if unit == nil {
		return
	}
	switch strings.ToLower(unit.Value) {
	case "rows", "row":
	case "percent", "%":
		r.Percent = true
		if r.Kind == host.RowCount {
			s.add(at(unit), host.CodeManifestRule, "write unit: rows", "rule %s counts all rows, a percentage of them means nothing", r.ID)
		}
	default:
		s.add(at(unit), host.CodeManifestRule, "write rows or percent", "unit of rule %s is %s", r.ID, describe(unit))
	}
}

// operators reads the comparisons of a rule and gives their keys.
func (s *rules) operators(r *host.Rule, q *yaml.Node) (given []*yaml.Node) {
	b := &r.MustBe
	for _, op := range []struct {
		name     string
		one, two **float64
	}{
		{"mustBe", &b.Eq, nil}, {"mustNotBe", &b.Ne, nil}, {"mustBeGreaterThan", &b.Gt, nil}, {"mustBeGreaterOrEqualTo", &b.Ge, nil},
		{"mustBeLessThan", &b.Lt, nil}, {"mustBeLessOrEqualTo", &b.Le, nil}, {"mustBeBetween", &b.Ge, &b.Le}, {"mustNotBeBetween", &b.NotFrom, &b.NotTo},
	} {
		key, v := field(q, op.name)
		if isNull(v) {
			continue
		}
		given = append(given, key)
		switch {
		case op.two == nil:
			if *op.one = parseNumber(v); *op.one == nil {
				s.add(at(v), host.CodeManifestRule, "write a number", "%s of rule %s is %s, it should be a number", op.name, r.ID, describe(v))
			}
		case v.Kind != yaml.SequenceNode || len(v.Content) != 2 || parseNumber(v.Content[0]) == nil || parseNumber(v.Content[1]) == nil:
			s.add(at(v), host.CodeManifestRule, "write "+op.name+": [LOW, HIGH]", "%s of rule %s is not two numbers", op.name, r.ID)
		default:
			*op.one, *op.two = parseNumber(v.Content[0]), parseNumber(v.Content[1])
			if **op.one > **op.two {
				s.add(at(v), host.CodeManifestRule, "write the smaller number first", "%s of rule %s is an empty interval", op.name, r.ID)
			}
		}
	}
	return given
}

var numberForm = regexp.MustCompile(`^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?$`)

// parseNumber is a finite number, nil for anything else.
func parseNumber(n *yaml.Node) *float64 {
	n = follow(n)
	if n.Kind != yaml.ScalarNode || !numberForm.MatchString(n.Value) {
		return nil
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	if err != nil {
		return nil
	}
	return &f
}
