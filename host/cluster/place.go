package cluster

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// Placement says on which node a product is to run. It is the scheduler's wish: the node of now releases the product
// between two runs, and the node it names claims it. Ownership alone decides who commits.
type Placement struct {
	Node   string `json:"node"` // "": nowhere
	Reason string `json:"reason,omitempty"`
}

// Owner is who owns a product.
type Owner struct {
	Node  string // "": nobody
	Epoch host.Epoch
}

// Placements are the scheduler's wishes.
func (c *Cluster) Placements(ctx context.Context) (map[host.ProductID]Placement, error) {
	return byProduct(ctx, c, prefixPlace, func(p Placement) Placement { return p })
}

// Owners is who owns each product that was ever owned.
func (c *Cluster) Owners(ctx context.Context) (map[host.ProductID]Owner, error) {
	return byProduct(ctx, c, prefixOwn, func(o owner) Owner { return Owner{Node: o.Node, Epoch: o.Epoch} })
}

func byProduct[S, T any](ctx context.Context, c *Cluster, prefix string, as func(S) T) (map[host.ProductID]T, error) {
	out := map[host.ProductID]T{}
	_, err := c.list(ctx, prefix, 0, 0, func(key string, value []byte, _ int64) error {
		id, err := host.ParseProductID(key[len(prefix):])
		if err != nil {
			return err
		}
		var v S
		if err := json.Unmarshal(value, &v); err != nil {
			return host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
		}
		out[id] = as(v)
		return nil
	})
	return out, err
}

// placeBatch is how many wishes go into one transaction: an etcd with its defaults takes 128 operations.
const placeBatch = 100

// Place writes the scheduler's wishes, as long as its term lasts: afterwards it fails with R005 and the rest is not
// written. Wishes are absolute, so writing one twice is harmless.
func (c *Cluster) Place(ctx context.Context, t Term, wishes map[host.ProductID]Placement) error {
	ids := slices.SortedFunc(maps.Keys(wishes), host.ProductID.Compare)
	for part := range slices.Chunk(ids, placeBatch) {
		var step txn
		for _, id := range part {
			value, err := host.CanonicalJSON(wishes[id])
			if err != nil {
				return err
			}
			step.Then = append(step.Then, clientv3.OpPut(placeKey(id), string(value)))
		}
		if _, err := c.During(t).settle(ctx, "placing products", step); err != nil {
			return err
		}
	}
	return nil
}
