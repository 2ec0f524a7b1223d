package cluster

import (
	"bytes"
	"context"
	"encoding/json"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// Delivered is how far the effects of a product have been delivered; the zero value when none have been.
func (c *Cluster) Delivered(ctx context.Context, id host.ProductID) (host.Delivered, error) {
	var d host.Delivered
	if err := checkID(id); err != nil {
		return d, err
	}
	res, err := c.kv.Get(ctx, outKey(id))
	if err != nil || len(res.Kvs) == 0 {
		return d, failure("reading what of "+id.URL()+" is delivered", err)
	}
	if err := json.Unmarshal(res.Kvs[0].Value, &d); err != nil {
		return d, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", outKey(id), err)
	}
	return d, nil
}

// Acknowledge records that the effects of a product are delivered up to to, if own is still the ownership and from is
// what was recorded before. It is one transaction, and an unknown result is settled by sending the identical one again.
//
// It fails with R005 when the ownership or the record has moved: whoever moved it has delivered, or will. It fails with
// an error that wraps ErrUnknown when ctx ended before the result was known.
func (c *Cluster) Acknowledge(ctx context.Context, own host.Ownership, from, to host.Delivered) error {
	if err := checkID(own.Product); err != nil {
		return err
	}
	if !from.Before(to) {
		return host.Errorf(host.CodeNodeConflict, "the effects of %s are delivered up to %d+%d; that is not taken back to %d+%d",
			own.Product.URL(), from.Seq, from.Ordinal, to.Seq, to.Ordinal)
	}
	key := outKey(own.Product)
	value, err := host.CanonicalJSON(to)
	if err != nil {
		return err
	}
	unmoved := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	if from != (host.Delivered{}) {
		before, err := host.CanonicalJSON(from)
		if err != nil {
			return err
		}
		unmoved = clientv3.Compare(clientv3.Value(key), "=", string(before))
	}
	res, err := c.settle(ctx, "acknowledging effects of "+own.Product.URL(), txn{
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
	return host.Errorf(host.CodeRunLostOwner, "the effects of %s are not delivered up to %d+%d any more, but to %s",
		own.Product.URL(), from.Seq, from.Ordinal, res.value(0))
}
