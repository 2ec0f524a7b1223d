package manifest

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// walker checks a document against the tables of a standard.
type walker struct {
	*sink
	edition
}

// object checks a mapping against a named shape, and what lies below it.
func (w walker) object(n *yaml.Node, name, path string) {
	if n.Kind != yaml.MappingNode {
		w.add(at(n), host.CodeManifestType, "write it as fields, one a line", "%s is %s, it should be a mapping of fields", pathOr(path, "the document"), describe(n))
		return
	}
	w.fields(n, w.shapeOf(n, name), name, path)
}

// shapeOf is the shape of an object, which for some depends on what the object says it is.
func (w walker) shapeOf(n *yaml.Node, name string) shape {
	s := w.shapes[name]
	if w.standard != odcs || name != "server" && name != "property" && name != "item" {
		return s
	}
	s.fields = maps.Clone(s.fields)
	if name == "server" {
		maps.Copy(s.fields, servers[text(n, "type")].fields)
		return s
	}
	switch text(n, "logicalType") {
	case "", "array":
	case "object":
		delete(s.fields, "items")
	default:
		delete(s.fields, "items")
		delete(s.fields, "properties")
	}
	return s
}

func (w walker) fields(n *yaml.Node, s shape, name, path string) {
	found := map[string]bool{}
	for _, f := range pairs(n) {
		sub := join(path, f.key.Value)
		fs, known := s.fields[f.key.Value]
		found[f.key.Value] = !isNull(f.value) || fs.kind == "any" // empty is a value where anything is
		switch {
		case known && (s.open(w.edition) || !before(w.minor, fs.since)):
			w.value(f.value, fs, sub)
			w.choice(n, name, f, sub)
		case known:
			w.add(at(f.key), host.CodeManifestField, "set apiVersion: v"+fs.since+".0, or delete it", "%s is new in %s %s, the document is of %s", sub, w.name, fs.since, w.minor)
		case s.open(w.edition) || w.lenient():
		default:
			w.add(at(f.key), host.CodeManifestField, w.hint(n, s, name, f.key.Value), "%s has no field %s", w.edition, sub)
		}
	}
	for _, f := range s.names() {
		if !found[f] && s.fields[f].mandatory(w.edition) {
			w.missing(n, f, path)
		}
	}
}

func (w walker) missing(n *yaml.Node, name, path string) {
	place := at(n)
	if key, _ := field(n, name); key != nil {
		place = at(key) // there, but empty
	}
	w.add(place, host.CodeManifestMissing, "add "+name+": …", "%s is missing", join(path, name))
}

// hint says what to do about a field that is not known.
func (w walker) hint(n *yaml.Node, s shape, object, name string) string {
	if hint := didYouMean(name, s.names()); hint != "" {
		return hint
	}
	switch {
	case w.standard == block:
		return "fields here are " + strings.Join(s.names(), ", ")
	case w.standard == odps && (block.shapes["adp"].fields[name].kind != "" || block.shapes["input"].fields[name].kind != "" || block.shapes["output"].fields[name].kind != ""):
		return "settings of adp go into customProperties, as fields of the value of property adp"
	case name == "items" || name == "properties":
		return "logicalType is " + text(n, "logicalType") + "; items are of an array, properties of an object"
	case object == "server":
		return "a server of type " + text(n, "type") + " has the fields " + strings.Join(s.names(), ", ")
	}
	return "own settings go into customProperties"
}

// choice checks values that choose among shapes.
func (w walker) choice(n *yaml.Node, object string, f pair, path string) {
	if w.standard != odcs || f.value.Kind != yaml.ScalarNode && f.key.Value != "logicalTypeOptions" {
		return
	}
	switch {
	case object == "server" && f.key.Value == "type":
		w.oneOfShapes(f.value, servers, path)
	case (object == "property" || object == "item") && f.key.Value == "logicalType":
		w.oneOfShapes(f.value, logicalTypes, path)
	case f.key.Value == "logicalTypeOptions" && !isNull(f.value):
		if s, ok := logicalTypes[text(n, "logicalType")]; ok && f.value.Kind == yaml.MappingNode {
			w.fields(f.value, s, "options", path)
		} else if f.value.Kind != yaml.MappingNode {
			w.wrong(f.value, path, "a mapping of fields", "")
		}
	}
}

