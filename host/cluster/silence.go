package cluster

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// EndIfDead ends the lease of a node that has missed a sign of life, if dead then finds that its process is gone: its
// products are taken over without waiting for the rest of the lease. It reports whether it did. Should the node live all
// the same it notices, announces itself again, and what it commits meanwhile meets the epoch guard.
func (c *Cluster) EndIfDead(ctx context.Context, node string, dead func(context.Context) bool) (bool, error) {
	res, err := c.kv.Get(ctx, nodeKey(node))
	if err != nil {
		return false, failure("looking after node "+node, err)
	}
	if len(res.Kvs) == 0 || res.Kvs[0].Lease == 0 {
		return false, nil
	}
	id := clientv3.LeaseID(res.Kvs[0].Lease)
	left, err := c.lease.etcd.TimeToLive(ctx, id)
	if err != nil {
		return false, failure("looking after node "+node, err)
	}
	if !overdue(left) || !dead(ctx) {
		return false, nil
	}
	_, err = c.lease.etcd.Revoke(ctx, id)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) { // it ran out, or another was faster
		return false, nil
	}
	if err != nil {
		return false, failure("ending the lease of node "+node, err)
	}
	return true, nil
}

// overdue reports that a sign of life is missing: there are three a lease (lease.keep), so one that is kept has more than
// two thirds left. etcd counts in whole seconds and rounds down.
func overdue(left *clientv3.LeaseTimeToLiveResponse) bool {
	return 3*(left.TTL+1) <= 2*left.GrantedTTL
}
