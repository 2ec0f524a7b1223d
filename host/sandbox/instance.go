package sandbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/cdata"
	"github.com/adp-host/adp/host/sandbox/turns"
)

// Instance is one guest for one run. It is used by one goroutine. After any error it is good only for Close.
type Instance struct {
	program *program
	spec    Spec
	calls   Calls
	limits  host.Limits

	id          programID
	interpreted bool
	unplaced    bool // it stopped, and its code does not say at which byte
	onTrial     bool // compiled code may come and do all again

	*body // nil before start and after Close
	funcs exports
	ctx   guestContext // of the current call
	phase phase
	stack [2]uint64 // parameters and result of the current call
	meter meter
	turn  *turns.Run
	leave func() // the run, when it is this instance's alone

	failure error // the first reason why the run must fail; the guest may not have seen it yet
	dead    bool  // trapped, killed or failed

	random     *rand.ChaCha8 // of adp_v1.random
	wasiRandom *rand.ChaCha8
	log        logger
	metrics    map[string]bool // names seen
	inputs     []*cdata.Writer
	arena      span            // of input batches, in guest memory
	laid       int64           // the most that was laid into it since start
	flushed    bool            // the run came to its end
	cold       bool            // initialised for itself alone, and asked for nothing beforehand
	outputs    []*cdata.Reader // a reader is made when its port is first used
	rows       func(schema *arrow.Schema, text []byte, most int64) (arrow.RecordBatch, error)
	plugin     plugin // what the host keeps for an Extism plug-in
	bindings   bindings
	decided    decided
	counted    map[string]int64 // calls of functions that a run may call so often only
	usage      Usage
}

// guestContext carries the instance to the host functions that its guest calls: they are shared by all instances of a
// module, and get nothing but the context of the call.
type guestContext struct {
	context.Context
	instance *Instance
}

// phase is what the host has called the guest for; imports with effects work only in some.
type phase uint8

const (
	outside    phase = iota
	initialize       // start, _initialize, adp_abi, adp_alloc, adp_free: no product yet
	running          // adp_open, adp_process, adp_flush
)

// exports are the functions that the host calls.
type exports struct {
	alloc, free, open, process, flush api.Function
	plugin                            api.Function // of an Extism plug-in, which has none of the others
}

// Start gives a fresh instance for one run, when its tenant and product may have one more. A module that is refused gives a
// host.Error of area S.
func (e *Engine) Start(ctx context.Context, s Spec, c Calls) (*Instance, error) {
	return e.instance(ctx, s, c, false)
}

func (e *Engine) instance(ctx context.Context, s Spec, c Calls, cold bool) (*Instance, error) {
	limits := s.Product.Limits.WithDefaults()
	turn, err := e.admit(ctx, s.Product.ID, limits.Memory)
	if err != nil {
		return nil, err
	}
	i := &Instance{spec: s, calls: c, cold: cold, turn: turn, leave: func() {}}
	if err := i.make(ctx, e, programOf(s)); err != nil {
		turn.Done()
		return nil, err
	}
	i.leave = turn.Done
	return i, nil
}

// begin gives an instance of a program to a run that has been admitted, and that ends elsewhere.
func (e *Engine) begin(ctx context.Context, id programID, s Spec, c Calls, turn *turns.Run) (*Instance, error) {
	i := &Instance{spec: s, calls: c, turn: turn, leave: func() {}}
	if err := i.make(ctx, e, id); err != nil {
		return nil, err
	}
	return i, nil
}

// make starts the instance. It is closed when that fails.
func (i *Instance) make(ctx context.Context, e *Engine, id programID) error {
	i.id = id
	p, err := e.programs.acquire(ctx, id, i.spec.Bytes)
	if err != nil {
		return err
	}
	i.rows = e.cfg.Rows
	i.program, i.interpreted, i.limits, i.metrics = p, p.interpreted, i.spec.Product.Limits.WithDefaults(), map[string]bool{}
	if err := i.start(ctx, e.cfg.Quantum); err != nil {
		i.Close()
		return err
	}
	return nil
}

