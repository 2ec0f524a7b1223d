package manifest

import (
	"cmp"
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
	schema  host.Schema
	rules   []host.Rule // of quality entries
	implied []host.Rule // of what the columns demand
	key     []string    // columns of primaryKey, in position
}

// compileContract gives the columns, and for outputs the rules, of the schema object with a port's name, or of the only one.
func (c *compiler) compileContract(d *Document, port string, output bool) table {
	s := &sink{doc: d}
	defer func() { c.found(s) }()
	objects := items(d.root, "schema")
	i := slices.IndexFunc(objects, func(o *yaml.Node) bool { return text(o, "name") == port })
	if i < 0 && len(objects) == 1 {
		i = 0
	}
	if i < 0 {
		s.add(at(value(d.root, "schema")), host.CodeManifestContract, "name one of its schema objects "+port, "the contract has %d schema objects and none is called %q", len(objects), port)
		return table{}
	}
	object := objects[i]
	props := items(object, "properties")
	if len(props) == 0 {
		s.add(at(object), host.CodeManifestMissing, "add properties: with at least one column", "schema object %q has no columns", text(object, "name"))
		return table{}
	}
	t := table{schema: host.Schema{Fields: s.columns(props, "", 0)}, key: primaryKey(props)}
	if output && len(t.schema.Fields) == len(props) {
		r := rules{sink: s, edition: editionOf(d, odcs), schema: t.schema}
		r.object(object)
		t.rules, t.implied = r.out, r.implied(props, t.key)
	}
	return t
}

// primaryKey are the columns of the primary key, by their positions where those are given.
func primaryKey(props []*yaml.Node) []string {
	type column struct {
		name     string
		position int
	}
	var key []column
	for _, p := range props {
		if flag(p, "primaryKey") {
			position, _ := strconv.Atoi(text(p, "primaryKeyPosition"))
			key = append(key, column{text(p, "name"), position})
		}
	}
	slices.SortStableFunc(key, func(a, b column) int { return cmp.Compare(a.position, b.position) })
	var out []string
	for _, k := range key {
		out = append(out, k.name)
	}
	return out
}

// maxTypeDepth is how deep types nest, the bound of the type table.
const maxTypeDepth = 32

