package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

// TestEndIfDead: only a node that has missed a sign of life is asked after, and only one that is dead loses its lease.
func TestEndIfDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		etcd := clustertest.NewMemory()
		over := func(name string) (*Cluster, *clustertest.Link) {
			link := (&clustertest.Link{Etcd: etcd, Gate: func() {}, Deaf: func() bool { return false },
				Fate: func(string, string) clustertest.Fate { return clustertest.Fate{} }}).Open()
			c, err := Over(t.Context(), Config{Node: name, Self: NodeInfo{Identity: name}, LeaseTTL: 6 * time.Second}, Parts{KV: link, Watcher: link, Lease: link})
			if err != nil {
				t.Fatal(err)
			}
			return c, link
		}
		c1, _ := over("n1")
		defer c1.Close()
		c2, line := over("n2")
		defer c2.Close()
		asked := 0
		end := func(dead bool) bool {
			ended, err := c1.EndIfDead(t.Context(), "n2", func(context.Context) bool { asked++; return dead })
			if err != nil {
				t.Fatal(err)
			}
			return ended
		}
		for range 30 { // a node that is well, at every time of its lease
			time.Sleep(170 * time.Millisecond)
			if end(true) || asked > 0 {
				t.Fatal("a node that gives signs of life is asked after")
			}
		}
		p := host.ProductID{Tenant: "local", Domain: "d", Name: "p"}
		if _, err := c2.Claim(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		line.Cut()
		time.Sleep(4500 * time.Millisecond)
		if end(false) {
			t.Error("the lease of a node that is alive was ended")
		}
		if _, err := c1.Claim(t.Context(), p); host.CodeOf(err) != host.CodeRunLostOwner {
			t.Errorf("claimed from a node that may live: %v", err)
		}
		if !end(true) || asked != 2 {
			t.Errorf("a dead node keeps its lease; asked %d times", asked)
		}
		if _, err := c1.Claim(t.Context(), p); err != nil {
			t.Error(err)
		}
		if end(true) || asked != 2 {
			t.Error("a node that is gone was asked after")
		}
	})
}

// TestTakenForDead: a node whose lease was ended though it lives announces itself again, and cannot commit what it began.
func TestTakenForDead(t *testing.T) {
	c1 := openTest(t, Config{LeaseTTL: 2 * time.Second})
	ctx := t.Context()
	p := host.ProductID{Tenant: "local", Domain: "d", Name: "p"}
	own := must[host.Ownership](t)(c1.Claim(ctx, p))
	first := c1.lease.current()
	must[*clientv3.LeaseRevokeResponse](t)(c1.client.Revoke(ctx, first))
	eventually(t, "the node announces itself again", func() bool {
		return c1.lease.current() != first && len(must[[]NodeInfo](t)(c1.Nodes(ctx))) == 1
	})
	other := must[host.Ownership](t)(c1.Claim(ctx, p)) // as another node would, once the lease was gone
	err := c1.Commit(ctx, own, host.Pointer{}, host.Pointer{Seq: 1, Epoch: own.Epoch, Run: "r", Hash: "h", Location: "l"})
	if host.CodeOf(err) != host.CodeRunLostOwner {
		t.Errorf("committed under an ownership that ended: %v, then %+v", err, other)
	}
}
