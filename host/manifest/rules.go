package manifest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// rules compiles the quality of a schema object and of its properties, and what unique and the options of a logical
// type demand. A rule that is not checked here stays in the list and is reported as skipped in every run.
func (s *sink) rules(object *yaml.Node, schema host.Schema) []host.Rule {
	var out []host.Rule
	add := func(r host.Rule) {
		for n := 2; slices.ContainsFunc(out, func(o host.Rule) bool { return o.ID == r.ID }); n++ {
			r.ID = strings.TrimSuffix(r.ID, "-"+strconv.Itoa(n-1)) + "-" + strconv.Itoa(n)
		}
		out = append(out, r)
	}
	for _, q := range items(object, "quality") {
		if r, ok := s.rule(q, "", schema); ok {
			add(r)
		}
	}
	for _, p := range items(object, "properties") {
		column := text(p, "name")
		for _, q := range items(p, "quality") {
			if r, ok := s.rule(q, column, schema); ok {
				add(r)
			}
		}
		for _, r := range s.implied(p, column) {
			add(r)
		}
	}
	return out
}

// rule compiles one entry of quality; column is "" at schema level.
func (s *sink) rule(q *yaml.Node, column string, schema host.Schema) (host.Rule, bool) {
	kind := text(q, "type")
	metric := text(q, "metric")
	if metric == "" {
		metric = text(q, "rule") // its name in ODCS 3.0
	}
	r := host.Rule{ID: text(q, "id"), Kind: host.RuleKind(metric), Severity: text(q, "severity"), Description: text(q, "description")}
	if r.ID == "" {
		r.ID = text(q, "name")
	}
	switch {
	case kind == "text":
		return r, false // words for people, kept in the document
	case kind == "sql" || kind == "custom" || kind == "" && metric == "" && (text(q, "query") != "" || text(q, "engine") != ""):
		if kind == "" {
			kind = "custom"
		}
		r.Kind = host.RuleKind(kind)
	case kind != "" && kind != "library":
		_, v := field(q, "type")
		s.add(at(v), host.CodeManifestRule, didYouMean(kind, []string{"library", "text", "sql", "custom"}), "quality type %q is not known", kind)
		return r, false
	case metric == "":
		s.add(at(q), host.CodeManifestRule, "add metric: nullValues, missingValues, invalidValues, duplicateValues or rowCount", "the rule says nothing to measure")
		return r, false
	}
	if r.ID == "" {
		r.ID = strings.TrimPrefix(column+"."+string(r.Kind), ".")
	}
	if column != "" {
		r.Columns = []string{column}
	}
	s.onViolation(&r, q)
	if r.Kind == "sql" || r.Kind == "custom" {
		return r, true
	}
	s.arguments(&r, q, column, schema)
	s.bound(&r, q)
	return r, true
}

// onViolation reads what a violated rule does: its customProperty, else what its severity says.
func (s *sink) onViolation(r *host.Rule, q *yaml.Node) {
	r.OnViolation = host.Hold
	if sev := strings.ToLower(r.Severity); sev == "warning" || sev == "warn" || sev == "info" {
		r.OnViolation = host.Warn
	}
	v := custom(q, "onViolation")
	if v == nil {
		return
	}
	known := []string{string(host.Hold), string(host.Quarantine), string(host.Warn)}
	if !slices.Contains(known, v.Value) {
		hint := didYouMean(v.Value, known)
		if hint == "" {
			hint = "write hold, quarantine or warn"
		}
		s.add(at(v), host.CodeManifestRule, hint, "onViolation of rule %s is %q", r.ID, v.Value)
		return
	}
	r.OnViolation = host.OnViolation(v.Value)
	if r.OnViolation == host.Quarantine && (r.Kind == host.DuplicateValues || r.Kind == host.RowCount) {
		s.add(at(v), host.CodeManifestRule, "use hold or warn", "rule %s is about the table; quarantine sets single rows aside", r.ID)
	}
}

