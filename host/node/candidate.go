package node

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/registry"
)

// candidate is a product that asks to be registered, with the documents that its errors point into.
type candidate struct {
	product *host.Product
	bundle  *manifest.Bundle
}

// candidate judges an artifact by itself.
func (n *Node) candidate(ctx context.Context, r Registration) (*candidate, error) {
	a, err := n.registry.Pull(ctx, r.Artifact)
	if err != nil {
		return nil, err
	}
	bundle, err := manifest.LoadProduct(documents(a.Documents))
	if err != nil {
		return nil, err
	}
	if err := honest(a, bundle); err != nil {
		return nil, err
	}
	a.Product.ID.Tenant = host.LocalTenant
	if err := n.engine.Check(ctx, a.Module, a.Product.Code); err != nil {
		return nil, err
	}
	c := &candidate{a.Product, bundle}
	return c, n.checkSources(ctx, c, r.Sources)
}

// fit judges candidates together with the products that are there.
func (n *Node) fit(candidates []*candidate) error {
	before := n.compiled()
	mesh := maps.Clone(before)
	for _, c := range candidates {
		mesh[c.product.ID] = c.product
	}
	if err := registry.Cycle(slices.Collect(maps.Values(mesh))); err != nil {
		return closing(err, before, mesh, candidates)
	}
	for _, c := range candidates {
		if err := c.checkUpstreams(mesh); err != nil {
			return err
		}
	}
	return nil
}

// closing gives the error of a cycle the place of the input that closes it: one of a candidate that the product of its
// name did not have before, since without those there was no cycle.
func closing(err error, before, mesh map[host.ProductID]*host.Product, candidates []*candidate) error {
	var e *host.Error
	if !errors.As(err, &e) {
		return err
	}
	cycle := registry.NewLineage(slices.Collect(maps.Values(mesh))).Cycle()
	for i, id := range cycle[1:] {
		at := slices.IndexFunc(candidates, func(c *candidate) bool { return c.product.ID == id })
		if at < 0 || reads(before[id], cycle[i]) != "" {
			continue
		}
		return candidates[at].bundle.AtInput(e, reads(mesh[id], cycle[i]))
	}
	return err
}

// reads is the input over which a product reads another, "" when it does not.
func reads(p *host.Product, other host.ProductID) string {
	if p == nil {
		return ""
	}
	for i := range p.Inputs {
		if up, _, ok := p.Inputs[i].Upstream(p.ID.Tenant); ok && up == other {
			return p.Inputs[i].Name
		}
	}
	return ""
}

// honest demands that an artifact's compiled product is what its documents declare: people read the documents.
func honest(a registry.Artifact, bundle *manifest.Bundle) error {
	declared, err := bundle.Compile(a.Product.ID.Tenant)
	if err != nil {
		return err
	}
	want, err := host.CanonicalJSON(declared)
	if err != nil {
		return err
	}
	have, err := host.CanonicalJSON(a.Product)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return host.Errorf(host.CodeRegistryFormat, "artifact of %s: what would run is not what its documents declare", a.Product.ID.URL()).
			WithHint("build it with this version of adp: adp build DIR")
	}
	return nil
}

// checkSources demands that every file input has an absolute address on this node, at which there is something to read.
func (n *Node) checkSources(ctx context.Context, c *candidate, sources map[string]string) error {
	p := c.product
	var names []string
	for i := range p.Inputs {
		in := p.Inputs[i] // a copy: where it lies is the registration's business
		names = append(names, in.Name)
		from, over := sources[in.Name]
		if _, _, ok := in.Upstream(p.ID.Tenant); ok {
			if over {
				return host.Errorf(host.CodeAccessQuery, "input %s of %s reads a product; its source cannot be replaced", in.Name, p.ID.URL()).
					WithHint("leave the source of %s away: it follows %s", in.Name, in.From)
			}
			continue
		}
		if over {
			in.From = from
		}
		if path, ok := strings.CutPrefix(in.From, "file:"); ok && !filepath.IsAbs(path) {
			return c.bundle.AtInput(host.Errorf(host.CodeManifestRef, "input %s of %s reads %s, which means nothing on this node", in.Name, p.ID.URL(), in.From).
				WithHint("name its absolute place: adp run ARTIFACT --source %s=file:/absolute/path", in.Name), in.Name)
		}
		if err := n.checkSource(ctx, p, &in); err != nil {
			return c.bundle.AtInput(err, in.Name)
		}
	}
	for i := range p.Bindings {
		b := p.Bindings[i]
		if b.Compute { // which nodes have it is for placement to know
			continue
		}
		if !grant.Is(b.URI) { // what is granted in the web is what the team has written, and nobody's to replace
			names = append(names, b.Name)
			if uri, ok := sources[b.Name]; ok {
				b.URI = uri
			}
		}
		if err := n.checkDriver(p, b); err != nil {
			return c.bundle.AtDriver(err, b.Name)
		}
	}
	for name := range sources {
		if !slices.Contains(names, name) {
			return host.Errorf(host.CodeAccessQuery, "%s has no input or driver %q to give a source", p.ID.URL(), name).WithHint("there are: %s", strings.Join(names, ", "))
		}
	}
	return nil
}

