package manifest

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// implied are the rules that a contract demands without a quality entry: unique, primaryKey, the options of a logical
// type, enum. Their ids are COLUMN.FIELD, and they hold. What required demands is part of the column's type: a batch with
// a null in such a column is refused before any rule sees it.
func (s *rules) implied(props []*yaml.Node, key []string) []host.Rule {
	in := rules{sink: s.sink, edition: s.edition, schema: s.schema, ids: s.ids}
	for _, p := range props {
		column := text(p, "name")
		keep := func(field string, r host.Rule) {
			r.ID, r.Columns, r.OnViolation = column+"."+field, []string{column}, host.Hold
			in.keep(r)
		}
		if flag(p, "primaryKey") && !flag(p, "required") {
			keep("primaryKey", host.Rule{Kind: host.NullValues})
		}
		if flag(p, "unique") {
			keep("unique", host.Rule{Kind: host.DuplicateValues})
		}
		in.options(p, column, keep)
		in.enum(p, column, keep)
	}
	if len(key) > 0 {
		in.keep(host.Rule{ID: "primaryKey", Kind: host.DuplicateValues, Columns: key, OnViolation: host.Hold})
	}
	return in.out
}

// Options of a logical type that say something about values: those that become rules, and those that nothing here evaluates.
var (
	judged   = []string{"minLength", "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
	unjudged = []string{"multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
)

// options turns the options of a column's logical type into a rule for each.
func (s *rules) options(p *yaml.Node, column string, keep func(string, host.Rule)) {
	o := value(p, "logicalTypeOptions")
	read := func(field string, fill func(c *criteria)) {
		if value(o, field) == nil {
			return
		}
		r := host.Rule{ID: column + "." + field, Kind: host.InvalidValues, Columns: []string{column}}
		before := len(s.problems)
		if fill(s.criteria(&r)); len(s.problems) == before {
			keep(field, r)
		}
	}
	read("minLength", func(c *criteria) { c.rule.MinLength = c.length(o, "minLength") })
	read("maxLength", func(c *criteria) { c.rule.MaxLength = c.length(o, "maxLength") })
	read("pattern", func(c *criteria) { c.pattern(o, "pattern") })
	// In ODCS 3.0 the exclusive fields are true or false, and say how the other field is meant; later they are bounds.
	read("minimum", func(c *criteria) { c.low(o, "minimum"); c.rule.MinOpen = flag(o, "exclusiveMinimum") })
	read("maximum", func(c *criteria) { c.high(o, "maximum"); c.rule.MaxOpen = flag(o, "exclusiveMaximum") })
	if !isFlag(value(o, "exclusiveMinimum")) {
		read("exclusiveMinimum", func(c *criteria) { c.low(o, "exclusiveMinimum"); c.rule.MinOpen = true })
	}
	if !isFlag(value(o, "exclusiveMaximum")) {
		read("exclusiveMaximum", func(c *criteria) { c.high(o, "exclusiveMaximum"); c.rule.MaxOpen = true })
	}
	if r, ok := narrow[text(o, "format")]; ok && text(p, "logicalType") == "integer" {
		keep("format", host.Rule{Kind: host.InvalidValues, Min: &r[0], Max: &r[1]})
	}
	for _, f := range pairs(o) {
		if slices.Contains(unjudged, f.key.Value) && !isNull(f.value) {
			keep(f.key.Value, host.Rule{Kind: host.InvalidValues, Skip: f.key.Value + " is not judged here"})
		}
	}
}

// narrow are the formats of integers that are stored in a wider type, with their first and last value.
var narrow = map[string][2]float64{"i8": {-1 << 7, 1<<7 - 1}, "i16": {-1 << 15, 1<<15 - 1}, "u8": {0, 1<<8 - 1}, "u16": {0, 1<<16 - 1}, "u32": {0, 1<<32 - 1}}

func isFlag(n *yaml.Node) bool { return n != nil && n.Tag == "!!bool" }

// enum is the list of valid values of ODCS 3.2.
func (s *rules) enum(p *yaml.Node, column string, keep func(string, host.Rule)) {
	list := items(p, "enum")
	if len(list) == 0 {
		return
	}
	r := host.Rule{ID: column + ".enum", Kind: host.InvalidValues, Columns: []string{column}}
	c := s.criteria(&r)
	before := len(s.problems)
	for _, e := range list {
		if v := value(e, "value"); v != nil {
			c.listed(v)
		}
	}
	if len(s.problems) == before && len(r.Values) > 0 {
		keep("enum", r)
	}
}

// byConstruction reports whether a rule cannot fail on a port whose table has one row a key: rows that agree in all the
// columns of the rule would agree in the key.
func byConstruction(r host.Rule, o *host.Output) bool {
	if r.Kind != host.DuplicateValues || o.Mode != host.Upsert || len(o.Key) == 0 {
		return false
	}
	return !slices.ContainsFunc(o.Key, func(k string) bool { return !slices.Contains(r.Columns, k) })
}

// editionOf is the version of a standard that a document says it is of.
func editionOf(d *Document, std *standard) edition {
	parts := strings.Split(strings.TrimPrefix(text(d.root, "apiVersion"), "v"), ".")
	if len(parts) < 2 {
		return edition{std, ""}
	}
	return edition{std, parts[0] + "." + parts[1]}
}
