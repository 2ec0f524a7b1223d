package node

import (
	"context"
	"sync"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// headCache keeps the newest head of each product: heads are immutable, so a pointer's hash names its content.
type headCache struct {
	store drivers.Store
	mu    sync.Mutex
	heads map[host.ProductID]cached
}

type cached struct {
	hash host.Digest
	head *host.Head
}

func newHeadCache(s drivers.Store) *headCache {
	return &headCache{store: s, heads: map[host.ProductID]cached{}}
}

// load returns the head that a pointer names. The head is shared and not to be changed.
func (c *headCache) load(ctx context.Context, id host.ProductID, p host.Pointer) (*host.Head, error) {
	ref := host.HeadRef{Seq: p.Seq, Hash: p.Hash, Location: p.Location}
	c.mu.Lock()
	have := c.heads[id]
	c.mu.Unlock()
	if have.hash == p.Hash {
		return have.head, nil
	}
	head, err := run.LoadHead(ctx, c.store, ref)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if old := c.heads[id]; old.head == nil || old.head.Seq < head.Seq {
		c.heads[id] = cached{p.Hash, head}
	}
	c.mu.Unlock()
	return head, nil
}

// Heads are the newest pointers of all products, for those who watch over many at once.
func (n *Node) Heads(ctx context.Context) (map[host.ProductID]host.Pointer, error) {
	return n.cluster.Heads(ctx)
}

// EtcdBytes is how much of etcd the mesh's keys and values take.
func (n *Node) EtcdBytes(ctx context.Context) (int64, error) { return n.cluster.Bytes(ctx) }
