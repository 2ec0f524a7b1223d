package run

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// What a run needs of other rooms, declared here because the run is their consumer. host/node plugs them together.

// Guests starts guest instances. Implemented by host/sandbox.
type Guests interface {
	// Start gives a fresh instance for one run. The error is a host.Error of area S when the module is refused.
	Start(ctx context.Context, s GuestSpec, c Calls) (Guest, error)
}

// GuestSpec says what to start.
type GuestSpec struct {
	Module   host.Digest            // of the Wasm bytes
	Bytes    func() ([]byte, error) // the bytes, verified; called on a cache miss
	Product  *host.Product          // limits, names, modes
	Inputs   []*arrow.Schema        // as delivered, reserved columns included, by index of Product.Inputs
	Outputs  []*arrow.Schema        // as emitted, _op included for upsert ports
	Bindings []*arrow.Schema
	RunID    string    // seeds randomness
	Start    time.Time // virtual clock at open
	Rebuild  bool
}

// Guest is one instance for one run. It is used by one goroutine. After any error it is good only for Close.
type Guest interface {
	Open(ctx context.Context) error
	// Process hands over one batch of Product.Inputs[input]. rec stays the caller's.
	Process(ctx context.Context, input int, rec arrow.RecordBatch) error
	Flush(ctx context.Context) error
	Usage() Usage
	// Engine says what executed it, for the record. It is asked before Close.
	Engine() host.Engine
	Close() error
}

// Usage is what an instance has cost so far.
type Usage struct {
	Fuel        int64
	MemoryBytes int64 // peak linear memory
	BytesIn     int64
	BytesOut    int64
	LogBytes    int64
}

// Calls is what a guest's imports reach. The sandbox has copied and validated everything that it passes. An error of
// Emit, State… and Driver… ends the run with that error.
type Calls interface {
	// Emit hands over rows of Product.Outputs[port], in the schema of GuestSpec.Outputs; the callee retains rec if it keeps it.
	Emit(ctx context.Context, port int, rec arrow.RecordBatch) error
	Log(level int32, message string)
	Metric(kind int32, name string, value float64)
	StateGet(key []byte) (value []byte, ok bool)
	StatePut(key, value []byte) error
	StateDelete(key []byte)
	// StateScan calls yield in key order for the keys with the prefix that are greater than after, until it returns false.
	StateScan(prefix, after []byte, yield func(key, value []byte) bool)
	DriverOpen(ctx context.Context, binding int, request []byte) (drivers.Reader, error)
	DriverWrite(ctx context.Context, binding int, rec arrow.RecordBatch) error
	// Decide answers a policy question, both ends JSON.
	Decide(ctx context.Context, request []byte) ([]byte, error)
}

// Inputs reads what a product consumes: files through drivers, other products through their tables.
type Inputs interface {
	// Schema is the Arrow schema that Open delivers, reserved columns included.
	Schema(ctx context.Context, p *host.Product, in *host.Input) (*arrow.Schema, error)
	// Pending tells cheaply whether there is something after the cursor (nil: nothing read yet). It may wrap
	// drivers.ErrRestart or drivers.ErrChanged.
	Pending(ctx context.Context, p *host.Product, in *host.Input, c host.Cursor) (bool, error)
	// Open reads everything after the cursor; for snapshot inputs the whole table, whatever the cursor.
	Open(ctx context.Context, p *host.Product, in *host.Input, c host.Cursor) (drivers.Reader, error)
}

// Acknowledger is implemented by Inputs whose sources keep things until they have been committed.
type Acknowledger interface {
	// Acknowledge tells that everything up to the cursor is committed. It may be told more than once.
	Acknowledge(ctx context.Context, p *host.Product, in *host.Input, c host.Cursor) error
}

// FileInputs is implemented by Inputs some of which lie in files that a compute driver can read by itself.
type FileInputs interface {
	// Files tells in which files lies what Open would deliver after the cursor; no Paths: in none.
	Files(ctx context.Context, p *host.Product, in *host.Input, c host.Cursor) (Files, error)
}

// Files hold what an input delivers.
type Files struct {
	Paths  []string // of Parquet files on this machine, absolute, with the columns of the input
	Rows   int64    // in all of them
	Cursor host.Cursor
}

// Tables stages output ports. Implemented by host/table.
type Tables interface {
	Begin(ctx context.Context, s StageSpec) (Stage, error)
}

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
	// Prev, without its change files, and Files empty.
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

// Heads commits. Implemented by host/cluster.
type Heads interface {
	// Head is the newest pointer; Seq 0 when there is none.
	Head(ctx context.Context, id host.ProductID) (host.Pointer, error)
	// Commit moves the pointer from prev to next if own is still the owner. An unknown result is retried identically until
	// it is known or ctx ends. It fails with a host.Error of code R005 when the ownership or the pointer has moved.
	Commit(ctx context.Context, own host.Ownership, prev, next host.Pointer) error
}

// Outboxes remembers how far effects have been delivered. Implemented by host/cluster.
type Outboxes interface {
	// Delivered is the zero value when nothing has been.
	Delivered(ctx context.Context, id host.ProductID) (host.Delivered, error)
	// Acknowledge moves it from from to to if own is still the ownership. An unknown result is retried identically until it
	// is known or ctx ends. It fails with a host.Error of code R005 when the ownership or the record has moved.
	Acknowledge(ctx context.Context, own host.Ownership, from, to host.Delivered) error
}

// Artifacts gives module bytes. Implemented by registry.
type Artifacts interface {
	// Module returns bytes that match the digest.
	Module(ctx context.Context, d host.Digest) ([]byte, error)
}

// Decider answers the policy questions of a guest, in the name of its product. Implemented by host/policy.
type Decider interface {
	Decide(ctx context.Context, id host.ProductID, request []byte) ([]byte, error)
}

// Sources opens drivers for the bindings of a guest, after asking whether the product may.
type Sources interface {
	Open(ctx context.Context, id host.ProductID, binding string, r drivers.Request) (drivers.Reader, error)
}

// Sinks gives the drivers of the bindings that a guest writes to, after asking whether the product may. It is asked once
// for each binding: in a run before the first write, and when effects are delivered.
type Sinks interface {
	Sink(ctx context.Context, id host.ProductID, binding, uri string) (drivers.Sink, error)
}

// Computes gives the compute drivers of the bindings of a guest, after asking whether the product may.
type Computes interface {
	Compute(ctx context.Context, id host.ProductID, binding, uri string) (drivers.Compute, error)
}

// Keeping remembers how far back the history of products reaches. Implemented by host/cluster.
type Keeping interface {
	// Kept is the zero value when all of it is there.
	Kept(ctx context.Context, id host.ProductID) (host.Kept, error)
	// Keep moves it from from to to if own is still the ownership. An unknown result is retried identically until it is
	// known or ctx ends. It fails with a host.Error of code R005 when the ownership or the record has moved.
	Keep(ctx context.Context, own host.Ownership, from, to host.Kept) error
}

// References tells what a table's metadata leads to. Implemented by host/table.
type References interface {
	// References gives keep the name of every file that reading ref needs, and of every other that its metadata names.
	// Files that lead to others are followed if follow says so, which is asked by their name.
	References(ctx context.Context, ref host.OutputRef, follow func(name string) bool, keep func(name string)) error
}
