package manifest

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// table is what a contract says of one port.
type table struct {
	schema host.Schema
	rules  []host.Rule
	key    []string // columns of primaryKey, in position
}

func digestOf(b []byte) host.Digest { return host.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(b))) }

// compileContract gives the columns, and for outputs the rules, of the schema object with a port's name, or of the only one.
func (c *compiler) compileContract(d *Document, port string, output bool) table {
	s := &sink{doc: d}
	defer func() { c.all = append(c.all, s.problems...) }()
	objects := items(d.root, "schema")
	i := slices.IndexFunc(objects, func(o *yaml.Node) bool { return text(o, "name") == port })
	if i < 0 && len(objects) == 1 {
		i = 0
	}
	if i < 0 {
		s.add(at(d.root), host.CodeManifestContract, "name one of its schema objects "+port, "the contract has %d schema objects and none is called %q", len(objects), port)
		return table{}
	}
	props := items(objects[i], "properties")
	if len(props) == 0 {
		s.add(at(objects[i]), host.CodeManifestMissing, "add properties: with at least one column", "schema object %q has no columns", text(objects[i], "name"))
		return table{}
	}
	t := table{schema: host.Schema{Fields: s.fields(props, "")}}
	for _, p := range props {
		if flag(p, "primaryKey") {
			t.key = append(t.key, text(p, "name"))
		}
	}
	if output {
		t.rules = s.rules(objects[i], t.schema)
	}
	return t
}

func (s *sink) fields(props []*yaml.Node, path string) []host.Field {
	var out []host.Field
	for _, p := range props {
		_, name := field(p, "name")
		f, ok := s.column(p, join(path, text(p, "name")))
		f.Name = text(p, "name")
		switch {
		case !ok:
			continue
		case path == "" && (f.Name == abi.ColumnOp || f.Name == abi.ColumnSeq):
			s.add(at(name), host.CodeManifestColumn, "rename it", "column name %q is reserved for changes", f.Name)
		case f.Name == "" || len(f.Name) > abi.MaxName || strings.ContainsAny(f.Name, "\x00\n\r"):
			s.add(at(name), host.CodeManifestColumn, "use a name of 1 to 256 bytes on one line", "a column cannot be called %q", f.Name)
		case slices.ContainsFunc(out, func(o host.Field) bool { return o.Name == f.Name }):
			s.add(at(name), host.CodeManifestColumn, "rename one of them", "two columns are called %q", join(path, f.Name))
		}
		out = append(out, f)
	}
	return out
}

// column maps one property by the type table of abi/SPEC.md.
func (s *sink) column(p *yaml.Node, path string) (host.Field, bool) {
	f := host.Field{Required: flag(p, "required"), Description: text(p, "description")}
	for _, t := range items(p, "tags") {
		f.Tags = append(f.Tags, t.Value)
	}
	key, logical := field(p, "logicalType")
	if logical == nil || logical.Value == "" {
		s.add(at(p), host.CodeManifestColumn, "add logicalType: string, date, timestamp, time, number, integer, object, array or boolean", "column %q has no logicalType", path)
		return f, false
	}
	_ = key
	physical := strings.ToLower(strings.TrimSpace(text(p, "physicalType")))
	_, options := field(p, "logicalTypeOptions")
	format := text(options, "format")
	bad := func(v *yaml.Node, hint, form string, args ...any) (host.Field, bool) {
		s.add(at(v), host.CodeManifestColumn, hint, "column %q: "+form, append([]any{path}, args...)...)
		return f, false
	}
	_, formatNode := field(options, "format")
	switch logical.Value {
	case "boolean":
		f.Type = host.Type{Kind: host.Bool}
	case "integer":
		switch {
		case format == "i64", format == "" && !slices.Contains([]string{"int", "int32", "integer", "int4"}, physical):
			f.Type = host.Type{Kind: host.Int64}
		case format == "i32", format == "":
			f.Type = host.Type{Kind: host.Int32}
		default:
			return bad(formatNode, "use i32 or i64", "integers of format %q are outside the type table", format)
		}
	case "number":
		if m := decimalForm.FindStringSubmatch(physical); m != nil {
			precision, _ := strconv.Atoi(m[1])
			scale, _ := strconv.Atoi(m[2])
			if precision < 1 || precision > 38 || scale > precision {
				_, v := field(p, "physicalType")
				return bad(v, "precision is 1 to 38, scale at most the precision", "%s is outside the type table", physical)
			}
			f.Type = host.Type{Kind: host.Decimal, Precision: precision, Scale: scale}
			break
		}
		switch format {
		case "", "f64":
			f.Type = host.Type{Kind: host.Float64}
		case "f32":
			f.Type = host.Type{Kind: host.Float32}
		default:
			return bad(formatNode, "use f32 or f64, or physicalType: decimal(12,2)", "numbers of format %q are outside the type table", format)
		}
	case "string":
		f.Type = host.Type{Kind: host.String}
		if slices.Contains([]string{"binary", "bytea", "varbinary", "blob"}, physical) {
			f.Type.Kind = host.Binary
		}
	case "date":
		f.Type = host.Type{Kind: host.Date}
	case "time":
		f.Type = host.Type{Kind: host.Time}
	case "timestamp":
		f.Type = host.Type{Kind: host.TimestampTZ}
		if text(options, "timezone") == "false" {
			f.Type.Kind = host.Timestamp
		}
	case "array":
		_, item := field(p, "items")
		if item == nil {
			return bad(logical, "add items: {logicalType: …}", "an array says what its items are")
		}
		e, ok := s.column(item, path+"[]")
		if !ok {
			return f, false
		}
		e.Name = "item"
		f.Type = host.Type{Kind: host.List, Elem: &e}
	case "object":
		fields := s.fields(items(p, "properties"), path)
		if len(fields) == 0 {
			return bad(logical, "add properties: with at least one field", "an object says what its fields are")
		}
		f.Type = host.Type{Kind: host.Struct, Fields: fields}
	default:
		known := []string{"string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"}
		return bad(logical, didYouMean(logical.Value, known), "logicalType %q is outside the type table", logical.Value)
	}
	return f, true
}

var decimalForm = regexp.MustCompile(`^(?:decimal|numeric)\s*\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$`)