func (s *sink) arguments(r *host.Rule, q *yaml.Node, column string, schema host.Schema) {
	_, args := field(q, "arguments")
	known := map[host.RuleKind][]string{
		host.NullValues: {}, host.RowCount: {}, host.MissingValues: {"missingValues"}, host.DuplicateValues: {"properties"},
		host.InvalidValues: {"validValues", "pattern", "min", "max", "minLength", "maxLength"},
	}
	names, ok := known[r.Kind]
	if !ok {
		at_, _ := field(q, "metric")
		if at_ == nil {
			at_, _ = field(q, "rule")
		}
		s.add(at(at_), host.CodeManifestRule, didYouMean(string(r.Kind), []string{"nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"}), "metric %q is not known", r.Kind)
		return
	}
	for i := 0; args != nil && i+1 < len(args.Content); i += 2 {
		if k := args.Content[i]; !slices.Contains(names, k.Value) {
			s.add(at(k), host.CodeManifestRule, didYouMean(k.Value, names), "%s takes no argument %q", r.Kind, k.Value)
		}
	}
	if column == "" && r.Kind != host.RowCount && r.Kind != host.DuplicateValues {
		s.add(at(q), host.CodeManifestRule, "move it to the quality of a property", "%s is about one column", r.Kind)
	}
	switch r.Kind {
	case host.MissingValues:
		r.Values = scalars(args, "missingValues")
		if len(r.Values) == 0 {
			s.add(at(q), host.CodeManifestRule, "add arguments: {missingValues: [N/A]}", "rule %s does not say which values stand for missing", r.ID)
		}
	case host.DuplicateValues:
		if columns := scalars(args, "properties"); len(columns) > 0 {
			r.Columns = columns
		}
		if len(r.Columns) == 0 {
			s.add(at(q), host.CodeManifestRule, "add arguments: {properties: [COLUMN]}", "rule %s does not say which columns are unique", r.ID)
		}
		s.columns(r, args, schema)
	case host.InvalidValues:
		s.invalid(r, q, args, schema)
	}
}

func (s *sink) columns(r *host.Rule, args *yaml.Node, schema host.Schema) {
	for _, c := range r.Columns {
		if schema.Index(c) < 0 {
			_, v := field(args, "properties")
			var names []string
			for _, f := range schema.Fields {
				names = append(names, f.Name)
			}
			s.add(at(v), host.CodeManifestColumn, didYouMean(c, names), "rule %s names column %q, which is not in the contract", r.ID, c)
		}
	}
}

func (s *sink) invalid(r *host.Rule, q, args *yaml.Node, schema host.Schema) {
	r.Values = scalars(args, "validValues")
	if len(r.Values) == 0 {
		r.Values = scalars(q, "validValues") // its place in ODCS 3.0
	}
	r.Pattern = text(args, "pattern")
	if _, err := regexp.Compile(r.Pattern); err != nil {
		_, v := field(args, "pattern")
		s.add(at(v), host.CodeManifestRule, "patterns are RE2, without look-around and back-references", "pattern of rule %s: %v", r.ID, err)
		r.Pattern = ""
	}
	r.Min, r.Max = s.number(args, "min"), s.number(args, "max")
	r.MinLength, r.MaxLength = s.length(args, "minLength"), s.length(args, "maxLength")
	if len(r.Values) == 0 && text(args, "pattern") == "" && r.Min == nil && r.Max == nil && r.MinLength == nil && r.MaxLength == nil {
		s.add(at(q), host.CodeManifestRule, "add arguments: {validValues: […]}, pattern, min, max, minLength or maxLength", "rule %s does not say what is valid", r.ID)
	}
	if len(r.Columns) == 1 {
		s.fits(r, at(q), schema)
	}
}

// fits reports a rule that cannot judge its column's type.
func (s *sink) fits(r *host.Rule, where place, schema host.Schema) {
	i := schema.Index(r.Columns[0])
	if i < 0 {
		return
	}
	k := schema.Fields[i].Type.Kind
	numeric := k == host.Int32 || k == host.Int64 || k == host.Float32 || k == host.Float64 || k == host.Decimal
	switch {
	case (r.Min != nil || r.Max != nil) && !numeric:
		s.add(where, host.CodeManifestRule, "use validValues or a pattern", "rule %s demands a range of column %q, which is %s", r.ID, r.Columns[0], k)
	case (r.MinLength != nil || r.MaxLength != nil) && k != host.String:
		s.add(where, host.CodeManifestRule, "lengths are of text", "rule %s demands a length of column %q, which is %s", r.ID, r.Columns[0], k)
	}
}

