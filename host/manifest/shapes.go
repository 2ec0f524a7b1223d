package manifest

import (
	"maps"
	"slices"
	"strings"
)

// standard is the fields that a kind of document may have, by object and version.
type standard struct {
	name    string // as people say it
	minors  []string
	written string // the version that adp writes: of later ones it keeps what it does not know
	shapes  map[string]shape
}

// edition is a standard in the version of a document; minor "" for what has no versions.
type edition struct {
	*standard
	minor string
}

func (e edition) String() string {
	if e.minor == "" {
		return e.name
	}
	return e.name + " " + e.minor
}

// lenient says that the version is newer than what is known here, and that fields nobody here knows are kept.
func (e edition) lenient() bool { return before(e.written, e.minor) }

// before reports whether minor version a comes before b. Both are of one digit, a point and one digit.
func before(a, b string) bool { return a < b }

// shape is an object of a standard.
type shape struct {
	fields    map[string]fieldShape
	openUntil string // objects before this version may have any other field; "*": in all versions
}

// fieldShape is what a field may hold.
type fieldShape struct {
	kind          string
	required      bool
	requiredFrom  string // required from this version on; "": from the first
	requiredUntil string // required before this version only; "": in all
	since         string // version that brought the field; "": from the first
}

func (f fieldShape) mandatory(e edition) bool {
	return f.required && !before(e.minor, f.requiredFrom) && (f.requiredUntil == "" || before(e.minor, f.requiredUntil))
}

func (s shape) open(e edition) bool {
	return s.openUntil == "*" || s.openUntil != "" && before(e.minor, s.openUntil)
}

func (s shape) names() []string { return slices.Sorted(maps.Keys(s.fields)) }

// parseShapes reads a table of objects:
//
//	OBJECT: FIELD KIND; FIELD KIND; …
//
// Several objects of one shape are written a,b. An object ends in "*" where it may have any other field, in "*<V" where
// it may before version V. A field ends in "!" where it is required, in "!V" where it is from version V on, in "!<V"
// where it is before version V, and in ">V" where version V brought it.
//
// KIND is string (text, and nothing that YAML reads as a number or truth), scalar (any one value, taken as text), bool,
// integer, number, any, object (any fields), [KIND] for a list, {KIND} for names with values, =a|b|c for one of some
// words, OBJECT, or OBJECT/[KIND] for either.
func parseShapes(table string) map[string]shape {
	out := map[string]shape{}
	for line := range strings.Lines(strings.ReplaceAll(table, "\n\t\t", " ")) {
		names, fields, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		s := shape{fields: map[string]fieldShape{}}
		names, s.openUntil, ok = strings.Cut(names, "*")
		if s.openUntil = strings.TrimPrefix(s.openUntil, "<"); ok && s.openUntil == "" {
			s.openUntil = "*"
		}
		for f := range strings.SplitSeq(fields, ";") {
			if name, kind, ok := strings.Cut(strings.TrimSpace(f), " "); ok {
				name, fs := parseField(name, kind)
				s.fields[name] = fs
			}
		}
		for name := range strings.SplitSeq(names, ",") {
			out[strings.TrimSpace(name)] = s
		}
	}
	return out
}

func parseField(name, kind string) (string, fieldShape) {
	f := fieldShape{kind: kind}
	name, f.since, _ = strings.Cut(name, ">")
	name, mark, required := strings.Cut(name, "!")
	f.required = required
	if until, ok := strings.CutPrefix(mark, "<"); ok {
		f.requiredUntil = until
	} else {
		f.requiredFrom = mark
	}
	return name, f
}
