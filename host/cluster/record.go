package cluster

import (
	"bytes"
	"context"
	"encoding/json"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// recordOf reads what is recorded about a product; the zero value when nothing is.
func recordOf[T any](ctx context.Context, c *Cluster, id host.ProductID, key, what string) (T, error) {
	var record T
	if err := checkID(id); err != nil {
		return record, err
	}
	res, err := c.kv.Get(ctx, key)
	if err != nil || len(res.Kvs) == 0 {
		return record, failure("reading "+what+" of "+id.URL(), err)
	}
	if err := json.Unmarshal(res.Kvs[0].Value, &record); err != nil {
		return record, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
	}
	return record, nil
}

// replaceRecord replaces a record if own is still the ownership and from, whose zero value stands for none, is what is
// recorded. It is one transaction, and an unknown result is settled by sending the identical one again. When something
// else is recorded that is returned, and nothing has changed.
func replaceRecord[T any](ctx context.Context, c *Cluster, own host.Ownership, key, what string, from, to T) (other []byte, err error) {
	var none T
	var values [3][]byte
	for i, v := range []T{none, from, to} {
		if values[i], err = host.CanonicalJSON(v); err != nil {
			return nil, err
		}
	}
	unmoved := clientv3.Compare(clientv3.Value(key), "=", string(values[1]))
	if bytes.Equal(values[1], values[0]) {
		unmoved = clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	}
	res, err := c.settle(ctx, what+" of "+own.Product.URL(), txn{
		If:   []clientv3.Cmp{stillOwned(own), unmoved},
		Then: []clientv3.Op{clientv3.OpPut(key, string(values[2]))},
		Else: []clientv3.Op{clientv3.OpGet(key), clientv3.OpGet(ownKey(own.Product))},
	})
	if err != nil || res.ok || bytes.Equal(res.value(0), values[2]) {
		return nil, err
	}
	if err := ended(own, res, 1); err != nil {
		return nil, err
	}
	return append([]byte{}, res.value(0)...), nil
}
