package rest

import (
	"context"
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

// What this wire needs of other rooms, declared here because it is their consumer. host/node plugs them together.
// Errors are *host.Error; their codes become HTTP statuses (see statusOf).

// Catalogue knows the products of the mesh.
type Catalogue interface {
	// Products lists all products, by domain and name.
	Products(ctx context.Context) ([]host.ProductStatus, error)
	// Product fails with host.CodeAccessUnknown when there is none of that id.
	Product(ctx context.Context, id host.ProductID) (host.ProductStatus, error)
}

// Runs knows what ran.
type Runs interface {
	// Runs lists at most limit runs of a product, newest first: committed, held and failed ones.
	Runs(ctx context.Context, id host.ProductID, limit int) ([]host.RunStatus, error)
	// Rejected lists at most limit rows that are missing from what is published, with rule and reason, the newest attempt's
	// first, and how many there are in all. at is a snapshot, 0 the newest attempt.
	Rejected(ctx context.Context, id host.ProductID, at host.Seq, limit int) (rows []host.RejectedRow, total int64, err error)
}

// Control commands a product. Trigger, Rollback, Release and Skip return when their run has ended.
type Control interface {
	Pause(ctx context.Context, id host.ProductID) error
	Resume(ctx context.Context, id host.ProductID) error
	Trigger(ctx context.Context, id host.ProductID, rebuild bool) (host.RunStatus, error)
	Rollback(ctx context.Context, id host.ProductID, to host.Seq) (host.RunStatus, error)
	Release(ctx context.Context, id host.ProductID) (host.RunStatus, error)
	Skip(ctx context.Context, id host.ProductID) (host.RunStatus, error)
}

// Publisher takes artifacts in.
type Publisher interface {
	// Publish verifies and registers an artifact, a tar of an OCI layout, and starts its product. Sources override where
	// file inputs lie, by input name. Nothing is registered when it fails.
	Publish(ctx context.Context, artifact io.Reader, sources map[string]string) (host.ProductStatus, error)
}

// Tables opens output ports for reading.
type Tables interface {
	// Open opens a port as it was at a point. It fails with host.CodeAccessEmpty when the port had published nothing by
	// then, and with host.CodeTableSnapshot when there is no such snapshot or it has expired.
	Open(ctx context.Context, id host.ProductID, port string, at At) (Dataset, error)
	// Changes opens the change feed of a port after what seq after committed, which is read in commit order and to its
	// present end. After 0 it begins with the oldest state that is kept. The feed is deterministic: later reads from the
	// same place begin with the same rows. It fails with host.CodeAccessExpired when what follows after is no longer kept,
	// or the table was since replaced as a whole.
	Changes(ctx context.Context, id host.ProductID, port string, after host.Seq) (Feed, error)
}

// At is a point in a product's history; the zero At is now. At most one field is set.
type At struct {
	Seq  host.Seq
	Time time.Time // the newest snapshot committed at or before it
}

// Dataset is an output port at one snapshot. It does not change while it is open.
type Dataset interface {
	Info() Snapshot
	// Read streams rows, deletes applied.
	Read(ctx context.Context, o ReadOptions) (Reader, error)
	// Stored gives the Parquet file that is, alone and as it is, the whole content; false when there is none such: several
	// files, deletes, another schema. The caller closes it.
	Stored(ctx context.Context) (drivers.StoreFile, bool, error)
	Close() error
}

// Snapshot describes an open dataset.
type Snapshot struct {
	Seq       host.Seq
	Content   host.Digest // equal content has equal digests: hash of the table's metadata or of the head
	Committed time.Time
	Schema    *arrow.Schema
	Rows      int64
}

// ReadOptions says what to read; the zero value is everything.
type ReadOptions struct {
	Columns []string // in this order; nil: all
	Limit   int64    // at least this many rows if there are so many; more do no harm, they are cut. 0: all
}

// Reader delivers rows. It is used by one goroutine.
type Reader interface {
	// Next returns io.EOF after the last batch. The caller releases the batch.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	Close() error
}

// Feed is a change feed: rows with the reserved columns _op and _seq, by rising _seq.
type Feed interface {
	Reader
	Schema() *arrow.Schema // reserved columns included
	Latest() host.Seq      // the newest seq that the feed covers, whether it changed the port or not
}

// Identity turns credentials into subjects.
type Identity interface {
	// Identify tells whose bearer token this is; false for tokens nobody has.
	Identify(token string) (policy.Subject, bool)
}

// Decider answers access decisions. *policy.Policy is one.
type Decider interface {
	Decide(policy.Request) policy.Decision
}
