package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// owner is the value of an own key.
type owner struct {
	Node  string     `json:"node"` // "": released
	Epoch host.Epoch `json:"epoch"`
	Claim string     `json:"claim"` // random: two claims never write the same bytes
}

// Claim makes this node the owner of a product. The epoch is greater than any that was ever used for it. It fails with
// R005 when another node that is alive owns the product. Claiming what the node owns already ends the earlier ownership:
// whoever still holds that cannot commit any more.
func (c *Cluster) Claim(ctx context.Context, id host.ProductID) (host.Ownership, error) {
	if err := checkID(id); err != nil {
		return host.Ownership{}, err
	}
	for {
		next, t, err := c.prepareClaim(ctx, id)
		if err != nil {
			return host.Ownership{}, err
		}
		value, err := host.CanonicalJSON(next)
		if err != nil {
			return host.Ownership{}, err
		}
		t.Then = append(t.Then, clientv3.OpPut(ownKey(id), string(value)))
		t.Else = append(t.Else, clientv3.OpGet(ownKey(id)))
		res, err := c.settle(ctx, "claiming "+id.URL(), t)
		if err != nil {
			return host.Ownership{}, err
		}
		own := host.Ownership{Product: id, Node: c.node, Epoch: next.Epoch, Revision: res.revision}
		if res.ok {
			return own, nil
		}
		if have, revision := res.kv(0); bytes.Equal(have, value) { // the claim whose reply was lost
			own.Revision = revision
			return own, nil
		}
		// Something moved between reading and claiming: look again.
	}
}

// prepareClaim reads, at one revision, all that an epoch must exceed, and guards the claim by it. The caller adds the
// own key itself.
func (c *Cluster) prepareClaim(ctx context.Context, id host.ProductID) (owner, txn, error) {
	all := txn{Then: []clientv3.Op{clientv3.OpGet(ownKey(id)), clientv3.OpGet(headKey(id)), clientv3.OpGet(keyIncarnation)}}
	res, err := reading(ctx, func(ctx context.Context, patience time.Duration) (*clientv3.TxnResponse, error) {
		return c.send(ctx, patience, all)
	})
	if err != nil {
		return owner{}, txn{}, failure("claiming "+id.URL(), err)
	}
	now := outcome{response: res}
	var (
		old  owner
		head host.Pointer
		l    life
		t    txn
	)
	for i, part := range []struct {
		key  string
		into any
	}{{ownKey(id), &old}, {headKey(id), &head}, {keyIncarnation, &l}} {
		value, revision := now.kv(i)
		if value != nil {
			if err := json.Unmarshal(value, part.into); err != nil {
				return owner{}, txn{}, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", part.key, err)
			}
		}
		t.If = append(t.If, clientv3.Compare(clientv3.ModRevision(part.key), "=", revision))
	}
	if old.Node != "" && old.Node != c.node {
		alive, err := c.kv.Get(ctx, nodeKey(old.Node))
		if err != nil {
			return owner{}, txn{}, failure("claiming "+id.URL(), err)
		}
		if len(alive.Kvs) > 0 {
			return owner{}, txn{}, host.Errorf(host.CodeRunLostOwner, "%s is run by node %s, which is alive", id.URL(), old.Node)
		}
		t.If = append(t.If, clientv3.Compare(clientv3.CreateRevision(nodeKey(old.Node)), "=", 0))
		t.Then = append(t.Then, clientv3.OpDelete(idxKey(old.Node, id)))
	}
	t.Then = append(t.Then, clientv3.OpPut(idxKey(c.node, id), ""))
	return owner{Node: c.node, Epoch: max(old.Epoch, head.Epoch, l.EpochFloor) + 1, Claim: rand.Text()}, t, nil
}

// Release gives a product up, so that any node may claim it. The own key stays, and with it the epoch. Releasing what
// is no longer owned is no error.
func (c *Cluster) Release(ctx context.Context, own host.Ownership) error {
	if err := checkID(own.Product); err != nil {
		return err
	}
	value, err := host.CanonicalJSON(owner{Epoch: own.Epoch, Claim: rand.Text()})
	if err != nil {
		return err
	}
	_, err = c.settle(ctx, "releasing "+own.Product.URL(), txn{
		If:   []clientv3.Cmp{stillOwned(own)},
		Then: []clientv3.Op{clientv3.OpPut(ownKey(own.Product), string(value)), clientv3.OpDelete(idxKey(own.Node, own.Product))},
	})
	return err
}

// stillOwned is the comparison that fences every commit.
func stillOwned(own host.Ownership) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(ownKey(own.Product)), "=", own.Revision)
}

// Owned lists the products that a node owns, by its index.
func (c *Cluster) Owned(ctx context.Context, node string) ([]host.ProductID, error) {
	var out []host.ProductID
	prefix := prefixIdx + node + "/"
	_, err := c.list(ctx, prefix, 0, 0, func(key string, _ []byte, _ int64) error {
		id, err := host.ParseProductID(key[len(prefix):])
		out = append(out, id)
		return err
	})
	return out, err
}
