package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

// work is two nodes that want to run one product while something is wrong, and a third that reads its heads. Whoever owns
// the product commits as fast as it can; who has lost it claims it again.
type work struct {
	id      host.ProductID
	end     context.CancelFunc
	all     sync.WaitGroup
	acked   atomic.Int64 // greatest seq that somebody was told is committed
	commits atomic.Int64
	refused atomic.Int64
	unknown atomic.Int64
	full    atomic.Int64
	claims  atomic.Int64
	reads   atomic.Int64
	stale   atomic.Int64
	longest atomic.Int64 // commit, in ns
}

func startWork(t *testing.T, name string, reader *Cluster, nodes ...*Cluster) *work {
	w := &work{id: host.ProductID{Tenant: "local", Domain: "faults", Name: name}}
	ctx, cancel := context.WithCancel(t.Context())
	w.end = cancel
	t.Cleanup(func() { cancel(); w.all.Wait() })
	for _, c := range nodes {
		w.all.Go(func() { w.run(ctx, c) })
	}
	w.all.Go(func() { w.read(ctx, reader) })
	return w
}

func (w *work) run(ctx context.Context, c *Cluster) {
	for runs := 0; ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		own, err := c.Claim(ctx, w.id)
		if err != nil {
			continue
		}
		w.claims.Add(1)
		for ctx.Err() == nil {
			if !c.MayStart() {
				pause(ctx, 10*time.Millisecond)
				continue
			}
			prev, err := c.Head(ctx, w.id)
			if err != nil {
				continue
			}
			runs++
			next := pointer(prev.Seq+1, own, fmt.Sprintf("%s-%d", c.node, runs))
			began := time.Now()
			limited, cancel := context.WithTimeout(ctx, 10*time.Second)
			err = c.Commit(limited, own, prev, next)
			cancel()
			if host.CodeOf(err) == host.CodeRunLostOwner {
				w.refused.Add(1)
				break
			}
			switch {
			case err == nil:
				w.commits.Add(1)
				raise(&w.acked, int64(next.Seq))
				raise(&w.longest, int64(time.Since(began)))
			case errors.Is(err, ErrUnknown):
				w.unknown.Add(1)
			case host.CodeOf(err) == host.CodeNodeFull && host.HintOf(err) != "":
				w.full.Add(1)
				pause(ctx, 10*time.Millisecond)
			}
		}
	}
}

// read reads heads. One that is older than what was acknowledged before it was asked for is stale.
func (w *work) read(ctx context.Context, c *Cluster) {
	for ctx.Err() == nil {
		acked := w.acked.Load()
		p, err := c.Head(ctx, w.id)
		if err != nil {
			continue
		}
		w.reads.Add(1)
		if int64(p.Seq) < acked {
			w.stale.Add(1)
		}
		pause(ctx, time.Millisecond)
	}
}

func raise(a *atomic.Int64, to int64) {
	for {
		now := a.Load()
		if now >= to || a.CompareAndSwap(now, to) {
			return
		}
	}
}

// goesOn waits for so many more commits.
func (w *work) goesOn(t *testing.T, what string, commits int64) {
	t.Helper()
	want := w.commits.Load() + commits
	eventually(t, what+": commits go on", func() bool { return w.commits.Load() >= want })
}

// told says how it went. Every acknowledged commit is one seq, so none was lost or doubled if the newest head's seq is
// between what was acknowledged and that with what may have happened: R005 leaves that open.
func (w *work) told(t *testing.T, kv clientv3.KV) {
	t.Helper()
	w.end()
	w.all.Wait()
	p := must[host.Pointer](t)(newCluster("reader", kv, nil, quiet).Head(t.Context(), w.id))
	commits, unknown := w.commits.Load(), w.unknown.Load()
	t.Logf("%d commits, %d refused, %d unknown, %d claims, longest commit %s, %d reads, %d stale", commits, w.refused.Load(), unknown,
		w.claims.Load(), time.Duration(w.longest.Load()).Round(time.Millisecond), w.reads.Load(), w.stale.Load())
	if int64(p.Seq) < commits || int64(p.Seq) > commits+unknown+w.refused.Load() || w.stale.Load() > 0 || w.reads.Load() == 0 {
		t.Errorf("the newest head is %d", p.Seq)
	}
}

