package run

import (
	"sync"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Runner executes runs, and delivers what they write to drivers. The rooms and Engine are required, the rest has usable
// zero values. It is safe for concurrent use; attempts of one product must not overlap, and fail with R008 when they do.
type Runner struct {
	Guests   Guests
	Tables   Tables
	Heads    Heads
	Inputs   Inputs // may also be an Acknowledger
	Store    drivers.Store
	Decider  Decider
	Sources  Sources
	Computes Computes           // nil: products that ask a compute driver fail
	Engine   func() host.Engine // what executes guests here, for the record of attempts without one

	// Outboxes and Sinks are for Deliver. Without Sinks what guests write is staged all the same, and goes nowhere.
	Outboxes Outboxes
	Sinks    Sinks

	// Keeping and References are for Clean. Without Keeping nothing ever expires.
	Keeping    Keeping
	References References

	Node  string           // named in the record of a run
	Clock func() time.Time // nil: time.Now

	// Log takes what guests log, Metric what they measure; nil: dropped.
	Log    func(id host.ProductID, run string, level int32, message string)
	Metric func(id host.ProductID, run string, kind int32, name string, value float64)

	// Trouble takes what failed beside a run that succeeded: an acknowledgement, the removal of files; nil: dropped.
	Trouble func(id host.ProductID, err error)

	// CommitGrace is how long an attempt whose context has ended still waits for the result of a commit that is under way.
	// 0: 3 s.
	CommitGrace time.Duration

	// CacheBytes bounds the guest state that is kept in memory between runs. 0: 256 MiB. State that is not there is read
	// from its files.
	CacheBytes int64

	mu       sync.Mutex
	memos    map[host.ProductID]*memo
	clock    int64 // rises with every use, for the least recently used
	cached   int64 // bytes of state in memos
	outboxes map[host.ProductID]*outbox
}

// Override is a person's word on a held attempt.
type Override string

const (
	// Release publishes though rules are violated. The inputs are read again from the last published position.
	Release Override = "release"
	// Skip passes over what the held attempt read; nothing of it is published.
	Skip Override = "skip"
)

// Attempt says what to run.
type Attempt struct {
	Product     *host.Product // with the overrides of its spec applied; not changed while the attempt lasts
	Artifact    host.Digest
	Module      host.Digest
	Config      host.Digest            // of the compiled product: contracts, limits, settings
	ModuleBytes func() ([]byte, error) // called when the module is not in a cache
	Own         host.Ownership
	Reason      string   // in words; "" for the run to say why
	Force       bool     // run although nothing is pending; a snapshot input that never published is still waited for
	Rebuild     bool     // recompute everything, whatever is there
	Override    Override // "" none
}

// Result says how an attempt ended. With an error State is RunFailed and nothing was published, unless the error says
// that the result of the commit is unknown.
type Result struct {
	State    host.RunState
	Pointer  host.Pointer // the newest head after the attempt
	Head     *host.Head   // of Pointer, nil when there is none; shared, not to be changed
	Run      host.RunRecord
	Checks   []host.Check
	Rejected []host.RejectedRow // the first ones
}
