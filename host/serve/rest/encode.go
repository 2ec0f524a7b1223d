package rest

import (
	"bufio"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/adp-host/adp/drivers/arrowtext"
)

// encoder writes batches of one schema in one format.
type encoder interface {
	Write(rec arrow.RecordBatch) error
	// Close writes what ends the format; it does not close the writer beneath.
	Close() error
}

// newEncoder begins a stream: CSV has its header then, JSON its bracket, Arrow its schema.
func newEncoder(f format, w io.Writer, schema *arrow.Schema) (encoder, error) {
	switch f {
	case formatCSV:
		return arrowtext.NewCSV(w, schema), nil
	case formatNDJSON:
		return arrowtext.NewJSONLines(w), nil
	case formatArrow:
		buf := bufio.NewWriterSize(w, 64<<10)
		return &arrowStream{ipc.NewWriter(buf, ipc.WithSchema(schema)), buf}, nil
	}
	return arrowtext.NewJSONArray(w, "[", "\n]\n"), nil
}

// arrowStream is the Arrow IPC streaming format.
type arrowStream struct {
	w   *ipc.Writer
	buf *bufio.Writer
}

func (e *arrowStream) Write(rec arrow.RecordBatch) error { return e.w.Write(rec) }

func (e *arrowStream) Close() error {
	if err := e.w.Close(); err != nil { // writes the schema when there was no batch, and the end of the stream
		return err
	}
	return e.buf.Flush()
}
