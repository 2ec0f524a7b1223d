package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/turns"
)

// loadStack is what scripts may use of native stack while they load, in bytes: as much as in a run.
const loadStack = 64 << 20

// Load initialises a module as every run does, for no product, and gives the errors that it logs meanwhile: an interpreter with a script
// in it says so what keeps the script from loading. The error is that of a module which is refused, traps or takes too long.
//
// Of an interpreter whose code nobody has compared yet, compiled with interpreted, this is the comparison, where there is a cache to keep
// the verdict: whoever builds a script edits it, and is not to wait for the slow engine again.
func (e *Engine) Load(ctx context.Context, module []byte) (complaints []string, err error) {
	sum := sha256.Sum256(module)
	digest := host.Digest("sha256:" + hex.EncodeToString(sum[:]))
	product := &host.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "build", Name: "load"}, Limits: host.Limits{Stack: loadStack}}
	s := Spec{Module: digest, Bytes: func() ([]byte, error) { return module, nil }, Product: product}
	turn, err := e.admit(ctx, product.ID, product.Limits.WithDefaults().Memory)
	if err != nil {
		return nil, err
	}
	defer turn.Done()
	id := programOf(s)
	v, err := e.judged(id, s.Bytes)
	if err != nil {
		return nil, err
	}
	if v == same {
		heard, _, err := e.loaded(ctx, id, s, turn)
		return heard.errors, err
	}
	var coming *loading
	if v == unknown && e.cache != nil && e.codeID(id, nil) != id {
		coming = e.programs.begin(ctx, id, s.Bytes)
	}
	slow := id
	slow.interpreted = true
	defer e.programs.drop(slow) // it runs once
	heard, usage, err := e.loaded(ctx, slow, s, turn)
	if err == nil && coming != nil {
		e.compareLoads(ctx, id, s, turn, coming, heard, usage)
	}
	return heard.errors, err
}

// loaded initialises an instance, and gives what it said and cost.
func (e *Engine) loaded(ctx context.Context, id programID, s Spec, turn *turns.Run) (*hearing, Usage, error) {
	heard := &hearing{}
	i := &Instance{spec: s, calls: heard, cold: true, turn: turn, leave: func() {}}
	if err := i.make(ctx, e, id); err != nil {
		return &hearing{}, Usage{}, err
	}
	return heard, i.Usage(), i.Close()
}

// compareLoads has compiled code do what the interpreter did. Nothing is learnt where it cannot be tried.
func (e *Engine) compareLoads(ctx context.Context, id programID, s Spec, turn *turns.Run, coming *loading, want *hearing, cost Usage) {
	select {
	case <-coming.done:
	case <-ctx.Done():
		return
	}
	if coming.err != nil {
		return
	}
	heard, usage, err := e.loaded(ctx, id, s, turn)
	switch {
	case err == nil && usage == cost && slices.Equal(heard.all, want.all):
		e.settle(id, same)
	case host.CodeOf(err) != host.CodeGuestDeadline && ctx.Err() == nil:
		e.differs(id, s.Product.ID, fmt.Sprintf("while it loads it has used %+v and logged %d lines, and the interpreter %+v and %d (%v)", usage, len(heard.all), cost, len(want.all), err))
	}
}

// hearing keeps the errors that a guest logs. Initialisation reaches nothing else: all other calls are for runs.
type hearing struct {
	Calls
	errors []string
	all    []said
}

func (h *hearing) Log(level int32, message string) {
	h.all = append(h.all, said{level, message})
	if level == abi.LogError {
		h.errors = append(h.errors, message)
	}
}
