package columnar

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
)

// Crossing is the schema in which the columns of s cross between a product and its code: those that forms name in that
// form, the others and reserved columns as they are. fields are the columns as the contract has them, the first of s.
// It is s itself when no form changes anything.
func Crossing(s *arrow.Schema, fields []host.Field, forms host.Forms) (*arrow.Schema, error) {
	if len(forms) == 0 {
		return s, nil
	}
	out, changed := s.Fields(), false
	for i, f := range fields {
		text, ok := forms[f.Name]
		if !ok || i >= len(out) {
			continue
		}
		form, err := host.ParseForm(f.Type, text)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		t, err := formType(out[i].Type, form)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		changed = changed || !arrow.TypeEqual(t, out[i].Type)
		out[i].Type = t
	}
	if !changed {
		return s, nil
	}
	return arrow.NewSchema(out, nil), nil
}

// plainForms are those without parameters.
var plainForms = map[string]arrow.DataType{
	"int8": arrow.PrimitiveTypes.Int8, "int16": arrow.PrimitiveTypes.Int16, "int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64,
	"uint8": arrow.PrimitiveTypes.Uint8, "uint16": arrow.PrimitiveTypes.Uint16, "uint32": arrow.PrimitiveTypes.Uint32, "uint64": arrow.PrimitiveTypes.Uint64,
	"float16": arrow.FixedWidthTypes.Float16, "float32": arrow.PrimitiveTypes.Float32, "float64": arrow.PrimitiveTypes.Float64,
	"date64": arrow.FixedWidthTypes.Date64, "large_utf8": arrow.BinaryTypes.LargeString, "large_binary": arrow.BinaryTypes.LargeBinary,
}

var unitForms = map[string]arrow.TimeUnit{"s": arrow.Second, "ms": arrow.Millisecond, "us": arrow.Microsecond, "ns": arrow.Nanosecond}

// formType is the Arrow type of a column that is stored as t.
func formType(t arrow.DataType, f host.Form) (arrow.DataType, error) {
	if plain, ok := plainForms[f.Name]; ok {
		return plain, nil
	}
	switch f.Name {
	case "time32":
		return &arrow.Time32Type{Unit: unitForms[f.Unit]}, nil
	case "time64":
		return &arrow.Time64Type{Unit: unitForms[f.Unit]}, nil
	case "timestamp":
		return &arrow.TimestampType{Unit: unitForms[f.Unit], TimeZone: f.Zone}, nil
	case "fixed_size_binary":
		return &arrow.FixedSizeBinaryType{ByteWidth: f.Size}, nil
	case "dictionary":
		return &arrow.DictionaryType{IndexType: plainForms[f.Type], ValueType: t}, nil
	}
	l, ok := t.(*arrow.ListType)
	if !ok {
		return nil, host.Errorf(host.CodeTableType, "a column of type %s has no form %s", t, f.Name)
	}
	switch f.Name {
	case "large_list":
		return arrow.LargeListOfField(l.ElemField()), nil
	case "fixed_size_list":
		return arrow.FixedSizeListOfField(int32(f.Size), l.ElemField()), nil
	case "map":
		entry := l.Elem().(*arrow.StructType)
		return arrow.MapOfFields(entry.Field(0), entry.Field(1)), nil
	}
	return nil, host.Errorf(host.CodeTableType, "there is no form %q", f.Name)
}
