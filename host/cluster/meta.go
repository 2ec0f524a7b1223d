package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// meta identifies the mesh and the shape of its keys, and says what its nodes have in common.
type meta struct {
	Format  int       `json:"format"`
	Mesh    string    `json:"mesh"` // random, so that two meshes of one name can be told apart
	Created time.Time `json:"created"`
	// EpochFloor is of an older adp, which knew no incarnations: below every epoch to come.
	EpochFloor host.Epoch `json:"epoch_floor,omitempty"`
	// Store is the identity of the store that the pointers of the mesh lead into; "": no node has told yet.
	Store string `json:"store,omitempty"`
	// Token is the fingerprint of the token that the nodes accept from people and from each other; "": likewise.
	Token string `json:"token,omitempty"`
}

const metaFormat = 1

// openMeta reads the mesh's identity, or gives it one, and its incarnation, which every write of this process compares from
// then on.
func (c *Cluster) openMeta(ctx context.Context) error {
	fresh, err := host.CanonicalJSON(meta{Format: metaFormat, Mesh: rand.Text(), Created: time.Now().UTC()})
	if err != nil {
		return err
	}
	there, err := c.putOnce(ctx, "opening the mesh", keyMeta, fresh)
	if err != nil {
		return err
	}
	m, err := parseMeta(there)
	if err != nil {
		return err
	}
	if m.Format > metaFormat {
		return host.Errorf(host.CodeNodeEtcd, "the mesh was written in format %d by a newer adp; this one reads format %d", m.Format, metaFormat).
			WithHint("start the newer adp on this data directory")
	}
	return c.openIncarnation(ctx, Incarnation{EpochFloor: m.EpochFloor})
}

// putOnce writes a key unless it is there, and returns what is there then.
func (c *Cluster) putOnce(ctx context.Context, what, key string, value []byte) ([]byte, error) {
	res, err := c.settle(ctx, what, txn{If: []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(key), "=", 0)},
		Then: []clientv3.Op{clientv3.OpPut(key, string(value))}, Else: []clientv3.Op{clientv3.OpGet(key)}})
	if err != nil || res.ok {
		return value, err
	}
	return bytes.Clone(res.value(0)), nil
}

func parseMeta(value []byte) (meta, error) {
	var m meta
	if err := json.Unmarshal(value, &m); err != nil {
		return m, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", keyMeta, err)
	}
	return m, nil
}

// changeMeta changes what the mesh says of itself: change sees what is stored, and what it leaves is written unless
// somebody else was faster; then it is asked again.
func (c *Cluster) changeMeta(ctx context.Context, what string, change func(*meta) error) error {
	for {
		now, err := c.kv.Get(ctx, keyMeta)
		if err != nil || len(now.Kvs) == 0 {
			return failure("reading the mesh's identity", err)
		}
		m, err := parseMeta(now.Kvs[0].Value)
		if err != nil {
			return err
		}
		next := m
		if err := change(&next); err != nil || next == m {
			return err
		}
		value, err := host.CanonicalJSON(next)
		if err != nil {
			return err
		}
		_, err = c.settle(ctx, what, txn{
			If:   []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(keyMeta), "=", now.Kvs[0].ModRevision)},
			Then: []clientv3.Op{clientv3.OpPut(keyMeta, string(value))}})
		if err != nil {
			return err
		}
	}
}

// agree compares what the node shares with what the mesh shares, before anybody hears of the node. The first node of a
// mesh tells it.
func (c *Cluster) agree(ctx context.Context, cfg Config) error {
	if cfg.Store == "" && cfg.Token == "" {
		return nil
	}
	return c.changeMeta(ctx, "telling the mesh what its nodes share", func(m *meta) error {
		if cfg.Store != "" && m.Store != "" && m.Store != cfg.Store {
			return host.Errorf(host.CodeNodeStore, "node %s has another store than the mesh: it would find neither artifacts nor snapshots", c.node).
				WithHint("give the folder that the nodes of the mesh share (store, registry and ledger lie in it): --shared DIR; where that store is lost, make an etcd for this one: adp node recover")
		}
		if cfg.Token != "" && m.Token != "" && m.Token != cfg.Token {
			if err := c.alone(ctx, cfg.Self.Identity); err != nil {
				return err
			}
		}
		m.Store, m.Token = cmp.Or(cfg.Store, m.Store), cmp.Or(cfg.Token, m.Token)
		return nil
	})
}

// alone is P001 when another node is alive: it would refuse what this one forwards. A token is changed while no node runs.
func (c *Cluster) alone(ctx context.Context, identity string) error {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Identity != identity {
			return host.Errorf(host.CodePolicyDenied, "node %s has another token than the mesh: the others would refuse it", c.node).
				WithHint("give the file \"token\" of the data folder of node %s (%s): --token-file FILE; to change the token, stop all nodes first", n.ID, n.URL)
		}
	}
	return nil
}
