package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/registry"
)

// fleet is three nodes of one mesh in this process, each served on loopback.
type fleet struct {
	shared string
	nodes  []*node.Node
	stop   []func()
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	authority, err := cluster.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	f := &fleet{shared: shared}
	var member *cluster.Member
	for i := range 3 {
		name := fmt.Sprintf("n%d", i+1)
		data := t.TempDir()
		certs := cluster.CertsIn(filepath.Join(data, "certs"))
		request, err := certs.Request([]string{"127.0.0.1"})
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
		l := loopback(t)
		cfg := node.Config{Data: data, Name: name, Slots: 2, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
			Fleet: node.Fleet{Shared: shared, URL: "http://" + l.Addr().String(), LeaseTTL: 5 * time.Second, Labels: map[string]string{"zone": name}}}
		if err := os.WriteFile(filepath.Join(data, "token"), []byte("the token of this test, which all three nodes accept"), 0o600); err != nil {
			t.Fatal(err)
		}
		if member == nil {
			member = &cluster.Member{Name: name, Peer: httpsOn(t), Client: httpsOn(t), Certs: certs}
			cfg.Fleet.Member = member
		} else {
			cfg.Fleet.Endpoints = []string{member.Client}
			if cfg.Fleet.TLS, err = certs.Client(); err != nil {
				t.Fatal(err)
			}
		}
		f.start(t, cfg, l)
	}
	return f
}

func httpsOn(t *testing.T) string {
	l := loopback(t)
	defer l.Close()
	return "https://" + l.Addr().String()
}

func (f *fleet) start(t *testing.T, cfg node.Config, l net.Listener) {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx, l, "test") }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		<-served
		if err := n.Close(); err != nil {
			t.Logf("closing %s: %v", cfg.Name, err)
		}
	}
	f.nodes = append(f.nodes, n)
	f.stop = append([]func(){stop}, f.stop...) // the member of etcd last
	t.Cleanup(func() { stop() })
}

// owners is how many products each node owns, as a node tells it.
func (f *fleet) owners(t *testing.T, asked int) map[string]int {
	t.Helper()
	st, err := f.nodes[asked].Fleet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, n := range st.Nodes {
		out[n.Node] = n.Products
	}
	return out
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// rows are the rows of a product, as one of the nodes tells it.
func (f *fleet) rows(t *testing.T, asked int, name string) int64 {
	t.Helper()
	st, err := f.nodes[asked].Product(t.Context(), id(name))
	if err != nil {
		t.Fatal(err)
	}
	return st.Rows
}

func TestFleet(t *testing.T) {
	w := newWorkshop(t)
	f := newFleet(t)
	const products = 9
	as := make([]registry.Artifact, products)
	for i := range as {
		as[i] = w.artifact(t, fmt.Sprintf("p%d", i), "well")
	}
	if err := register(t.Context(), f.nodes[0], as...); err != nil {
		t.Fatal(err)
	}
	eventually(t, "each node owns three products", func() bool {
		o := f.owners(t, 1)
		return o["n1"] == 3 && o["n2"] == 3 && o["n3"] == 3
	})
	for i := range products {
		for asked := range f.nodes {
			eventually(t, "every node tells of three rows", func() bool { return f.rows(t, asked, fmt.Sprintf("p%d", i)) == 3 })
		}
	}
	// A command reaches the owner whoever is asked.
	for asked := range f.nodes {
		st, err := f.nodes[asked].Trigger(t.Context(), id("p4"), true)
		if err != nil || st.State != host.RunCommitted {
			t.Errorf("n%d: %+v, %v", asked+1, st.State, err)
		}
	}
	// A new file is seen wherever the product runs.
	w.write(t, filepath.Join("in", "2.csv"), "id\n4\n")
	for i := range products {
		eventually(t, "the new row is there", func() bool { return f.rows(t, i%3, fmt.Sprintf("p%d", i)) == 4 })
	}
	// Drained, a node gives everything away; what it gave goes on elsewhere.
	if err := f.nodes[2].Drain(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n2 is empty", func() bool { return f.owners(t, 0)["n2"] == 0 })
	w.write(t, filepath.Join("in", "3.csv"), "id\n5\n")
	for i := range products {
		eventually(t, "the row after the drain is there", func() bool { return f.rows(t, 0, fmt.Sprintf("p%d", i)) == 5 })
	}
	if st, err := f.nodes[2].NodeDetail(t.Context(), "n2"); err != nil || st.State != "drained" {
		t.Errorf("drained and empty, n2 is %q, %v", st.State, err)
	}
	if err := f.nodes[2].Uncordon(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	if st, err := f.nodes[2].NodeDetail(t.Context(), "n2"); err != nil || st.State != "ready" {
		t.Errorf("uncordoned this moment, n2 is %q, %v", st.State, err)
	}
	eventually(t, "n2 has its share again", func() bool { return f.owners(t, 0)["n2"] == 3 })
	// A node that goes in good order leaves its products to the others.
	f.stop[0]() // n3
	eventually(t, "two nodes own all", func() bool {
		o := f.owners(t, 0)
		return o["n1"]+o["n2"] == products
	})
	w.write(t, filepath.Join("in", "4.csv"), "id\n6\n")
	for i := range products {
		eventually(t, "the row after n3 is there", func() bool { return f.rows(t, i%2, fmt.Sprintf("p%d", i)) == 6 })
	}
	if _, err := f.nodes[0].NodeDetail(t.Context(), "n3"); host.CodeOf(err) != host.CodeNodeUnknown {
		t.Errorf("a node that has gone: %v", err)
	}
	// A product that asks for a label goes where it is, and nowhere when no node has it.
	for zone, want := range map[string]string{"n2": "n2", "n7": ""} {
		a := w.document(t, strings.Replace(fmt.Sprintf(productYAML, "in-"+zone, "file:"+filepath.Join(w.dir, "in"), "well"),
			"    limits:", "    place: {labels: {zone: "+zone+"}}\n    limits:", 1))
		if err := register(t.Context(), f.nodes[0], a); err != nil {
			t.Fatal(err)
		}
		// Each node hears of the scheduler's decision in its own time.
		eventually(t, "what was decided about zone "+zone+" is known", func() bool {
			for _, n := range f.nodes[:2] {
				p, err := n.Placement(t.Context(), id("in-"+zone))
				if err != nil {
					t.Fatal(err)
				}
				st, err := n.Product(t.Context(), id("in-"+zone))
				if err != nil {
					t.Fatal(err)
				}
				if p.Node == "" && st.State != host.StateFailed {
					return false
				}
			}
			return true
		})
		p, err := f.nodes[1].Placement(t.Context(), id("in-"+zone))
		if err != nil {
			t.Fatal(err)
		}
		if p.Node != want || want == "" && (p.Why != "runs nowhere: none of 2 nodes fits (node n1 has label zone=n1 instead of n7, and another likewise)" || !strings.Contains(p.Nodes["n2"], "zone")) {
			t.Errorf("a product for zone %s: %+v", zone, p)
		}
		st, err := f.nodes[0].Product(t.Context(), id("in-"+zone))
		if err != nil || want == "" && (st.Reason != p.Why || st.State != host.StateFailed || st.Hint == "") {
			t.Errorf("%+v, %v", st, err)
		}
	}
	detail, err := f.nodes[0].NodeDetail(t.Context(), "n2")
	if err != nil || len(detail.Owns) == 0 || len(detail.Owns) != f.owners(t, 0)["n2"] {
		t.Fatalf("%+v, %v", detail, err)
	}
	t.Logf("%s: %s", detail.Owns[0].Product, detail.Owns[0].Why)
}
