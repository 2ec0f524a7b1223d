package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adp-host/adp/host"
)

// address is a free one on loopback.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "https://" + l.Addr().String()
}

// certified gives a node of the mesh its certificate.
func certified(t *testing.T, a *Authority, name string) Certs {
	t.Helper()
	return certifiedFor(t, a, name, "127.0.0.1", "localhost")
}

func certifiedFor(t *testing.T, a *Authority, name string, hosts ...string) Certs {
	t.Helper()
	c := CertsIn(t.TempDir())
	request := must[[]byte](t)(c.Request(hosts))
	if err := c.Keep(a.Certificate(), must[[]byte](t)(a.Sign(request, name))); err != nil {
		t.Fatal(err)
	}
	return c
}

// member is a cluster of one that others can reach.
func member(t *testing.T, a *Authority, name string) (*Cluster, Member) {
	t.Helper()
	m := Member{Name: name, Peer: address(t), Client: address(t), Certs: certified(t, a, name)}
	return openTest(t, Config{Node: name, Member: &m, LeaseTTL: 2 * time.Second}), m
}

// joined is a node that reaches the etcd of another.
func joined(t *testing.T, a *Authority, name string, m Member) *Cluster {
	t.Helper()
	c, err := Open(t.Context(), clientOf(t, certified(t, a, name), name, m))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func clientOf(t *testing.T, certs Certs, name string, m Member) Config {
	t.Helper()
	config, err := certs.Client()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Node: name, Self: NodeInfo{Identity: "of " + name}, Endpoints: []string{m.Client}, TLS: config, LeaseTTL: 2 * time.Second}
}

// eventually waits for what must come.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Nodes reach the etcd of the first over TLS; three of them become three members, which survive the loss of one.
func TestThreeMembers(t *testing.T) {
	a := must[*Authority](t)(OpenAuthority(t.TempDir()))
	c1, m1 := member(t, a, "n1")
	ctx := t.Context()
	clusters, peers := []*Cluster{c1}, []string(nil)
	for _, name := range []string{"n2", "n3"} {
		c := joined(t, a, name, m1)
		peer := address(t)
		join := must[map[string]string](t)(c.AddMember(ctx, name, peer))
		if again := must[map[string]string](t)(c.AddMember(ctx, name, peer)); fmt.Sprint(again) != fmt.Sprint(join) {
			t.Errorf("added twice: %v, then %v", join, again)
		}
		m := Member{Name: name, Peer: peer, Client: address(t), Certs: certified(t, a, name), Join: join}
		if err := c.Carry(ctx, t.TempDir(), m); err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, c)
		peers = append(peers, peer)
	}
	var promoted errgroup.Group
	for i, c := range clusters[1:] {
		promoted.Go(func() error { return c.Promote(ctx, peers[i]) })
	}
	if err := promoted.Wait(); err != nil {
		t.Fatal(err)
	}
	members := must[[]MemberInfo](t)(c1.Members(ctx))
	if says := Tolerance(members); says != "3 members of etcd: 1 may fail" {
		t.Errorf("%s: %+v", says, members)
	}
	own := must[host.Ownership](t)(clusters[2].Claim(ctx, strikes))
	if err := clusters[0].Close(); err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := clusters[2].Commit(limited, own, host.Pointer{}, pointer(1, own, "r1")); err != nil {
		t.Fatalf("with one member lost: %v", err)
	}
}

