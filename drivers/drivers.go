// Package drivers holds the contracts through which products reach existing storage, compute and transport. Each is
// one verb; a driver implements those that its technology can do. Data crosses as Arrow record batches.
//
// A driver knows nothing of the host: schemas come as Arrow schemas, positions leave as opaque cursors.
package drivers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// Mode says what of a source is read.
type Mode string

const (
	// Incremental reads what is new since the cursor, each piece once.
	Incremental Mode = "incremental"
	// Snapshot reads the whole source as it is now.
	Snapshot Mode = "snapshot"
)

// Request names what to read.
type Request struct {
	URI     string        // scheme:rest, e.g. file:/data/strikes
	Schema  *arrow.Schema // columns wanted, in this order; values that do not fit reject their row
	Mode    Mode
	Cursor  json.RawMessage   // nil: from the beginning
	Options map[string]string // of the driver: format, delimiter, header, null, …
}

// Batch is a piece of a source. The receiver releases Record.
type Batch struct {
	Record arrow.RecordBatch // may have zero rows
	Origin string            // what it came from, for people: a file name
	Line   int64             // 1-based line or row in Origin of the first row; rows follow one another
	// Lines is set when rows are not on consecutive lines (a quoted newline, a rejected row between): one entry a row.
	Lines    []int64
	Rejected []Rejected // rows that could not be read; they are not in Record
}

// Rejected is a row that could not be read, and why.
type Rejected struct {
	Origin string
	Line   int64
	Column string // "" when the row as a whole is broken
	Reason string
	Raw    string // the row's text, cut to 4 KiB
}

// Reader delivers one bounded read. It is used by one goroutine.
type Reader interface {
	// Next returns io.EOF when the read is complete.
	Next(ctx context.Context) (Batch, error)
	// Cursor is the position after everything Next has returned; it is complete once Next returned io.EOF.
	Cursor() json.RawMessage
	Close() error
}

// Source reads.
type Source interface {
	Open(ctx context.Context, r Request) (Reader, error)
}

// Prober tells cheaply whether there is something to read: new pieces for Incremental, another version for Snapshot.
// An error wrapping ErrChanged says that an incremental piece changed after it was read.
type Prober interface {
	Pending(ctx context.Context, r Request) (bool, error)
}

// Watcher calls changed, from any goroutine and possibly more often than needed, until ctx ends.
type Watcher interface {
	Watch(ctx context.Context, uri string, changed func()) error
}

// Inferrer drafts a schema from the data.
type Inferrer interface {
	Infer(ctx context.Context, uri string, options map[string]string) (*arrow.Schema, error)
}

// Acknowledger lets a source forget what has been committed.
type Acknowledger interface {
	Acknowledge(ctx context.Context, uri string, cursor json.RawMessage) error
}

// ErrChanged is wrapped by errors that say: an incremental piece changed after it was read. Nothing was doubled.
var ErrChanged = errors.New("source changed after it was read")

// ErrRestart is wrapped by errors that say: this cursor cannot be continued, the source must be read from its beginning.
var ErrRestart = errors.New("source must be read from the beginning")

// Store keeps immutable files under slash-separated relative names.
type Store interface {
	// Create makes a new file; it fails with fs.ErrExist when the name is taken. The file is complete when Close returned
	// nil and durable after Sync. Missing folders are made.
	Create(ctx context.Context, name string) (io.WriteCloser, error)
	// Open fails with fs.ErrNotExist when there is no such file.
	Open(ctx context.Context, name string) (StoreFile, error)
	// List yields the files whose names begin with prefix, in any order.
	List(ctx context.Context, prefix string) iter.Seq2[StoreInfo, error]
	// Remove deletes a file. A name that is not there is no error: a removal that was cut off can be repeated.
	Remove(ctx context.Context, name string) error
	// Sync makes files, and the folders that name them, durable. Call it once before the commit that refers to them.
	Sync(ctx context.Context, names ...string) error
	// URI is the absolute address of a name, for table formats that need one (file:///…, s3://…); Name is its inverse.
	URI(name string) string
	Name(uri string) (string, bool)
}

// StoreFile is an open file of a Store.
type StoreFile interface {
	io.ReaderAt
	io.ReadSeekCloser
	Size() int64
}

// StoreInfo names a file of a Store.
type StoreInfo struct {
	Name string
	Size int64
}