// faulty is an etcd of three members with a product's two nodes and a reader.
type faulty struct {
	*trio
	n1, n2, reader *Cluster
	lease          clientv3.LeaseID // of n1
}

// faultTTL is how long leases last.
const faultTTL = 3 * time.Second

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	r := newTrio(t, func(c *embed.Config) { c.QuotaBackendBytes = 24 << 20 })
	f := &faulty{trio: r, n1: r.open(t, "n1", faultTTL), n2: r.open(t, "n2", faultTTL), reader: r.open(t, "reader", faultTTL)}
	f.lease = f.n1.lease.current()
	return f
}

// kept checks that n1 has not been taken for dead.
func (r *faulty) kept(t *testing.T) {
	t.Helper()
	if r.n1.lease.current() != r.lease {
		t.Error("the node lost its lease though most of etcd could be reached")
	}
}

// TestMembersFail: members of etcd hang, are lost, slow, or hard to reach while a product is committed and read. The node
// that runs it is never taken for dead.
func TestMembersFail(t *testing.T) {
	t.Parallel()
	r := newFaulty(t)
	t.Run("a member hangs", func(t *testing.T) {
		w := startWork(t, "hang", r.reader, r.n1)
		w.goesOn(t, "in fine weather", 20)
		hung := r.leader(t)
		r.net.Isolate(r.fronts[hung].Name)
		w.goesOn(t, "its leader hangs", 3)
		pause(t.Context(), faultTTL) // longer than the lease: signs of life go to a member that takes them and says nothing, too
		r.net.Clear()
		w.goesOn(t, "healed", 20)
		w.told(t, r.truth())
		r.kept(t)
	})
	t.Run("a member is lost", func(t *testing.T) {
		w := startWork(t, "lost", r.reader, r.n1)
		w.goesOn(t, "in fine weather", 20)
		gone := r.leader(t)
		if err := r.stop(gone); err != nil {
			t.Fatal(err)
		}
		w.goesOn(t, "two members are left", 50)
		if err := r.start(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		w.goesOn(t, "it is back", 20)
		w.told(t, r.truth())
		r.kept(t)
	})
	t.Run("etcd is slow", func(t *testing.T) {
		w := startWork(t, "slow", r.reader, r.n1)
		slow := clustertest.Flow{Delay: 50 * time.Millisecond}
		for _, name := range memberNames {
			r.net.Set("", name, clustertest.Weather{There: slow, Back: slow})
		}
		w.goesOn(t, "a commit takes some tenths of a second", 5)
		r.net.Clear()
		w.goesOn(t, "fast again", 20)
		w.told(t, r.truth())
		r.kept(t)
	})
	t.Run("etcd is narrow", func(t *testing.T) {
		w := startWork(t, "narrow", r.reader, r.n1)
		for _, name := range memberNames {
			r.net.Set("", name, clustertest.Weather{There: clustertest.Flow{Rate: 30 << 10}, Back: clustertest.Flow{Rate: 30 << 10}})
		}
		w.goesOn(t, "30 KB a second", 10)
		r.net.Clear()
		w.told(t, r.truth())
		r.kept(t)
	})
	t.Run("connections break", func(t *testing.T) {
		w := startWork(t, "broken", r.reader, r.n1)
		broken := 0
		for range 8 {
			w.goesOn(t, "between two breaks", 5)
			broken += r.net.Break("", "")
		}
		w.goesOn(t, "afterwards", 20)
		w.told(t, r.truth())
		t.Logf("%d connections broken", broken)
		r.kept(t)
	})
	t.Run("members do not hear each other one way", func(t *testing.T) {
		w := startWork(t, "one way", r.reader, r.n1)
		leader := r.leader(t)
		r.net.Set(memberNames[leader], "", clustertest.Weather{There: clustertest.Flow{Cut: true}})
		r.net.Set(memberNames[leader], memberNames[(leader+1)%3], clustertest.Weather{})
		w.goesOn(t, "the leader speaks to one of two", 50)
		pause(t.Context(), time.Second)
		r.net.Clear()
		w.told(t, r.truth())
		r.kept(t)
	})
}

// TestNodesCutOff: a node that runs a product is cut off from etcd, both ways or one; the other takes over, and what the
// first still sends is refused.
func TestNodesCutOff(t *testing.T) {
	t.Parallel()
	r := newFaulty(t)
	for name, weather := range map[string]clustertest.Weather{"a node is cut off": clustertest.Cut,
		"a node is not heard": {There: clustertest.Flow{Cut: true}}, "a node does not hear": {Back: clustertest.Flow{Cut: true}}} {
		t.Run(name, func(t *testing.T) {
			w := startWork(t, name, r.reader, r.n1, r.n2)
			w.goesOn(t, "in fine weather", 20)
			owner := must[map[host.ProductID]Owner](t)(r.reader.Owners(t.Context()))[w.id].Node
			r.net.Set(owner, "", weather)
			eventually(t, "the other takes over", func() bool {
				now := must[map[host.ProductID]Owner](t)(r.reader.Owners(t.Context()))[w.id].Node
				return now != "" && now != owner
			})
			w.goesOn(t, "with the other", 20)
			r.net.Clear()
			w.goesOn(t, "healed", 20)
			w.told(t, r.truth())
		})
	}
}

// TestEtcdKept: etcd is full, forgets what watches are to go on with, and serves nodes whose clocks are wrong.
func TestEtcdKept(t *testing.T) {
	t.Parallel()
	r := newFaulty(t)
	t.Run("etcd is full", func(t *testing.T) {
		w := startWork(t, "full", r.reader, r.n1)
		w.goesOn(t, "with room", 20)
		filler, written := make([]byte, 1<<20), 0
		for {
			_, err := r.truth().Put(t.Context(), root+"filler", string(filler)) // one key, again and again
			if errors.Is(err, rpctypes.ErrNoSpace) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			written++
		}
		eventually(t, "a commit is refused, with a word of what to do", func() bool { return w.full.Load() > 0 })
		reads := w.reads.Load()
		eventually(t, "reads go on", func() bool { return w.reads.Load() > reads+20 })
		w.goesOn(t, "space was made", 20)
		w.told(t, r.truth())
		t.Logf("full after %d MiB; %d commits refused for want of space", written, w.full.Load())
	})
	t.Run("etcd compacts under watches", func(t *testing.T) {
		w := startWork(t, "compacted", r.reader, r.n1)
		w.goesOn(t, "before", 20)
		compacted := &compactions{Watcher: r.n2.watch}
		r.n2.watch = compacted
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var seen, events, configs, disorder atomic.Int64
		go func() {
			var last int64
			_ = r.n2.Watch(ctx, func(e Event) {
				events.Add(1)
				if e.Revision < last {
					disorder.Add(1)
				}
				if last = e.Revision; e.Kind == HeadChanged && e.Product == w.id {
					raise(&seen, int64(e.Pointer.Seq))
				}
			})
		}()
		go r.n2.WatchNodes(ctx, func(f Fleet) { configs.Store(int64(len(f.Configs))) })
		terms := make(chan string, 10)
		lead := func(ctx context.Context, term Term) { terms <- term.Node; <-ctx.Done() }
		leading, abdicate := context.WithCancel(ctx)
		go r.n1.Lead(leading, lead)
		if who := <-terms; who != "n1" {
			t.Fatalf("%s leads", who)
		}
		go r.n2.Lead(ctx, lead)
		eventually(t, "the watch runs", func() bool { return seen.Load() > 0 })
		for range 2 {
			r.net.Set("n2", "", clustertest.Cut)
			w.goesOn(t, "unseen", 100)
			must[NodeConfig](t)(r.n1.ChangeNodeConfig(t.Context(), fmt.Sprint("n", compacted.n.Load()), func(c *NodeConfig) { c.Cordoned = !c.Cordoned }))
			at := must[*clientv3.GetResponse](t)(r.truth().Get(t.Context(), keyMeta)).Header.Revision
			must[*clientv3.CompactResponse](t)(r.n1.client.Compact(t.Context(), at))
			before := compacted.n.Load()
			r.net.Break("n2", "")
			r.net.Clear()
			eventually(t, "a watch finds its revision compacted", func() bool { return compacted.n.Load() > before })
			eventually(t, "the watch has told all", func() bool { return seen.Load() >= w.acked.Load()-100 })
		}
		abdicate()
		if who := <-terms; who != "n2" {
			t.Errorf("then %s leads", who)
		}
		configured := int64(len(must[[]NodeConfig](t)(r.n1.NodeConfigs(t.Context()))))
		eventually(t, "all nodes are known", func() bool { return configs.Load() == configured })
		w.end()
		w.all.Wait()
		eventually(t, "the newest head is told", func() bool { return seen.Load() >= w.acked.Load() })
		w.told(t, r.truth())
		t.Logf("%d events, %d watches compacted, %d out of order", events.Load(), compacted.n.Load(), disorder.Load())
		if disorder.Load() > 0 {
			t.Error("events went back")
		}
	})
	t.Run("clocks are an hour apart", func(t *testing.T) {
		var nodes []*Cluster
		for name, wrong := range map[string]time.Duration{"early": -time.Hour, "late": time.Hour} {
			cfg := r.config(t, name, faultTTL)
			cfg.Self.Started = time.Now().Add(wrong)
			cfg.TLS.Time = func() time.Time { return time.Now().Add(wrong) }
			c, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			nodes = append(nodes, c)
		}
		w := startWork(t, "clocks", r.reader, nodes...)
		w.goesOn(t, "in fine weather", 20)
		pause(t.Context(), faultTTL+faultTTL/2)
		w.goesOn(t, "after more than a lease", 20)
		w.told(t, r.truth())
		if n := w.claims.Load(); n != 1 {
			t.Errorf("%d claims: a node was taken for dead", n)
		}
	})
}

// compactions counts the watches that find what they are to go on with compacted.
type compactions struct {
	Watcher
	n atomic.Int64
}

func (c *compactions) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	out := make(chan clientv3.WatchResponse)
	go func() {
		defer close(out)
		for res := range c.Watcher.Watch(ctx, key, opts...) {
			if errors.Is(res.Err(), rpctypes.ErrCompacted) {
				c.n.Add(1)
			}
			select {
			case out <- res:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// TestMemberHangsUp: a member that is closed ends the calls of those that watch by way of it, and does not wait for them as etcd would: they
// would wait for it as well.
func TestMemberHangsUp(t *testing.T) {
	t.Parallel()
	r := newTrio(t, nil)
	c := r.open(t, "n1", faultTTL)
	s := r.servers[0]
	conn, err := clientv3.New(clientv3.Config{Endpoints: []string{r.fronts[0].Client}, TLS: r.config(t, "n2", faultTTL).TLS})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	watch := conn.Watch(t.Context(), "x", clientv3.WithCreatedNotify())
	if res := <-watch; !res.Created {
		t.Fatalf("%+v, %v", res, res.Err())
	}
	before := time.Now()
	if err := r.stop(0); err != nil {
		t.Fatal(err)
	}
	if took, wait := time.Since(before), s.etcd.Server.Cfg.ReqTimeout(); took >= wait {
		t.Errorf("closed in %v: it has waited %v for a watch", took, wait)
	}
	if _, err := c.Members(t.Context()); err != nil { // by way of the others
		t.Error(err)
	}
}
