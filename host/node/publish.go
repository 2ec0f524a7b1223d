package node

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/registry"
)

// Registration is an artifact of the node's registry that is to run.
type Registration struct {
	Artifact host.Digest
	// Sources override where file inputs and drivers lie, by name: absolute file: URIs.
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
// or come with it, find its sources, and close no cycle. A product that was paused stays so.
func (n *Node) Register(ctx context.Context, rs []Registration) ([]host.ProductID, error) {
	n.registering.Lock()
	defer n.registering.Unlock()
	candidates := make([]*candidate, len(rs))
	for i, r := range rs {
		var err error
		if candidates[i], err = n.candidate(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := n.fit(candidates); err != nil {
		return nil, err
	}
	specs := make([]host.Spec, len(rs))
	ids := make([]host.ProductID, len(rs))
	for i, c := range candidates {
		ids[i] = c.product.ID
		specs[i] = host.Spec{Product: ids[i], Artifact: rs[i].Artifact, Sources: rs[i].Sources, Paused: n.paused(ids[i]), Changed: time.Now().UTC()}
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
	return ids, n.placed(ctx, ids)
}

// placing bounds how long a registration waits for its products to be owned. It is longer than an election takes.
const placing = 10 * time.Second

// placed waits until each product is owned, or known to fit nowhere; after a while it waits no longer, since what is
// registered is placed sooner or later.
func (n *Node) placed(ctx context.Context, ids []host.ProductID) error {
	for end := time.Now().Add(placing); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		waits := slices.ContainsFunc(ids, func(id host.ProductID) bool {
			l, err := n.listing(id)
			switch {
			case err != nil || l.spec.Retired:
				return false
			case l.place.Node == "":
				return l.place.Reason == ""
			case l.place.Node == n.cfg.Name:
				return n.owner(id) == nil
			}
			return l.own.Node != l.place.Node
		})
		if !waits {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
