package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// NodeInfo is what a node says of itself while it is alive. It stands under a key that goes with the node's lease.
type NodeInfo struct {
	ID       string            `json:"id"`                // its name
	Identity string            `json:"identity"`          // random, kept in the data directory: two nodes of one name differ in it
	Boot     string            `json:"boot"`              // random, of this process
	URL      string            `json:"url,omitempty"`     // where the other nodes reach it
	Peer     string            `json:"peer,omitempty"`    // where a member of etcd on it would listen; "": it can be none
	Version  string            `json:"version,omitempty"` // of adp
	Labels   map[string]string `json:"labels,omitempty"`
	Features []string          `json:"features,omitempty"` // what it can do that others may not, e.g. a compute driver
	Slots    int               `json:"slots,omitempty"`    // runs at once
	Memory   int64             `json:"memory,omitempty"`   // bytes that products may ask for together; 0: unlimited
	Products int               `json:"products,omitempty"` // how many it may own; 0: unlimited
	Started  time.Time         `json:"started"`
}

// NodeConfig is what an operator says of a node. It stays when the node goes.
type NodeConfig struct {
	ID       string `json:"id"`
	Cordoned bool   `json:"cordoned,omitempty"` // gets nothing new
	Draining bool   `json:"draining,omitempty"` // gives away what it has
	// Member: the node is to carry a member of etcd. It is set by the scheduler when there are enough nodes for three.
	Member  bool      `json:"member,omitempty"`
	Changed time.Time `json:"changed"`
}

// Nodes lists the nodes that are probably alive, by id.
func (c *Cluster) Nodes(ctx context.Context) ([]NodeInfo, error) {
	out, _, err := listed[NodeInfo](ctx, c, prefixNode)
	return out, err
}

// NodeConfigs lists what operators said of nodes, alive or not, by id.
func (c *Cluster) NodeConfigs(ctx context.Context) ([]NodeConfig, error) {
	out, _, err := listed[NodeConfig](ctx, c, prefixNodeConfig)
	return out, err
}

// listed reads all values below a prefix, and the revision at which they stood.
func listed[T any](ctx context.Context, c *Cluster, prefix string) ([]T, int64, error) {
	var out []T
	at, err := c.list(ctx, prefix, 0, 0, func(key string, value []byte, _ int64) error {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
		}
		out = append(out, v)
		return nil
	})
	return out, at, err
}

// ChangeNodeConfig changes what an operator says of a node: change sees what is stored, and what it leaves is written
// unless somebody else was faster; then it is asked again.
func (c *Cluster) ChangeNodeConfig(ctx context.Context, node string, change func(*NodeConfig)) (NodeConfig, error) {
	key := nodeConfigKey(node)
	for {
		res, err := c.kv.Get(ctx, key)
		if err != nil {
			return NodeConfig{}, failure("reading the settings of node "+node, err)
		}
		next, revision := NodeConfig{ID: node}, int64(0)
		if len(res.Kvs) > 0 {
			revision = res.Kvs[0].ModRevision
			if err := json.Unmarshal(res.Kvs[0].Value, &next); err != nil {
				return next, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
			}
		}
		before := next
		change(&next)
		if next == before && revision != 0 {
			return next, nil
		}
		next.Changed = time.Now().UTC()
		value, err := host.CanonicalJSON(next)
		if err != nil {
			return next, err
		}
		t := txn{If: []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", revision)},
			Then: []clientv3.Op{clientv3.OpPut(key, string(value))}, Else: []clientv3.Op{clientv3.OpGet(key)}}
		done, err := c.settle(ctx, "changing the settings of node "+node, t)
		if err != nil {
			return next, err
		}
		if done.ok || done.resent && sameValues(done, t) {
			return next, nil
		}
	}
}

// lease is a node's sign of life.
type lease struct {
	c     *Cluster
	etcd  Lease
	ttl   time.Duration
	info  NodeInfo
	id    atomic.Int64
	until atomic.Pointer[time.Time] // runs may be started until then
}

// startShare is the part of a lease within which a node may start runs. What it starts at the end of it meets the
// epoch guard at worst; the rest is for clocks that do not run alike.
const startShare = 2. / 3

// MayStart reports whether the node's lease is fresh enough to start a run. Its measure is the monotonic clock from before
// the last sign of life was sent, so that a process that was stopped finds itself too late.
func (c *Cluster) MayStart() bool {
	until := c.lease.until.Load()
	return until != nil && time.Now().Before(*until)
}

// announce writes the node's leased key and keeps it alive until the cluster closes. A lease that ran out, because the
// machine slept, is replaced by a new one.
func (c *Cluster) announce(ctx context.Context, etcd Lease, ttl time.Duration, info NodeInfo) error {
	c.lease = &lease{c: c, etcd: etcd, ttl: max(time.Second, ttl.Truncate(time.Second)), info: info}
	if err := c.lease.renew(ctx); err != nil {
		return err
	}
	c.wg.Go(c.lease.keep)
	return nil
}

