package rest

import (
	"bufio"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// encoder writes batches of one schema in one format.
type encoder interface {
	write(rec arrow.RecordBatch) error
	// close writes what ends the format; it does not close the writer beneath.
	close() error
}

// newEncoder begins a stream: CSV has its header then, JSON its bracket, Arrow its schema.
func newEncoder(f format, w io.Writer, schema *arrow.Schema) (encoder, error) {
	switch f {
	case formatCSV:
		return newCSV(w, schema)
	case formatNDJSON:
		return &rowsJSON{w: w, end: "\n"}, nil
	case formatArrow:
		buf := bufio.NewWriterSize(w, flushSize)
		return &arrowStream{ipc.NewWriter(buf, ipc.WithSchema(schema)), buf}, nil
	}
	_, err := io.WriteString(w, "[")
	return &rowsJSON{w: w, begin: "\n", separator: ",\n", finish: "\n]\n"}, err
}

// flushSize is how many bytes of text are gathered before they are written.
const flushSize = 64 << 10

// csvFile is RFC 4180 with line feeds and a header.
type csvFile struct {
	w   io.Writer
	buf []byte
}

func newCSV(w io.Writer, schema *arrow.Schema) (*csvFile, error) {
	e := &csvFile{w: w}
	for j, f := range schema.Fields() {
		if j > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = appendCSVString(e.buf, f.Name)
	}
	e.buf = append(e.buf, '\n')
	return e, nil
}

func (e *csvFile) write(rec arrow.RecordBatch) error {
	cells := make([]appendCell, rec.NumCols())
	for j, col := range rec.Columns() {
		cells[j] = csvCells(col)
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

func (e *csvFile) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *csvFile) close() error { return e.flush() }

// rowsJSON writes one JSON object a row, in an array or one a line.
type rowsJSON struct {
	w                io.Writer
	begin, separator string // before the first row, between rows
	end              string // after each row
	finish           string
	rows             int64
	buf              []byte
}

func (e *rowsJSON) write(rec arrow.RecordBatch) error {
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
func jsonRow(rec arrow.RecordBatch) ([]appendCell, []string) {
	cells, names := make([]appendCell, rec.NumCols()), make([]string, rec.NumCols())
	for j, col := range rec.Columns() {
		cells[j] = jsonCells(col)
		names[j] = string(appendJSONString(nil, rec.ColumnName(j))) + ":"
	}
	return cells, names
}

func appendJSONRow(dst []byte, cells []appendCell, names []string, i int) []byte {
	dst = append(dst, '{')
	for j, cell := range cells {
		if j > 0 {
			dst = append(dst, ',')
		}
		dst = cell(append(dst, names[j]...), i)
	}
	return append(dst, '}')
}

func (e *rowsJSON) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *rowsJSON) close() error {
	e.buf = append(e.buf, e.finish...)
	return e.flush()
}

// arrowStream is the Arrow IPC streaming format.
type arrowStream struct {
	w   *ipc.Writer
	buf *bufio.Writer
}

func (e *arrowStream) write(rec arrow.RecordBatch) error { return e.w.Write(rec) }

func (e *arrowStream) close() error {
	if err := e.w.Close(); err != nil { // writes the schema when there was no batch, and the end of the stream
		return err
	}
	return e.buf.Flush()
}
