package sandbox

import (
	"context"
	"errors"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
)

// Config is how an Engine works. The zero value is usable.
type Config struct {
	// CacheDir keeps compiled modules across restarts; it is made with mode 0700. "": nothing is kept on disk.
	CacheDir string
	// CacheKey authenticates what is in CacheDir: compiled code is loaded only under a MAC of this key. nil: a random
	// key, kept in CacheDir with mode 0600.
	CacheKey []byte
	// Quantum is the fuel between two looks at the clock and the run's context. 0: 100,000, well below a millisecond.
	Quantum int64
	// KeepModules is how many compiled modules stay in memory when no instance uses them. 0: 64.
	KeepModules int
	// CompileWorkers is how many goroutines compile one module. 0: one a processor.
	CompileWorkers int
	// Interpreter runs guests in wazero's interpreter: slow, the same results, for platforms without a compiler and for
	// comparing the two.
	Interpreter bool
}

// Engine compiles modules and starts instances. It is safe for concurrent use.
type Engine struct {
	cfg Config
}

// New makes an Engine.
func New(cfg Config) (*Engine, error) { return &Engine{cfg: cfg}, nil }

// Close ends the engine. All instances must have been closed.
func (e *Engine) Close(ctx context.Context) error { return nil }

// Identity says what executes guests, for the record of a run.
func (e *Engine) Identity() host.Engine {
	return host.Engine{Name: "wazero", Version: "1.12.0", Arch: runtime.GOARCH}
}

// Check tells whether a module would be admitted: nil, or a host.Error of area S with every reason.
func (e *Engine) Check(ctx context.Context, module []byte) error { return errors.ErrUnsupported }

// Start gives a fresh instance for one run. A module that is refused gives a host.Error of area S.
func (e *Engine) Start(ctx context.Context, s Spec, c Calls) (*Instance, error) {
	return nil, errors.ErrUnsupported
}

// Instance is one guest for one run. It is used by one goroutine. After any error it is good only for Close.
type Instance struct{}

// Open tells the guest its ports and lets it prepare.
func (i *Instance) Open(ctx context.Context) error { return errors.ErrUnsupported }

// Process hands over one batch of Product.Inputs[input]. rec stays the caller's.
func (i *Instance) Process(ctx context.Context, input int, rec arrow.RecordBatch) error {
	return errors.ErrUnsupported
}

// Flush ends the run: the guest emits what it still holds.
func (i *Instance) Flush(ctx context.Context) error { return errors.ErrUnsupported }

// Usage is what the instance has cost so far.
func (i *Instance) Usage() Usage { return Usage{} }

// Close frees the instance. It may be called more than once.
func (i *Instance) Close() error { return nil }