// keep is the heartbeat: three signs of life a lease, sent one by one since each counts from before it was sent.
func (l *lease) keep() {
	first := l.ttl / 6
	wait, patience := l.ttl/3, first
	for {
		select {
		case <-l.c.ctx.Done():
			l.end()
			return
		case <-time.After(wait):
		}
		err := l.refresh(l.c.ctx, patience)
		if err == nil || l.c.ctx.Err() != nil {
			wait, patience = l.ttl/3, first
			continue
		}
		l.c.log.Warn("no sign of life", "node", l.info.ID, "error", err)
		wait, patience = min(wait, resendLast), min(2*patience, l.ttl)
	}
}

// refresh sends one sign of life, with a new lease when the old one has run out. Patience with one member is short at
// first, so that another may still hear it in time, and grows, for an etcd that is slow as a whole.
func (l *lease) refresh(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, l.ttl)
	defer cancel()
	before := time.Now()
	once, done := context.WithTimeout(ctx, patience)
	res, err := l.etcd.KeepAliveOnce(once, l.current())
	done()
	if err == nil && res.TTL > 0 {
		l.alive(before)
		return nil
	}
	if errors.Is(err, rpctypes.ErrLeaseNotFound) || err == nil {
		l.c.log.Warn("the node's lease ran out; announcing it again", "node", l.info.ID)
		return l.renew(ctx)
	}
	return err
}

func (l *lease) current() clientv3.LeaseID { return clientv3.LeaseID(l.id.Load()) }

func (l *lease) alive(since time.Time) {
	until := since.Add(time.Duration(float64(l.ttl) * startShare))
	l.until.Store(&until)
}

// renew makes a lease and binds the node's key to it. It waits for another node of the same name to vanish, as long as
// a lease lasts; one that is alive is N003.
func (l *lease) renew(ctx context.Context) error {
	before := time.Now()
	granted, err := reading(ctx, func(ctx context.Context, patience time.Duration) (*clientv3.LeaseGrantResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, patience) // one too many runs out by itself
		defer cancel()
		return l.etcd.Grant(ctx, int64(l.ttl/time.Second))
	})
	if err != nil {
		return failure("announcing node "+l.info.ID, err)
	}
	value, err := host.CanonicalJSON(l.info)
	if err != nil {
		return err
	}
	put := clientv3.OpPut(nodeKey(l.info.ID), string(value), clientv3.WithLease(granted.ID))
	for {
		now, err := l.c.kv.Get(ctx, nodeKey(l.info.ID))
		if err != nil {
			return failure("announcing node "+l.info.ID, err)
		}
		revision := int64(0)
		if len(now.Kvs) > 0 {
			revision = now.Kvs[0].ModRevision
			if err := l.mine(ctx, now.Kvs[0]); err != nil {
				return err
			}
		}
		t := txn{If: []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(nodeKey(l.info.ID)), "=", revision)},
			Then: []clientv3.Op{put}, Else: []clientv3.Op{clientv3.OpGet(nodeKey(l.info.ID))}}
		res, err := l.c.settle(ctx, "announcing node "+l.info.ID, t)
		if err != nil {
			return err
		}
		if res.ok || res.resent && sameValues(res, t) {
			l.id.Store(int64(granted.ID))
			l.alive(before)
			return nil
		}
	}
}

// mine accepts the key that an earlier process of this data directory left.
func (l *lease) mine(ctx context.Context, kv *mvccpb.KeyValue) error {
	var have NodeInfo
	if err := json.Unmarshal(kv.Value, &have); err != nil {
		return host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", nodeKey(l.info.ID), err)
	}
	if have.Identity == l.info.Identity {
		return nil
	}
	where, wait := "", "until its lease has run out"
	if have.URL != "" {
		where = " at " + have.URL
	}
	if left, err := l.etcd.TimeToLive(ctx, clientv3.LeaseID(kv.Lease)); err == nil && left.GrantedTTL > 0 {
		wait = (time.Duration(left.GrantedTTL) * time.Second).String() // it may have breathed just now
	}
	return host.Errorf(host.CodeNodeInUse, "another node is called %s%s, up since %s", l.info.ID, where, have.Started.Format(time.RFC3339)).
		WithHint("give this one another name (--name), or wait %s if the other has ended without a word", wait)
}

// end takes the node's key away at once, so that others need not wait for it.
func (l *lease) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := l.etcd.Revoke(ctx, l.current()); err != nil {
		l.c.log.Warn("the node's lease is left to run out", "node", l.info.ID, "error", err)
	}
}
