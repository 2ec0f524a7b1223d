package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// Names that metering adds to a module.
const (
	fuelGlobal    = wasm.ExportFuel
	startFunction = wasm.ExportStart
)

// keepInterpreted is how many bytes of modules stay interpreted when no instance uses them, besides the newest. The interpreter takes
// thirty times as much memory, and hardly anybody comes back: what runs often is compiled.
const keepInterpreted = 8 << 20

// program is a compiled module, ready to be instantiated any number of times.
type program struct {
	owner *programs
	key   string
	*code
	cost        int64       // fuel that an instance costs before any of its code runs
	globals     int         // that are exported to be restored
	fixed       string      // why instances cannot be restored; "" when they can
	data        []wasm.Data // of memory, at the beginning
	interpreted bool
	users       int  // guarded by owner.mu
	unwanted    bool // to be closed with its last user; guarded by owner.mu

	mu         sync.Mutex
	images     map[imageKey]*image
	imageBytes int64 // of all images
	large      bool  // one more image was too large

	parked int64 // bytes of the bodies that are parked, guarded by the parking

	placing sync.Mutex
	places  map[int]int // where instances stopped: offsets in the compiled code section and in the author's module
}

// compile makes a program of a module. dir is where the compiled code is kept and looked for; "" nowhere.
func compile(ctx context.Context, m wasm.Instantiable, dir string, cfg Config) (*program, error) {
	c, err := compileCode(ctx, m, dir, cfg)
	if err != nil {
		return nil, err
	}
	return c.program(m, cfg), nil
}

// program is one of code that m was made to, or that a module of its kin was made to. It takes the place of one user of the code.
func (c *code) program(m wasm.Instantiable, cfg Config) *program {
	p := &program{code: c, interpreted: cfg.Interpreter, globals: m.Globals, fixed: m.Reason, cost: m.Start, data: m.Data, images: map[imageKey]*image{}}
	if c.kernel != nil {
		p.fixed = "an Extism plug-in has two memories"
		p.cost += c.kernel.cost
	}
	return p
}

