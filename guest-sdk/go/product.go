package adp

import (
	"errors"
	"runtime"
	"strconv"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// registered is what Register was given.
var registered func(*Product) error

// Register names the product of this module. Call it once, from init.
func Register(product func(*Product) error) { registered = product }

// Product is one run of a product, as its code sees it. The function given to [Register] gets a new one for each run, so
// that variables of that function live exactly as long as the run; what must live longer belongs into State.
type Product struct {
	// State is the product's own memory from run to run.
	State State

	sys      system
	build    func(*Product) error
	rebuild  bool
	inputs   []*port
	outputs  []*port
	bindings []*port
	handlers [][]func(*Batch) error // by input
	batches  []Batch                // by input, reused
	writers  []*Writer
	finish   []func() error
	err      error // the first refusal of the host; the run fails with it
}

func newProduct(sys system) *Product {
	p := &Product{sys: sys}
	p.State.p = p
	return p
}

// OnBatch handles the rows of an input as columns. Handlers of one input run in the order in which they were given.
// An input without a handler is a mistake and fails the run, see [Product.Ignore].
func (p *Product) OnBatch(input string, handle func(b *Batch) error) {
	if port := p.find("input", p.inputs, input); port != nil {
		p.handlers[port.index] = append(p.handlers[port.index], handle)
	}
}

// Ignore says that the rows of an input do not matter.
func (p *Product) Ignore(input string) { p.OnBatch(input, func(*Batch) error { return nil }) }

// OnFlush is called when all inputs are consumed; every run ends with it, whether rows came or not. Rows can still be emitted.
func (p *Product) OnFlush(handle func() error) { p.finish = append(p.finish, handle) }

// Rebuilding reports whether this run recomputes everything: state is empty and inputs start from their beginning.
func (p *Product) Rebuilding() bool { return p.rebuild }

// Port is a port as the product's documents declare it.
type Port struct {
	What    string // "input", "output", "binding"
	Name    string
	Mode    Mode
	Columns []Field // with reserved columns
}

// Ports are the inputs, outputs and bindings, in this order.
func (p *Product) Ports() []Port {
	var out []Port
	for _, table := range [][]*port{p.inputs, p.outputs, p.bindings} {
		for _, at := range table {
			out = append(out, Port{at.what, at.name, at.mode, at.fields})
		}
	}
	return out
}

// Err is the first thing that the host refused in this run, nil when there is none. It fails the run without being asked for;
// long computations may look at it to stop early.
func (p *Product) Err() error { return p.err }

// Fail makes the run fail with err, unless it is nil or the run has failed before.
func (p *Product) Fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// refused remembers a status of the host that is not OK.
func (p *Product) refused(s Status, doing string) {
	if s != 0 {
		p.Fail(errors.New(doing + ": " + s.Error()))
	}
}

// find is the named port; when there is none the run fails and it is nil.
func (p *Product) find(what string, ports []*port, name string) *port {
	known := ""
	for i, port := range ports {
		if port.name == name {
			return port
		}
		if i > 0 {
			known += ", "
		}
		known += port.name
	}
	if known == "" {
		known = "none"
	}
	p.Fail(errors.New("the product declares no " + what + " " + name + "; it has: " + known))
	return nil
}

// open is adp_open.
func (p *Product) open(build func(*Product) error, m memory, block uint32) Status {
	return p.guard("open", func() error {
		b := m.view(block, abi.OpenSize)
		if v := u32(b, abi.OpenVersion); v != abi.Version {
			return errors.New("the host speaks ABI " + strconv.Itoa(int(v)) + ", this module " + strconv.Itoa(abi.Version))
		}
		if build == nil {
			return errors.New("no product: call adp.Register from init")
		}
		p.rebuild = u32(b, abi.OpenFlags)&abi.OpenRebuild != 0
		p.inputs = readPorts(m, "input", u32(b, abi.OpenNInputs), u32(b, abi.OpenInputs))
		p.outputs = readPorts(m, "output", u32(b, abi.OpenNOutputs), u32(b, abi.OpenOutputs))
		p.bindings = readPorts(m, "binding", u32(b, abi.OpenNBindings), u32(b, abi.OpenBindings))
		p.handlers = make([][]func(*Batch) error, len(p.inputs))
		p.batches = make([]Batch, len(p.inputs))
		for i, in := range p.inputs {
			p.batches[i] = Batch{product: p, port: in}
		}
		if err := build(p); err != nil {
			return err
		}
		for i, h := range p.handlers {
			if len(h) == 0 {
				p.Fail(errors.New(p.inputs[i].String() + " has no handler; if its rows do not matter say so with Ignore"))
			}
		}
		return nil
	})
}

// process is adp_process.
func (p *Product) process(input uint32, m memory, array uint32) Status {
	if int(input) >= len(p.inputs) {
		return statusBadArgument
	}
	return p.guard("process", func() error {
		b := &p.batches[input]
		b.read(m, array)
		for _, h := range p.handlers[input] {
			if err := h(b); err != nil {
				return err
			}
		}
		for _, w := range p.writers {
			w.emitFull()
		}
		return nil
	})
}

// flush is adp_flush.
func (p *Product) flush() Status {
	return p.guard("flush", func() error {
		for _, f := range p.finish {
			if err := f(); err != nil {
				return err
			}
		}
		for _, w := range p.writers {
			w.Flush()
		}
		return nil
	})
}

// guard runs author's code. Errors, panics and refusals of the host are logged and become a status.
func (p *Product) guard(doing string, f func() error) (s Status) {
	defer func() {
		if r := recover(); r != nil {
			stack := make([]byte, 4<<10)
			p.sys.log(abi.LogDebug, string(stack[:runtime.Stack(stack, false)]))
			p.sys.log(abi.LogError, clip(doing+": panic: "+text(r)))
			s = statusFailed
		}
	}()
	if p.err == nil {
		p.Fail(f())
	}
	if p.err == nil {
		return 0
	}
	p.sys.log(abi.LogError, clip(p.err.Error()))
	return statusFailed
}

// clip cuts a message to what the log takes.
func clip(s string) string {
	if len(s) <= abi.MaxLogMessage {
		return s
	}
	n := abi.MaxLogMessage - 3
	for n > 0 && s[n]&0xc0 == 0x80 { // not in the middle of a character
		n--
	}
	return s[:n] + "..."
}
