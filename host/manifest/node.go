package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is a 1-based position in a document, columns in characters; line 0 is the document as a whole.
type place struct{ line, column int }

func at(n *yaml.Node) place {
	if n == nil {
		return place{}
	}
	return place{n.Line, n.Column}
}

// line is a line of the document without its end.
func (d *Document) line(n int) (string, bool) {
	rest := string(d.src)
	for ; n > 1; n-- {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return "", false
		}
		rest = after
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimRight(line, "\r"), n == 1
}

// excerptWidth is how many characters of a long line an excerpt shows.
const excerptWidth = 120

// excerpt is the line at a place with a caret below it; of a long line the part around the place.
func (d *Document) excerpt(p place) string {
	text, ok := d.line(p.line)
	if p.line == 0 || !ok || text == "" {
		return ""
	}
	line := []rune(strings.ReplaceAll(text, "\t", " "))
	column := max(0, min(p.column-1, len(line)))
	prefix, suffix := "", ""
	if from := column - excerptWidth/2; from > 0 && len(line) > excerptWidth {
		line, column, prefix = line[from:], column-from, "…"
	}
	if len(line) > excerptWidth {
		line, suffix = line[:excerptWidth], "…"
	}
	return fmt.Sprintf("%4d | %s%s%s\n     | %s^", p.line, prefix, string(line), suffix, strings.Repeat(" ", column+len([]rune(prefix))))
}

// follow gives what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pair is a field of a mapping, its aliases followed.
type pair struct{ key, value *yaml.Node }

// pairs are the fields of a mapping in their order: its own, then those that it merges with << and does not have.
func pairs(m *yaml.Node) []pair {
	m = follow(m)
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	out := make([]pair, 0, len(m.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		switch key, value := m.Content[i], follow(m.Content[i+1]); {
		case key.Tag != "!!merge":
			out = append(out, pair{key, value})
		case value.Kind == yaml.SequenceNode:
			merged = append(merged, value.Content...)
		default:
			merged = append(merged, value)
		}
	}
	if len(merged) == 0 {
		return out
	}
	own := make(map[string]bool, len(out))
	for _, p := range out {
		own[p.key.Value] = true
	}
	for _, other := range merged {
		for _, p := range pairs(other) {
			if !own[p.key.Value] {
				own[p.key.Value] = true
				out = append(out, p)
			}
		}
	}
	return out
}

// field gives the key and value of a mapping's field, nil when it has none.
func field(m *yaml.Node, name string) (key, value *yaml.Node) {
	for _, f := range pairs(m) {
		if f.key.Value == name {
			return f.key, f.value
		}
	}
	return nil, nil
}

// value is a field's value, nil when it is missing or null.
func value(m *yaml.Node, name string) *yaml.Node {
	if _, v := field(m, name); !isNull(v) {
		return v
	}
	return nil
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// text is a scalar field's text, "" when it is missing or null.
func text(m *yaml.Node, name string) string {
	if v := value(m, name); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// items are the elements of a list field.
func items(m *yaml.Node, name string) []*yaml.Node {
	v := value(m, name)
	if v == nil || v.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]*yaml.Node, len(v.Content))
	for i, c := range v.Content {
		out[i] = follow(c)
	}
	return out
}

// scalars are the texts of a list's scalar elements, without its nulls.
func scalars(m *yaml.Node, name string) []string {
	var out []string
	for _, c := range items(m, name) {
		if c.Kind == yaml.ScalarNode && !isNull(c) {
			out = append(out, c.Value)
		}
	}
	return out
}

// flag is a boolean field, false when it is missing.
func flag(m *yaml.Node, name string) bool { return text(m, name) == "true" }

// custom gives the value of a customProperties entry, nil when there is none.
func custom(m *yaml.Node, property string) *yaml.Node {
	for _, c := range items(m, "customProperties") {
		if text(c, "property") == property {
			return value(c, "value")
		}
	}
	return nil
}

// describe says what a value is, for a message.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case isNull(n):
		return "empty"
	}
	v := []rune(n.Value)
	if len(v) > 60 {
		return `"` + string(v[:60]) + `…"`
	}
	return `"` + string(v) + `"`
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