func (w walker) oneOfShapes(v *yaml.Node, shapes map[string]shape, path string) {
	if _, ok := shapes[v.Value]; !ok && v.Value != "" && !w.lenient() {
		words := slices.Sorted(maps.Keys(shapes))
		w.add(at(v), host.CodeManifestType, oneOf(v.Value, words), "%s is %s, which %s does not know", path, describe(v), w.edition)
	}
}

func pathOr(path, other string) string {
	if path == "" {
		return other
	}
	return path
}

func (w walker) wrong(n *yaml.Node, path, want, hint string) {
	w.add(at(n), host.CodeManifestType, hint, "%s is %s, it should be %s", path, describe(n), want)
}

// value checks the value of a field. An empty one says nothing; where it is needed, its absence is reported.
func (w walker) value(n *yaml.Node, f fieldShape, path string) {
	if !isNull(n) {
		w.kind(n, f.kind, path)
	}
}

// kind checks a value against a kind of the tables.
func (w walker) kind(n *yaml.Node, kind, path string) {
	if mapping, list, ok := strings.Cut(kind, "/"); ok {
		if kind = mapping; n.Kind == yaml.SequenceNode {
			kind = list
		}
	}
	switch kind[0] {
	case '[':
		w.list(n, kind[1:len(kind)-1], path)
	case '{':
		w.named(n, kind[1:len(kind)-1], path)
	case '=':
		if words := strings.Split(kind[1:], "|"); n.Kind != yaml.ScalarNode || !slices.Contains(words, n.Value) {
			w.wrong(n, path, strings.Join(words, " or "), oneOf(n.Value, words))
		}
	default:
		if _, ok := w.shapes[kind]; ok {
			w.object(n, kind, path)
			return
		}
		w.single(n, kind, path)
	}
}

func (w walker) list(n *yaml.Node, kind, path string) {
	if n.Kind != yaml.SequenceNode {
		w.wrong(n, path, "a list", "begin each element with a dash, or write [a, b]")
		return
	}
	for _, c := range n.Content {
		if kind != "any" {
			w.kind(follow(c), kind, path)
		}
	}
}

func (w walker) named(n *yaml.Node, kind, path string) {
	if n.Kind != yaml.MappingNode {
		w.wrong(n, path, "a mapping of names", "write NAME: value, one a line")
		return
	}
	for _, f := range pairs(n) {
		w.kind(f.value, kind, join(path, f.key.Value))
	}
}

// single checks a value that is not made of others, or that may be anything.
func (w walker) single(n *yaml.Node, kind, path string) {
	scalar := n.Kind == yaml.ScalarNode
	switch kind {
	case "object":
		if n.Kind != yaml.MappingNode {
			w.wrong(n, path, "a mapping of fields", "write it as fields, one a line")
		}
	case "string":
		switch {
		case !scalar || isNull(n):
			w.wrong(n, path, "text", "")
		case n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool": // dates are text to the standards
			w.wrong(n, path, "text", `put it in quotes: "`+n.Value+`"`)
		}
	case "scalar":
		if !scalar || isNull(n) {
			w.wrong(n, path, "one value", "")
		}
	case "bool":
		if !scalar || n.Tag != "!!bool" {
			w.wrong(n, path, "true or false", "")
		}
	case "integer":
		if !scalar || n.Tag != "!!int" {
			w.wrong(n, path, "a whole number", "")
		}
	case "number":
		if !scalar || n.Tag != "!!int" && n.Tag != "!!float" {
			w.wrong(n, path, "a number", "")
		}
	}
}
