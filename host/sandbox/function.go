package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/adp-host/adp/host"
)

// Function is a function of an Extism plug-in that belongs to no product: its output follows from its input and nothing else. Each call has an
// instance of its own, which is fresh and ends with it, so that no call sees anything of another; clock and randomness are the same in all.
// It gets no settings, and reaches neither drivers nor the web. It is safe for concurrent use.
type Function struct {
	engine *Engine
	spec   Spec
	id     programID
	log    func(level int32, message string)
	fresh  chan *Instance // started beforehand
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

const (
	// keepFresh is how many instances wait for a call, beside the one that is on its way.
	keepFresh = 3
	// restart is how long nothing is tried after an instance did not start. Calls try by themselves.
	restart = time.Second
)

// FunctionSpec says what a Function is made of.
type FunctionSpec struct {
	Module []byte
	Name   string      // of the export
	Limits host.Limits // of each call, initialisation included
	// Probe is an input for which compiled code must do what the interpreter does, to the unit of fuel. If it does anything else, the
	// function stays in the interpreter, and Config.Differs is told.
	Probe []byte
	Log   func(level int32, message string) // nil: nobody listens
}

// Function compiles a plug-in and has instances of it ready. The error is a host.Error of area S when the module is refused, or does not start.
func (e *Engine) Function(ctx context.Context, s FunctionSpec) (*Function, error) {
	code := host.Code{Language: host.Extism, Function: s.Name, Encoding: host.NDJSON}
	if err := e.Check(ctx, s.Module, code); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(s.Module)
	f := &Function{engine: e, log: s.Log, fresh: make(chan *Instance, keepFresh), spec: Spec{
		Module: host.Digest("sha256:" + hex.EncodeToString(sum[:])), Bytes: func() ([]byte, error) { return s.Module, nil }, Start: beforeOpen,
		Product: &host.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "functions", Name: s.Name}, Code: code, Limits: s.Limits},
	}}
	f.id = programOf(f.spec)
	if err := f.try(ctx, s.Probe); err != nil {
		return nil, err
	}
	first, err := f.start(ctx, f.id)
	if err != nil {
		return nil, err
	}
	f.fresh <- first
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.wg.Go(f.refresh)
	return f, nil
}

// try decides whether compiled code is to be used, unless that is known.
func (f *Function) try(ctx context.Context, probe []byte) error {
	slow := f.id
	slow.interpreted = true
	v, err := f.engine.judged(f.id, f.spec.Bytes)
	switch {
	case err != nil || v == same || f.engine.cfg.Interpreter:
		return err
	case v == other:
		f.id = slow
		return nil
	}
	did, err := f.probe(ctx, f.id, probe)
	if err != nil {
		return err
	}
	should, err := f.probe(ctx, slow, probe)
	switch {
	case err != nil:
		return err
	case did == should:
		f.engine.agrees(f.id)
	case did.code != host.CodeGuestDeadline && should.code != host.CodeGuestDeadline:
		f.engine.differs(f.id, f.spec.Product.ID, fmt.Sprintf("%+v, and interpreted %+v", did, should))
		f.id = slow
	}
	return nil
}

// deed is what a call did.
type deed struct {
	output string
	code   host.ErrorCode
	usage  Usage
}

// probe is a call of one engine's. An error is one of starting.
func (f *Function) probe(ctx context.Context, id programID, input []byte) (deed, error) {
	i, err := f.start(ctx, id)
	if err != nil {
		return deed{}, err
	}
	output, err := Bare{i}.Exchange(ctx, input)
	did := deed{string(output), host.CodeOf(err), i.Usage()}
	return did, i.Close()
}

// start gives an instance that has done what comes before its first call.
func (f *Function) start(ctx context.Context, id programID) (*Instance, error) {
	turn, err := f.engine.admit(ctx, f.spec.Product.ID, f.spec.Product.Limits.WithDefaults().Memory)
	if err != nil {
		return nil, err
	}
	i, err := f.engine.begin(ctx, id, f.spec, reticent{log: f.log}, turn)
	if err != nil {
		turn.Done()
		return nil, err
	}
	i.leave = turn.Done
	if err := i.Open(ctx); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// refresh starts instances until the function is closed.
func (f *Function) refresh() {
	for f.ctx.Err() == nil {
		i, err := f.start(f.ctx, f.id)
		if err != nil {
			select {
			case <-time.After(restart):
			case <-f.ctx.Done():
			}
			continue
		}
		select {
		case f.fresh <- i:
		case <-f.ctx.Done():
			_ = i.Close()
		}
	}
}

// Call gives the output for an input. The error is a host.Error where the function has failed, for equal inputs the same but for
// host.CodeGuestDeadline; any other is that of ctx.
func (f *Function) Call(ctx context.Context, input []byte) (output []byte, err error) {
	var i *Instance
	select {
	case i = <-f.fresh:
	default:
		if i, err = f.start(ctx, f.id); err != nil {
			return nil, err
		}
	}
	output, err = Bare{i}.Exchange(ctx, input)
	return output, errors.Join(err, i.Close())
}

// Close ends the function.
func (f *Function) Close() error {
	f.cancel()
	f.wg.Wait()
	var errs []error
	for {
		select {
		case i := <-f.fresh:
			errs = append(errs, i.Close())
		default:
			return errors.Join(errs...)
		}
	}
}

// reticent is the run of a function: it listens to logs. There is nothing else that a plug-in could reach.
type reticent struct {
	Calls
	log func(level int32, message string)
}

func (r reticent) Log(level int32, message string) {
	if r.log != nil {
		r.log(level, message)
	}
}
