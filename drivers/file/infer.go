package file

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
)

// A draft of a schema looks at no more than this of a source, from several files.
const (
	inferRows  = 20_000
	inferBytes = 16 << 20
	inferFiles = 8
)

// MetadataSource is the key of a field's metadata with its name in the file, when that differs from the column's.
const MetadataSource = "source"

// Infer drafts a schema from the beginning of the source's files, spread over the folder. Columns are nullable unless
// everything was seen and nothing was null. Parquet says its schema itself.
func (d *Driver) Infer(ctx context.Context, uri string, o map[string]string) (*arrow.Schema, error) {
	s, err := d.source(uri, o, nil)
	if err != nil {
		return nil, err
	}
	l, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	files := slices.DeleteFunc(l.entries, func(e entry) bool { return e.size == 0 })
	if len(files) == 0 {
		return nil, &drivers.Error{Kind: drivers.ErrUnavailable, Origin: s.path, Message: "has no files to draft a schema from"}
	}
	sample := spread(files, inferFiles)
	g := &guess{all: len(sample) == len(files)}
	for _, e := range sample {
		if err := g.file(ctx, l, e, &s.opts, d, len(sample)); err != nil {
			return nil, inFile(e.name, err)
		}
	}
	return g.schema(&s.opts)
}

// spread picks n of the files, the first and the last among them.
func spread(files []entry, n int) []entry {
	if len(files) <= n {
		return files
	}
	out := make([]entry, n)
	for i := range out {
		out[i] = files[i*(len(files)-1)/(n-1)]
	}
	return out
}

// guess is what is known of a source's columns.
type guess struct {
	names []string // as in the files, in order of appearance
	kinds map[string]*kinds
	all   bool // everything was seen
	rows  int64
	types map[string]arrow.DataType // what Parquet says
}

func (g *guess) file(ctx context.Context, l *listing, e entry, o *options, d *Driver, files int) error {
	f, err := l.open(e.name)
	if err != nil {
		return err
	}
	defer f.Close()
	format := o.formatOf(e.name)
	if format.kind == FormatParquet {
		return g.parquet(f, e, d)
	}
	in, closer, err := openText(f, e, format)
	if err != nil {
		return err
	}
	defer closer.Close()
	rows, size := int64(inferRows/files), int64(inferBytes/files)
	if format.kind == FormatCSV {
		return g.csv(ctx, &csvReader{in: in, delimiter: format.delimiter, quote: o.quote, comment: o.comment}, o, rows, size)
	}
	return g.ndjson(ctx, in, rows, size)
}

func (g *guess) column(name string) *kinds {
	k := g.kinds[name]
	if k == nil {
		if g.kinds == nil {
			g.kinds = map[string]*kinds{}
		}
		k = &kinds{}
		g.kinds[name] = k
		g.names = append(g.names, name)
	}
	return k
}