func (i *Instance) start(ctx context.Context, quantum int64) error {
	limit := max(min(i.limits.Memory, maxMemory)/pageSize*pageSize, pageSize)
	if need := i.program.minMemory; need > limit {
		return host.Errorf(host.CodeGuestMemory, "the guest needs %s of memory to start, its limit is %s", size(need), size(i.limits.Memory)).
			WithHint("raise limits.memory")
	}
	if err := i.makePorts(); err != nil {
		return err
	}
	i.ctx.instance = i
	i.log = logger{to: i.calls.Log, limit: i.limits.Logs}
	i.seed("initialisation")
	i.meter = meter{limit: i.limits.Fuel, quantum: quantum, left: i.limits.Deadline, base: beforeOpen}
	key := imageKey{memory: limit}
	if len(i.inputs) > 0 && !i.cold {
		key.arena = bootArena(limit)
	}
	m := i.program.image(key)
	if m != nil && !i.cold && m.allows(i) {
		b, err := i.program.ready(ctx, m, limit)
		if err != nil {
			return host.Errorf(host.CodeGuestTrap, "the guest cannot be instantiated: %w", err)
		}
		i.resume(m, b)
		return nil
	}
	if cost := i.program.cost; cost > i.limits.Fuel {
		return host.Errorf(host.CodeGuestFuel, "the guest needs %d of fuel to start, for its memory and what lies in it, its limit is %d", cost, i.limits.Fuel).
			WithHint("raise limits.fuel")
	}
	i.program.owner.stats.initialised.Add(1)
	b, err := newBody(ctx, i.program, limit)
	if err == nil {
		i.inhabit(b)
		i.meter.charge(i.program.cost)
		err = i.program.fill(b.mem)
	}
	if err != nil {
		return host.Errorf(host.CodeGuestTrap, "the guest cannot be instantiated: %w", err)
	}
	var heard []said
	i.log.to = func(level int32, message string) {
		heard = append(heard, said{level, message})
		i.calls.Log(level, message)
	}
	err = i.boot(ctx, key.arena)
	i.log.to = i.calls.Log
	if err == nil && m == nil && !i.cold {
		i.program.remember(key, i.body, func() (*image, error) { return i.capture(heard) })
	}
	return err
}

// inhabit makes a body the instance's own.
func (i *Instance) inhabit(b *body) {
	i.body, i.meter.counter = b, b.counter
	i.funcs = exports{
		alloc: b.mod.ExportedFunction(abi.ExportAlloc), free: b.mod.ExportedFunction(abi.ExportFree),
		open: b.mod.ExportedFunction(abi.ExportOpen), process: b.mod.ExportedFunction(abi.ExportProcess),
		flush: b.mod.ExportedFunction(abi.ExportFlush),
	}
	if b.kernel != nil {
		i.funcs.plugin = b.mod.ExportedFunction(i.spec.Product.Code.Function)
	}
}

// boot runs what a guest runs before it knows of any product. arena is how much it is asked for input batches, in bytes.
func (i *Instance) boot(ctx context.Context, arena int64) error {
	for _, name := range []string{startFunction, abi.ExportInitialize} {
		if f := i.mod.ExportedFunction(name); f != nil {
			if _, err := i.call(ctx, initialize, f); err != nil {
				return err
			}
		}
	}
	if i.kernel != nil {
		return i.bootPlugin(ctx)
	}
	version, err := i.call(ctx, initialize, i.mod.ExportedFunction(abi.ExportABI))
	if err != nil {
		return err
	}
	if version != abi.Version {
		return host.Errorf(host.CodeGuestABI, "the guest speaks version %d of the guest ABI, this host version %d", int32(version), abi.Version).
			WithHint("build it with the SDK that this version of adp carries")
	}
	if arena == 0 {
		return nil
	}
	return i.furnish(ctx, arena)
}

