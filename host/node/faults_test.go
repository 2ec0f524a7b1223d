package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/cluster/clustertest"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest"
)

// onTrio is two nodes of one mesh whose etcd, three members, they reach through a Net alone.
type onTrio struct {
	net     *clustertest.Net
	nodes   []*node.Node
	names   []string
	members []*member
	client  *clientv3.Client // of none of the nodes
}

// member is a member of that etcd, which can be stopped and started.
type member struct {
	cfg  cluster.Config
	stop func() error
}

func (m *member) start() {
	running, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cluster.RunMember(running, m.cfg) }()
	m.stop = func() error { cancel(); m.stop = nil; return <-ended }
}

// quota is how large the database of that etcd may become: 32 MiB, so that a test can fill it.
const quota = 32 << 20

func newOnTrio(t *testing.T) *onTrio {
	t.Helper()
	authority, err := cluster.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certified := func(name string) cluster.Certs {
		certs := cluster.CertsIn(t.TempDir())
		request, err := certs.Request([]string{"127.0.0.1", clustertest.AnyCaller})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := authority.Sign(request, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := certs.Keep(authority.Certificate(), cert); err != nil {
			t.Fatal(err)
		}
		return certs
	}
	x := &onTrio{net: clustertest.NewNet(), names: []string{"n1", "n2"}}
	fronts, err := x.net.Fronts("m1", "m2", "m3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.net.Close)
	var endpoints []string
	for _, f := range fronts {
		endpoints = append(endpoints, f.Client)
		tune := func(c *embed.Config) { f.Tune(c); c.QuotaBackendBytes = quota }
		m := &member{cfg: cluster.Config{Dir: t.TempDir(), Node: f.Name, Etcd: tune, Member: &cluster.Member{Name: f.Name, Peer: f.Peer, Client: f.Client, Certs: certified(f.Name)}}}
		m.start()
		x.members = append(x.members, m)
		t.Cleanup(func() { // one by one: a leader hands over, and waits for somebody who takes it
			x.net.Clear()
			if m.stop == nil {
				return
			}
			if err := m.stop(); err != nil {
				t.Errorf("member %s: %v", m.cfg.Node, err)
			}
		})
	}
	config, err := certified("tester").Client()
	if err != nil {
		t.Fatal(err)
	}
	x.client, err = clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: clustertest.As("tester", config), DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.client.Close() })
	shared := t.TempDir()
	for _, name := range x.names {
		config, err := certified(name).Client()
		if err != nil {
			t.Fatal(err)
		}
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "token"), []byte("the token of this test, which both nodes accept"), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := node.Open(t.Context(), node.Config{Data: data, Name: name, Slots: 2, Log: slog.New(slog.DiscardHandler),
			Fleet: node.Fleet{Shared: shared, Endpoints: endpoints, TLS: clustertest.As(name, config), LeaseTTL: 3 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		x.nodes = append(x.nodes, n)
	}
	return x
}

// fill writes one key again and again until the database of a member has reached its quota.
func (x *onTrio) fill(t *testing.T) {
	t.Helper()
	filler := string(make([]byte, 1<<20))
	for written := 0; ; written++ {
		if written > 4*quota>>20 {
			t.Fatalf("%d MiB were written to a database of %d MiB", written, quota>>20)
		}
		_, err := x.client.Put(t.Context(), "/filler", filler)
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// compact makes etcd forget every revision before one that a node has not heard of, which is cut off and comes back.
func (x *onTrio) compact(t *testing.T, node string) {
	t.Helper()
	x.net.Set(node, "", clustertest.Cut)
	var newest int64
	for range 10 {
		eventually(t, "etcd takes a write", func() bool { // a member that has made no space yet may refuse, for all of them
			res, err := x.client.Put(t.Context(), "/filler", "")
			if err != nil && !errors.Is(err, rpctypes.ErrNoSpace) {
				t.Fatal(err)
			}
			if err == nil {
				newest = res.Header.Revision
			}
			return err == nil
		})
	}
	if _, err := x.client.Compact(t.Context(), newest); err != nil {
		t.Fatal(err)
	}
	x.net.Break(node, "")
	x.net.Clear()
}

// readers read a product's newest snapshot on every node, all the time.
type readers struct {
	reads         [2]atomic.Int64 // by node
	failed, stale atomic.Int64
	longest       atomic.Int64 // in ns
}

func (r *readers) start(t *testing.T, x *onTrio) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i, n := range x.nodes {
		all.Go(func() {
			last := int64(0)
			for ctx.Err() == nil {
				began := time.Now()
				rows, err := rowsOf(ctx, n)
				switch {
				case ctx.Err() != nil:
				case err != nil:
					r.failed.Add(1)
					t.Logf("reading on %s: %v", x.names[i], err)
				case rows < last:
					r.stale.Add(1)
				default:
					last = rows
					r.reads[i].Add(1)
				}
				for took := int64(time.Since(began)); ; {
					now := r.longest.Load()
					if took <= now || r.longest.CompareAndSwap(now, took) {
						break
					}
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

func rowsOf(ctx context.Context, n *node.Node) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	d, err := n.Ports().Open(ctx, id("good"), "rows", rest.At{})
	if err != nil {
		return 0, err
	}
	defer d.Close()
	r, err := d.Read(ctx, rest.ReadOptions{})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for rows := int64(0); ; {
		rec, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += rec.NumRows()
		rec.Release()
	}
}

// TestReadsGoOn: whatever happens between nodes and etcd, every node goes on serving the last snapshot that it knows, and
// what arrives meanwhile is committed once, by whoever owns the product then.
func TestReadsGoOn(t *testing.T) {
	w, x := newWorkshop(t), newOnTrio(t)
	if err := register(t.Context(), x.nodes[0], w.artifact(t, "good", "well")); err != nil {
		t.Fatal(err)
	}
	want := int64(3)
	shows := func(what string, nodes ...*node.Node) {
		t.Helper()
		for _, n := range nodes {
			eventually(t, fmt.Sprintf("%s: %d rows", what, want), func() bool {
				rows, err := rowsOf(t.Context(), n)
				return err == nil && rows == want
			})
		}
	}
	arrives := func() {
		want++
		w.write(t, filepath.Join("in", fmt.Sprintf("%d.csv", want)), fmt.Sprintf("id\n%d\n", want))
	}
	shows("in fine weather", x.nodes...)
	owner := func() int {
		st, err := x.nodes[0].Fleet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range x.names {
			for _, s := range st.Nodes {
				if s.Node == name && s.Products > 0 {
					return i
				}
			}
		}
		return 0
	}
	cut := func(caller string, w clustertest.Weather) func(*testing.T, string) {
		return func(_ *testing.T, owner string) { x.net.Set(strings.ReplaceAll(caller, "OWNER", owner), "", w) }
	}
	const slow = 100 * time.Millisecond // each way, between the members too
	lost := x.members[1]
	for _, fault := range []struct {
		name    string
		set     func(t *testing.T, owner string)
		commits bool // while it lasts
	}{
		{"the owner is cut off from etcd", cut("OWNER", clustertest.Cut), true},
		{"the owner is not heard", cut("OWNER", clustertest.Weather{There: clustertest.Flow{Cut: true}}), true},
		{"the owner does not hear", cut("OWNER", clustertest.Weather{Back: clustertest.Flow{Cut: true}}), true},
		{"a member hangs", func(*testing.T, string) { x.net.Isolate("m1") }, true},
		{"two of three members hang", func(*testing.T, string) { x.net.Isolate("m1"); x.net.Isolate("m2") }, false},
		{"nobody reaches etcd", cut("", clustertest.Cut), false},
		{"etcd is slow", cut("", clustertest.Weather{There: clustertest.Flow{Delay: slow}, Back: clustertest.Flow{Delay: slow}}), true},
		{"a member is lost", func(t *testing.T, _ string) {
			if err := lost.stop(); err != nil {
				t.Error(err)
			}
		}, true},
		{"a member comes back", func(*testing.T, string) { lost.start() }, true},
		{"etcd is full", func(t *testing.T, _ string) { x.fill(t) }, true}, // once space was made
		{"etcd compacts under a watch", x.compact, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Cleanup(x.net.Clear)
			var r readers
			stop := r.start(t, x)
			at := owner()
			fault.set(t, x.names[at])
			before := want
			arrives()
			for i := range x.nodes { // while it lasts
				enough := r.reads[i].Load() + 10
				eventually(t, "reads go on on "+x.names[i], func() bool { return r.reads[i].Load() >= enough })
			}
			if fault.commits {
				eventually(t, "somebody commits what arrives", func() bool {
					for _, n := range x.nodes {
						if rows, err := rowsOf(t.Context(), n); err == nil && rows == want {
							return true
						}
					}
					return false
				})
			}
			x.net.Clear()
			shows("healed", x.nodes...)
			stop()
			t.Logf("%d commits, %d reads, %d failed, %d stale, longest %s", want-before, r.reads[0].Load()+r.reads[1].Load(), r.failed.Load(), r.stale.Load(),
				time.Duration(r.longest.Load()).Round(time.Millisecond))
			if r.failed.Load() > 0 || r.stale.Load() > 0 {
				t.Error("reads did not go on")
			}
		})
	}
	head, err := x.nodes[0].Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows by %d commits: nothing lost, nothing twice", want, head[id("good")].Seq)
}

// TestJoinOfAnotherVersion: a node that speaks another format gets no certificate and is told why; the mesh goes on.
func TestJoinOfAnotherVersion(t *testing.T) {
	w := newWorkshop(t)
	data := t.TempDir()
	authority, err := cluster.OpenAuthority(filepath.Join(data, node.AuthorityDir))
	if err != nil {
		t.Fatal(err)
	}
	certs := cluster.CertsIn(t.TempDir())
	request, err := certs.Request([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Sign(request, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := certs.Keep(authority.Certificate(), cert); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), node.Config{Data: data, Name: "n1",
		Fleet: node.Fleet{Member: &cluster.Member{Name: "n1", Peer: httpsOn(t), Client: httpsOn(t), Certs: certs}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := register(t.Context(), n, w.artifact(t, "good", "well")); err != nil {
		t.Fatal(err)
	}
	if err := n.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := cluster.CertsIn(t.TempDir())
	if request, err = other.Request([]string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	var r readers
	stop := r.start(t, &onTrio{nodes: []*node.Node{n}, names: []string{"n1"}})
	refused, joined := 0, 0
	for format := range 2*host.JoinFormat + 2 {
		a, err := n.Join(t.Context(), host.JoinRequest{Name: "n2", Format: format, Version: "v0.0.0-another", Request: string(request)})
		switch {
		case format == host.JoinFormat:
			if err != nil || a.Certificate == "" {
				t.Errorf("a node of this version is refused: %v", err)
			}
			joined++
		case host.CodeOf(err) != host.CodeNodeVersion || host.HintOf(err) == "" || a.Certificate != "":
			t.Errorf("format %d: %v", format, err)
		default:
			refused++
		}
	}
	enough := r.reads[0].Load() + 10
	eventually(t, "reads go on", func() bool { return r.reads[0].Load() >= enough })
	stop()
	t.Logf("%d refused, %d joined, %d reads, %d failed, %d stale", refused, joined, r.reads[0].Load(), r.failed.Load(), r.stale.Load())
	if r.failed.Load() > 0 || r.stale.Load() > 0 {
		t.Error("reads did not go on")
	}
}
