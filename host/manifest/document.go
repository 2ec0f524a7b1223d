package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// MaxDocument is how large a document may be, in bytes.
const MaxDocument = 1 << 20

// Bounds of a document with its aliases followed: a few lines of YAML can stand for billions of nodes.
const (
	maxNodes = 100_000
	maxDepth = 100
)

// Document is one YAML file, lossless.
type Document struct {
	Name string // as people know it: a path
	src  []byte
	root *yaml.Node
}

// Bytes is the document as it is now.
func (d *Document) Bytes() []byte { return d.src }

// Parse reads a document. The error is a Problems of code M001 when it is not YAML, or not one mapping, or says a thing
// twice.
func Parse(name string, src []byte) (*Document, error) {
	d := &Document{Name: name, src: src}
	s := &sink{doc: d}
	switch {
	case len(src) > MaxDocument:
		s.add(place{}, host.CodeManifestSyntax, "split it, or move data out of it", "the document is larger than %d bytes", MaxDocument)
		return nil, s.err()
	case !utf8.Valid(src):
		s.add(invalidUTF8(src), host.CodeManifestSyntax, "save it as UTF-8", "the document is not UTF-8")
		return nil, s.err()
	}
	root, second, err := parseYAML(src)
	if err != nil {
		where, message := d.yamlProblem(err)
		s.add(where, host.CodeManifestSyntax, "check the indentation, quotes and colons of the line and of the one before", "this is not YAML: %s", message)
		return nil, s.err()
	}
	if second != nil {
		s.add(at(second), host.CodeManifestSyntax, "keep one document, without ---", "a second document begins before this line, which nobody would read")
		return nil, s.err()
	}
	if root == nil || root.Kind != yaml.DocumentNode || len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		s.add(place{1, 1}, host.CodeManifestSyntax, "begin with apiVersion: and kind:", "the document is not a mapping of fields")
		return nil, s.err()
	}
	d.root = root.Content[0]
	budget := maxNodes
	if !within(d.root, &budget, 0) {
		s.add(place{1, 1}, host.CodeManifestSyntax, "write out what the aliases stand for", "the document is too large or too deep once its aliases are followed")
		return nil, s.err()
	}
	s.twice(d.root, "")
	return d, s.err()
}

// parseYAML reads the document of a file, nil for an empty file, and the one after it, which should not be there. A panic of
// the parser, which strange input has caused before, is an error.
func parseYAML(src []byte) (root, second *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for _, to := range []**yaml.Node{&root, &second} {
		var n yaml.Node
		switch err := dec.Decode(&n); {
		case errors.Is(err, io.EOF):
			return root, nil, nil
		case err != nil:
			return nil, nil, err
		}
		*to = &n
	}
	return root, second, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlProblem gives the place and the words of a parser's error. The parser names the line in which the construct began
// that it gave up on, often the first of the document; the line that broke it is more use.
func (d *Document) yamlProblem(err error) (place, string) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = strings.Replace(message, m[0], "", 1)
		line, _ = strconv.Atoi(m[1])
	}
	line = d.broken(line)
	text, _ := d.line(line)
	return place{line, len(text) - len(strings.TrimLeft(text, " \t")) + 1}, message
}

// broken is the first line with which the document can no longer be read, however it goes on; the parser's for documents
// that are too large to try. What ends in the middle of a list in brackets or a quoted text cannot be read either, so a
// line counts only when none of those after it mends it.
func (d *Document) broken(parsers int) int {
	const largest, patience = 64 << 10, 40
	if len(d.src) > largest {
		return parsers
	}
	lines := strings.SplitAfter(string(d.src), "\n")
	good := func(n int) bool {
		_, _, err := parseYAML([]byte(strings.Join(lines[:n], "")))
		return err == nil
	}
	first := 0 // lines of the longest beginning known to be good
	for range 16 {
		for last := len(lines); last-first > 1; {
			if middle := (first + last) / 2; good(middle) {
				first = middle
			} else {
				last = middle
			}
		}
		mended := 0
		for n := first + 2; n < len(lines) && n <= first+patience && mended == 0; n++ {
			if good(n) {
				mended = n
			}
		}
		if mended == 0 {
			break
		}
		first = mended
	}
	return first + 1
}

func invalidUTF8(src []byte) place {
	at := place{1, 1}
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && size == 1:
			return at
		case r == '\n':
			at = place{at.line + 1, 0}
		}
		at.column++
		src = src[size:]
	}
	return place{}
}

func within(n *yaml.Node, budget *int, depth int) bool {
	if *budget--; *budget < 0 || depth > maxDepth {
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

// twice reports keys that a mapping has more than once, wherever they are: one of the values would be lost.
func (s *sink) twice(n *yaml.Node, path string) {
	if n.Kind != yaml.MappingNode {
		for _, c := range n.Content {
			s.twice(c, path)
		}
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		sub := join(path, key.Value)
		if key.Kind != yaml.ScalarNode {
			s.add(at(key), host.CodeManifestSyntax, "write name: value", "a key is %s, it should be a name", describe(key))
			continue
		}
		if line, ok := first[key.Value]; ok {
			s.add(at(key), host.CodeManifestSyntax, "keep one of them", "%s is there twice, first in line %d", sub, line)
		} else {
			first[key.Value] = key.Line
		}
		s.twice(value, sub)
	}
}