// instantiate makes an instance whose memory is mem. No code of the guest runs.
func (p *program) instantiate(ctx context.Context, mem *linear, k *kernel) (api.Module, error) {
	if k != nil {
		ctx = linked(ctx, map[string]api.Module{extismEnv: k.glue})
	}
	ctx = experimental.WithMemoryAllocator(ctx, mem)
	return p.runtime.InstantiateModule(ctx, p.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
}

// fill writes what a memory has at the beginning.
func (p *program) fill(mem *linear) error {
	for _, d := range p.data {
		if int64(d.Offset)+int64(len(d.Bytes)) > int64(mem.size) {
			return fmt.Errorf("%d bytes of data at %d leave the memory of %d", len(d.Bytes), d.Offset, mem.size)
		}
		copy(mem.bytes()[d.Offset:], d.Bytes)
	}
	return nil
}

func (p *program) close() error {
	return errors.Join(p.forgetImages(), p.code.leave())
}

// programs are the compiled modules in memory, each compiled once however many ask for it at the same time.
type programs struct {
	load func(ctx context.Context, id programID, bytes func() ([]byte, error)) (*program, error)
	keep int

	parking *parking
	stats   stats

	mostImages int64        // bytes of all images, of one program a quarter
	imageBytes atomic.Int64 // added to under mu

	ending context.Context // of those that load
	end    context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	ready  map[string]*program
	idle   []*program // without users, the longest unused first
	coming map[string]*loading
}

var errClosed = errors.New("the sandbox is closed")

// programID names what a program is made of.
type programID struct {
	tenant string // tenants share nothing, not even code
	module host.Digest
	stack  int64
	nans   bool // canonical
	extism bool // a plug-in of Extism's

	interpreted bool
}

// programOf is the program of what a run asks for.
func programOf(s Spec) programID {
	return programID{tenant: s.Product.ID.Tenant, module: s.Module, stack: s.Product.Limits.WithDefaults().Stack, nans: s.Product.Code.NaNs == host.CanonicalNaNs,
		extism: s.Product.Code.Language == host.Extism}
}

// options are those that the module is metered with.
func (id programID) options() wasm.Options {
	o := meterOptions(id.stack)
	o.CanonicalNaNs = id.nans
	return o
}

func (id programID) key() string {
	return fmt.Sprintf("%s/%s/%d/%v/%v/%v", id.tenant, id.module, id.stack, id.nans, id.extism, id.interpreted)
}

// loading is a program that is being compiled.
type loading struct {
	done    chan struct{}
	program *program
	err     error
}

// acquire gives the program of a module; the caller releases it. Compilation goes on when ctx ends: the next who asks
// will have it.
func (ps *programs) acquire(ctx context.Context, id programID, bytes func() ([]byte, error)) (*program, error) {
	for {
		ps.mu.Lock()
		if ps.closed {
			ps.mu.Unlock()
			return nil, errClosed
		}
		if p := ps.ready[id.key()]; p != nil {
			ps.use(p)
			ps.mu.Unlock()
			return p, nil
		}
		l := ps.loading(ctx, id, bytes)
		ps.mu.Unlock()
		select {
		case <-l.done:
			if l.err != nil {
				return nil, l.err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// begin loads a program in the background, if nobody has, and returns what is coming or there.
func (ps *programs) begin(ctx context.Context, id programID, bytes func() ([]byte, error)) *loading {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		l := &loading{done: make(chan struct{}), err: errClosed}
		close(l.done)
		return l
	}
	if p := ps.ready[id.key()]; p != nil {
		l := &loading{done: make(chan struct{}), program: p}
		close(l.done)
		return l
	}
	return ps.loading(ctx, id, bytes)
}

// loading is the program on its way, which it begins if nobody has. The caller holds mu.
func (ps *programs) loading(ctx context.Context, id programID, bytes func() ([]byte, error)) *loading {
	l := ps.coming[id.key()]
	if l == nil {
		l = &loading{done: make(chan struct{})}
		ps.coming[id.key()] = l
		ps.wg.Go(func() {
			ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
			defer cancel()
			defer context.AfterFunc(ps.ending, cancel)()
			ps.run(ctx, id, l, bytes)
		})
	}
	return l
}

// run loads a program. It begins idle and is protected from eviction by being the newest.
func (ps *programs) run(ctx context.Context, id programID, l *loading, bytes func() ([]byte, error)) {
	l.program, l.err = ps.guarded(ctx, id, bytes)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.coming, id.key())
	if p := l.program; p != nil {
		p.owner, p.key = ps, id.key()
		if ps.closed {
			_ = p.close()
		} else {
			ps.ready[p.key] = p
			ps.rest(p)
		}
	}
	close(l.done)
}

// guarded loads a program. A module that makes the engine's compiler panic is refused like any other.
func (ps *programs) guarded(ctx context.Context, id programID, bytes func() ([]byte, error)) (p *program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, host.Errorf(host.CodeModuleRefused, "the engine cannot compile the module: %v", r)
		}
	}()
	return ps.load(ctx, id, bytes)
}

// use takes a program out of the idle ones. The caller holds mu.
func (ps *programs) use(p *program) {
	if p.users++; p.users > 1 {
		return
	}
	for n, q := range ps.idle {
		if q == p {
			ps.idle = append(ps.idle[:n], ps.idle[n+1:]...)
		}
	}
}

// rest puts a program among the idle ones and closes what is too many. The caller holds mu.
func (ps *programs) rest(p *program) {
	ps.idle = append(ps.idle, p)
	for len(ps.idle) > ps.keep {
		ps.evict(0)
	}
	interpreted := 0
	for n := len(ps.idle) - 1; n >= 0; n-- {
		if q := ps.idle[n]; q.interpreted {
			if interpreted += q.size; interpreted > keepInterpreted && q != p {
				ps.evict(n)
			}
		}
	}
}

// room takes so many bytes for an image, if need be those of programs without users, the longest unused first. It is false where
// those in use have all.
func (ps *programs) room(bytes int64) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for n := 0; n < len(ps.idle) && ps.imageBytes.Load()+bytes > ps.mostImages; {
		if ps.idle[n].hasImages() {
			ps.evict(n)
		} else {
			n++
		}
	}
	if ps.imageBytes.Load()+bytes > ps.mostImages {
		return false
	}
	ps.imageBytes.Add(bytes)
	return true
}

// evict closes an idle program. The caller holds mu.
func (ps *programs) evict(n int) {
	old := ps.idle[n]
	ps.idle = append(ps.idle[:n], ps.idle[n+1:]...)
	delete(ps.ready, old.key)
	_ = old.close()
}

// release gives a program back.
func (p *program) release() {
	ps := p.owner
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	switch {
	case ps.closed:
		_ = p.close()
	case p.unwanted:
		delete(ps.ready, p.key)
		_ = p.close()
	default:
		ps.rest(p)
	}
}

// drop closes a program that nobody will ask for again, with its last user. It does nothing where there is none.
func (ps *programs) drop(id programID) {
	ps.mu.Lock()
	p := ps.ready[id.key()]
	if p == nil {
		ps.mu.Unlock()
		return
	}
	ps.use(p)
	p.unwanted = true
	ps.mu.Unlock()
	p.release()
}

// close ends all programs; those in use when their last instance does. What is being compiled is stopped, if it is elsewhere,
// and waited for.
func (ps *programs) close() error {
	ps.mu.Lock()
	ps.closed = true
	ps.mu.Unlock()
	ps.end()
	ps.wg.Wait()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var errs []error
	for _, p := range ps.idle {
		errs = append(errs, p.close())
	}
	ps.idle = nil
	clear(ps.ready)
	return errors.Join(errs...)
}
