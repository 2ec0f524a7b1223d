package file

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/drivers"
)

// A batch of text ends with whichever comes first.
const (
	batchRows     = 32 << 10
	batchBytes    = 8 << 20
	batchRejected = 256
)

// fileScan reads one file. next returns io.EOF after the last batch.
type fileScan interface {
	next(ctx context.Context) (drivers.Batch, error)
	close() error
}

// rows collects the rows of a file of text into batches.
type rows struct {
	origin   string
	schema   *arrow.Schema
	fields   []arrow.Field
	columns  []column
	lines    []int64
	bytes    int
	rejected []drivers.Rejected
	seen     []bool // scratch of NDJSON
}

func newRows(origin string, schema *arrow.Schema, o *options) (*rows, error) {
	r := &rows{origin: origin, schema: schema, fields: schema.Fields()}
	for _, f := range r.fields {
		c, err := newColumn(f, o.times[f.Name], o.trim)
		if err != nil {
			return nil, err
		}
		r.columns = append(r.columns, c)
	}
	r.seen = make([]bool, len(r.columns))
	return r, nil
}

// accept counts a row whose values are in the columns.
func (r *rows) accept(line int64, size int) {
	r.lines = append(r.lines, line)
	r.bytes += size
}

func (r *rows) reject(line int64, column, reason string, raw []byte) {
	r.rejected = append(r.rejected, drivers.Rejected{
		Origin: r.origin, Line: line, Column: column, Reason: reason, Raw: rawText(raw),
	})
}

func (r *rows) full() bool {
	return len(r.lines) >= batchRows || r.bytes >= batchBytes || len(r.rejected) >= batchRejected
}

func (r *rows) empty() bool { return len(r.lines) == 0 && len(r.rejected) == 0 }

// take gives what has been collected and begins anew.
func (r *rows) take() drivers.Batch {
	b := drivers.Batch{Origin: r.origin, Rejected: r.rejected}
	cols := make([]arrow.Array, len(r.columns))
	for i, c := range r.columns {
		cols[i] = c.array()
		defer cols[i].Release()
	}
	b.Record = array.NewRecordBatch(r.schema, cols, int64(len(r.lines)))
	if n := len(r.lines); n > 0 {
		b.Line = r.lines[0]
		if r.lines[n-1] != b.Line+int64(n)-1 {
			b.Lines, r.lines = r.lines, make([]int64, 0, cap(r.lines))
		}
	}
	r.lines, r.bytes, r.rejected = r.lines[:0], 0, nil
	return b
}

// csvScan reads a CSV file.
type csvScan struct {
	*rows
	csv    csvReader
	source []int // for each column the position in the file, -1: not there
	width  int   // values a row must have
	nulls  []string
	closer io.Closer
}

func newCSVScan(in *input, closer io.Closer, origin string, f fileFormat, schema *arrow.Schema, o *options) (*csvScan, error) {
	r, err := newRows(origin, schema, o)
	if err != nil {
		return nil, err
	}
	s := &csvScan{rows: r, nulls: o.nulls, closer: closer,
		csv: csvReader{in: in, delimiter: f.delimiter, quote: o.quote, comment: o.comment}}
	if !o.header {
		s.width = len(s.columns)
		for i := range s.columns {
			s.source = append(s.source, i)
		}
		return s, nil
	}
	header, err := s.csv.header()
	if err == io.EOF {
		return s, nil // no rows can follow
	}
	if err != nil {
		return nil, err
	}
	s.width = len(header)
	s.source, err = match(header, s.fields, o)
	return s, err
}

// header reads the first row as names.
func (c *csvReader) header() ([]string, error) {
	row, err := c.next()
	if err != nil {
		return nil, err
	}
	if row.broken != "" {
		return nil, &drivers.Error{Kind: drivers.ErrFormat, Line: row.line, Message: "header: " + row.broken}
	}
	names := make([]string, len(row.fields))
	for i, f := range row.fields {
		names[i] = strings.TrimSpace(string(f.b))
	}
	return names, nil
}

// match finds the position of each wanted column among the names of a file: by the option column.NAME, by the same
// name, else by the one name that is the same but for case and punctuation.
func match(names []string, fields []arrow.Field, o *options) ([]int, error) {
	exact, loose := map[string][]int{}, map[string][]int{}
	for i, n := range names {
		exact[n] = append(exact[n], i)
		loose[columnName(n)] = append(loose[columnName(n)], i)
	}
	at := make([]int, len(fields))
	used := map[int]bool{}
	for i, f := range fields {
		name, renamed := o.names[f.Name]
		if !renamed {
			name = f.Name
		}
		found := exact[name]
		if len(found) == 0 && !renamed {
			found = loose[columnName(name)]
		}
		switch {
		case len(found) > 1:
			return nil, schemaError("column %s: %q stands %d times in the header", f.Name, name, len(found))
		case len(found) == 1:
			at[i] = found[0]
			used[found[0]] = true
		case !f.Nullable || renamed:
			return nil, missingColumn(f.Name, name, names)
		default:
			at[i] = -1
		}
	}
	if len(used) == 0 && len(fields) > 0 {
		return nil, missingColumn(fields[0].Name, fields[0].Name, names)
	}
	if o.strict {
		for i, n := range names {
			if !used[i] {
				return nil, schemaError("has a column %q that the schema does not have, and option strict is set", n)
			}
		}
	}
	return at, nil
}