// columns maps the properties of a table or an object; those that are refused are left out.
func (s *sink) columns(props []*yaml.Node, path string, depth int) []host.Field {
	var out []host.Field
	names := map[string]bool{}
	for _, p := range props {
		name := text(p, "name")
		sub := join(path, name)
		f, ok := s.column(p, sub, depth)
		where := value(p, "name")
		if where == nil {
			where = p
		}
		switch {
		case name == "" || len(name) > abi.MaxName || strings.ContainsAny(name, "\x00\n\r"):
			s.add(at(where), host.CodeManifestColumn, "use a name of 1 to 256 bytes on one line", "a column cannot be called %q", shorten(name))
			ok = false
		case depth == 0 && (name == abi.ColumnOp || name == abi.ColumnSeq):
			s.add(at(where), host.CodeManifestColumn, "rename it", "column name %q is reserved for changes", name)
		case names[name]:
			s.add(at(where), host.CodeManifestColumn, "rename one of them", "two columns are called %q", sub)
			ok = false
		}
		names[name] = true
		if ok {
			f.Name = name
			out = append(out, f)
		}
	}
	return out
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// column maps one property by the type table of abi/SPEC.md.
func (s *sink) column(p *yaml.Node, path string, depth int) (host.Field, bool) {
	f := host.Field{Required: flag(p, "required"), Description: strings.TrimSpace(text(p, "description")), Tags: scalars(p, "tags")}
	if depth > maxTypeDepth {
		s.add(at(p), host.CodeManifestColumn, "flatten it", "column %q is nested deeper than %d", path, maxTypeDepth)
		return f, false
	}
	logical := value(p, "logicalType")
	if logical == nil {
		s.add(at(p), host.CodeManifestColumn, "add logicalType: string, date, timestamp, time, number, integer, object, array or boolean", "column %q has no logicalType", path)
		return f, false
	}
	m := mapping{sink: s, property: p, path: path, depth: depth, options: value(p, "logicalTypeOptions")}
	mapped, ok := m.typ(logical)
	f.Type = mapped
	return f, ok
}

// mapping is one property on its way to a type.
type mapping struct {
	*sink
	property *yaml.Node
	options  *yaml.Node // logicalTypeOptions
	path     string
	depth    int
}

func (m mapping) refuse(n *yaml.Node, hint, form string, args ...any) (host.Type, bool) {
	m.add(at(n), host.CodeManifestColumn, hint, "column %q: "+form, append([]any{m.path}, args...)...)
	return host.Type{}, false
}

var typeWords = []string{"string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"}

func (m mapping) typ(logical *yaml.Node) (host.Type, bool) {
	physical := strings.ToLower(strings.TrimSpace(text(m.property, "physicalType")))
	switch logical.Value {
	case "boolean":
		return host.Type{Kind: host.Bool}, true
	case "integer":
		return m.integer(physical)
	case "number":
		return m.number(physical)
	case "string":
		switch base, _, _ := strings.Cut(physical, "("); base {
		case "binary", "bytea", "varbinary", "blob":
			return host.Type{Kind: host.Binary}, true
		}
		return host.Type{Kind: host.String}, true
	case "date":
		return host.Type{Kind: host.Date}, true
	case "time":
		return host.Type{Kind: host.Time}, true
	case "timestamp":
		if text(m.options, "timezone") == "false" {
			return host.Type{Kind: host.Timestamp}, true
		}
		return host.Type{Kind: host.TimestampTZ}, true
	case "array":
		item := value(m.property, "items")
		if item == nil {
			return m.refuse(logical, "add items: {logicalType: …}", "an array says what its items are")
		}
		e, ok := m.column(item, m.path+"[]", m.depth+1)
		e.Name = "item"
		return host.Type{Kind: host.List, Elem: &e}, ok
	case "object":
		props := items(m.property, "properties")
		if len(props) == 0 {
			return m.refuse(logical, "add properties: with at least one field", "an object says what its fields are")
		}
		fields := m.columns(props, m.path, m.depth+1)
		return host.Type{Kind: host.Struct, Fields: fields}, len(fields) == len(props)
	}
	return m.refuse(logical, oneOf(logical.Value, typeWords), "logicalType %q is outside the type table", logical.Value)
}

func (m mapping) integer(physical string) (host.Type, bool) {
	switch format := text(m.options, "format"); format {
	case "i8", "i16", "i32", "u8", "u16": // the narrow ones with a rule about their range
		return host.Type{Kind: host.Int32}, true
	case "i64", "u32":
		return host.Type{Kind: host.Int64}, true
	case "u64":
		return m.refuse(value(m.options, "format"), "use logicalType: number with physicalType: decimal(20,0)", "tables store no integers of 64 bits without a sign")
	case "":
		if slices.Contains([]string{"int", "int32", "integer", "int4"}, physical) {
			return host.Type{Kind: host.Int32}, true
		}
		return host.Type{Kind: host.Int64}, true
	default:
		return m.refuse(value(m.options, "format"), "use i8, i16, i32, i64, u8, u16 or u32", "integers of format %q are outside the type table", format)
	}
}

var decimalForm = regexp.MustCompile(`^(?:decimal|numeric)\s*(?:\(\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?\))?$`)

func (m mapping) number(physical string) (host.Type, bool) {
	if d := decimalForm.FindStringSubmatch(physical); d != nil {
		where := value(m.property, "physicalType")
		if d[1] == "" {
			return m.refuse(where, "write "+physical+"(12,2), or logicalTypeOptions: {format: f64} and another physicalType for a float", "%s does not say how many digits there are", physical)
		}
		precision, _ := strconv.Atoi(d[1])
		scale, _ := strconv.Atoi(d[2])
		if precision < 1 || precision > 38 || scale > precision {
			return m.refuse(where, "precision is 1 to 38, scale at most the precision", "%s is outside the type table", physical)
		}
		return host.Type{Kind: host.Decimal, Precision: precision, Scale: scale}, true
	}
	switch format := text(m.options, "format"); format {
	case "", "f64":
		return host.Type{Kind: host.Float64}, true
	case "f32":
		return host.Type{Kind: host.Float32}, true
	default:
		return m.refuse(value(m.options, "format"), "use f32 or f64, or physicalType: decimal(12,2)", "numbers of format %q are outside the type table", format)
	}
}
