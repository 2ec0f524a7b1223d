package arrowtext

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
)

// flushSize is how many bytes of text are gathered before they are written.
const flushSize = 64 << 10

// CSVWriter writes RFC 4180 with line feeds and a header. Null is an empty field, the empty text is "".
type CSVWriter struct {
	w   io.Writer
	buf []byte
}

// NewCSV begins with the header, which is written with the first rows.
func NewCSV(w io.Writer, schema *arrow.Schema) *CSVWriter {
	e := &CSVWriter{w: w}
	for j, f := range schema.Fields() {
		if j > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = appendCSVString(e.buf, f.Name)
	}
	e.buf = append(e.buf, '\n')
	return e
}

// Write adds the rows of a batch.
func (e *CSVWriter) Write(rec arrow.RecordBatch) error {
	cells := make([]Cell, rec.NumCols())
	for j, col := range rec.Columns() {
		cells[j] = CSVCells(col)
	}
	for i := range int(rec.NumRows()) {
		start := len(e.buf)
		for j, cell := range cells {
			if j > 0 {
				e.buf = append(e.buf, ',')
			}
			e.buf = cell(e.buf, i)
		}
		if len(e.buf) == start { // a null in the only column: an empty line would be no row
			e.buf = append(e.buf, `""`...)
		}
		e.buf = append(e.buf, '\n')
		if len(e.buf) >= flushSize {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *CSVWriter) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

// Close writes what is left; the writer beneath stays open.
func (e *CSVWriter) Close() error { return e.flush() }

// JSONWriter writes one JSON object a row, in an array or one a line.
type JSONWriter struct {
	w                io.Writer
	begin, separator string // before the first row, between rows
	end              string // after each row
	finish           string
	rows             int64
	buf              []byte
}

// NewJSONLines writes one object a line.
func NewJSONLines(w io.Writer) *JSONWriter { return &JSONWriter{w: w, end: "\n"} }

// NewJSONArray writes objects with commas between them. What opens the array, and what surrounds it, is the caller's.
func NewJSONArray(w io.Writer, open, finish string) *JSONWriter {
	return &JSONWriter{w: w, buf: []byte(open), begin: "\n", separator: ",\n", finish: finish}
}

// Write adds the rows of a batch.
func (e *JSONWriter) Write(rec arrow.RecordBatch) error {
	cells, names := jsonRow(rec)
	for i := range int(rec.NumRows()) {
		if e.rows == 0 {
			e.buf = append(e.buf, e.begin...)
		} else {
			e.buf = append(e.buf, e.separator...)
		}
		e.rows++
		e.buf = appendJSONRow(e.buf, cells, names, i)
		e.buf = append(e.buf, e.end...)
		if len(e.buf) >= flushSize {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// jsonRow gives the columns of a batch as JSON appenders, with their encoded names.
func jsonRow(rec arrow.RecordBatch) ([]Cell, []string) {
	cells, names := make([]Cell, rec.NumCols()), make([]string, rec.NumCols())
	for j, col := range rec.Columns() {
		cells[j] = jsonCells(col)
		names[j] = string(AppendJSONString(nil, rec.ColumnName(j))) + ":"
	}
	return cells, names
}

func appendJSONRow(dst []byte, cells []Cell, names []string, i int) []byte {
	dst = append(dst, '{')
	for j, cell := range cells {
		if j > 0 {
			dst = append(dst, ',')
		}
		dst = cell(append(dst, names[j]...), i)
	}
	return append(dst, '}')
}

func (e *JSONWriter) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

// Close writes what ends the rows; the writer beneath stays open.
func (e *JSONWriter) Close() error {
	e.buf = append(e.buf, e.finish...)
	return e.flush()
}