// implied are the rules that a property demands without a quality entry. What required demands is checked by type.
func (s *sink) implied(p *yaml.Node, column string) []host.Rule {
	var out []host.Rule
	if flag(p, "unique") {
		out = append(out, host.Rule{ID: column + ".unique", Kind: host.DuplicateValues, Columns: []string{column}, OnViolation: host.Hold})
	}
	_, o := field(p, "logicalTypeOptions")
	r := host.Rule{ID: column + ".options", Kind: host.InvalidValues, Columns: []string{column}, OnViolation: host.Hold}
	switch text(p, "logicalType") {
	case "integer", "number":
		r.Min, r.Max = s.number(o, "minimum"), s.number(o, "maximum")
	case "string":
		r.MinLength, r.MaxLength = s.length(o, "minLength"), s.length(o, "maxLength")
		if pattern := text(o, "pattern"); pattern != "" {
			if _, err := regexp.Compile(pattern); err != nil {
				_, v := field(o, "pattern")
				s.add(at(v), host.CodeManifestRule, "patterns are RE2, without look-around and back-references", "pattern of column %q: %v", column, err)
			} else {
				r.Pattern = pattern
			}
		}
	}
	if r.Min != nil || r.Max != nil || r.MinLength != nil || r.MaxLength != nil || r.Pattern != "" {
		out = append(out, r)
	}
	return out
}

// bound reads the one operator of a rule.
func (s *sink) bound(r *host.Rule, q *yaml.Node) {
	ops := map[string]**float64{"mustBe": &r.MustBe.Eq, "mustNotBe": &r.MustBe.Ne, "mustBeGreaterThan": &r.MustBe.Gt,
		"mustBeGreaterOrEqualTo": &r.MustBe.Ge, "mustBeLessThan": &r.MustBe.Lt, "mustBeLessOrEqualTo": &r.MustBe.Le}
	set := 0
	for name, p := range ops {
		if key, v := field(q, name); v != nil {
			set++
			if *p = s.number(q, name); *p == nil {
				s.add(at(key), host.CodeManifestRule, "write a number", "%s of rule %s is not a number", name, r.ID)
			}
		}
	}
	if _, v := field(q, "mustBeBetween"); v != nil {
		set++
		pair := scalars(q, "mustBeBetween")
		lo, hi := (*float64)(nil), (*float64)(nil)
		if len(pair) == 2 {
			lo, hi = parseNumber(pair[0]), parseNumber(pair[1])
		}
		if lo == nil || hi == nil {
			s.add(at(v), host.CodeManifestRule, "write mustBeBetween: [LOW, HIGH]", "mustBeBetween of rule %s is not two numbers", r.ID)
		}
		r.MustBe.Ge, r.MustBe.Le = lo, hi
	}
	if key, v := field(q, "mustNotBeBetween"); v != nil {
		set++
		s.add(at(key), host.CodeManifestRule, "use one of the other operators", "mustNotBeBetween is not checked here")
	}
	switch {
	case set > 1:
		s.add(at(q), host.CodeManifestRule, "keep one, or use mustBeBetween", "rule %s has %d operators", r.ID, set)
	case set == 0 && r.Kind == host.RowCount:
		s.add(at(q), host.CodeManifestRule, "add mustBeGreaterThan: 0", "rule %s does not say how many rows", r.ID)
	}
	switch unit := text(q, "unit"); unit {
	case "", "rows":
	case "percent", "%":
		r.Percent = true
	default:
		_, v := field(q, "unit")
		s.add(at(v), host.CodeManifestRule, "write rows or percent", "unit of rule %s is %q", r.ID, unit)
	}
}

func (s *sink) number(m *yaml.Node, name string) *float64 {
	_, v := field(m, name)
	if v == nil {
		return nil
	}
	n := parseNumber(v.Value)
	if n == nil || v.Kind != yaml.ScalarNode {
		s.add(at(v), host.CodeManifestRule, "write a number", "%s is %s, it should be a number", name, describe(v))
		return nil
	}
	return n
}

func (s *sink) length(m *yaml.Node, name string) *int64 {
	f := s.number(m, name)
	if f == nil {
		return nil
	}
	n := int64(*f)
	if float64(n) != *f || n < 0 {
		_, v := field(m, name)
		s.add(at(v), host.CodeManifestRule, "write a whole number", "%s is %v, it should be a length", name, *f)
		return nil
	}
	return &n
}

func parseNumber(text string) *float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != f {
		return nil
	}
	return &f
}

// scalars are the texts of a list's scalar elements.
func scalars(m *yaml.Node, name string) []string {
	var out []string
	for _, c := range items(m, name) {
		if c.Kind == yaml.ScalarNode {
			out = append(out, c.Value)
		}
	}
	return out
}