// checkDriver demands that what a guest reads or writes by name has an address on this node and a driver that can do it.
func (n *Node) checkDriver(p *host.Product, b host.Binding) *host.Error {
	if path, ok := strings.CutPrefix(b.URI, "file:"); ok && !filepath.IsAbs(path) {
		return host.Errorf(host.CodeManifestRef, "driver %s of %s is at %s, which means nothing on this node", b.Name, p.ID.URL(), b.URI).
			WithHint("name its absolute place: adp run ARTIFACT --source %s=file:/absolute/path", b.Name)
	}
	d, _ := n.driver(b.URI)
	_, can := d.(drivers.Source)
	if b.Access == "write" {
		_, can = d.(drivers.Sink)
	}
	if !can {
		return host.Errorf(host.CodeDriverUnknown, "driver %s of %s: nothing here can %s %s", b.Name, p.ID.URL(), b.Access, b.URI).WithHint("write file:PATH")
	}
	return nil
}

// checkSource looks at a source once: one that is not there now is a mistake, one that goes away later a failed run. Data
// that does not fit is for the run to say.
func (n *Node) checkSource(ctx context.Context, p *host.Product, in *host.Input) *host.Error {
	_, err := inputs{n}.Pending(ctx, p, in, nil)
	var e *host.Error
	if !errors.As(err, &e) {
		return nil
	}
	gone := errors.Is(err, drivers.ErrUnavailable)
	if !gone && !errors.Is(err, drivers.ErrRequest) && e.Code != host.CodeDriverUnknown && e.Code != host.CodePolicyDenied {
		return nil
	}
	out := host.Errorf(e.Code, "input %s of %s cannot be read: %s", in.Name, p.ID.URL(), e.Message)
	out.Hint = e.Hint
	if gone {
		out.Hint = "put it there first, or name another place: --source " + in.Name + "=file:PATH"
	}
	return out
}

// checkUpstreams demands that what a product reads is there, port and all.
func (c *candidate) checkUpstreams(mesh map[host.ProductID]*host.Product) error {
	p := c.product
	for i := range p.Inputs {
		in := &p.Inputs[i]
		up, port, ok := in.Upstream(p.ID.Tenant)
		if !ok {
			continue
		}
		if err := checkUpstream(p, in, mesh[up], up, port); err != nil {
			return c.bundle.AtInput(err, in.Name)
		}
	}
	return nil
}

func checkUpstream(p *host.Product, in *host.Input, u *host.Product, up host.ProductID, port string) *host.Error {
	if u == nil {
		return host.Errorf(host.CodeAccessUnknown, "input %s of %s reads %s, which is not in this mesh", in.Name, p.ID.URL(), up.URL()).
			WithHint("run that product first")
	}
	_, out := u.Output(port)
	if out == nil {
		return host.Errorf(host.CodeAccessUnknown, "input %s of %s reads port %q, which %s does not have", in.Name, p.ID.URL(), port, up.URL())
	}
	return compatible(in, out)
}

// compatible demands that the upstream port still gives every column that the input was built against, of its type.
func compatible(in *host.Input, out *host.Output) *host.Error {
	for _, f := range in.Schema.Fields {
		k := out.Schema.Index(f.Name)
		if k < 0 {
			return host.Errorf(host.CodeManifestContract, "%s has no column %q, which input %s was built to read", in.From, f.Name, in.Name).
				WithHint("build the product against the port as it is now: adp build DIR")
		}
		have := out.Schema.Fields[k]
		if have.Type.String() != f.Type.String() || f.Required && !have.Required {
			return host.Errorf(host.CodeManifestContract, "column %q of %s is %s now, input %s was built to read %s", f.Name, in.From, describe(have), in.Name, describe(f)).
				WithHint("build the product against the port as it is now: adp build DIR")
		}
	}
	return nil
}

func describe(f host.Field) string {
	if f.Required {
		return f.Type.String() + ", never null"
	}
	return f.Type.String()
}
