package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/registry"
)

// loaded is what an artifact gives a run.
type loaded struct {
	module host.Digest
	config host.Digest
	bytes  func() ([]byte, error)
}

// artifacts is where a registration finds what it runs. Implemented by registry.
type artifacts interface {
	Pull(ctx context.Context, d host.Digest) (registry.Artifact, error)
	Module(ctx context.Context, d host.Digest) ([]byte, error)
}

// apply takes a registration in, and hands it to the owner where the product runs here.
func (n *Node) apply(ctx context.Context, s host.Spec) error {
	n.applying.Lock() // the watch tells of a registration that Register takes in itself
	defer n.applying.Unlock()
	if l, err := n.listing(s.Product); err == nil && s.Generation <= l.spec.Generation {
		return nil
	}
	p, loaded, err := n.load(ctx, s)
	if err != nil {
		return err
	}
	n.change(s.Product, func(l *listing) { l.spec, l.product, l.loaded = s, p, loaded })
	if o := n.owner(s.Product); o != nil {
		o.adopt(s, p, loaded)
		n.subscribe(o, p)
		o.wake()
	}
	n.turnover.look(s.Product)
	n.replan()
	return nil
}

// adopt makes a registration the owner's own.
func (o *owner) adopt(s host.Spec, p *host.Product, l loaded) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spec, o.product, o.loaded = s, p, l
	o.effects.mend()
}

// restoreState shows after a restart what the newest head says, and returns it; nil when there is none.
func (n *Node) restoreState(ctx context.Context, o *owner) *host.Head {
	ptr, err := n.told.pointer(ctx, o.id)
	if err != nil || ptr.Seq == 0 {
		return nil
	}
	head, err := n.heads.load(ctx, o.id, ptr)
	if err != nil {
		o.state, o.reason, o.hint = host.StateFailed, err.Error(), host.HintOf(err)
		return nil
	}
	o.state, o.reason = committedState(head)
	return head
}

// load fetches the artifact of a spec and applies the spec's overrides to its product.
func (n *Node) load(ctx context.Context, s host.Spec) (*host.Product, loaded, error) {
	a, err := n.artifacts.Pull(ctx, s.Artifact)
	if err != nil {
		return nil, loaded{}, err
	}
	p := *a.Product
	p.ID = s.Product
	p.Config = maps.Clone(p.Config)
	if p.Config == nil {
		p.Config = map[string]string{}
	}
	maps.Copy(p.Config, s.Config)
	p.Inputs = append([]host.Input(nil), p.Inputs...)
	for i := range p.Inputs {
		if uri, ok := s.Sources[p.Inputs[i].Name]; ok {
			p.Inputs[i].From = uri
		}
	}
	p.Bindings = append([]host.Binding(nil), p.Bindings...)
	for i := range p.Bindings {
		if uri, ok := s.Sources[p.Bindings[i].Name]; ok {
			p.Bindings[i].URI = uri
		}
	}
	p.Limits = p.Limits.WithDefaults()
	config, err := configDigest(p)
	if err != nil {
		return nil, loaded{}, err
	}
	module := a.ModuleDigest
	return &p, loaded{module: module, config: config, bytes: func() ([]byte, error) {
		return n.artifacts.Module(context.WithoutCancel(ctx), module)
	}}, nil
}

// configDigest covers what, beside the module, decides what a product publishes: when it changes, everything is
// recomputed. Words, limits and schedules do not count.
func configDigest(p host.Product) (host.Digest, error) {
	b, err := host.CanonicalJSON(struct {
		Inputs   []host.Input
		Outputs  []host.Output
		Bindings []host.Binding
		Config   map[string]string
	}{p.Inputs, p.Outputs, p.Bindings, p.Config})
	if err != nil {
		return "", err
	}
	return host.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(b))), nil
}

// subscribe lets the product be woken by what it reads: commits of other products, and watched sources.
func (n *Node) subscribe(o *owner, p *host.Product) {
	n.mu.Lock()
	for _, readers := range n.readers {
		delete(readers, o)
	}
	watch, cancel := context.WithCancel(n.ctx)
	o.mu.Lock()
	if o.unwatch != nil {
		o.unwatch()
	}
	o.unwatch = cancel
	o.mu.Unlock()
	var uris []string
	for i := range p.Inputs {
		in := &p.Inputs[i]
		if up, _, ok := in.Upstream(p.ID.Tenant); ok {
			if n.readers[up] == nil {
				n.readers[up] = map[*owner]bool{}
			}
			n.readers[up][o] = true
		} else {
			uris = append(uris, in.From)
		}
	}
	n.mu.Unlock()
	if !p.Schedule.OnInputs {
		return
	}
	for _, uri := range uris {
		d, err := n.driver(uri)
		if err != nil {
			continue // the run says so
		}
		w, ok := d.(drivers.Watcher)
		if !ok {
			continue
		}
		n.wg.Go(func() {
			if err := w.Watch(watch, uri, o.wake); err != nil && watch.Err() == nil {
				n.log.Warn("cannot watch", "product", o.id.URL(), "source", uri, "error", err)
			}
		})
	}
}
