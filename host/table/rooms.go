package table

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
)

// The shapes below are those that host/run declares for its consumer side; host/node plugs the two together.

// StageSpec says what to stage.
type StageSpec struct {
	Product host.ProductID
	Output  *host.Output
	Prev    *host.OutputRef // nil: the port has published nothing yet
	Seq     host.Seq
	Run     string
	Dir     string // relative to the store's root, unique to this attempt: …/e<epoch>/s<seq>/<uuid>
	Rebuild bool   // the rows written are the whole new content, whatever the output's mode
}

// Stage collects the rows of one port for one commit. Nothing is visible before the commit. It is used by one goroutine.
type Stage interface {
	// Write adds rows; they carry _op as last column when the output's mode is upsert. rec stays the caller's.
	Write(ctx context.Context, rec arrow.RecordBatch) error
	// Finish writes all files (complete, not yet synced) and returns the port's new state. Unchanged content gives back
	// Prev, without its change files, and Files empty. A failed Finish leaves only Abort.
	Finish(ctx context.Context) (Staged, error)
	// Duplicates counts, after Finish, the rows of the resulting table beyond the first with the same values of columns
	// (nulls are not equal), with at most max examples. It uses an index that follows commits, not a rescan.
	Duplicates(ctx context.Context, columns []string, max int) (count int64, examples []map[string]any, err error)
	// Committed tells, after the commit, that the staged state is now the table's.
	Committed()
	// Abort drops the staged files. It may follow Finish.
	Abort()
}

// Staged is a port's state after Finish.
type Staged struct {
	Ref     host.OutputRef
	Changed bool
	Files   []string // of the store, to be synced before the commit
}

// Reader delivers rows in batches of at most 64 Ki. It is used by one goroutine.
type Reader interface {
	// Schema is that of every batch.
	Schema() *arrow.Schema
	// Next gives the next rows, which the caller releases; io.EOF at the end. A file that is missing or cannot be decoded
	// is a host.Error of code T004.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	// Close ends the read early. It is needed after io.EOF too.
	Close() error
}

// ScanOptions narrow a read. The zero value reads everything.
type ScanOptions struct {
	Columns []string // in this order; nil: all of the schema
	Limit   int64    // rows; 0: no limit
}
