package file

import (
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// DefaultQuiet is how long a file must have kept its size and time before it is taken to be complete.
const DefaultQuiet = 500 * time.Millisecond

// Config sets up a Driver. The zero value reads, but incremental reads are then limited to about twenty files, which
// is what a cursor holds without a ledger.
type Config struct {
	// Ledger is the folder in which the driver keeps what it has read of incremental sources; cursors refer to it. It must
	// live as long as the heads that hold the cursors.
	Ledger string
	// LedgerStore is used instead of Ledger when it is set, e.g. where several nodes share a store.
	LedgerStore drivers.Store
	// Quiet is the window of half-written files; 0 means DefaultQuiet. The option quiet overrides it for one source.
	Quiet time.Duration
	// Allocator is for Parquet; nil means Go's heap.
	Allocator memory.Allocator
}

// Driver reads folders and single files, and writes effects to folders. It is safe for concurrent use.
type Driver struct {
	cfg    Config
	ledger *ledger
	hashes *hashCache
	notify *notifier

	damaged damagedFiles
	fail    func(op, name string) error // a test has one call of Deliver to the system fail; nil: none does

	mu       sync.Mutex
	watchers map[string]map[*watcher]struct{} // by path
}

// New makes a driver.
func New(c Config) (*Driver, error) {
	if c.Quiet == 0 {
		c.Quiet = DefaultQuiet
	}
	if c.Allocator == nil {
		c.Allocator = memory.DefaultAllocator
	}
	if c.LedgerStore == nil && c.Ledger != "" {
		s, err := NewStore(c.Ledger)
		if err != nil {
			return nil, err
		}
		c.LedgerStore = s
	}
	return &Driver{
		cfg:      c,
		ledger:   newLedger(c.LedgerStore),
		hashes:   newHashCache(),
		notify:   newNotifier(),
		watchers: map[string]map[*watcher]struct{}{},
	}, nil
}

var (
	_ drivers.Source   = (*Driver)(nil)
	_ drivers.Prober   = (*Driver)(nil)
	_ drivers.Watcher  = (*Driver)(nil)
	_ drivers.Inferrer = (*Driver)(nil)
	_ drivers.Sink     = (*Driver)(nil)
)
