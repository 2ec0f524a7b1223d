package cluster

import (
	"context"
	"log/slog"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/sync/errgroup"

	"github.com/adp-host/adp/host/cluster/clustertest"
)

// trio is an etcd of three members, which reach each other, and which nodes reach, through a Net alone.
type trio struct {
	net       *clustertest.Net
	authority *Authority
	fronts    []clustertest.Front
	servers   []*server // by number of the member; nil: it is down
	dirs      []string
	certs     []Certs
	etcd      func(*embed.Config)
}

var quiet = slog.New(slog.DiscardHandler)

var memberNames = []string{"m1", "m2", "m3"}

func newTrio(t *testing.T, etcd func(*embed.Config)) *trio {
	t.Helper()
	r := &trio{net: clustertest.NewNet(), authority: must[*Authority](t)(OpenAuthority(t.TempDir())),
		servers: make([]*server, len(memberNames)), etcd: etcd}
	r.fronts = must[[]clustertest.Front](t)(r.net.Fronts(memberNames...))
	var all errgroup.Group
	for i := range r.fronts {
		r.dirs, r.certs = append(r.dirs, t.TempDir()), append(r.certs, r.certified(t, r.fronts[i].Name))
	}
	for i := range r.fronts {
		all.Go(func() error { return r.start(t.Context(), i) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.net.Clear()
		if err := r.stop(r.leader(t)); err != nil { // first: it hands over, and waits for somebody who takes it
			t.Logf("closing etcd: %v", err)
		}
		var all errgroup.Group
		for i := range r.servers {
			all.Go(func() error { return r.stop(i) })
		}
		if err := all.Wait(); err != nil {
			t.Logf("closing etcd: %v", err)
		}
		r.net.Close()
	})
	return r
}

// start starts a member on its folder, for the first time or again.
func (r *trio) start(ctx context.Context, i int) error {
	f := r.fronts[i]
	cfg := Config{Dir: r.dirs[i], Member: &Member{Name: f.Name, Peer: f.Peer, Client: f.Client, Certs: r.certs[i]},
		Log: quiet, Etcd: func(c *embed.Config) {
			f.Tune(c)
			if r.etcd != nil {
				r.etcd(c)
			}
		}}
	s, err := startServer(ctx, cfg)
	r.servers[i] = s
	return err
}

func (r *trio) stop(i int) error {
	s := r.servers[i]
	if s == nil {
		return nil
	}
	r.servers[i] = nil
	return s.close()
}

func (r *trio) certified(t *testing.T, name string) Certs {
	return certifiedFor(t, r.authority, name, "127.0.0.1", clustertest.AnyCaller)
}

// config is how a node reaches the members through the net, under its own name.
func (r *trio) config(t *testing.T, node string, ttl time.Duration) Config {
	t.Helper()
	config, err := r.certified(t, node).Client()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Node: node, Self: NodeInfo{Identity: "of " + node}, TLS: clustertest.As(node, config), LeaseTTL: ttl}
	for _, f := range r.fronts {
		cfg.Endpoints = append(cfg.Endpoints, f.Client)
	}
	return cfg
}

func (r *trio) open(t *testing.T, node string, ttl time.Duration) *Cluster {
	t.Helper()
	c, err := Open(t.Context(), r.config(t, node, ttl))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// leader is the number of the member that leads, as a majority sees it.
func (r *trio) leader(t *testing.T) int {
	t.Helper()
	found := -1
	eventually(t, "etcd has a leader", func() bool {
		for i, s := range r.servers {
			if s != nil && s.etcd.Server.Leader() == s.etcd.Server.MemberID() {
				found = i
				return true
			}
		}
		return false
	})
	return found
}

// truth reads from a member in its own process, past the net.
func (r *trio) truth() clientv3.KV {
	for _, s := range r.servers {
		if s != nil {
			return s.client
		}
	}
	return nil
}
