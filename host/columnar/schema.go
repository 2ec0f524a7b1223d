package columnar

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// Type maps a host type to Arrow by the table of abi/SPEC.md.
func Type(t host.Type) (arrow.DataType, error) {
	switch t.Kind {
	case host.Bool:
		return arrow.FixedWidthTypes.Boolean, nil
	case host.Int32:
		return arrow.PrimitiveTypes.Int32, nil
	case host.Int64:
		return arrow.PrimitiveTypes.Int64, nil
	case host.Float32:
		return arrow.PrimitiveTypes.Float32, nil
	case host.Float64:
		return arrow.PrimitiveTypes.Float64, nil
	case host.Decimal:
		if t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
			return nil, host.Errorf(host.CodeTableType, "decimal(%d,%d) is outside precision 1–38, scale 0–precision", t.Precision, t.Scale)
		}
		return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}, nil
	case host.Date:
		return arrow.FixedWidthTypes.Date32, nil
	case host.Time:
		return arrow.FixedWidthTypes.Time64us, nil
	case host.Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}, nil
	case host.TimestampTZ:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, nil
	case host.String:
		return arrow.BinaryTypes.String, nil
	case host.Binary:
		return arrow.BinaryTypes.Binary, nil
	case host.List:
		if t.Elem == nil {
			return nil, host.Errorf(host.CodeTableType, "a list without an element type")
		}
		e, err := field(*t.Elem)
		if err != nil {
			return nil, err
		}
		e.Name = "item"
		return arrow.ListOfField(e), nil
	case host.Struct:
		fs, err := fields(t.Fields)
		if err != nil {
			return nil, err
		}
		return arrow.StructOf(fs...), nil
	}
	return nil, host.Errorf(host.CodeTableType, "type %q is outside the type table", t.Kind)
}

func field(f host.Field) (arrow.Field, error) {
	t, err := Type(f.Type)
	if err != nil {
		return arrow.Field{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	return arrow.Field{Name: f.Name, Type: t, Nullable: !f.Required}, nil
}

func fields(in []host.Field) ([]arrow.Field, error) {
	out := make([]arrow.Field, len(in))
	for i, f := range in {
		var err error
		if out[i], err = field(f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Schema maps a host schema to Arrow.
func Schema(s host.Schema) (*arrow.Schema, error) {
	fs, err := fields(s.Fields)
	if err != nil {
		return nil, err
	}
	return arrow.NewSchema(fs, nil), nil
}

// WithOp is s with the column _op that rows emitted to an upsert port carry.
func WithOp(s *arrow.Schema) *arrow.Schema {
	return arrow.NewSchema(append(s.Fields(), arrow.Field{Name: abi.ColumnOp, Type: arrow.BinaryTypes.String, Nullable: true}), nil)
}

// WithChanges is s with the columns _op and _seq that a change feed carries.
func WithChanges(s *arrow.Schema) *arrow.Schema {
	return arrow.NewSchema(append(s.Fields(),
		arrow.Field{Name: abi.ColumnOp, Type: arrow.BinaryTypes.String},
		arrow.Field{Name: abi.ColumnSeq, Type: arrow.PrimitiveTypes.Int64}), nil)
}

// Emitted is the schema in which a guest emits to an output port.
func Emitted(o *host.Output) (*arrow.Schema, error) {
	s, err := Schema(o.Schema)
	if err == nil && o.Mode == host.Upsert {
		s = WithOp(s)
	}
	return s, err
}

// HostType is the inverse of Type, for drafts of contracts; small and unsigned integers widen, dictionaries unfold.
func HostType(t arrow.DataType) (host.Type, error) {
	switch t.ID() {
	case arrow.BOOL:
		return host.Type{Kind: host.Bool}, nil
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.UINT8, arrow.UINT16:
		return host.Type{Kind: host.Int32}, nil
	case arrow.INT64, arrow.UINT32:
		return host.Type{Kind: host.Int64}, nil
	case arrow.FLOAT32:
		return host.Type{Kind: host.Float32}, nil
	case arrow.FLOAT64:
		return host.Type{Kind: host.Float64}, nil
	case arrow.DECIMAL128:
		d := t.(*arrow.Decimal128Type)
		return host.Type{Kind: host.Decimal, Precision: int(d.Precision), Scale: int(d.Scale)}, nil
	case arrow.DATE32:
		return host.Type{Kind: host.Date}, nil
	case arrow.TIME32, arrow.TIME64:
		return host.Type{Kind: host.Time}, nil
	case arrow.TIMESTAMP:
		if t.(*arrow.TimestampType).TimeZone == "" {
			return host.Type{Kind: host.Timestamp}, nil
		}
		return host.Type{Kind: host.TimestampTZ}, nil
	case arrow.STRING, arrow.LARGE_STRING:
		return host.Type{Kind: host.String}, nil
	case arrow.BINARY, arrow.LARGE_BINARY:
		return host.Type{Kind: host.Binary}, nil
	case arrow.DICTIONARY:
		return HostType(t.(*arrow.DictionaryType).ValueType)
	case arrow.LIST, arrow.LARGE_LIST:
		e := t.(arrow.ListLikeType).ElemField()
		f, err := hostField(e)
		f.Name = "item"
		return host.Type{Kind: host.List, Elem: &f}, err
	case arrow.STRUCT:
		s, err := HostSchema(arrow.NewSchema(t.(*arrow.StructType).Fields(), nil))
		return host.Type{Kind: host.Struct, Fields: s.Fields}, err
	}
	return host.Type{}, host.Errorf(host.CodeTableType, "Arrow type %s is outside the type table", t)
}

func hostField(f arrow.Field) (host.Field, error) {
	t, err := HostType(f.Type)
	if err != nil {
		return host.Field{}, fmt.Errorf("%s: %w", f.Name, err)
	}
	return host.Field{Name: f.Name, Type: t, Required: !f.Nullable}, nil
}

// HostSchema is the inverse of Schema, with the widenings of HostType.
func HostSchema(s *arrow.Schema) (host.Schema, error) {
	var out host.Schema
	for _, f := range s.Fields() {
		hf, err := hostField(f)
		if err != nil {
			return host.Schema{}, err
		}
		out.Fields = append(out.Fields, hf)
	}
	return out, nil
}
