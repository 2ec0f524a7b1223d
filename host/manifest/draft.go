package manifest

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// Undrafted is an input that reads a file and of whose contract the product says nothing: neither a path nor an id.
type Undrafted struct {
	Input   string
	From    string            // file:PATH
	Options map[string]string // of the driver
	Path    string            // where a draft belongs
}

// Undrafted lists such inputs.
func (b *Bundle) Undrafted() []Undrafted {
	var out []Undrafted
	for _, p := range items(b.Product.root, "inputPorts") {
		name := text(p, "name")
		s := b.inputSettings(name)
		from := text(s, "from")
		if !isName(name) || !strings.HasPrefix(from, "file:") || from == "file:" || b.inputContract(p) != "" || text(p, "contractId") != "" {
			continue
		}
		out = append(out, Undrafted{name, from, settings(s, "options"), "contracts/" + name + ".yaml"})
	}
	return out
}

// SetDraft takes a contract into the bundle and names its path in the settings of the input.
func (b *Bundle) SetDraft(u Undrafted, contract []byte) error {
	d, err := Parse(u.Path, contract)
	if err != nil {
		return err
	}
	if err := checkContract(d); err != nil {
		return err
	}
	if err := b.Product.insert(b.inputSettings(u.Input), "from", "contract", u.Path); err != nil {
		return err
	}
	b.block = custom(b.Product.root, blockProp) // an edit makes a new tree
	b.contracts[u.Path] = d
	return nil
}

// DraftContract writes an ODCS 3.1.0 contract for columns that are known from data: a start, to be read by a person. It
// is one that this package reads back to the same columns.
func DraftContract(name, id, purpose string, s host.Schema) ([]byte, error) {
	d := draft{}
	d.line("", "# Drafted by adp from the data. It is yours now: say what the columns mean, which of them are required, and what")
	d.line("", "# must hold of them. A rule of the quality section is checked before rows are published, for example:")
	d.line("", "#")
	d.line("", "#     quality:")
	d.line("", "#     - {id: known, metric: nullValues, mustBe: 0}")
	d.line("", "#     - {id: in-range, metric: invalidValues, arguments: {min: 0, max: 100}, mustBe: 0}")
	d.line("", "apiVersion: v%s.0", odcs.written)
	d.line("", "kind: DataContract")
	d.line("", "id: %s", scalar(id))
	d.line("", "name: %s", scalar(name))
	d.line("", "version: %s", firstContract)
	d.line("", "status: draft")
	d.line("", "description:")
	d.line("", "  purpose: %s", scalar(purpose))
	d.line("", "schema:")
	d.line("", "- name: %s", scalar(name))
	d.line("", "  properties:")
	for _, f := range s.Fields {
		d.line("  ", "- name: %s", scalar(f.Name))
		if err := d.column(f, "    "); err != nil {
			return nil, err
		}
	}
	return []byte(d.String()), nil
}

// draft is a document being written.
type draft struct{ strings.Builder }

func (d *draft) line(indent, form string, args ...any) {
	d.WriteString(indent)
	fmt.Fprintf(d, form, args...)
	d.WriteByte('\n')
}

// column writes the fields of a property but its name.
func (d *draft) column(f host.Field, indent string) error {
	logical, more := odcsType(f.Type)
	if logical == "" {
		return host.Errorf(host.CodeTableType, "column %s: type %q is outside the type table", f.Name, f.Type.Kind)
	}
	d.line(indent, "logicalType: %s", logical)
	if more != "" {
		d.line(indent, "%s", more)
	}
	if f.Required {
		d.line(indent, "required: true")
	}
	if f.Description != "" {
		d.line(indent, "description: %s", scalar(f.Description))
	}
	if len(f.Tags) > 0 {
		d.line(indent, "tags:")
	}
	for _, t := range f.Tags {
		d.line(indent, "- %s", scalar(t))
	}
	switch f.Type.Kind {
	case host.List:
		d.line(indent, "items:")
		return d.column(*f.Type.Elem, indent+"  ")
	case host.Struct:
		d.line(indent, "properties:")
		for _, sub := range f.Type.Fields {
			d.line(indent, "- name: %s", scalar(sub.Name))
			if err := d.column(sub, indent+"  "); err != nil {
				return err
			}
		}
	}
	return nil
}

// odcsType is the inverse of the type table: a logical type and, where it takes one, the line that narrows it. "" for
// types outside the table.
func odcsType(t host.Type) (logical, more string) {
	switch t.Kind {
	case host.Bool:
		return "boolean", ""
	case host.Int32:
		return "integer", "logicalTypeOptions: {format: i32}"
	case host.Int64:
		return "integer", ""
	case host.Float32:
		return "number", "logicalTypeOptions: {format: f32}"
	case host.Float64:
		return "number", ""
	case host.Decimal:
		return "number", fmt.Sprintf("physicalType: decimal(%d,%d)", t.Precision, t.Scale)
	case host.Date:
		return "date", ""
	case host.Time:
		return "time", ""
	case host.TimestampTZ:
		return "timestamp", ""
	case host.Timestamp:
		return "timestamp", "logicalTypeOptions: {timezone: false}"
	case host.String:
		return "string", ""
	case host.Binary:
		return "string", "physicalType: binary"
	case host.List:
		return "array", ""
	case host.Struct:
		return "object", ""
	}
	return "", ""
}

// scalar writes a text as a YAML scalar on one line that reads back as that text: plain where it can be, else as a JSON
// string, which YAML reads as well.
func scalar(s string) string {
	if b, err := yaml.Marshal(s); err == nil {
		if out := strings.TrimSuffix(string(b), "\n"); !strings.Contains(out, "\n") {
			return out
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSpace(b.String())
}
