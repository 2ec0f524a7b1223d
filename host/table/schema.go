package table

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// icebergSchema gives the columns of a port's contract the field ids of old, matching by name; columns that old lacks get the ids
// after lastID. old is nil for a new table. The error is of code T002 when rows written under old would not be rows
// under want, T001 when a type is outside the type table.
func icebergSchema(old *iceberg.Schema, lastID int, o *host.Output) (*iceberg.Schema, error) {
	want := o.Schema
	if len(want.Fields) == 0 {
		return nil, host.Errorf(host.CodeTableType, "a port needs at least one column")
	}
	m := &schemaMerge{last: lastID}
	var oldFields []iceberg.NestedField
	if old != nil {
		oldFields = old.Fields()
	}
	for _, f := range want.Fields {
		if f.Name == abi.ColumnOp || f.Name == abi.ColumnSeq {
			return nil, host.Errorf(host.CodeTableType, "column name %s is reserved", f.Name)
		}
	}
	fields, err := m.fields(oldFields, want.Fields, "", old != nil)
	if err != nil {
		return nil, err
	}
	return iceberg.NewSchemaWithIdentifiers(0, identifiers(o, fields), fields...), nil
}

// identifiers are the ids of the key columns, when Iceberg allows them to identify rows.
func identifiers(o *host.Output, fields []iceberg.NestedField) []int {
	ids := []int{}
	for _, k := range o.Key {
		i := slices.IndexFunc(fields, func(f iceberg.NestedField) bool { return f.Name == k })
		if i < 0 || !fields[i].Required {
			return []int{}
		}
		switch fields[i].Type.(type) {
		case *iceberg.ListType, *iceberg.StructType, iceberg.Float32Type, iceberg.Float64Type:
			return []int{}
		}
		ids = append(ids, fields[i].ID)
	}
	return ids
}

// schemaMerge hands out field ids while a contract's columns are matched with the table's.
type schemaMerge struct {
	last int
}

func (m *schemaMerge) next() int {
	m.last++
	return m.last
}

func (m *schemaMerge) fields(old []iceberg.NestedField, want []host.Field, path string, existing bool) ([]iceberg.NestedField, error) {
	byName := make(map[string]iceberg.NestedField, len(old))
	for _, f := range old {
		byName[f.Name] = f
	}
	out := make([]iceberg.NestedField, len(want))
	for i, w := range want {
		o, known := byName[w.Name]
		delete(byName, w.Name)
		switch {
		case known && w.Required && !o.Required:
			return nil, incompatible("column %s was optional and cannot become required: published rows may lack it", path+w.Name)
		case !known && w.Required && existing:
			return nil, incompatible("new column %s is required, but published rows do not have it", path+w.Name)
		}
		f := iceberg.NestedField{Name: w.Name, Required: w.Required, Doc: w.Description}
		var oldType iceberg.Type
		if known {
			f.ID, oldType = o.ID, o.Type
		} else {
			f.ID = m.next()
		}
		t, err := m.typ(oldType, w.Type, path+w.Name)
		if err != nil {
			return nil, err
		}
		f.Type = t
		out[i] = f
	}
	for _, f := range old {
		if _, gone := byName[f.Name]; gone {
			return nil, incompatible("column %s is gone from the contract", path+f.Name)
		}
	}
	return out, nil
}

func incompatible(format string, args ...any) *host.Error {
	return host.Errorf(host.CodeTableSchema, format, args...).
		WithHint("a port's major version is the identity of its table: publish the change as a new major version; within one, add optional columns only")
}

func (m *schemaMerge) typ(old iceberg.Type, want host.Type, path string) (iceberg.Type, error) {
	switch want.Kind {
	case host.List:
		if want.Elem == nil {
			return nil, host.Errorf(host.CodeTableType, "column %s is a list without an element type", path)
		}
		l, ok := old.(*iceberg.ListType)
		if old != nil && !ok {
			return nil, retyped(path, old, want)
		}
		elem := *want.Elem
		elem.Name = "element"
		var inner []iceberg.NestedField
		if ok {
			inner = []iceberg.NestedField{l.ElementField()}
		}
		fields, err := m.fields(inner, []host.Field{elem}, path+".", ok)
		if err != nil {
			return nil, err
		}
		return &iceberg.ListType{ElementID: fields[0].ID, Element: fields[0].Type, ElementRequired: fields[0].Required}, nil
	case host.Struct:
		if len(want.Fields) == 0 {
			return nil, host.Errorf(host.CodeTableType, "column %s is a struct without fields", path)
		}
		s, ok := old.(*iceberg.StructType)
		if old != nil && !ok {
			return nil, retyped(path, old, want)
		}
		var inner []iceberg.NestedField
		if ok {
			inner = s.FieldList
		}
		fields, err := m.fields(inner, want.Fields, path+".", ok)
		if err != nil {
			return nil, err
		}
		return &iceberg.StructType{FieldList: fields}, nil
	}
	t, err := flatType(want, path)
	if err == nil && old != nil && !old.Equals(t) {
		err = retyped(path, old, want)
	}
	return t, err
}

