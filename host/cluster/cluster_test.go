package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

var strikes = host.ProductID{Tenant: host.LocalTenant, Domain: "safety", Name: "strikes"}

func openTest(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Node == "" {
		cfg.Node = "n1"
	}
	c, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantCode(t *testing.T, err error, code host.ErrorCode) {
	t.Helper()
	if host.CodeOf(err) != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}

func pointer(seq host.Seq, own host.Ownership, run string) host.Pointer {
	return host.Pointer{Seq: seq, Epoch: own.Epoch, Run: run, Hash: host.Digest("sha256:" + run), Location: "products/" + run + "/head.json"}
}

func TestSpecs(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	spec := host.Spec{Product: strikes, Artifact: "sha256:a", Config: map[string]string{"k": "v"}}
	one := must[host.Spec](t)(c.PutSpec(ctx, spec, NewProduct))
	if one.Generation != 1 || one.Changed.IsZero() {
		t.Fatalf("stored %+v", one)
	}
	_, err := c.PutSpec(ctx, spec, NewProduct)
	wantCode(t, err, host.CodeNodeConflict)

	one.Paused = true
	two := must[host.Spec](t)(c.PutSpec(ctx, one, one.Generation))
	_, err = c.PutSpec(ctx, one, one.Generation)
	wantCode(t, err, host.CodeNodeConflict)
	if got := must[host.Spec](t)(c.Spec(ctx, strikes)); !reflect.DeepEqual(got, two) || got.Generation != 2 || !got.Paused {
		t.Fatalf("got %+v, want %+v", got, two)
	}

	other := host.ProductID{Tenant: host.LocalTenant, Domain: "aviation", Name: "airports"}
	if err := c.PutSpecs(ctx, []host.Spec{{Product: other}, {Product: strikes}}); err != nil {
		t.Fatal(err)
	}
	all := must[[]host.Spec](t)(c.Specs(ctx))
	if len(all) != 2 || all[0].Product != other || all[0].Generation != 1 || all[1].Generation != 3 {
		t.Fatalf("specs %+v", all)
	}
	_, err = c.Spec(ctx, host.ProductID{Tenant: "local", Domain: "safety", Name: "none"})
	wantCode(t, err, host.CodeAccessUnknown)
}

func TestSpecsAllOrNothing(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	bad := host.ProductID{Tenant: "local", Domain: "safety", Name: "a/b"}
	err := c.PutSpecs(ctx, []host.Spec{{Product: strikes}, {Product: bad}})
	wantCode(t, err, host.CodeAccessUnknown)
	err = c.PutSpecs(ctx, []host.Spec{{Product: strikes}, {Product: strikes}})
	wantCode(t, err, host.CodeNodeConflict)
	if all := must[[]host.Spec](t)(c.Specs(ctx)); len(all) != 0 {
		t.Fatalf("half registered: %+v", all)
	}
}

// TestManyProducts: one step registers more products than fit a page of a listing, and a watch tells of all.
func TestManyProducts(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	specs := make([]host.Spec, 2*pageSize+500)
	for i := range specs {
		specs[i].Product = host.ProductID{Tenant: "local", Domain: "d", Name: fmt.Sprintf("p%05d", i)}
	}
	if err := c.PutSpecs(ctx, specs); err != nil {
		t.Fatal(err)
	}
	all := must[[]host.Spec](t)(c.Specs(ctx))
	if len(all) != len(specs) || all[pageSize].Product != specs[pageSize].Product || all[len(all)-1].Product != specs[len(specs)-1].Product {
		t.Fatalf("%d of %d listed", len(all), len(specs))
	}
	watch, cancel := context.WithCancel(ctx)
	seen := map[host.ProductID]bool{}
	_ = c.Watch(watch, func(e Event) {
		if seen[e.Product] = true; len(seen) == len(specs) {
			cancel()
		}
	})
	if len(seen) != len(specs) {
		t.Fatalf("the watch told of %d", len(seen))
	}
}

// TestRegistrationSurvivesLostReplies: a registration whose reply is lost is one registration.
func TestRegistrationSurvivesLostReplies(t *testing.T) {
	n := 0
	c := openTest(t, Config{WrapKV: func(kv clientv3.KV) clientv3.KV {
		return &clustertest.Faulty{KV: kv, Plan: func([]string) clustertest.Fault {
			n++
			return []clustertest.Fault{clustertest.None, clustertest.LoseReply, clustertest.LoseRequest}[n%3]
		}}
	}})
	for generation := range int64(9) {
		s := must[host.Spec](t)(c.PutSpec(t.Context(), host.Spec{Product: strikes}, generation))
		if s.Generation != generation+1 {
			t.Fatalf("generation %d after %d", s.Generation, generation)
		}
		own := must[host.Ownership](t)(c.Claim(t.Context(), strikes))
		if own.Epoch != host.Epoch(generation+1) {
			t.Fatalf("epoch %d in round %d: a claim counted twice", own.Epoch, generation)
		}
		if err := c.Commit(t.Context(), own, host.Pointer{}, pointer(1, own, "x")); generation == 0 && err != nil {
			t.Fatal(err)
		}
	}
}

func TestEpochsRiseAndFence(t *testing.T) {
	dir := t.TempDir()
	c, ctx := openTest(t, Config{Dir: dir}), t.Context()
	first := must[host.Ownership](t)(c.Claim(ctx, strikes))
	head := pointer(1, first, "r1")
	if err := c.Commit(ctx, first, host.Pointer{}, head); err != nil {
		t.Fatal(err)
	}
	if got := must[host.Pointer](t)(c.Head(ctx, strikes)); got != head {
		t.Fatalf("head %+v", got)
	}
	second := must[host.Ownership](t)(c.Claim(ctx, strikes))
	if second.Epoch <= first.Epoch {
		t.Fatalf("epoch %d after %d", second.Epoch, first.Epoch)
	}
	wantCode(t, c.Commit(ctx, first, head, pointer(2, first, "zombie")), host.CodeRunLostOwner)
	wantCode(t, c.Commit(ctx, second, host.Pointer{}, pointer(1, second, "twice")), host.CodeRunLostOwner)
	if err := c.Commit(ctx, second, head, pointer(2, second, "r2")); err != nil {
		t.Fatal(err)
	}

	if err := c.Release(ctx, first); err != nil { // not its own any more: nothing happens
		t.Fatal(err)
	}
	if got := must[[]host.ProductID](t)(c.Owned(ctx, "n1")); !reflect.DeepEqual(got, []host.ProductID{strikes}) {
		t.Fatalf("index %v", got)
	}
	if err := c.Release(ctx, second); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.Commit(ctx, second, pointer(2, second, "r2"), pointer(3, second, "r3")), host.CodeRunLostOwner)
	if got := must[[]host.ProductID](t)(c.Owned(ctx, "n1")); len(got) != 0 {
		t.Fatalf("index after release %v", got)
	}
	c.Close()

	c = openTest(t, Config{Dir: dir, Node: "n2"})
	third := must[host.Ownership](t)(c.Claim(ctx, strikes))
	if third.Epoch <= second.Epoch || third.Node != "n2" {
		t.Fatalf("after a restart %+v, before %+v", third, second)
	}
}

