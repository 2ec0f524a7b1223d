package cluster

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

// TestKeep: history gets shorter only, and by the owner of now.
func TestKeep(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	kept := func(from host.Seq) host.Kept { return host.Kept{From: from} }
	if got := must[host.Kept](t)(c.Kept(ctx, strikes)); got.From != 0 {
		t.Fatalf("%+v before any", got)
	}
	for _, step := range [][2]host.Seq{{0, 5}, {0, 5}, {5, 9}} { // the second: its reply was lost
		if err := c.Keep(ctx, own, kept(step[0]), kept(step[1])); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, c.Keep(ctx, own, kept(5), kept(12)), host.CodeRunLostOwner) // built on what was
	wantCode(t, c.Keep(ctx, own, kept(9), kept(8)), host.CodeNodeConflict)
	next := must[host.Ownership](t)(c.Claim(ctx, strikes))
	wantCode(t, c.Keep(ctx, own, kept(9), kept(12)), host.CodeRunLostOwner)
	if got := must[host.Kept](t)(c.Kept(ctx, strikes)); got.From != 9 {
		t.Fatalf("a replaced owner moved it to %+v", got)
	}
	if err := c.Keep(ctx, next, kept(9), kept(12)); err != nil {
		t.Fatal(err)
	}
}

// TestImage takes a mesh from one etcd to another: it is the same, but that nobody owns anything, and that no epoch that
// the image or its restorer knows of is used again.
func TestImage(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	spec := must[host.Spec](t)(c.PutSpec(ctx, host.Spec{Product: strikes, Artifact: "sha256:a", Paused: true, Config: map[string]string{"k": "<&>\u2028"}}, NewProduct))
	head := pointer(1, own, "r1")
	for _, err := range []error{
		c.Commit(ctx, own, host.Pointer{}, head),
		c.Acknowledge(ctx, own, host.Delivered{}, host.Delivered{Seq: 1, Total: 2}),
		c.Keep(ctx, own, host.Kept{}, host.Kept{From: 1, Undecided: []host.HeadRef{{Seq: 2, Hash: "sha256:x", Location: "y"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.ChangeNodeConfig(ctx, "n7", func(n *NodeConfig) { n.Cordoned, n.Member = true, true }); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := must[*Image](t)(c.Image(ctx)).Write(&file); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(file.String(), own.Node+`"`) && strings.Contains(file.String(), prefixNode) {
		t.Errorf("who is alive is in the image:\n%s", &file)
	}
	im := must[*Image](t)(ReadImage(bytes.NewReader(file.Bytes())))
	dir := t.TempDir()
	begin := Incarnation{Number: 3, EpochFloor: 70}
	if err := Restore(ctx, Config{Dir: dir}, im, begin); err != nil {
		t.Fatal(err)
	}
	wantCode(t, Restore(ctx, Config{Dir: dir}, im, begin), host.CodeNodeConflict)

	there := openTest(t, Config{Dir: dir})
	if got := must[host.Spec](t)(there.Spec(ctx, strikes)); !got.Paused || got.Generation != spec.Generation || got.Config["k"] != spec.Config["k"] {
		t.Errorf("spec %+v, was %+v", got, spec)
	}
	if got := must[host.Pointer](t)(there.Head(ctx, strikes)); got != head {
		t.Errorf("head %+v", got)
	}
	if got := must[host.Delivered](t)(there.Delivered(ctx, strikes)); got.Seq != 1 || got.Total != 2 {
		t.Errorf("delivered %+v", got)
	}
	if got := must[host.Kept](t)(there.Kept(ctx, strikes)); got.From != 1 || len(got.Undecided) != 1 {
		t.Errorf("kept %+v", got)
	}
	if got := must[map[host.ProductID]Owner](t)(there.Owners(ctx))[strikes]; got.Node != "" || got.Epoch != own.Epoch {
		t.Errorf("owner %+v", got)
	}
	if n := must[[]NodeConfig](t)(there.NodeConfigs(ctx)); len(n) != 1 || !n[0].Cordoned || n[0].Member {
		t.Errorf("nodes %+v", n)
	}
	mine := must[host.Ownership](t)(there.Claim(ctx, strikes))
	if mine.Epoch <= 70 {
		t.Errorf("epoch %d", mine.Epoch)
	}
	if got, err := must[*Image](t)(there.Image(ctx)).Incarnation(); err != nil || got != begin {
		t.Errorf("incarnation %+v, %v", got, err)
	}
	// The next commit compares the pointer's bytes with what was restored.
	if err := there.Commit(ctx, mine, head, pointer(2, mine, "r2")); err != nil {
		t.Fatal(err)
	}
	if err := there.Keep(ctx, mine, must[host.Kept](t)(there.Kept(ctx, strikes)), host.Kept{From: 2}); err != nil {
		t.Fatal(err)
	}
}

// TestBeforeTheRestore: in a new etcd revisions begin anew, so that an ownership from before may agree with one of now in
// every number. What a process from before writes is refused by the incarnation alone, whatever it writes.
func TestBeforeTheRestore(t *testing.T) {
	ctx, link := t.Context(), &switched{KV: clustertest.NewMemory()}
	was := link.KV.(*clustertest.Memory)
	old := must[*Cluster](t)(Over(ctx, Config{Node: "n1"}, Parts{KV: link, Watcher: was, Lease: was}))
	t.Cleanup(func() { _ = old.Close() })
	own := must[host.Ownership](t)(old.Claim(ctx, strikes))
	for range 50 { // more revisions than a restore makes
		own = must[host.Ownership](t)(old.Claim(ctx, strikes))
	}
	head := pointer(1, own, "r1")
	if err := old.Commit(ctx, own, host.Pointer{}, head); err != nil {
		t.Fatal(err)
	}
	now := clustertest.NewMemory()
	parts := Parts{KV: now, Watcher: now, Lease: now}
	if err := RestoreOver(ctx, parts, must[*Image](t)(old.Image(ctx)), Incarnation{Number: 1, EpochFloor: 1000}); err != nil {
		t.Fatal(err)
	}
	for now.Revision() < own.Revision-1 {
		must[*clientv3.PutResponse](t)(now.Put(ctx, "/elsewhere", ""))
	}
	there := must[*clientv3.GetResponse](t)(was.Get(ctx, ownKey(strikes)))
	put := must[*clientv3.PutResponse](t)(now.Put(ctx, ownKey(strikes), string(there.Kvs[0].Value)))
	if put.Header.Revision != own.Revision {
		t.Fatalf("revision %d, the ownership from before has %d", put.Header.Revision, own.Revision)
	}
	link.turn(now)

	committing := old.Commit(ctx, own, head, pointer(2, own, "late"))
	_, claiming := old.Claim(ctx, host.ProductID{Tenant: "local", Domain: "d", Name: "fresh"})
	_, again := old.Claim(ctx, strikes)
	_, registering := old.PutSpec(ctx, host.Spec{Product: strikes}, AnyGeneration)
	_, _, standing := old.campaign(ctx)
	for what, err := range map[string]error{
		"commit": committing, "claim": claiming, "claim again": again, "register": registering, "schedule": standing,
		"release": old.Release(ctx, own), "acknowledge": old.Acknowledge(ctx, own, host.Delivered{}, host.Delivered{Seq: 1, Total: 1}),
		"expire": old.Keep(ctx, own, host.Kept{}, host.Kept{From: 1}), "announce": old.lease.renew(ctx),
	} {
		if host.CodeOf(err) != host.CodeNodeConflict || !strings.Contains(err.Error(), "incarnation 1") {
			t.Errorf("%s: %v", what, err)
		}
	}
	fresh := must[*Cluster](t)(Over(ctx, Config{Node: "n1", Self: NodeInfo{Identity: "another"}}, parts))
	defer fresh.Close()
	if got := must[host.Pointer](t)(fresh.Head(ctx, strikes)); got != head {
		t.Errorf("head %+v", got)
	}
	if mine := must[host.Ownership](t)(fresh.Claim(ctx, strikes)); mine.Epoch <= 1000 {
		t.Errorf("epoch %d", mine.Epoch)
	}
}

// switched leads to another etcd from some moment on, as an address does.
type switched struct {
	clientv3.KV
	mu sync.Mutex
}

func (s *switched) turn(to clientv3.KV) { s.mu.Lock(); s.KV = to; s.mu.Unlock() }

func (s *switched) now() clientv3.KV { s.mu.Lock(); defer s.mu.Unlock(); return s.KV }

func (s *switched) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	return s.now().Get(ctx, key, opts...)
}

func (s *switched) Txn(ctx context.Context) clientv3.Txn { return s.now().Txn(ctx) }