func schemaError(format string, args ...any) error {
	return &drivers.Error{Kind: drivers.ErrSchema, Message: fmt.Sprintf(format, args...)}
}

func missingColumn(column, name string, have []string) error {
	shown := have[:min(len(have), 40)]
	quotedNames := make([]string, len(shown))
	for i, n := range shown {
		quotedNames[i] = fmt.Sprintf("%q", n)
	}
	list := strings.Join(quotedNames, ", ")
	if len(have) > len(shown) {
		list += fmt.Sprintf(" and %d more", len(have)-len(shown))
	}
	return &drivers.Error{Kind: drivers.ErrSchema, Message: fmt.Sprintf("column %q is missing; there are %s", name, list),
		Hint: fmt.Sprintf("say how it is called there with the option %s%s", OptionColumn, column)}
}

// columnName is a name as people write columns: lower case letters, digits, single underscores.
func columnName(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127 {
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
			gap = false
			continue
		}
		gap = true
	}
	return b.String()
}

func (s *csvScan) close() error { return s.closer.Close() }

func (s *csvScan) next(ctx context.Context) (drivers.Batch, error) {
	for n := 0; !s.full(); n++ {
		if n&255 == 0 && ctx.Err() != nil {
			return drivers.Batch{}, ctx.Err()
		}
		row, err := s.csv.next()
		if err == io.EOF {
			if s.empty() {
				return drivers.Batch{}, io.EOF
			}
			break
		}
		if err != nil {
			return drivers.Batch{}, err
		}
		if bad := s.append(row); bad.text != "" {
			s.reject(row.line, bad.column, bad.text, row.raw)
			continue
		}
		s.accept(row.line, len(row.raw))
	}
	return s.take(), nil
}

func (s *csvScan) append(row *csvRow) fault {
	if row.broken != "" {
		return fault{text: row.broken}
	}
	if len(row.fields) != s.width {
		return fault{text: fmt.Sprintf("has %d values, not %d", len(row.fields), s.width)}
	}
	for i, c := range s.columns {
		reason := ""
		if at := s.source[i]; at < 0 {
			c.null()
		} else {
			reason = s.value(c, &s.fields[i], row.fields[at])
		}
		if reason != "" {
			for _, done := range s.columns[:i] {
				done.drop()
			}
			return fault{s.fields[i].Name, reason}
		}
	}
	return fault{}
}

func (s *csvScan) value(c column, f *arrow.Field, v csvField) string {
	if !s.isNull(f, v) {
		return c.text(v.b)
	}
	if !f.Nullable {
		return "is empty, but it is required"
	}
	c.null()
	return ""
}

// isNull: nothing is null, "" is the empty text; but no number, date or bool can be the empty text.
func (s *csvScan) isNull(f *arrow.Field, v csvField) bool {
	b := v.b
	text := f.Type.ID() == arrow.STRING || f.Type.ID() == arrow.BINARY
	if !text {
		b = trimSpace(b)
	}
	if v.quoted {
		return len(b) == 0 && !text
	}
	return len(b) == 0 || len(s.nulls) > 0 && slices.Contains(s.nulls, textOf(b))
}

// ndjsonScan reads a file of one JSON object a line.
type ndjsonScan struct {
	*rows
	in     *input
	strict bool
	names  map[string]int // name in the file → column
	closer io.Closer
}

func newNDJSONScan(in *input, closer io.Closer, origin string, schema *arrow.Schema, o *options) (*ndjsonScan, error) {
	r, err := newRows(origin, schema, o)
	if err != nil {
		return nil, err
	}
	s := &ndjsonScan{rows: r, in: in, strict: o.strict, names: map[string]int{}, closer: closer}
	for i, f := range s.fields {
		name, renamed := o.names[f.Name]
		if !renamed {
			name = f.Name
		}
		if _, taken := s.names[name]; taken {
			return nil, schemaError("two columns are read from the member %q", name)
		}
		s.names[name] = i
	}
	return s, nil
}

func (s *ndjsonScan) close() error { return s.closer.Close() }

func (s *ndjsonScan) next(ctx context.Context) (drivers.Batch, error) {
	for n := 0; !s.full(); n++ {
		if n&255 == 0 && ctx.Err() != nil {
			return drivers.Batch{}, ctx.Err()
		}
		raw, next, long, err := s.in.physical()
		if err == io.EOF {
			if s.empty() {
				return drivers.Batch{}, io.EOF
			}
			break
		}
		if err != nil {
			return drivers.Batch{}, err
		}
		line := s.in.line
		if long {
			s.reject(line, "", tooLong(), raw)
			if err := s.in.skipLong(); err != nil {
				return drivers.Batch{}, err
			}
			continue
		}
		if v := trimSpace(raw); len(v) > 0 {
			if bad := s.append(v); bad.text != "" {
				s.reject(line, bad.column, bad.text, raw)
			} else {
				s.accept(line, len(raw))
			}
		}
		s.in.skip(next, 1)
	}
	return s.take(), nil
}

func (s *ndjsonScan) append(v []byte) fault {
	if !validJSON(v) {
		return fault{text: "is not valid JSON"}
	}
	if v[0] != '{' {
		return fault{text: "is not a JSON object"}
	}
	return appendObject(v, s.fields, s.columns, s.seen, s.index, s.strict)
}

func (s *ndjsonScan) index(key []byte) int {
	if i, ok := s.names[string(key)]; ok {
		return i
	}
	return -1
}
