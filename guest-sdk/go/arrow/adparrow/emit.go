package adparrow

import (
	"fmt"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Emit adds the rows of a record to an output. Columns are found by name; those that the output does not have are left out.
// The error names a column that is missing or of another type, or a null where there must be none; then the rows are in
// part with the writer, and the run should fail. On upsert outputs a column _op may be there.
func Emit(w *adp.Writer, rec arrow.Record) error {
	columns := w.Columns()
	if op := w.Op(); op != nil && rec.Schema().HasField(op.Field().Name) {
		columns = append(columns, op)
	}
	for _, b := range columns {
		f := b.Field()
		at := rec.Schema().FieldIndices(f.Name)
		if len(at) != 1 {
			return fmt.Errorf("the record has %d columns %s; it has %s", len(at), f.Name, names(rec.Schema()))
		}
		a := rec.Column(at[0])
		if err := fits(f, a); err != nil {
			return fmt.Errorf("column %s: %w", f.Name, err)
		}
		add(b, a, 0, a.Len())
	}
	return nil
}

func names(s *arrow.Schema) (all []string) {
	for _, f := range s.Fields() {
		all = append(all, f.Name)
	}
	return all
}

// fits looks whether an array is of the column's type, and has nulls only where they may be.
func fits(f *adp.Field, a arrow.Array) error {
	want := Type(f)
	if want == nil || want.ID() != a.DataType().ID() {
		return fmt.Errorf("expected %s, got %s", f, a.DataType())
	}
	if !f.Nullable && a.NullN() > 0 {
		for i := range a.Len() {
			if a.IsNull(i) {
				return fmt.Errorf("row %d is null, and the column is required", i)
			}
		}
	}
	switch a := a.(type) {
	case *array.List:
		from, to := elements(a)
		part := array.NewSlice(a.ListValues(), from, to)
		defer part.Release()
		if err := fits(&f.Fields[0], part); err != nil {
			return fmt.Errorf("element: %w", err)
		}
	case *array.Struct:
		if a.NumField() != len(f.Fields) {
			return fmt.Errorf("expected %s, got %s", f, a.DataType())
		}
		for i := range f.Fields {
			if name := a.DataType().(*arrow.StructType).Field(i).Name; name != f.Fields[i].Name {
				return fmt.Errorf("member %d: expected %s, got %s", i, f.Fields[i].Name, name)
			}
			if a.NullN() > 0 { // a member may be null where the struct is
				f := f.Fields[i]
				f.Nullable = true
				if err := fits(&f, a.Field(i)); err != nil {
					return fmt.Errorf("member %s: %w", f.Name, err)
				}
			} else if err := fits(&f.Fields[i], a.Field(i)); err != nil {
				return fmt.Errorf("member %s: %w", f.Fields[i].Name, err)
			}
		}
	default:
		if !arrow.TypeEqual(want, a.DataType()) {
			return fmt.Errorf("expected %s, got %s", want, a.DataType())
		}
	}
	return nil
}

// elements is where the elements of a list's rows begin and end.
func elements(a *array.List) (from, to int64) {
	if a.Len() == 0 {
		return 0, 0
	}
	from, _ = a.ValueOffsets(0)
	_, to = a.ValueOffsets(a.Len() - 1)
	return from, to
}

// add adds rows [from, to) of an array that fits.
func add(b *adp.Builder, a arrow.Array, from, to int) {
	if a.NullN() == 0 {
		switch a := a.(type) { // the memory as it is
		case *array.Int64:
			b.Int64s(a.Int64Values()[from:to])
			return
		case *array.Float64:
			b.Float64s(a.Float64Values()[from:to])
			return
		}
	}
	one := row(b, a)
	for i := from; i < to; i++ {
		if a.IsNull(i) {
			b.Null()
		} else {
			one(i)
		}
	}
}

// row gives a function that adds a row that is not null.
func row(b *adp.Builder, a arrow.Array) func(i int) {
	switch a := a.(type) {
	case *array.Boolean:
		return func(i int) { b.Bool(a.Value(i)) }
	case *array.Int32:
		return func(i int) { b.Int32(a.Value(i)) }
	case *array.Int64:
		return func(i int) { b.Int64(a.Value(i)) }
	case *array.Float32:
		return func(i int) { b.Float32(a.Value(i)) }
	case *array.Float64:
		return func(i int) { b.Float64(a.Value(i)) }
	case *array.Decimal128:
		return func(i int) { b.Decimal(adp.Decimal{Lo: a.Value(i).LowBits(), Hi: a.Value(i).HighBits()}) }
	case *array.Date32:
		return func(i int) { b.Date(adp.Date(a.Value(i))) }
	case *array.Time64:
		return func(i int) { b.Time(adp.Time(a.Value(i))) }
	case *array.Timestamp:
		return func(i int) { b.Timestamp(adp.Timestamp(a.Value(i))) }
	case *array.String:
		return func(i int) { b.String(a.Value(i)) }
	case *array.Binary:
		return func(i int) { b.Binary(a.Value(i)) }
	case *array.List:
		elem := b.Elem()
		return func(i int) {
			from, to := a.ValueOffsets(i)
			add(elem, a.ListValues(), int(from), int(to))
			b.EndList()
		}
	case *array.Struct:
		t := a.DataType().(*arrow.StructType)
		members := make([]func(i int), a.NumField())
		for n := range members {
			m, values := b.Member(t.Field(n).Name), a.Field(n)
			one := row(m, values)
			members[n] = func(i int) {
				if values.IsNull(i) {
					m.Null()
				} else {
					one(i)
				}
			}
		}
		return func(i int) {
			for _, member := range members {
				member(i)
			}
			b.EndStruct()
		}
	}
	panic("adp: an array of " + a.DataType().String()) // fits has seen to it that there is none
}
