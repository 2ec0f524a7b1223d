package cluster

import (
	"bytes"
	"context"
	"encoding/json"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// Failpoints lists the steps at which a test can end the process: etcd has applied a commit, and no run has heard of it.
var Failpoints = []string{"cluster.committed"}

// Head is the newest pointer of a product; Seq 0 when there is none.
func (c *Cluster) Head(ctx context.Context, id host.ProductID) (host.Pointer, error) {
	if err := checkID(id); err != nil {
		return host.Pointer{}, err
	}
	res, err := c.kv.Get(ctx, headKey(id))
	if err != nil || len(res.Kvs) == 0 {
		return host.Pointer{}, failure("reading the head of "+id.URL(), err)
	}
	return parsePointer(headKey(id), res.Kvs[0].Value)
}

func parsePointer(key string, value []byte) (host.Pointer, error) {
	var p host.Pointer
	if err := json.Unmarshal(value, &p); err != nil {
		return p, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
	}
	return p, nil
}

// Heads is the newest pointer of every product that has one, as of one moment.
func (c *Cluster) Heads(ctx context.Context) (map[host.ProductID]host.Pointer, error) {
	out := map[host.ProductID]host.Pointer{}
	_, err := c.list(ctx, prefixHead, 0, 0, func(key string, value []byte, _ int64) error {
		id, err := host.ParseProductID(key[len(prefixHead):])
		if err != nil {
			return err
		}
		out[id], err = parsePointer(key, value)
		return err
	})
	return out, err
}

// Commit moves a product's pointer from prev to next if own is still the ownership; prev has Seq 0 for the first head.
// It is one transaction, and an unknown result is settled by sending the identical one again.
//
// It fails with R005 when the ownership or the pointer has moved. When the pointer has moved past next.Seq, R005 leaves
// open whether next was committed on the way (a lost reply, then another owner): the chain of heads tells. It fails with
// an error that wraps ErrUnknown when ctx ended before the result was known.
func (c *Cluster) Commit(ctx context.Context, own host.Ownership, prev, next host.Pointer) error {
	if err := checkID(own.Product); err != nil {
		return err
	}
	key := headKey(own.Product)
	value, err := host.CanonicalJSON(next)
	if err != nil {
		return err
	}
	unmoved := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	if prev.Seq != 0 {
		base, err := host.CanonicalJSON(prev)
		if err != nil {
			return err
		}
		unmoved = clientv3.Compare(clientv3.Value(key), "=", string(base))
	}
	res, err := c.settle(ctx, "committing "+own.Product.URL(), txn{
		If:   []clientv3.Cmp{stillOwned(own), unmoved},
		Then: []clientv3.Op{clientv3.OpPut(key, string(value))},
		Else: []clientv3.Op{clientv3.OpGet(key), clientv3.OpGet(ownKey(own.Product))},
	})
	if err != nil {
		return err
	}
	failpoint.Hit("cluster.committed")
	if res.ok || bytes.Equal(res.value(0), value) {
		return nil
	}
	return lost(own, prev, res)
}

// lost says why a commit was refused.
func lost(own host.Ownership, prev host.Pointer, res outcome) error {
	if err := ended(own, res, 1); err != nil {
		return err.WithHint("nothing was published; the owner of now reads the same inputs again")
	}
	var head host.Pointer
	_ = json.Unmarshal(res.value(0), &head)
	return host.Errorf(host.CodeRunLostOwner, "%s stands at snapshot %d, not at %d any more", own.Product.URL(), head.Seq, prev.Seq)
}

// ended says who owns a product now, by the i-th answer of a refused transaction, its own key; nil when own still stands.
func ended(own host.Ownership, res outcome, i int) *host.Error {
	value, revision := res.kv(i)
	if revision == own.Revision {
		return nil
	}
	var now owner
	_ = json.Unmarshal(value, &now) // for the message only
	if now.Node == "" {
		now.Node = "nobody"
	}
	return host.Errorf(host.CodeRunLostOwner, "epoch %d of %s has ended: %s owns it in epoch %d", own.Epoch, own.Product.URL(), now.Node, now.Epoch)
}
