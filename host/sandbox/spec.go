package sandbox

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Spec says what to start. The names and meanings are those of the run that asks for it.
type Spec struct {
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

// Calls is what a guest's imports reach. Everything it is given has been copied out of the guest and validated; byte
// slices belong to the callee. An error of Emit, State… and Driver… ends the run with that error.
type Calls interface {
	// Emit hands over rows of Product.Outputs[port], in the schema of Spec.Outputs; the callee retains rec if it keeps it.
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

// Usage is what an instance has cost so far.
type Usage struct {
	Fuel        int64 // after a trap, all fuel that was granted
	MemoryBytes int64 // peak linear memory
	BytesIn     int64 // laid into guest memory
	BytesOut    int64 // logical, expanded: what the output limit counts
	LogBytes    int64
}