func (g *guess) csv(ctx context.Context, c *csvReader, o *options, rows, size int64) error {
	var header []string
	if o.header {
		var err error
		if header, err = c.header(); err != nil {
			return ignoreEOF(err)
		}
		for _, name := range header {
			g.column(name)
		}
	}
	s := csvScan{nulls: o.nulls}
	text := arrow.Field{Type: arrow.BinaryTypes.String}
	for n := int64(0); ; n++ {
		if n >= rows || size < 0 {
			g.all = false
			return nil
		}
		if n&255 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		row, err := c.next()
		if err != nil {
			return ignoreEOF(err)
		}
		if header == nil {
			for i := range row.fields {
				header = append(header, fmt.Sprintf("column_%d", i+1))
			}
		}
		if row.broken != "" || len(row.fields) != len(header) {
			continue
		}
		size -= int64(len(row.raw))
		for i, f := range row.fields {
			g.column(header[i]).text(f.b, s.isNull(&text, f))
		}
		g.rows++
	}
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func (g *guess) ndjson(ctx context.Context, in *input, rows, size int64) error {
	for n := int64(0); ; n++ {
		if n >= rows || size < 0 {
			g.all = false
			return nil
		}
		if n&255 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		raw, next, long, err := in.physical()
		if err != nil {
			return ignoreEOF(err)
		}
		if long {
			if err := in.skipLong(); err != nil {
				return err
			}
			continue
		}
		if v := trimSpace(raw); len(v) > 0 && v[0] == '{' && validJSON(v) {
			g.object(v)
		}
		size -= int64(len(raw))
		in.skip(next, 1)
	}
}

func (g *guess) object(v []byte) {
	g.rows++
	scanObject(v, 0, 0, func(key, value []byte) bool {
		g.column(string(unquote(nil, key))).json(value)
		return true
	})
}

func (g *guess) parquet(f *os.File, e entry, d *Driver) error {
	r, err := openParquet(f, e, d.cfg.Allocator)
	if err != nil {
		return err
	}
	if g.types == nil {
		g.types = map[string]arrow.DataType{}
	}
	for i := range r.Manifest.Fields {
		field := r.Manifest.Fields[i].Field
		t, ok := tabled(field.Type)
		if !ok {
			return schemaError("column %q is %s, which no column can be", field.Name, field.Type)
		}
		k := g.column(field.Name)
		k.nulls = k.nulls || field.Nullable
		k.seen++
		if have := g.types[field.Name]; have != nil && !arrow.TypeEqual(have, t) {
			return schemaError("column %q is %s here and %s in another file", field.Name, t, have)
		}
		g.types[field.Name] = t
	}
	g.rows++ // of files: a column that one of them lacks is nullable
	return nil
}

// schema is the draft.
func (g *guess) schema(o *options) (*arrow.Schema, error) {
	if len(g.names) == 0 {
		return nil, &drivers.Error{Kind: drivers.ErrFormat, Message: "no row was seen to draft a schema from"}
	}
	renamed := map[string]string{}
	for column, name := range o.names {
		renamed[name] = column
	}
	count := map[string]int{}
	for _, n := range g.names {
		count[columnName(n)]++
	}
	fields := make([]arrow.Field, len(g.names))
	for i, name := range g.names {
		k := g.kinds[name]
		f := arrow.Field{Name: columnName(name), Type: g.types[name], Nullable: k.nulls || g.rows == 0 || k.seen < g.rows || !g.all && g.types == nil}
		if f.Type == nil {
			f.Type = k.dataType()
		}
		if column, ok := renamed[name]; ok {
			f.Name = column
		} else if f.Name == "" || count[f.Name] > 1 {
			f.Name = name // two names that differ in case or punctuation only stay as they are
		}
		if f.Name == "" {
			return nil, schemaError("column %d has no name in the header", i+1)
		}
		if f.Name != name {
			f.Metadata = arrow.NewMetadata([]string{MetadataSource}, []string{name})
		}
		fields[i] = f
	}
	return arrow.NewSchema(fields, nil), nil
}

// kinds is what the values of a column could be.
type kinds struct {
	seen  int64 // values and nulls
	nulls bool
	not   kind // what one of the values is not
	some  bool // there was a value
	elem  *kinds
	inner *guess
}

// kind is a set of types.
type kind uint

const (
	isInt kind = 1 << iota
	isFloat
	isBool
	isDate
	isTimestamp // without a zone
	isZoned
	isList
	isObject
	isAny = 1<<iota - 1
)

// text looks at a value of CSV.
func (k *kinds) text(b []byte, null bool) {
	k.seen++
	if null {
		k.nulls = true
		return
	}
	k.some = true
	k.not |= isAny &^ kindsOf(trimSpace(b))
}

// kindsOf is what text can be read as.
func kindsOf(b []byte) (is kind) {
	if len(b) == 0 {
		return 0
	}
	switch {
	case b[0] == '0' && len(b) > 1 && b[1] >= '0' && b[1] <= '9':
		return 0 // a number with leading zeros is a name: a code, a telephone
	case b[0] >= '0' && b[0] <= '9' || b[0] == '-' || b[0] == '+' || b[0] == '.':
		if _, ok := parseInt(b); ok {
			return isInt | isFloat
		}
		if _, ok := parseFloat(b); ok {
			return isFloat
		}
		if micros, zoned, ok := isoTimestamp(b); ok {
			switch {
			case zoned:
				return isZoned
			case micros%microsPerDay == 0 && len(b) == 10:
				return isDate | isTimestamp
			}
			return isTimestamp
		}
	case strings.EqualFold(string(b), "true"), strings.EqualFold(string(b), "false"):
		return isBool
	}
	return 0
}

// json looks at a JSON value.
func (k *kinds) json(v []byte) {
	k.seen++
	if v[0] == 'n' {
		k.nulls = true
		return
	}
	k.some = true
	var is kind
	switch v[0] {
	case '"':
		is = kindsOf(unquote(nil, v)) &^ (isInt | isFloat | isBool) // quoted numbers are text
	case '{':
		is = isObject
		if k.inner == nil {
			k.inner = &guess{}
		}
		k.inner.object(v)
	case '[':
		is = isList
		if k.elem == nil {
			k.elem = &kinds{}
		}
		eachElement(v, func(e []byte) bool { k.elem.json(e); return true })
	case 't', 'f':
		is = isBool
	default:
		is = isFloat
		if jsonNumberIsInt(v) {
			is |= isInt
		}
	}
	k.not |= isAny &^ is
}

// dataType is the narrowest type that all values fit.
func (k *kinds) dataType() arrow.DataType {
	is := isAny &^ k.not
	switch {
	case !k.some:
		return arrow.BinaryTypes.String
	case is&isInt != 0:
		return arrow.PrimitiveTypes.Int64
	case is&isFloat != 0:
		return arrow.PrimitiveTypes.Float64
	case is&isBool != 0:
		return arrow.FixedWidthTypes.Boolean
	case is&isDate != 0:
		return arrow.FixedWidthTypes.Date32
	case is&isTimestamp != 0:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case is&isZoned != 0:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case is&isList != 0 && k.elem != nil:
		return arrow.ListOfField(arrow.Field{Name: "item", Type: k.elem.dataType(), Nullable: true})
	case is&isObject != 0 && k.inner != nil && len(k.inner.names) > 0:
		var fields []arrow.Field
		for _, name := range k.inner.names {
			fields = append(fields, arrow.Field{Name: name, Type: k.inner.kinds[name].dataType(), Nullable: true})
		}
		return arrow.StructOf(fields...)
	}
	return arrow.BinaryTypes.String
}

// tabled is the type in which a column of a Parquet file's type can be held: small integers widen, units become
// microseconds.
func tabled(t arrow.DataType) (arrow.DataType, bool) {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return tabled(t.ValueType)
	case *arrow.BooleanType, *arrow.Int32Type, *arrow.Int64Type, *arrow.Float32Type, *arrow.Float64Type,
		*arrow.Date32Type, *arrow.StringType, *arrow.BinaryType, *arrow.Decimal128Type:
		return t, true
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Uint8Type, *arrow.Uint16Type:
		return arrow.PrimitiveTypes.Int32, true
	case *arrow.Uint32Type, *arrow.Uint64Type:
		return arrow.PrimitiveTypes.Int64, true
	case *arrow.Float16Type:
		return arrow.PrimitiveTypes.Float32, true
	case *arrow.Date64Type:
		return arrow.FixedWidthTypes.Date32, true
	case *arrow.Time32Type, *arrow.Time64Type:
		return arrow.FixedWidthTypes.Time64us, true
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, true
		}
		return &arrow.TimestampType{Unit: arrow.Microsecond}, true
	case *arrow.LargeStringType, *arrow.NullType:
		return arrow.BinaryTypes.String, true
	case *arrow.LargeBinaryType, *arrow.FixedSizeBinaryType:
		return arrow.BinaryTypes.Binary, true
	case *arrow.ListType:
		elem, ok := tabled(t.Elem())
		return arrow.ListOfField(arrow.Field{Name: "item", Type: elem, Nullable: t.ElemField().Nullable}), ok
	case *arrow.StructType:
		fields := slices.Clone(t.Fields())
		for i := range fields {
			var ok bool
			if fields[i].Type, ok = tabled(fields[i].Type); !ok {
				return nil, false
			}
			fields[i].Metadata = arrow.Metadata{}
		}
		return arrow.StructOf(fields...), true
	}
	return nil, false
}
