package sandbox

import (
	"context"
	"crypto/sha256"
	"runtime"
	"sync"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/turns"
	"github.com/adp-host/adp/host/wasm"
)

// wazeroVersion is that of go.mod; a test compares.
const wazeroVersion = "v1.12.0"

// Config is how an Engine works. The zero value is usable.
type Config struct {
	// CacheDir keeps compiled modules across restarts; it is made with mode 0700. "": nothing is kept on disk.
	CacheDir string
	// CacheKey authenticates what is in CacheDir: compiled code is loaded only under a MAC of this key. nil: a random
	// key, kept in CacheDir with mode 0600.
	CacheKey []byte
	// Quantum is the fuel between two looks at the clock and the run's context. 0: 100,000, well below a millisecond.
	Quantum int64
	// Slots is how many guests compute at once. 0: one a processor.
	Slots int
	// Guests is how many runs there are at once, computing or waiting for input. 0: no limit.
	Guests int
	// Shares gives what a tenant, and a product of it named "domain/name", may have; nil: nobody has limits.
	Shares func(tenant, product string) (ofTenant, ofProduct Share)
	// Started is told of each run when it begins, which it may have to wait for; nil: nobody.
	Started func(host.ProductID)
	// KeepInstances is how many instances wait for their next run, of all modules together. 0: 64.
	KeepInstances int
	// KeepModules is how many compiled modules stay in memory when no instance uses them. 0: 64.
	KeepModules int
	// CompileWorkers is how many goroutines compile one module. 0: one a processor.
	CompileWorkers int
	// Compile compiles dir/module.wasm into dir in another process, which runs CompileDir. nil: modules are compiled in
	// this process. It needs CacheDir, since that is where the result is found.
	Compile func(ctx context.Context, dir string) error
	// Differs is told of a module whose compiled code does something else than the interpreter; nil: nobody.
	Differs func(product host.ProductID, module host.Digest, what string)
	// Interpreter runs guests in wazero's interpreter: slow, the same results, for platforms without a compiler and for
	// comparing the two.
	Interpreter bool
}

// Share is what a tenant or product may have of an Engine.
type Share = turns.Share

func (c Config) withDefaults() Config {
	if c.Slots <= 0 {
		c.Slots = runtime.GOMAXPROCS(0)
	}
	if c.Quantum <= 0 {
		c.Quantum = 100_000
	}
	if c.KeepModules <= 0 {
		c.KeepModules = 64
	}
	if c.KeepInstances <= 0 {
		c.KeepInstances = 64
	}
	if c.CompileWorkers <= 0 {
		c.CompileWorkers = runtime.GOMAXPROCS(0)
	}
	return c
}

// Engine compiles modules and starts instances. It is safe for concurrent use.
type Engine struct {
	cfg      Config
	cache    *cache // nil: nothing is kept on disk
	programs *programs
	turns    *turns.Turns
	compiles chan struct{} // modules being compiled

	mu       sync.Mutex
	admitted map[[sha256.Size]byte]bool // modules that Check has let pass

	verdicts   map[string]verdict // by programID.key of compiled code
	uncompiled map[string]error   // what could not be compiled, until somebody is told

	spoil func(wasm.Instantiable) wasm.Instantiable // of tests: plants a fault in what is compiled
}

// maxAdmitted bounds what Check remembers; forgetting costs another look.
const maxAdmitted = 1 << 10

// compileTurns is how many modules are compiled at the same time: one keeps all processors busy, a second lets a small
// module pass a large one.
const compileTurns = 2

// New makes an Engine. It fails when the cache's directory cannot be used.
func New(cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg.withDefaults(), compiles: make(chan struct{}, compileTurns)}
	e.turns = turns.New(turns.Config{Slots: e.cfg.Slots, Guests: e.cfg.Guests, Shares: e.cfg.Shares})
	if cfg.CacheDir != "" {
		var err error
		if e.cache, err = openCache(cfg.CacheDir, cfg.CacheKey); err != nil {
			return nil, host.Errorf(host.CodeNodeSetup, "the cache of compiled modules cannot be used: %w", err)
		}
	}
	e.programs = &programs{load: e.load, keep: e.cfg.KeepModules, parking: &parking{most: e.cfg.KeepInstances}, ready: map[string]*program{}, coming: map[string]*loading{}}
	e.programs.ending, e.programs.end = context.WithCancel(context.Background())
	return e, nil
}

// Close ends the engine. Compiled code in use goes with its last instance.
func (e *Engine) Close(context.Context) error { return e.programs.close() }

const interpreterName = "wazero-interpreter"

// Identity says what executes guests, for the record of a run.
func (e *Engine) Identity() host.Engine {
	name := "wazero"
	if e.cfg.Interpreter {
		name = interpreterName
	}
	return host.Engine{Name: name, Version: wazeroVersion, Arch: runtime.GOARCH, Rewriter: wasm.Version + "-" + wasm.CostHash()}
}

// Check tells whether a module would be admitted: nil, or a host.Error of area S with every reason. It does not run or
// compile the module.
func (e *Engine) Check(ctx context.Context, module []byte) error {
	sum := sha256.Sum256(module)
	e.mu.Lock()
	known := e.admitted[sum]
	e.mu.Unlock()
	if known {
		return nil
	}
	if _, err := admit(ctx, module, meterOptions(host.DefaultLimits.Stack)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.admitted == nil || len(e.admitted) >= maxAdmitted {
		e.admitted = map[[sha256.Size]byte]bool{}
	}
	e.admitted[sum] = true
	return nil
}

// load makes a program: from the disk, or from the module's bytes.
func (e *Engine) load(ctx context.Context, id programID, bytes func() ([]byte, error)) (*program, error) {
	o, cfg := id.options(), e.cfg
	cfg.Interpreter = cfg.Interpreter || id.interpreted
	name := ""
	if e.cache != nil {
		name = e.cache.name(id, o, cfg.Interpreter)
		if p := e.cache.load(ctx, name, cfg); p != nil {
			return p, nil
		}
	}
	original, err := bytes()
	if err != nil {
		return nil, err
	}
	e.compiles <- struct{}{}
	defer func() { <-e.compiles }()
	metered, err := admit(ctx, original, o)
	if err != nil {
		return nil, err
	}
	m := metered.Instantiable()
	if e.spoil != nil && !cfg.Interpreter {
		m = e.spoil(m)
	}
	if e.cache != nil {
		return e.cache.store(ctx, name, m, cfg)
	}
	return compile(ctx, m, "", cfg)
}
