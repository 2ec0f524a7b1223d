package host

import "time"

// Pointer is what etcd knows of a product's newest head: at most 2 kB, whatever the product has read.
type Pointer struct {
	Seq      Seq    `json:"seq"` // 0: the product has no head yet
	Epoch    Epoch  `json:"epoch"`
	Run      string `json:"run"`
	Hash     Digest `json:"hash"`     // of the head file's bytes
	Location string `json:"location"` // relative to the store's root, slash separated
}

// Verdict is the outcome that a head records.
type Verdict string

const (
	Published Verdict = "published"
	Held      Verdict = "held" // outputs and cursors are those of the previous head
)

// HeadFormat is the version of the head file's shape.
const HeadFormat = 1

// Head is one committed attempt of a product: an immutable file of canonical JSON (RFC 8785). The chain of heads,
// from the pointer in etcd back over Prev, is the product's history.
type Head struct {
	Format  int       `json:"format"`
	Product ProductID `json:"product"`
	Seq     Seq       `json:"seq"`
	Epoch   Epoch     `json:"epoch"`
	Run     RunRecord `json:"run"`
	Verdict Verdict   `json:"verdict"`

	Artifact Digest `json:"artifact"` // registry manifest
	Module   Digest `json:"module"`   // Wasm bytes
	Config   Digest `json:"config"`   // compiled product: contracts, limits, settings
	Engine   Engine `json:"engine"`

	// Cursors are how far each input has been consumed, opaque to all but the input's own reader.
	Cursors map[string]Cursor `json:"cursors"`
	// Rebuild: the run recomputed everything from the beginning of its inputs. After a held one the next run does too.
	Rebuild bool `json:"rebuild,omitempty"`
	// Tried is, on a held head, how far the attempt read: it is tried again only when something changes.
	Tried map[string]Cursor `json:"tried,omitempty"`

	Outputs    map[string]OutputRef `json:"outputs"`
	State      *StateRef            `json:"state,omitempty"`
	Outbox     *FileRef             `json:"outbox,omitempty"`     // effects of this run, delivered after the commit
	Effects    *Effects             `json:"effects,omitempty"`    // and where those of earlier runs are
	Recorded   *FileRef             `json:"recorded,omitempty"`   // what the guest read from drivers and policy
	Quarantine []QuarantineRef      `json:"quarantine,omitempty"` // rows that are missing from the outputs: of earlier attempts, then of this one
	Checks     []Check              `json:"checks,omitempty"`

	Prev  *HeadRef  `json:"prev,omitempty"`
	Skips []HeadRef `json:"skips,omitempty"` // heads 2, 4, 8, … before this one: a walk over the chain is logarithmic
}

// Cursor is an input's position, a JSON object of its reader's own shape.
type Cursor = RawJSON

// HeadRef names another head of the same product.
type HeadRef struct {
	Seq      Seq    `json:"seq"`
	Hash     Digest `json:"hash"`
	Location string `json:"location"`
}

// FileRef names an immutable file of the store.
type FileRef struct {
	Location string `json:"location"` // relative to the store's root
	Hash     Digest `json:"hash"`
	Bytes    int64  `json:"bytes"`
	Rows     int64  `json:"rows,omitempty"`
}

// QuarantineRef names a file of rows that were set aside: NDJSON of RejectedRow.
type QuarantineRef struct {
	FileRef
	Unlisted int64 `json:"unlisted,omitempty"` // rows set aside with these that the file has no room for
}

// OutputRef is the state of one output port.
type OutputRef struct {
	Kind       string    `json:"kind"`                  // "iceberg"
	Metadata   string    `json:"metadata"`              // location of the table's metadata, relative to the store's root
	Hash       Digest    `json:"hash"`                  // of the metadata file
	SnapshotID string    `json:"snapshot_id,omitempty"` // decimal: an int64 does not survive JSON
	Rows       int64     `json:"rows"`                  // of the resulting table
	Changed    Seq       `json:"changed"`               // the seq that last changed the table: downstream wakes on it
	ChangedAt  time.Time `json:"changed_at,omitzero"`   // when that was committed, as well as its head knows
	Base       Seq       `json:"base"`                  // the first seq since which changes follow one another; before it, read the table whole
	Changes    []FileRef `json:"changes,omitempty"`     // change files that this seq added; empty when it changed nothing
}

// StateRef is the guest's key-value state: a base file and the changes since, oldest first.
type StateRef struct {
	Base   *FileRef  `json:"base,omitempty"`
	Deltas []FileRef `json:"deltas,omitempty"`
	Keys   int64     `json:"keys"`
	Bytes  int64     `json:"bytes"`
}

// Engine pins what executed the guest, for replay.
type Engine struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Arch     string `json:"arch"`
	Rewriter string `json:"rewriter"` // host/wasm: version and cost table hash
}

// RunRecord says why a run happened, what it read and wrote and what it cost.
type RunRecord struct {
	ID       string        `json:"id"`
	Reason   string        `json:"reason"` // e.g. "input strikes changed", "schedule", "triggered", "rebuild: input airports changed"
	Node     string        `json:"node"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	Fuel     int64         `json:"fuel"`
	RowsIn   int64         `json:"rows_in"`
	RowsOut  int64         `json:"rows_out"`
	BytesIn  int64         `json:"bytes_in"`  // Arrow bytes handed to the guest
	BytesOut int64         `json:"bytes_out"` // Arrow bytes taken from it
	Rejected int64         `json:"rejected"`
}

// RunState is how a run ended.
type RunState string

const (
	RunCommitted RunState = "committed"
	RunHeld      RunState = "held"
	RunFailed    RunState = "failed"
	RunIdle      RunState = "idle" // nothing to do, nothing committed
)

// State of a product as people see it.
type State string

const (
	StateReady   State = "ready"
	StateRunning State = "running"
	StateHeld    State = "held"
	StateFailed  State = "failed"
	StatePaused  State = "paused"
	StateRetired State = "retired"
)
