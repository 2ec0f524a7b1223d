package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// standard is a document's kind and version.
type standard struct {
	name   string // "ODPS", "ODCS", "adp"
	minor  string // "3.1"
	newest string // the newest minor version whose fields are all known here
}

// later reports whether minor version a comes after b; both have one digit before and one after the point.
func later(a, b string) bool { return a > b }

// walk checks a mapping against a shape, and what lies below it.
func (s *sink) walk(std standard, n *yaml.Node, name, path string) {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		s.add(at(n), host.CodeManifestType, "write it as fields, one a line", "%s is not a mapping of fields", pathOr(path, "the document"))
		return
	}
	sh := shapes[name]
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], follow(n.Content[i+1])
		sub := join(path, key.Value)
		if seen[key.Value] {
			s.add(at(key), host.CodeManifestField, "keep one of them", "%s is there twice", sub)
			continue
		}
		seen[key.Value] = true
		f, ok := sh[key.Value]
		switch {
		case !ok && later(std.minor, std.newest):
			continue // a newer minor version knows it; it is kept
		case !ok:
			hint := didYouMean(key.Value, sh.names())
			if hint == "" {
				hint = "fields here are " + strings.Join(sh.names(), ", ")
				if std.name != "adp" {
					hint = "own settings go into customProperties"
				}
			}
			s.add(at(key), host.CodeManifestField, hint, "%s has no field %s", std, sub)
		case f.since != "" && std.name == "ODCS" && later(f.since, std.minor):
			s.add(at(key), host.CodeManifestField, "set apiVersion: v"+f.since+".0", "%s is new in ODCS %s, the document is of %s", sub, f.since, std.minor)
		default:
			s.value(std, value, f.kind, sub)
		}
	}
	for _, f := range sh.names() {
		if sh[f].required && !seen[f] {
			s.add(at(n), host.CodeManifestMissing, "add "+f+": …", "%s is missing", join(path, f))
		}
	}
}

func (v standard) String() string {
	if v.minor == "" {
		return "the " + v.name + " block"
	}
	return v.name + " " + v.minor
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func pathOr(path, other string) string {
	if path == "" {
		return other
	}
	return path
}

// value checks one value against a kind of shapeText.
func (s *sink) value(std standard, n *yaml.Node, kind, path string) {
	wrong := func(want string) {
		s.add(at(n), host.CodeManifestType, "", "%s is %s, it should be %s", path, describe(n), want)
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // an empty field says nothing; where it is needed, its absence is reported
	}
	switch {
	case kind == "any":
	case strings.HasPrefix(kind, "["):
		if n.Kind != yaml.SequenceNode {
			wrong("a list")
			return
		}
		for _, c := range n.Content {
			s.value(std, follow(c), kind[1:len(kind)-1], path)
		}
	case strings.HasPrefix(kind, "{"):
		if n.Kind != yaml.MappingNode {
			wrong("a mapping of names")
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if seen[name] {
				s.add(at(n.Content[i]), host.CodeManifestField, "keep one of them", "%s is there twice", join(path, name))
			}
			seen[name] = true
			s.value(std, follow(n.Content[i+1]), kind[1:len(kind)-1], join(path, name))
		}
	case kind == "object":
		if n.Kind != yaml.MappingNode {
			wrong("a mapping of fields")
		}
	case kind == "string":
		// A version such as 1.0 or a date is text to the standards, whatever YAML makes of it.
		if n.Kind != yaml.ScalarNode {
			wrong("text")
		}
	case kind == "bool":
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			wrong("true or false")
		}
	case kind == "integer":
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
			wrong("a whole number")
		}
	case kind == "number":
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" {
			wrong("a number")
		}
	default:
		s.walk(std, n, kind, path)
	}
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	v := n.Value
	if len(v) > 60 {
		v = v[:60] + "…"
	}
	return "\"" + v + "\""
}
