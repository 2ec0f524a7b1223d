package cluster

import (
	"context"
	"encoding/json"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// NodeInfo is what a node says of itself while it is alive.
type NodeInfo struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
}

// Nodes lists the nodes that are probably alive, by id.
func (c *Cluster) Nodes(ctx context.Context) ([]NodeInfo, error) {
	var out []NodeInfo
	_, err := c.list(ctx, prefixNode, 0, 0, func(key string, value []byte, _ int64) error {
		var n NodeInfo
		if err := json.Unmarshal(value, &n); err != nil {
			return host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
		}
		out = append(out, n)
		return nil
	})
	return out, err
}

// announce writes the node's leased key and keeps it alive until the cluster closes. A lease that ran out, because the
// machine slept, is replaced by a new one.
func (c *Cluster) announce(ctx context.Context, l clientv3.Lease, ttl time.Duration) error {
	value, err := host.CanonicalJSON(NodeInfo{ID: c.node, Started: time.Now().UTC()})
	if err != nil {
		return err
	}
	lease, err := c.lease(ctx, l, ttl, value)
	if err != nil {
		return err
	}
	c.wg.Go(func() {
		for c.ctx.Err() == nil {
			c.keepAlive(l, lease)
			if c.ctx.Err() != nil {
				break
			}
			c.log.Warn("the node's lease ran out; announcing it again", "node", c.node)
			if next, err := c.lease(c.ctx, l, ttl, value); err == nil {
				lease = next
				continue
			}
			select {
			case <-c.ctx.Done():
			case <-time.After(resendLast):
			}
		}
		bye, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := l.Revoke(bye, lease); err != nil {
			c.log.Warn("the node's lease is left to run out", "node", c.node, "error", err)
		}
	})
	return nil
}

// lease makes a lease and binds the node's key to it.
func (c *Cluster) lease(ctx context.Context, l clientv3.Lease, ttl time.Duration, value []byte) (clientv3.LeaseID, error) {
	granted, err := l.Grant(ctx, max(1, int64(ttl/time.Second)))
	if err != nil {
		return 0, failure("announcing node "+c.node, err)
	}
	_, err = c.settle(ctx, "announcing node "+c.node, txn{
		Then: []clientv3.Op{clientv3.OpPut(nodeKey(c.node), string(value), clientv3.WithLease(granted.ID))}})
	return granted.ID, err
}

// keepAlive returns when the lease is gone or the cluster closes.
func (c *Cluster) keepAlive(l clientv3.Lease, id clientv3.LeaseID) {
	signs, err := l.KeepAlive(c.ctx, id)
	if err != nil {
		return
	}
	for range signs {
	}
}
