package node

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing/fstest"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/registry"
)

// Registration is an artifact of the node's registry that is to run.
type Registration struct {
	Artifact host.Digest
	// Sources override where file inputs lie, by input name: absolute file: URIs.
	Sources map[string]string
}

// Registry is the node's artifact store.
func (n *Node) Registry() *registry.Store { return n.registry }

// Publish verifies an artifact file, registers it and starts its product. Nothing is registered when it fails.
func (n *Node) Publish(ctx context.Context, artifact io.Reader, sources map[string]string) (host.ProductStatus, error) {
	d, err := n.registry.Import(ctx, artifact)
	if err != nil {
		return host.ProductStatus{}, err
	}
	ids, err := n.Register(ctx, []Registration{{Artifact: d, Sources: sources}})
	if err != nil {
		return host.ProductStatus{}, err
	}
	return n.Product(ctx, ids[0])
}

// Register registers artifacts, all or none: each must be admitted by the sandbox, read only products that are there
// or come with it, find its sources named, and close no cycle.
func (n *Node) Register(ctx context.Context, rs []Registration) ([]host.ProductID, error) {
	n.registering.Lock()
	defer n.registering.Unlock()
	mesh := n.compiled()
	specs := make([]host.Spec, 0, len(rs))
	ids := make([]host.ProductID, 0, len(rs))
	for _, r := range rs {
		a, err := n.registry.Pull(ctx, r.Artifact)
		if err != nil {
			return nil, err
		}
		p := a.Product
		if err := honest(a); err != nil {
			return nil, err
		}
		p.ID.Tenant = host.LocalTenant
		if err := n.engine.Check(ctx, a.Module); err != nil {
			return nil, err
		}
		if err := checkSources(p, r.Sources); err != nil {
			return nil, err
		}
		mesh[p.ID] = p
		ids = append(ids, p.ID)
		specs = append(specs, host.Spec{Product: p.ID, Artifact: r.Artifact, Sources: r.Sources, Changed: time.Now().UTC()})
	}
	all := make([]*host.Product, 0, len(mesh))
	for _, p := range mesh {
		all = append(all, p)
	}
	if err := registry.Cycle(all); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := checkUpstreams(mesh, mesh[id]); err != nil {
			return nil, err
		}
	}
	if err := n.cluster.PutSpecs(ctx, specs); err != nil {
		return nil, err
	}
	for _, id := range ids {
		s, err := n.cluster.Spec(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := n.apply(ctx, s); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// honest demands that an artifact's compiled product is what its documents declare: people read the documents.
func honest(a registry.Artifact) error {
	files := fstest.MapFS{}
	for name, b := range a.Documents {
		files[name] = &fstest.MapFile{Data: b}
	}
	bundle, err := manifest.LoadProduct(files)
	if err != nil {
		return err
	}
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

// compiled is every registered product by id.
func (n *Node) compiled() map[host.ProductID]*host.Product {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make(map[host.ProductID]*host.Product, len(n.owners))
	for id, o := range n.owners {
		o.mu.Lock()
		out[id] = o.product
		o.mu.Unlock()
	}
	return out
}

// checkSources demands that every file input has an absolute address on this node.
func checkSources(p *host.Product, sources map[string]string) error {
	for name := range sources {
		if i, _ := p.Input(name); i < 0 {
			return host.Errorf(host.CodeManifestRef, "%s has no input %q to give a source", p.ID.URL(), name)
		}
	}
	for i := range p.Inputs {
		in := &p.Inputs[i]
		if _, _, ok := in.Upstream(p.ID.Tenant); ok {
			if _, over := sources[in.Name]; over {
				return host.Errorf(host.CodeManifestRef, "input %s of %s reads a product; its source cannot be replaced", in.Name, p.ID.URL())
			}
			continue
		}
		from := in.From
		if s, ok := sources[in.Name]; ok {
			from = s
		}
		if path, ok := strings.CutPrefix(from, "file:"); ok && !filepath.IsAbs(path) {
			return host.Errorf(host.CodeManifestRef, "input %s of %s reads %s, which means nothing on this node", in.Name, p.ID.URL(), from).
				WithHint("name its absolute place: adp run ARTIFACT --source %s=file:/absolute/path", in.Name)
		}
	}
	return nil
}

// checkUpstreams demands that what a product reads is there, port and all.
func checkUpstreams(mesh map[host.ProductID]*host.Product, p *host.Product) error {
	for i := range p.Inputs {
		up, port, ok := p.Inputs[i].Upstream(p.ID.Tenant)
		if !ok {
			continue
		}
		u := mesh[up]
		if u == nil {
			return host.Errorf(host.CodeAccessUnknown, "input %s of %s reads %s, which is not in this mesh", p.Inputs[i].Name, p.ID.URL(), up.URL()).
				WithHint("run that product first")
		}
		_, out := u.Output(port)
		if out == nil {
			return host.Errorf(host.CodeAccessUnknown, "input %s of %s reads port %q, which %s does not have", p.Inputs[i].Name, p.ID.URL(), port, up.URL())
		}
		if err := compatible(&p.Inputs[i], out); err != nil {
			return err
		}
	}
	return nil
}

// compatible demands that the upstream port still gives every column that the input was built against, of its type.
func compatible(in *host.Input, out *host.Output) error {
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
