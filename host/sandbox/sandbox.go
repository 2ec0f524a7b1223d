package sandbox

import (
	"context"
	"crypto/sha256"
	"runtime"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

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
	// KeepBytes is how much memory they may have to themselves, beside what they share with the image of their module. On
	// Linux that is what input batches were laid into, at most a MiB each. One module has half of it at most. 0: 64 MiB.
	KeepBytes int64
	// KeepImages is how many bytes the images of all modules may take: what their guests are after initialisation. One module has a
	// quarter of it at most; the guest of one that needs more initialises itself in every run. 0: 256 MiB.
	KeepImages int64
	// KeepModules is how many compiled modules stay in memory when no instance uses them. 0: 64.
	KeepModules int
	// CompileWorkers is how many goroutines compile one module. 0: one a processor.
	CompileWorkers int
	// Compile compiles dir/module.wasm into dir in another process, which runs CompileDir. nil: modules are compiled in
	// this process. It needs CacheDir, since that is where the result is found.
	Compile func(ctx context.Context, dir string) error
	// Differs is told of a module whose compiled code does something else than the interpreter; nil: nobody.
	Differs func(product host.ProductID, module host.Digest, what string)
	// Rows reads rows that an Extism plug-in wrote, one object a line, into a batch of the schema that takes no more than most bytes. What is
	// wrong with a row is a drivers.Error with its line. nil: plug-ins that write rows fail.
	Rows func(schema *arrow.Schema, text []byte, most int64) (arrow.RecordBatch, error)
	// Interpreter runs guests in wazero's interpreter: slow, the same results, for platforms without a compiler and for
	// comparing the two.
	Interpreter bool
}

// checked is a module or all its kin, and how it is rewritten.
type checked struct {
	module   [sha256.Size]byte
	nans     bool
	function string // of an Extism plug-in
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
	if c.KeepBytes <= 0 {
		c.KeepBytes = 64 << 20
	}
	if c.KeepImages <= 0 {
		c.KeepImages = 256 << 20
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
	admitted map[checked]bool // that Check has let pass

	codes      codes
	kins       map[host.Digest]kinName // of modules; noKin: it has none
	verdicts   map[string]verdict      // by programID.key of compiled code
	uncompiled map[string]error        // what could not be compiled, until somebody is told

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
	e.programs = &programs{load: e.load, keep: e.cfg.KeepModules, mostImages: e.cfg.KeepImages, parking: &parking{most: e.cfg.KeepInstances, mostBytes: e.cfg.KeepBytes}, ready: map[string]*program{}, coming: map[string]*loading{}}
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

// Check tells whether a module would be admitted as the code of a product: nil, or a host.Error of area S with every reason.
// It does not run or compile the module. Metered code may be too large where the module is not, and more so with canonical
// NaNs.
func (e *Engine) Check(ctx context.Context, module []byte, code host.Code) error {
	what := checked{nans: code.NaNs == host.CanonicalNaNs, function: code.Function}
	if kin, ok := wasm.Kin(module); ok && code.Language != host.Extism && len(module) <= wasm.DefaultLimits.ModuleBytes {
		what.module = kin
	} else {
		what.module = sha256.Sum256(module)
	}
	e.mu.Lock()
	known := e.admitted[what]
	e.mu.Unlock()
	if known {
		return nil
	}
	o := meterOptions(host.DefaultLimits.Stack)
	o.CanonicalNaNs = what.nans
	rules := policy()
	if code.Language == host.Extism {
		rules = extismPolicy(code.Function)
	}
	if _, err := admit(ctx, module, o, rules); err != nil {
		return err
	}
	e.passes(what)
	return nil
}

// passes remembers what was admitted.
func (e *Engine) passes(what checked) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.admitted == nil || len(e.admitted) >= maxAdmitted {
		e.admitted = map[checked]bool{}
	}
	e.admitted[what] = true
}

// load makes a program: from the disk, or from the module's bytes.
func (e *Engine) load(ctx context.Context, id programID, bytes func() ([]byte, error)) (*program, error) {
	cfg := e.cfg
	cfg.Interpreter = cfg.Interpreter || id.interpreted
	if e.cache != nil {
		if p := e.cache.load(ctx, e.cache.name(id, id.options(), cfg.Interpreter), nil, cfg); p != nil {
			return p, nil
		}
	}
	original, err := bytes()
	if err != nil {
		return nil, err
	}
	if kin, ok := wasm.Kin(original); ok && !id.extism && len(original) <= id.options().Limits.ModuleBytes {
		return e.loadKin(ctx, id, kin, original, cfg)
	}
	return e.make(ctx, id, noKin, original, cfg)
}

// make makes a program of a module.
func (e *Engine) make(ctx context.Context, id programID, kin kinName, original []byte, cfg Config) (*program, error) {
	e.compiles <- struct{}{}
	defer func() { <-e.compiles }()
	rules := policy()
	if id.extism {
		rules = extismPolicy("")
	}
	metered, err := admit(ctx, original, id.options(), rules)
	if err != nil {
		return nil, err
	}
	m := metered.Instantiable()
	m.Kin = kin
	if e.spoil != nil && !cfg.Interpreter {
		m = e.spoil(m)
	}
	if e.cache != nil {
		return e.cache.store(ctx, e.cache.name(id, id.options(), cfg.Interpreter), m, cfg)
	}
	return compile(ctx, m, "", cfg)
}
