package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// DraftContract writes an ODCS 3.1.0 contract for columns that are known from data: a start, to be read by a person.
func DraftContract(name, id, purpose string, s host.Schema) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v3.1.0\nkind: DataContract\nid: %s\nname: %s\nversion: 1.0.0\nstatus: draft\n", scalar(id), scalar(name))
	fmt.Fprintf(&b, "description:\n  purpose: %s\nschema:\n- name: %s\n  properties:\n", scalar(purpose), scalar(name))
	for _, f := range s.Fields {
		if err := draftField(&b, f, "  ", true); err != nil {
			return nil, err
		}
	}
	return []byte(b.String()), nil
}

func draftField(b *strings.Builder, f host.Field, indent string, item bool) error {
	logical, options, physical, err := odcsType(f.Type)
	if err != nil {
		return fmt.Errorf("column %s: %w", f.Name, err)
	}
	inner := indent
	if item {
		fmt.Fprintf(b, "%s- name: %s\n", indent, scalar(f.Name))
		inner += "  "
	}
	fmt.Fprintf(b, "%slogicalType: %s\n", inner, logical)
	if physical != "" {
		fmt.Fprintf(b, "%sphysicalType: %s\n", inner, physical)
	}
	if options != "" {
		fmt.Fprintf(b, "%slogicalTypeOptions: %s\n", inner, options)
	}
	if f.Required {
		fmt.Fprintf(b, "%srequired: true\n", inner)
	}
	if f.Description != "" {
		fmt.Fprintf(b, "%sdescription: %s\n", inner, scalar(f.Description))
	}
	switch f.Type.Kind {
	case host.List:
		fmt.Fprintf(b, "%sitems:\n", inner)
		return draftField(b, *f.Type.Elem, inner+"  ", false)
	case host.Struct:
		fmt.Fprintf(b, "%sproperties:\n", inner)
		for _, sub := range f.Type.Fields {
			if err := draftField(b, sub, inner, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// odcsType is the inverse of the type table.
func odcsType(t host.Type) (logical, options, physical string, err error) {
	switch t.Kind {
	case host.Bool:
		return "boolean", "", "", nil
	case host.Int32:
		return "integer", "{format: i32}", "", nil
	case host.Int64:
		return "integer", "", "", nil
	case host.Float32:
		return "number", "{format: f32}", "", nil
	case host.Float64:
		return "number", "", "", nil
	case host.Decimal:
		return "number", "", fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale), nil
	case host.Date:
		return "date", "", "", nil
	case host.Time:
		return "time", "", "", nil
	case host.TimestampTZ:
		return "timestamp", "", "", nil
	case host.Timestamp:
		return "timestamp", "{timezone: false}", "", nil
	case host.String:
		return "string", "", "", nil
	case host.Binary:
		return "string", "", "binary", nil
	case host.List:
		return "array", "", "", nil
	case host.Struct:
		return "object", "", "", nil
	}
	return "", "", "", host.Errorf(host.CodeTableType, "type %q is outside the type table", t.Kind)
}

// scalar writes a text as a YAML scalar on one line.
func scalar(s string) string {
	n := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.ContainsAny(s, "\n\r") {
		n.Style = yaml.DoubleQuotedStyle
	}
	b, err := yaml.Marshal(&n)
	if err != nil {
		return `""`
	}
	return strings.TrimSpace(string(b))
}
