package drivers

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Load is what the questions of a session are about.
type Load struct {
	Tables []Table // all that a statement may read; their names differ in more than the case of letters
	// Memory bounds what the driver holds, in bytes, tables and answer included, their batches outside not; 0: 256 MiB.
	Memory int64
	// Threads the driver may use; 0: one, with which equal questions have equal answers to the last bit of a sum.
	Threads int
}

// Table is what statements read under a name: rows, or files that hold them.
type Table struct {
	Name string
	// Rows are read once, to their end or until loading fails, one table after another in their order. The reader stays the
	// caller's; Load leaves it alone once it has returned.
	Rows array.RecordReader
	// Files are Parquet files instead, absolute paths without any of *?[]{}, whose columns are those of Schema in its order. They do not change as
	// long as the session lasts.
	Files  []string
	Schema *arrow.Schema
}

// Question is one statement over the tables of a session.
type Question struct {
	Text   string // one statement, in the language of the driver
	Origin string // the file that Text stands in, for errors; "" when it stands in none
	// Schema is what the answer is to have: columns of these names, in this order, each of this type or of one whose values
	// all are of it; a value that does not fit after all makes the question fail. nil: whatever the statement gives.
	Schema *arrow.Schema
	// Optional names columns of Schema that are null where the statement does not have them.
	Optional []string
	// Growing names tables of which later loads bring only what has come since. Plan looks at what that means.
	Growing []string
}

// Plan is what a driver sees in a statement without computing anything. What Ask refuses before it computes, Plan refuses too.
type Plan struct {
	Reads []string // names of tables, in their order
	// Whole is nil when the answer over the tables that grow is the answer over what they had, followed by that over what has come:
	// what is computed from the new rows alone can be added. Else it says why not, as an *Error with the place.
	Whole error
}

// Answer delivers the rows of a question, in their order. It is used by one goroutine.
type Answer interface {
	Schema() *arrow.Schema
	// Next returns io.EOF after the last rows. The receiver releases the record, before or after Close. Rows may be computed as they
	// are asked for: errors are those of Ask.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	Close() error
}

// Session answers questions, one after another: an answer is closed before the next question, and one that is closed before it was
// read to its end may end the session. It is used by one goroutine.
type Session interface {
	Plan(ctx context.Context, q Question) (Plan, error)
	// Ask reads the tables of the session and nothing else: no file, network, setting, clock or randomness, nothing of another
	// question. A statement that asks for more, or that changes anything, fails with ErrBeyond before it runs. One that is wrong,
	// that its data makes fail, or whose answer is not of the schema asked for, fails with ErrRequest, and one that needs more
	// memory than it may with ErrExceeded. These errors are of type *Error, with the line and column of the statement where
	// they are known.
	//
	// It stops, and returns an error that wraps the context's, soon after ctx ends; the session is over then.
	Ask(ctx context.Context, q Question) (Answer, error)
	Close() error
}

// Compute computes where the data is. It is safe for concurrent use.
type Compute interface {
	// Load gives a session over copies of tables. An error of a table's reader comes back wrapped, ErrExceeded when the tables
	// need more memory than there may be.
	Load(ctx context.Context, l Load) (Session, error)
}

// ErrBeyond is wrapped by errors that say: the statement asks for what is not among its tables.
var ErrBeyond = errors.New("statement reaches beyond its tables")

// ErrExceeded is wrapped by errors that say: a limit of the question was reached.
var ErrExceeded = errors.New("limit of a question is exceeded")