func retyped(path string, old iceberg.Type, want host.Type) *host.Error {
	return incompatible("column %s was %s and cannot become %s", path, old, want)
}

func flatType(t host.Type, path string) (iceberg.Type, error) {
	switch t.Kind {
	case host.Bool:
		return iceberg.PrimitiveTypes.Bool, nil
	case host.Int32:
		return iceberg.PrimitiveTypes.Int32, nil
	case host.Int64:
		return iceberg.PrimitiveTypes.Int64, nil
	case host.Float32:
		return iceberg.PrimitiveTypes.Float32, nil
	case host.Float64:
		return iceberg.PrimitiveTypes.Float64, nil
	case host.Decimal:
		if _, err := columnar.Type(t); err != nil {
			return nil, fmt.Errorf("column %s: %w", path, err)
		}
		return iceberg.DecimalTypeOf(t.Precision, t.Scale), nil
	case host.Date:
		return iceberg.PrimitiveTypes.Date, nil
	case host.Time:
		return iceberg.PrimitiveTypes.Time, nil
	case host.Timestamp:
		return iceberg.PrimitiveTypes.Timestamp, nil
	case host.TimestampTZ:
		return iceberg.PrimitiveTypes.TimestampTz, nil
	case host.String:
		return iceberg.PrimitiveTypes.String, nil
	case host.Binary:
		return iceberg.PrimitiveTypes.Binary, nil
	}
	return nil, host.Errorf(host.CodeTableType, "column %s has type %q, which is outside the type table", path, t.Kind)
}

// target is the schema that a stage writes rows in, and the metadata that its snapshot is added to.
type target struct {
	base    icetable.Metadata
	ice     *iceberg.Schema
	arrow   *arrow.Schema // of data files
	evolved bool          // base does not have ice as its current schema
}

// metadataVersions is how many earlier metadata files the present one lists.
const metadataVersions = 3

// newTarget is the target of a port's first snapshot.
func newTarget(o *host.Output, product host.ProductID, location string) (t target, err error) {
	defer recovered(&err)
	s, err := icebergSchema(nil, 0, o)
	if err != nil {
		return t, err
	}
	t.base, err = icetable.NewMetadata(s, iceberg.UnpartitionedSpec, icetable.UnsortedSortOrder, location, iceberg.Properties{
		icetable.PropertyFormatVersion:          "2",
		icetable.MetadataPreviousVersionsMaxKey: strconv.Itoa(metadataVersions),
		"adp.product":                           product.URL(),
		"adp.port":                              o.Name,
	})
	if err != nil {
		return t, fmt.Errorf("metadata of port %s: %w", o.Name, err)
	}
	t.ice = t.base.CurrentSchema()
	t.arrow, err = fileSchema(t.ice)
	return t, err
}

// nextTarget is the target of a snapshot after prev.
func nextTarget(o *host.Output, prev *state) (t target, err error) {
	defer recovered(&err)
	t.base, t.ice, t.arrow = prev.meta, prev.ice(), prev.schema
	s, err := icebergSchema(t.ice, prev.meta.LastColumnID(), o)
	if err != nil || s.Equals(t.ice) {
		return t, err
	}
	for _, known := range prev.meta.Schemas() {
		s.ID = max(s.ID, known.ID+1)
	}
	for _, known := range prev.meta.Schemas() {
		if s.Equals(known) { // the contract went back
			s.ID = known.ID
		}
	}
	t.ice, t.evolved = s, true
	t.arrow, err = fileSchema(s)
	return t, err
}

// fileSchema is the Arrow schema of the table's Parquet files, with Iceberg field ids as metadata.
func fileSchema(s *iceberg.Schema) (*arrow.Schema, error) {
	return icetable.SchemaToArrowSchema(s, nil, true, false)
}
