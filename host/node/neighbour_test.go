package node

import (
	"net"
	"testing"

	"github.com/adp-host/adp/host/cluster"
)

// TestRefuses: only a machine that says that nobody listens is taken at its word.
func TestRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	if refuses(t.Context(), address) {
		t.Error("somebody listens")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !refuses(t.Context(), address) {
		t.Error("nobody listens")
	}
	for _, silent := range []string{"http://no.such.host.invalid", "%", "http://"} {
		if refuses(t.Context(), silent) {
			t.Errorf("%s says nothing", silent)
		}
	}
}

// TestNeighbour: each node of a mesh is looked after by one other, whatever their number.
func TestNeighbour(t *testing.T) {
	for names, want := range map[string]string{"a": "", "ab": "ba", "abc": "bca", "abcd": "bcda"} {
		var f cluster.Fleet
		for _, name := range names {
			f.Nodes = append(f.Nodes, cluster.NodeInfo{ID: string(name), URL: "http://" + string(name)})
		}
		f.Nodes = append(f.Nodes, cluster.NodeInfo{ID: "unreachable"})
		got := ""
		for _, name := range names {
			n := &Node{cfg: Config{Name: string(name)}, fleet: f}
			next, _ := n.neighbour()
			got += next.ID
		}
		if got != want {
			t.Errorf("%s: %s, want %s", names, got, want)
		}
	}
}
