package cluster

import (
	"bytes"
	"context"
	"encoding/json"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// Kept is how far back the history of a product reaches; the zero value when all of it does.
func (c *Cluster) Kept(ctx context.Context, id host.ProductID) (host.Kept, error) {
	var k host.Kept
	if err := checkID(id); err != nil {
		return k, err
	}
	res, err := c.kv.Get(ctx, keptKey(id))
	if err != nil || len(res.Kvs) == 0 {
		return k, failure("reading what of "+id.URL()+" is kept", err)
	}
	if err := json.Unmarshal(res.Kvs[0].Value, &k); err != nil {
		return k, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", keptKey(id), err)
	}
	return k, nil
}

// Keep records how far back the history of a product reaches, if own is still the ownership and from is what was
// recorded before. It never reaches back further than it did. It is one transaction, and an unknown result is settled by
// sending the identical one again.
//
// It fails with R005 when the ownership or the record has moved.
func (c *Cluster) Keep(ctx context.Context, own host.Ownership, from, to host.Kept) error {
	if err := checkID(own.Product); err != nil {
		return err
	}
	if to.From < from.From {
		return host.Errorf(host.CodeNodeConflict, "the history of %s begins at snapshot %d; what was before is gone", own.Product.URL(), from.From)
	}
	key := keptKey(own.Product)
	value, err := host.CanonicalJSON(to)
	if err != nil {
		return err
	}
	unmoved := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	if from.From != 0 || from.Undecided != nil {
		before, err := host.CanonicalJSON(from)
		if err != nil {
			return err
		}
		unmoved = clientv3.Compare(clientv3.Value(key), "=", string(before))
	}
	res, err := c.settle(ctx, "expiring snapshots of "+own.Product.URL(), txn{
		If:   []clientv3.Cmp{stillOwned(own), unmoved},
		Then: []clientv3.Op{clientv3.OpPut(key, string(value))},
		Else: []clientv3.Op{clientv3.OpGet(key), clientv3.OpGet(ownKey(own.Product))},
	})
	if err != nil || res.ok || bytes.Equal(res.value(0), value) {
		return err
	}
	if err := ended(own, res, 1); err != nil {
		return err
	}
	return host.Errorf(host.CodeRunLostOwner, "the history of %s does not begin at snapshot %d any more", own.Product.URL(), from.From)
}