// makePorts prepares the layouts of what crosses. It fails when a schema has a type outside the table.
func (i *Instance) makePorts() error {
	for n, s := range i.spec.Inputs {
		l, err := cdata.NewLayout(s)
		if err != nil {
			return host.Errorf(host.CodeTableType, "input %s: %w", i.spec.Product.Inputs[n].Name, err)
		}
		i.inputs = append(i.inputs, l.NewWriter())
	}
	for n, s := range i.spec.Outputs {
		l, err := cdata.NewLayout(s)
		if err != nil {
			return host.Errorf(host.CodeTableType, "output %s: %w", i.spec.Product.Outputs[n].Name, err)
		}
		i.outputs = append(i.outputs, l.NewReader())
	}
	for n, s := range i.spec.Bindings {
		l, err := cdata.NewLayout(s)
		if err != nil {
			return host.Errorf(host.CodeTableType, "binding %s: %w", i.spec.Product.Bindings[n].Name, err)
		}
		i.bindings.layouts = append(i.bindings.layouts, l)
	}
	return nil
}

// beforeOpen is where the virtual clock begins: what runs before open must be the same in every run.
var beforeOpen = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// seed begins the streams of randomness anew: with the module's digest alone until open, then with the run's id.
func (i *Instance) seed(run string) {
	i.random = seeded("adp", string(i.spec.Module), run)
	i.wasiRandom = seeded("wasi", string(i.spec.Module), run)
}

// Open tells the guest its ports and lets it prepare.
func (i *Instance) Open(ctx context.Context) error {
	if i.funcs.plugin != nil {
		i.begin()
		return nil
	}
	block := i.openBlock()
	at, err := i.alloc(ctx, block.size())
	if err != nil {
		return err
	}
	block.write(i.mem.bytes(), at.ptr)
	i.begin()
	return i.run(ctx, i.funcs.open, uint64(at.ptr), uint64(at.size))
}

// begin makes the clock and the streams of randomness those of the run.
func (i *Instance) begin() {
	i.seed(i.spec.RunID)
	i.meter.setClock(i.spec.Start)
}

// Process hands over one batch of Product.Inputs[input]. rec stays the caller's.
func (i *Instance) Process(ctx context.Context, input int, rec arrow.RecordBatch) error {
	if i.dead {
		return errDead
	}
	if i.funcs.plugin != nil {
		return i.exchange(ctx, input, rec)
	}
	w := i.inputs[input]
	size, err := w.Plan(rec)
	if err != nil {
		return i.end(host.Errorf(host.CodeTableSchema, "input %s: %w", i.spec.Product.Inputs[input].Name, err))
	}
	if err := i.ensureArena(ctx, size); err != nil {
		return err
	}
	w.Write(i.mem.bytes(), i.arena.ptr)
	i.laid = max(i.laid, size)
	i.usage.BytesIn += size
	return i.run(ctx, i.funcs.process, uint64(input), uint64(i.arena.ptr))
}

// Flush ends the run: the guest emits what it still holds.
func (i *Instance) Flush(ctx context.Context) (err error) {
	if i.funcs.plugin == nil {
		err = i.run(ctx, i.funcs.flush)
	} else if i.dead {
		err = errDead
	}
	i.log.flush()
	i.flushed = err == nil
	return err
}

// Usage is what the instance has cost so far.
func (i *Instance) Usage() Usage {
	u := i.usage
	if i.meter.counter != nil {
		u.Fuel = i.meter.used()
	}
	u.LogBytes = i.log.bytes
	return u
}

// Close ends the instance. It may be called more than once.
func (i *Instance) Close() error {
	if i.program == nil {
		return nil
	}
	healthy := i.flushed && !i.dead && i.failure == nil
	i.dead = true
	i.usage = i.Usage()
	i.meter.counter = nil
	err := i.bindings.close()
	if i.body != nil {
		err = errors.Join(err, i.program.leave(i.body, healthy, i.laid))
	}
	i.program.release()
	i.leave()
	i.program, i.body = nil, nil
	return err
}