func TestClaimRespectsTheLiving(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	other := newCluster("n2", c.kv, c.watch, c.log) // a second node on the same etcd
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	_, err := other.Claim(ctx, strikes)
	wantCode(t, err, host.CodeRunLostOwner)
	if _, err := c.kv.Delete(ctx, nodeKey("n1")); err != nil { // its lease ran out
		t.Fatal(err)
	}
	taken := must[host.Ownership](t)(other.Claim(ctx, strikes))
	wantCode(t, c.Commit(ctx, own, host.Pointer{}, pointer(1, own, "zombie")), host.CodeRunLostOwner)
	if err := other.Commit(ctx, taken, host.Pointer{}, pointer(1, taken, "r1")); err != nil {
		t.Fatal(err)
	}
	if got := must[[]host.ProductID](t)(c.Owned(ctx, "n1")); len(got) != 0 {
		t.Fatalf("index of the dead node %v", got)
	}
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	openTest(t, Config{Dir: dir})
	_, err := Open(t.Context(), Config{Dir: dir, Node: "n2"})
	wantCode(t, err, host.CodeNodeInUse)
	_, err = Open(t.Context(), Config{Dir: filepath.Join(dir, "x"), Node: "a/b"})
	wantCode(t, err, host.CodeNodeSetup)
}

