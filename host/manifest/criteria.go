package manifest

import (
	"math/big"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// criteria reads what makes the values of one column invalid into a rule, and reports what cannot apply to its type.
type criteria struct {
	*sink
	rule  *host.Rule
	t     host.Type
	given int // how many were there, refused ones included
}

func (s *rules) criteria(r *host.Rule) *criteria {
	c := &criteria{sink: s.sink, rule: r}
	if len(r.Columns) == 1 {
		if i := s.schema.Index(r.Columns[0]); i >= 0 {
			c.t = s.schema.Fields[i].Type
		}
	}
	return c
}

// values reads a list of valid values. An empty list would refuse every row, which nobody means.
func (c *criteria) values(m *yaml.Node, name string) {
	list := value(m, name)
	if list == nil {
		return
	}
	c.given++
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		c.add(at(list), host.CodeManifestRule, "write "+name+": [a, b]", "%s of rule %s is %s, it should be a list of values", name, c.rule.ID, describe(list))
		return
	}
	for _, n := range items(m, name) {
		c.listed(n)
	}
}

// listed adds one valid value. Null may be listed: no rule but nullValues refuses it anyway.
func (c *criteria) listed(n *yaml.Node) {
	if isNull(n) {
		return
	}
	if _, err := host.ParseLiteral(c.t, n.Value); err != nil || n.Kind != yaml.ScalarNode {
		c.add(at(n), host.CodeManifestRule, "write a value of type "+c.t.String(), "rule %s lists %s, column %q is of type %s", c.rule.ID, describe(n), c.rule.Columns[0], c.t)
		return
	}
	c.rule.Values = append(c.rule.Values, n.Value)
}

func (c *criteria) pattern(m *yaml.Node, name string) {
	v := value(m, name)
	if v == nil {
		return
	}
	c.given++
	if !c.ofText(v, name) {
		return
	}
	if _, err := regexp.Compile(v.Value); err != nil || v.Kind != yaml.ScalarNode {
		c.add(at(v), host.CodeManifestRule, "patterns are RE2: without look-around and back-references", "pattern of rule %s: %v", c.rule.ID, err)
		return
	}
	c.rule.Pattern = v.Value
}

func (c *criteria) ofText(v *yaml.Node, name string) bool {
	if c.t.Kind != host.String {
		c.add(at(v), host.CodeManifestRule, "use min, max or validValues", "rule %s demands a %s, column %q is of type %s", c.rule.ID, name, c.rule.Columns[0], c.t)
		return false
	}
	return true
}

// length reads a number of characters, nil when there is none.
func (c *criteria) length(m *yaml.Node, name string) *int64 {
	v := value(m, name)
	if v == nil {
		return nil
	}
	c.given++
	if !c.ofText(v, name) {
		return nil
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil || n < 0 {
		c.add(at(v), host.CodeManifestRule, "write a whole number", "%s of rule %s is %s, it should be a number of characters", name, c.rule.ID, describe(v))
		return nil
	}
	return &n
}

// low and high read a bound of numbers or of times.
func (c *criteria) low(m *yaml.Node, name string)  { c.limit(m, name, &c.rule.Min, &c.rule.MinText) }
func (c *criteria) high(m *yaml.Node, name string) { c.limit(m, name, &c.rule.Max, &c.rule.MaxText) }

func (c *criteria) limit(m *yaml.Node, name string, number **float64, words *string) {
	v := value(m, name)
	if v == nil {
		return
	}
	c.given++
	switch c.t.Kind {
	case host.Int32, host.Int64, host.Float32, host.Float64, host.Decimal:
		if *number = parseNumber(v); *number == nil {
			c.add(at(v), host.CodeManifestRule, "write a number", "%s of rule %s is %s, it should be a number", name, c.rule.ID, describe(v))
		}
	case host.Date, host.Time, host.Timestamp, host.TimestampTZ:
		if _, err := host.ParseLiteral(c.t, v.Value); err != nil || v.Kind != yaml.ScalarNode {
			c.add(at(v), host.CodeManifestRule, timeHints[c.t.Kind], "%s of rule %s is %s, it should be a %s", name, c.rule.ID, describe(v), c.t)
			return
		}
		*words = v.Value
	default:
		c.add(at(v), host.CodeManifestRule, "use validValues, pattern, minLength or maxLength", "rule %s demands a range, column %q is of type %s", c.rule.ID, c.rule.Columns[0], c.t)
	}
}

var timeHints = map[host.Kind]string{
	host.Date: "write YYYY-MM-DD", host.Time: "write HH:MM:SS", host.Timestamp: "write YYYY-MM-DDTHH:MM:SS",
	host.TimestampTZ: "write YYYY-MM-DDTHH:MM:SSZ",
}

// consistent reports ranges in which nothing lies.
func (c *criteria) consistent(where place) {
	r := c.rule
	empty := r.Min != nil && r.Max != nil && *r.Min > *r.Max || r.MinLength != nil && r.MaxLength != nil && *r.MinLength > *r.MaxLength
	if r.MinText != "" && r.MaxText != "" { // both parse, else they would not be here
		low, _ := host.ParseLiteral(c.t, r.MinText)
		high, _ := host.ParseLiteral(c.t, r.MaxText)
		empty = empty || low.(*big.Int).Cmp(high.(*big.Int)) > 0
	}
	if empty {
		c.add(where, host.CodeManifestRule, "write the smaller bound as the lower one", "nothing is valid by rule %s", r.ID)
	}
}
