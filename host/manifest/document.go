package manifest

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// MaxDocument is how large a document may be, in bytes.
const MaxDocument = 1 << 20

// maxNodes bounds a document with its aliases followed: a few lines of YAML can stand for billions of nodes.
const maxNodes = 100_000

// Document is one YAML file, lossless.
type Document struct {
	Name string // as people know it: a path
	src  []byte
	root *yaml.Node
}

// place is a 1-based position in a document; line 0 is the document as a whole.
type place struct{ line, column int }

func at(n *yaml.Node) place {
	if n == nil {
		return place{}
	}
	return place{n.Line, n.Column}
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// Parse reads a document. The error is a Problems of code M001 when it is not YAML, or not one mapping.
func Parse(name string, src []byte) (*Document, error) {
	d := &Document{Name: name, src: src}
	s := &sink{doc: d}
	switch {
	case len(src) > MaxDocument:
		s.add(place{}, host.CodeManifestSyntax, "split it, or move data out of it", "the document is larger than %d bytes", MaxDocument)
		return nil, s.err()
	case !utf8.Valid(src):
		s.add(place{}, host.CodeManifestSyntax, "save it as UTF-8", "the document is not UTF-8")
		return nil, s.err()
	}
	var root yaml.Node
	if err := parseYAML(src, &root); err != nil {
		var where place
		message := strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(message); m != nil {
			where.line, _ = strconv.Atoi(m[1])
			where.column = 1
			message = strings.TrimPrefix(message, m[0]+": ")
		}
		s.add(where, host.CodeManifestSyntax, "check the indentation, quotes and colons of the line", "this is not YAML: %s", message)
		return nil, s.err()
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		s.add(place{1, 1}, host.CodeManifestSyntax, "begin with apiVersion: and kind:", "the document is not a mapping of fields")
		return nil, s.err()
	}
	d.root = root.Content[0]
	budget := maxNodes
	if !within(d.root, &budget, 0) {
		s.add(place{1, 1}, host.CodeManifestSyntax, "write out what the aliases stand for", "the document is too large or too deep once its aliases are followed")
		return nil, s.err()
	}
	return d, nil
}

// parseYAML turns a panic of the parser, which strange input has caused before, into an error.
func parseYAML(src []byte, root *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.Join(err, fmt.Errorf("the parser gave up: %v", r))
		}
	}()
	return yaml.Unmarshal(src, root)
}

func within(n *yaml.Node, budget *int, depth int) bool {
	if *budget--; *budget < 0 || depth > 100 {
		return false
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias != nil && within(n.Alias, budget, depth+1)
	}
	for _, c := range n.Content {
		if !within(c, budget, depth+1) {
			return false
		}
	}
	return true
}

// Bytes is the document as it is now.
func (d *Document) Bytes() []byte { return d.src }

// excerpt is the line at a place with a caret below it.
func (d *Document) excerpt(p place) string {
	if p.line == 0 {
		return ""
	}
	lines := strings.Split(string(d.src), "\n")
	if p.line > len(lines) {
		return ""
	}
	line := strings.ReplaceAll(strings.TrimRight(lines[p.line-1], "\r"), "\t", " ")
	if len(line) > 160 {
		return ""
	}
	column := max(1, min(p.column, len(line)+1))
	return fmt.Sprintf("%4d | %s\n     | %s^", p.line, line, strings.Repeat(" ", column-1))
}

// follow gives what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// field gives the key and value of a mapping's field, nil when it has none.
func field(m *yaml.Node, name string) (key, value *yaml.Node) {
	m = follow(m)
	if m == nil || m.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return m.Content[i], follow(m.Content[i+1])
		}
	}
	return nil, nil
}

// text is a scalar field's text, "" when it is missing or null.
func text(m *yaml.Node, name string) string {
	_, v := field(m, name)
	if v == nil || v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
		return ""
	}
	return v.Value
}

// items are the elements of a list field.
func items(m *yaml.Node, name string) []*yaml.Node {
	_, v := field(m, name)
	if v == nil || v.Kind != yaml.SequenceNode {
		return nil
	}
	out := make([]*yaml.Node, len(v.Content))
	for i, c := range v.Content {
		out[i] = follow(c)
	}
	return out
}

// flag is a boolean field, false when it is missing.
func flag(m *yaml.Node, name string) bool { return text(m, name) == "true" }

// custom gives the value of a customProperties entry, nil when there is none.
func custom(m *yaml.Node, property string) *yaml.Node {
	for _, c := range items(m, "customProperties") {
		if text(c, "property") == property {
			_, v := field(c, "value")
			return v
		}
	}
	return nil
}

// insert puts a field of plain text into a mapping, after the named one, and keeps everything else as it was written.
func (d *Document) insert(m *yaml.Node, after, name, value string) error {
	key, v := field(m, after)
	if key == nil {
		if len(m.Content) == 0 {
			return fmt.Errorf("%s: nothing to insert %s after", d.Name, name)
		}
		key, v = m.Content[0], follow(m.Content[1])
	}
	lines := strings.SplitAfter(string(d.src), "\n")
	if m.Style&yaml.FlowStyle != 0 {
		line := lines[key.Line-1]
		cut := byteColumn(line, key.Column)
		lines[key.Line-1] = line[:cut] + name + ": " + value + ", " + line[cut:]
	} else {
		last := v.Line
		if v.Kind != yaml.ScalarNode || v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			last = key.Line // a nested value: put the field before it instead
			lines[last-1] = insertBefore(lines[last-1], key.Column, name+": "+value)
			return d.replace(strings.Join(lines, ""))
		}
		end := "\n"
		if strings.HasSuffix(lines[last-1], "\r\n") {
			end = "\r\n"
		} else if !strings.HasSuffix(lines[last-1], "\n") {
			lines[last-1] += "\n"
		}
		lines[last-1] += strings.Repeat(" ", key.Column-1) + name + ": " + value + end
	}
	return d.replace(strings.Join(lines, ""))
}

// insertBefore puts a field on its own line before the key at column, which may follow a list's dash.
func insertBefore(line string, column int, field string) string {
	cut := byteColumn(line, column)
	return line[:cut] + field + "\n" + strings.Repeat(" ", column-1) + line[cut:]
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

// replace takes over an edited text, which must still be YAML.
func (d *Document) replace(src string) error {
	next, err := Parse(d.Name, []byte(src))
	if err != nil {
		return fmt.Errorf("an edit of %s went wrong: %w", d.Name, err)
	}
	*d = *next
	return nil
}
