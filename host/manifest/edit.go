package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// insert puts a field of text into a mapping, near the named one of its own fields, and keeps every other byte of the
// document. How a field can be added to YAML text depends on what surrounds it; so the likely ways are tried, and one is
// taken only when the text then parses to the old tree and the new field.
func (d *Document) insert(m *yaml.Node, near, name, value string) error {
	key := ownKey(m, near)
	if key == nil {
		return fmt.Errorf("%s: there is no field to put %s next to", d.Name, name)
	}
	field := name + ": " + scalar(value)
	if key.Style&yaml.DoubleQuotedStyle != 0 { // JSON, which is YAML too, stays JSON
		field = fmt.Sprintf("%q: %q", name, value)
	}
	ways := []string{d.lineAfter(key, field), d.lineBefore(key, field)}
	if m.Style&yaml.FlowStyle != 0 {
		ways = []string{d.inlineBefore(key, field)}
	}
	for _, src := range ways {
		next, err := Parse(d.Name, []byte(src))
		if err == nil && grown(d.root, next.root, m, name, value) {
			*d = *next
			return nil
		}
	}
	return fmt.Errorf("%s:%d: %s cannot be added here without rewriting the document; write it yourself: %s", d.Name, key.Line, name, field)
}

// ownKey is the key of a mapping's own field, else of its first; nil when it has none.
func ownKey(m *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i]
		}
	}
	if len(m.Content) > 0 {
		return m.Content[0]
	}
	return nil
}

// lineAfter puts a field on a line of its own below a field of one line.
func (d *Document) lineAfter(key *yaml.Node, field string) string {
	lines, end := d.lines(key)
	at := key.Line - 1
	if !strings.HasSuffix(lines[at], "\n") {
		lines[at] += end
	}
	lines[at] += strings.Repeat(" ", key.Column-1) + field + end
	return strings.Join(lines, "")
}

// lineBefore puts a field on a line of its own above another, which may follow the dash of a list.
func (d *Document) lineBefore(key *yaml.Node, field string) string {
	lines, end := d.lines(key)
	line := lines[key.Line-1]
	cut := byteColumn(line, key.Column)
	lines[key.Line-1] = line[:cut] + field + end + strings.Repeat(" ", key.Column-1) + line[cut:]
	return strings.Join(lines, "")
}

// inlineBefore puts a field before another of a mapping in braces.
func (d *Document) inlineBefore(key *yaml.Node, field string) string {
	lines, _ := d.lines(key)
	line := lines[key.Line-1]
	cut := byteColumn(line, key.Column)
	lines[key.Line-1] = line[:cut] + field + ", " + line[cut:]
	return strings.Join(lines, "")
}

// lines are the lines of the document with their ends, and the end of the line of a key.
func (d *Document) lines(key *yaml.Node) (lines []string, end string) {
	lines = strings.SplitAfter(string(d.src), "\n")
	for len(lines) < key.Line {
		lines = append(lines, "")
	}
	if strings.HasSuffix(lines[key.Line-1], "\r\n") || strings.Contains(lines[0], "\r\n") {
		return lines, "\r\n"
	}
	return lines, "\n"
}

// byteColumn turns a 1-based column of characters into a byte offset.
func byteColumn(line string, column int) int {
	n := 0
	for i := range line {
		if n++; n == column {
			return i
		}
	}
	return len(line)
}

// grown reports whether tree b is tree a with one more field in its mapping m.
func grown(a, b, m *yaml.Node, name, value string) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || a.Anchor != b.Anchor {
		return false
	}
	rest := b.Content
	if a == m {
		rest = nil
		added := 0
		for i := 0; i+1 < len(b.Content); i += 2 {
			if k, v := b.Content[i], b.Content[i+1]; k.Value == name && v.Kind == yaml.ScalarNode && v.Value == value && v.Tag == "!!str" {
				added++
				continue
			}
			rest = append(rest, b.Content[i], b.Content[i+1])
		}
		if added != 1 {
			return false
		}
	}
	if len(a.Content) != len(rest) {
		return false
	}
	for i := range a.Content {
		if !grown(a.Content[i], rest[i], m, name, value) {
			return false
		}
	}
	return true
}