func TestNewerMeshIsRefused(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Config{Dir: dir})
	if _, err := c.kv.Put(t.Context(), keyMeta, `{"format":2}`); err != nil {
		t.Fatal(err)
	}
	c.Close()
	_, err := Open(t.Context(), Config{Dir: dir, Node: "n1"})
	wantCode(t, err, host.CodeNodeEtcd)
}

func TestPresence(t *testing.T) {
	c, ctx := openTest(t, Config{LeaseTTL: time.Second}), t.Context()
	nodes := must[[]NodeInfo](t)(c.Nodes(ctx))
	if len(nodes) != 1 || nodes[0].ID != "n1" {
		t.Fatalf("nodes %+v", nodes)
	}
	// A machine that slept past its lease comes back by itself.
	leases := must[*clientv3.LeaseLeasesResponse](t)(c.watch.(*clientv3.Client).Leases(ctx))
	for _, l := range leases.Leases {
		must[*clientv3.LeaseRevokeResponse](t)(c.watch.(*clientv3.Client).Revoke(ctx, l.ID))
	}
	for deadline := time.Now().Add(20 * time.Second); len(must[[]NodeInfo](t)(c.Nodes(ctx))) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the node did not announce itself again")
		}
	}
}

func TestNothingListens(t *testing.T) {
	dir := t.TempDir()
	openTest(t, Config{Dir: dir})
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type()&os.ModeSocket != 0 {
			t.Errorf("a socket: %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	c := openTest(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	must[host.Spec](t)(c.PutSpec(ctx, host.Spec{Product: strikes}, NewProduct))
	events := make(chan Event, 100)
	done := make(chan error, 1)
	go func() { done <- c.Watch(ctx, butOwners(events)) }()
	next := func(kind EventKind) Event {
		t.Helper()
		select {
		case e := <-events:
			if e.Kind != kind || e.Product != strikes {
				t.Fatalf("event %+v, want %s", e, kind)
			}
			return e
		case <-time.After(20 * time.Second):
			t.Fatalf("no event of kind %s", kind)
		}
		return Event{}
	}
	if e := next(SpecChanged); e.Spec.Generation != 1 {
		t.Fatalf("what exists: %+v", e)
	}
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	var prev host.Pointer
	for seq := host.Seq(1); seq <= 5; seq++ {
		p := pointer(seq, own, "r")
		if err := c.Commit(ctx, own, prev, p); err != nil {
			t.Fatal(err)
		}
		prev = p
		must[host.Spec](t)(c.PutSpec(ctx, host.Spec{Product: strikes}, AnyGeneration))
	}
	for seq := host.Seq(1); seq <= 5; seq++ {
		if e := next(HeadChanged); e.Pointer.Seq != seq {
			t.Fatalf("head %+v, want %d", e.Pointer, seq)
		}
		if e := next(SpecChanged); e.Spec.Generation != int64(seq)+1 {
			t.Fatalf("spec %+v", e.Spec)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("watch ended with %v", err)
	}
}

// A watch that fell behind a compaction lists what changed and goes on; it neither repeats nor misses a key's newest value.
func TestWatchSurvivesCompaction(t *testing.T) {
	c := openTest(t, Config{})
	ctx := t.Context()
	etcd := c.watch.(*clientv3.Client)
	broken := &breakingWatcher{Watcher: etcd, broke: make(chan struct{})}
	c.watch = broken
	must[host.Spec](t)(c.PutSpec(ctx, host.Spec{Product: strikes}, NewProduct))
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))

	events := make(chan Event, 100)
	go c.Watch(ctx, butOwners(events))
	if e := <-events; e.Kind != SpecChanged {
		t.Fatalf("event %+v", e)
	}
	<-broken.broke // the first watch is held back while the mesh moves on
	var prev host.Pointer
	for seq := host.Seq(1); seq <= 3; seq++ {
		p := pointer(seq, own, "r")
		if err := c.Commit(ctx, own, prev, p); err != nil {
			t.Fatal(err)
		}
		prev = p
	}
	now := must[*clientv3.GetResponse](t)(etcd.Get(ctx, headKey(strikes)))
	must[*clientv3.CompactResponse](t)(etcd.Compact(ctx, now.Header.Revision))
	broken.resume()
	if e := <-events; e.Kind != HeadChanged || e.Pointer.Seq != 3 {
		t.Fatalf("after compaction %+v", e)
	}
	if err := c.Commit(ctx, own, prev, pointer(4, own, "r")); err != nil {
		t.Fatal(err)
	}
	if e := <-events; e.Pointer.Seq != 4 {
		t.Fatalf("and on: %+v", e)
	}
}

// breakingWatcher holds its first watch back until resume.
type breakingWatcher struct {
	clientv3.Watcher
	broke chan struct{}
	go_   chan struct{}
}

func (w *breakingWatcher) resume() { close(w.go_) }

func (w *breakingWatcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	if w.go_ == nil {
		w.go_ = make(chan struct{})
		close(w.broke)
		<-w.go_
	}
	return w.Watcher.Watch(ctx, key, opts...)
}

// butOwners passes what the tests of specs and heads are about.
func butOwners(to chan<- Event) func(Event) {
	return func(e Event) {
		if e.Kind != OwnerChanged {
			to <- e
		}
	}
}

// crowded is an etcd that has just reached its quota: it applies a transaction that writes, or does not, and says that there is no space.
type crowded struct {
	clientv3.KV
	applies bool
}

func (f crowded) Txn(ctx context.Context) clientv3.Txn { return &crowdedTxn{Txn: f.KV.Txn(ctx), f: f} }

type crowdedTxn struct {
	clientv3.Txn
	f      crowded
	writes bool
}

func (t *crowdedTxn) If(c ...clientv3.Cmp) clientv3.Txn  { t.Txn = t.Txn.If(c...); return t }
func (t *crowdedTxn) Else(o ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Else(o...); return t }
func (t *crowdedTxn) Then(o ...clientv3.Op) clientv3.Txn {
	for _, op := range o {
		t.writes = t.writes || !op.IsGet()
	}
	t.Txn = t.Txn.Then(o...)
	return t
}

func (t *crowdedTxn) Commit() (*clientv3.TxnResponse, error) {
	if !t.writes {
		return t.Txn.Commit()
	}
	if t.f.applies {
		if _, err := t.Txn.Commit(); err != nil {
			return nil, err
		}
	}
	return nil, rpctypes.ErrNoSpace
}

// TestNoSpace: etcd says "no space" of the transaction that it has applied as the last one, too. Nobody is told that what
// happened did not.
func TestNoSpace(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	kv := c.kv
	one, two := pointer(1, own, "r1"), pointer(2, own, "r2")
	c.kv = crowded{kv, true}
	if err := c.Commit(ctx, own, host.Pointer{}, one); err != nil {
		t.Errorf("the commit that crossed the quota: %v", err)
	}
	c.kv = crowded{kv, false}
	err := c.Commit(ctx, own, one, two)
	wantCode(t, err, host.CodeNodeFull)
	if errors.Is(err, ErrUnknown) || host.HintOf(err) == "" {
		t.Errorf("%v, hint %q", err, host.HintOf(err))
	}
	if got := must[host.Pointer](t)(c.Head(ctx, strikes)); got != one {
		t.Errorf("head %+v", got)
	}
	c.kv = crowded{kv, true}
	again := must[host.Ownership](t)(c.Claim(ctx, strikes))
	c.kv = kv
	if err := c.Commit(ctx, again, one, pointer(2, again, "r2")); err != nil {
		t.Errorf("in the epoch of a claim that crossed the quota: %v", err)
	}
}