// Members that come at the same moment all come: of two changes of the members that raft meets at once it drops one
// and never answers.
func TestMembersAddedAtOnce(t *testing.T) {
	a := must[*Authority](t)(OpenAuthority(t.TempDir()))
	c1, m1 := member(t, a, "n1")
	ctx := t.Context()
	names := []string{"n2", "n3"}
	clusters := make([]*Cluster, len(names))
	for i, name := range names {
		clusters[i] = joined(t, a, name, m1)
	}
	const rounds = 2 // in nearly every one of which the two meet
	for range rounds {
		peers := make([]string, len(names))
		var all errgroup.Group
		for i, name := range names {
			peers[i] = address(t)
			all.Go(func() error {
				_, err := clusters[i].AddMember(ctx, name, peers[i])
				return err
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			join := must[map[string]string](t)(clusters[i].AddMember(ctx, name, peers[i]))
			other := 1 - i
			if want := map[string]string{"n1": m1.Peer, name: peers[i], peers[other]: peers[other]}; !maps.Equal(join, want) {
				t.Errorf("%s joins %v, not %v", name, join, want)
			}
		}
		for _, m := range must[[]MemberInfo](t)(c1.Members(ctx)) {
			if m.Name == "" {
				if _, err := c1.client.MemberRemove(ctx, m.id); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestToleranceInWords(t *testing.T) {
	v, l, d := MemberInfo{}, MemberInfo{Learner: true}, MemberInfo{Down: true}
	for want, members := range map[string][]MemberInfo{
		"one member of etcd: when it is down nothing commits until it is back; reads of what is published go on":         {v},
		"2 members of etcd: none may fail; 1 more without a vote yet":                                                    {v, v, l},
		"3 members of etcd, 1 of them down: no other may fail":                                                           {v, d, v},
		"3 members of etcd, 2 of them down: nothing commits until 1 of those are back; reads of what is published go on": {v, d, d},
		"5 members of etcd, 1 of them down: 1 more may fail":                                                             {v, v, v, v, d},
		"3 members of etcd: 1 may fail":                                                                                  {v, v, v},
		"5 members of etcd: 2 may fail":                                                                                  {v, v, v, v, v},
	} {
		if got := Tolerance(members); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Who has no certificate of the mesh's authority is not let in.
func TestForeignCertificate(t *testing.T) {
	_, m := member(t, must[*Authority](t)(OpenAuthority(t.TempDir())), "n1")
	other := must[*Authority](t)(OpenAuthority(t.TempDir()))
	cfg := clientOf(t, certified(t, other, "n2"), "n2", m)
	limited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := Open(limited, cfg)
	wantCode(t, err, host.CodeNodeEtcd)
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v does not speak of the certificate", err)
	}
}

// Two data directories cannot have nodes of one name; the same one takes its name back at once.
func TestNodesOfOneName(t *testing.T) {
	a := must[*Authority](t)(OpenAuthority(t.TempDir()))
	_, m := member(t, a, "n1")
	first := joined(t, a, "n2", m)
	cfg := clientOf(t, certified(t, a, "n2"), "n2", m)
	cfg.Self.Identity, cfg.LeaseTTL = "another", 9*time.Second
	_, err := Open(t.Context(), cfg)
	wantCode(t, err, host.CodeNodeInUse)
	if hint := host.HintOf(err); !strings.Contains(hint, "wait 2s") { // the lease of the other, not the own one
		t.Errorf("hint %q", hint)
	}
	cfg.Self.Identity = "of n2"
	second, err := Open(t.Context(), cfg) // the first process died without a word
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = first
}

// One node leads at a time; when it goes the next does, and what the earlier one writes is refused.
func TestLead(t *testing.T) {
	c := openTest(t, Config{LeaseTTL: 2 * time.Second})
	other := newCluster("n2", c.kv, c.watch, slog.New(slog.DiscardHandler))
	defer other.Close()
	if err := other.announce(t.Context(), c.client, 2*time.Second, NodeInfo{ID: "n2", Identity: "2", Boot: "b"}); err != nil {
		t.Fatal(err)
	}
	terms := make(chan Term, 10)
	first, end := context.WithCancel(t.Context())
	go c.Lead(first, func(ctx context.Context, term Term) { terms <- term; <-ctx.Done() })
	one := <-terms
	go other.Lead(t.Context(), func(ctx context.Context, term Term) { terms <- term; <-ctx.Done() })
	wish := map[host.ProductID]Placement{strikes: {Node: "n1"}}
	if err := c.Place(t.Context(), one, wish); err != nil {
		t.Fatal(err)
	}
	if who := must[string](t)(c.Leader(t.Context())); who != "n1" {
		t.Errorf("%q leads", who)
	}
	end()
	two := <-terms
	if two.Node != "n2" {
		t.Fatalf("then %+v leads", two)
	}
	wantCode(t, c.Place(t.Context(), one, map[host.ProductID]Placement{strikes: {Node: "n3"}}), host.CodeRunLostOwner)
	if got := must[map[host.ProductID]Placement](t)(c.Placements(t.Context())); got[strikes].Node != "n1" {
		t.Errorf("placements %v", got)
	}

	// Nothing else that the first scheduler still writes counts either.
	before := c.During(one)
	own := must[host.Ownership](t)(c.Claim(t.Context(), strikes))
	_, asking := before.ChangeNodeConfig(t.Context(), "n3", func(n *NodeConfig) { n.Member = true })
	_, claiming := before.Claim(t.Context(), strikes)
	for what, err := range map[string]error{"asking for a member": asking, "claiming for the dead": claiming, "releasing": before.Release(t.Context(), own)} {
		if host.CodeOf(err) != host.CodeRunLostOwner || !strings.Contains(err.Error(), "another node schedules now") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := must[[]NodeConfig](t)(c.NodeConfigs(t.Context())); len(n) != 0 {
		t.Errorf("settings of nodes %+v", n)
	}
	if now := must[map[host.ProductID]Owner](t)(c.Owners(t.Context()))[strikes]; now.Node != "n1" || now.Epoch != own.Epoch {
		t.Errorf("owner %+v, was %+v", now, own)
	}
	// What the second writes does.
	now := other.During(two)
	if cfg := must[NodeConfig](t)(now.ChangeNodeConfig(t.Context(), "n3", func(n *NodeConfig) { n.Member = true })); !cfg.Member {
		t.Errorf("settings %+v", cfg)
	}
	late := host.ProductID{Tenant: "local", Domain: "d", Name: "late"}
	if err := now.Release(t.Context(), must[host.Ownership](t)(now.Claim(t.Context(), late))); err != nil {
		t.Error(err)
	}
}

// A node whose lease has not been renewed for two thirds of it may start nothing.
func TestMayStart(t *testing.T) {
	c := openTest(t, Config{LeaseTTL: 3 * time.Second})
	if !c.MayStart() {
		t.Fatal("a fresh node may not start runs")
	}
	c.lease.alive(time.Now().Add(-2100 * time.Millisecond))
	if c.MayStart() {
		t.Error("it may start runs at the end of its lease")
	}
	eventually(t, "the lease is renewed", c.MayStart)
}

func TestNodeConfig(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	var errs error
	done := make(chan error)
	for i := range 8 {
		go func() {
			_, err := c.ChangeNodeConfig(ctx, "n9", func(n *NodeConfig) {
				if i%2 == 0 {
					n.Cordoned = true
				} else {
					n.Draining = true
				}
			})
			done <- err
		}()
	}
	for range 8 {
		errs = errors.Join(errs, <-done)
	}
	if errs != nil {
		t.Fatal(errs)
	}
	got := must[[]NodeConfig](t)(c.NodeConfigs(ctx))
	if len(got) != 1 || !got[0].Cordoned || !got[0].Draining {
		t.Errorf("%+v: changes were lost", got)
	}
}

// Whoever watches hears of placements and owners, and of nodes that come, go and are changed.
func TestWatchPlacementsAndNodes(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	events := make(chan Event, 100)
	go func() { _ = c.Watch(ctx, func(e Event) { events <- e }) }()
	fleets := make(chan Fleet, 100)
	go c.WatchNodes(ctx, func(f Fleet) { fleets <- f })
	if f := <-fleets; len(f.Nodes) != 1 || f.Nodes[0].ID != "n1" {
		t.Fatalf("fleet %+v", f)
	}
	terms := make(chan Term, 1)
	go c.Lead(ctx, func(ctx context.Context, term Term) { terms <- term; <-ctx.Done() })
	if err := c.Place(ctx, <-terms, map[host.ProductID]Placement{strikes: {Node: "n1", Reason: "why not"}}); err != nil {
		t.Fatal(err)
	}
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	if err := c.Release(ctx, own); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Event{
		{Kind: PlaceChanged, Placement: Placement{Node: "n1", Reason: "why not"}},
		{Kind: OwnerChanged, Owner: Owner{Node: "n1", Epoch: 1}},
		{Kind: OwnerChanged, Owner: Owner{Epoch: 1}},
	} {
		got := <-events
		if got.Kind != want.Kind || got.Product != strikes || got.Placement != want.Placement || got.Owner != want.Owner {
			t.Errorf("event %+v, want %+v", got, want)
		}
	}
	other := newCluster("n2", c.kv, c.watch, slog.New(slog.DiscardHandler))
	if err := other.announce(ctx, c.client, 2*time.Second, NodeInfo{ID: "n2", Identity: "2"}); err != nil {
		t.Fatal(err)
	}
	if f := <-fleets; len(f.Nodes) != 2 {
		t.Errorf("after one came %+v", f)
	}
	must[NodeConfig](t)(c.ChangeNodeConfig(ctx, "n2", func(n *NodeConfig) { n.Cordoned = true }))
	if f := <-fleets; len(f.Configs) != 1 || !f.Configs[0].Cordoned {
		t.Errorf("after a change %+v", f)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if f := <-fleets; len(f.Nodes) != 1 {
		t.Errorf("after one went %+v", f)
	}
}
