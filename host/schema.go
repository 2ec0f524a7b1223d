package host

import (
	"fmt"
	"strings"
)

// Kind is the type of a column. The normative table in abi/SPEC.md maps it to ODCS, Arrow and Iceberg.
type Kind string

const (
	Bool        Kind = "bool"
	Int32       Kind = "int32"
	Int64       Kind = "int64"
	Float32     Kind = "float32"
	Float64     Kind = "float64"
	Decimal     Kind = "decimal"     // Precision 1–38, Scale 0–Precision; 16 bytes little endian
	Date        Kind = "date"        // days since 1970-01-01
	Time        Kind = "time"        // microseconds since midnight
	Timestamp   Kind = "timestamp"   // microseconds since the epoch, no zone
	TimestampTZ Kind = "timestamptz" // microseconds since the epoch, UTC
	String      Kind = "string"      // UTF-8, 32-bit offsets
	Binary      Kind = "binary"
	List        Kind = "list"   // Elem
	Struct      Kind = "struct" // Fields
)

// Type is the type of a column, a list element or a struct field.
type Type struct {
	Kind      Kind    `json:"kind"`
	Precision int     `json:"precision,omitempty"`
	Scale     int     `json:"scale,omitempty"`
	Elem      *Field  `json:"elem,omitempty"`
	Fields    []Field `json:"fields,omitempty"`
}

// String is the type as people write it, e.g. decimal(12,2) or list<int64>.
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case List:
		if t.Elem != nil {
			return "list<" + t.Elem.Type.String() + ">"
		}
	case Struct:
		var s []string
		for _, f := range t.Fields {
			s = append(s, f.Name+": "+f.Type.String())
		}
		return "struct<" + strings.Join(s, ", ") + ">"
	}
	return string(t.Kind)
}

// Field is a named column with its nullability and meaning.
type Field struct {
	Name        string   `json:"name"`
	Type        Type     `json:"type"`
	Required    bool     `json:"required,omitempty"` // no nulls
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// Schema is the ordered list of columns of a port.
type Schema struct {
	Fields []Field `json:"fields"`
}

// Index returns the position of the named column, -1 when there is none.
func (s Schema) Index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}
