package node

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/table"
)

// Rooms do not know each other; where one declares what another offers, the shapes are equal and converted here.

type guests struct{ engine *sandbox.Engine }

func (g guests) Start(ctx context.Context, s run.GuestSpec, c run.Calls) (run.Guest, error) {
	i, err := g.engine.Guest(ctx, sandbox.Spec(s), c)
	if err != nil {
		return nil, err
	}
	return guest{i}, nil
}

type guest struct{ *sandbox.Guest }

func (g guest) Usage() run.Usage { return run.Usage(g.Guest.Usage()) }

// differs says loudly that compiled code of a product cannot be trusted: either the compiler is wrong, or the machine.
func (n *Node) differs(id host.ProductID, module host.Digest, what string) {
	n.log.Error("compiled code does not do what the interpreter does: the module stays in the interpreter, which is slow",
		"product", id.URL(), "module", module, "engine", n.engine.Identity().Version, "difference", what,
		"hint", "if its code looks at the bits of NaNs, set code: {nans: canonical} in product.yaml; else please report it, with the module")
}

type stages struct{ t *table.Tables }

func (s stages) Begin(ctx context.Context, spec run.StageSpec) (run.Stage, error) {
	st, err := s.t.Begin(ctx, table.StageSpec(spec))
	if err != nil {
		return nil, err
	}
	return stage{st}, nil
}

type stage struct{ table.Stage }

func (s stage) Finish(ctx context.Context) (run.Staged, error) {
	st, err := s.Stage.Finish(ctx)
	return run.Staged(st), err
}

// decider answers the policy import of guests.
type decider struct{ n *Node }

func (d decider) Decide(_ context.Context, id host.ProductID, request []byte) ([]byte, error) {
	return d.n.policy.Answer(id, request), nil
}

// Compute gives the compute driver of a binding, after the access decision.
func (b bindings) Compute(_ context.Context, id host.ProductID, binding, uri string) (drivers.Compute, error) {
	d := b.n.policy.Decide(policy.Request{Subject: policy.Product(id), Action: policy.ActionDriverRead,
		Resource: policy.Resource{Product: id, Port: binding, URI: uri}})
	if !d.Allow {
		return nil, host.Errorf(host.CodePolicyDenied, "%s may not ask %s: %s", id.URL(), uri, d.Reason)
	}
	return computeOf(b.n.drivers, uri)
}

// computeOf finds the compute driver of a URI.
func computeOf(all map[string]any, uri string) (drivers.Compute, error) {
	scheme, _, _ := strings.Cut(uri, ":")
	c, ok := all[scheme].(drivers.Compute)
	if !ok {
		return nil, host.Errorf(host.CodeDriverUnknown, "%s is not there to compute", scheme).
			WithHint("adp doctor says how to get it")
	}
	return c, nil
}

// features are what products may ask for: those of the configuration, and the compute drivers that there are.
func features(more []string, all map[string]any) []string {
	out := slices.Clone(more)
	for _, scheme := range slices.Sorted(maps.Keys(all)) {
		if _, ok := all[scheme].(drivers.Compute); ok && !slices.Contains(out, scheme) {
			out = append(out, scheme)
		}
	}
	return out
}

// bindings opens drivers for the driver import of guests, after the access decision.
type bindings struct{ n *Node }

func (b bindings) Open(ctx context.Context, id host.ProductID, binding string, r drivers.Request) (drivers.Reader, error) {
	uri := opens(r)
	d := b.n.policy.Decide(policy.Request{Subject: policy.Product(id), Action: policy.ActionDriverRead,
		Resource: policy.Resource{Product: id, Port: binding, URI: uri}})
	if !d.Allow {
		return nil, host.Errorf(host.CodePolicyDenied, "%s may not read %s: %s", id.URL(), uri, d.Reason)
	}
	drv, err := b.n.driver(r.URI)
	if err != nil {
		return nil, err
	}
	src, ok := drv.(drivers.Source)
	if !ok {
		return nil, host.Errorf(host.CodeDriverUnknown, "the driver of %s cannot be read from", r.URI)
	}
	reader, err := src.Open(ctx, r)
	if err != nil {
		return nil, driverError(err)
	}
	return driverReader{reader}, nil
}

// opens is what a driver would open: in the web the page that is asked for, which lies below what the binding grants or is refused by the driver.
func opens(r drivers.Request) string {
	var ask grant.Request
	if !grant.Is(r.URI) || json.Unmarshal([]byte(r.Options["request"]), &ask) != nil {
		return r.URI
	}
	return ask.URL
}
