package cluster

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

// TestOneStore: the first node tells the mesh its store, also an older mesh that has none yet, and who has another is
// refused before anybody hears of it. A restored mesh has the store that it was restored with.
func TestOneStore(t *testing.T) {
	ctx := t.Context()
	a := must[*Authority](t)(OpenAuthority(t.TempDir()))
	first, m := member(t, a, "n1") // as of an older adp: it says nothing of a store
	second := clientOf(t, certified(t, a, "n2"), "n2", m)
	second.Store = "A"
	there := must[*Cluster](t)(Open(ctx, second))
	defer there.Close()
	third := clientOf(t, certified(t, a, "n3"), "n3", m)
	third.Store = "B"
	_, err := Open(ctx, third)
	wantCode(t, err, host.CodeNodeStore)
	for _, n := range must[[]NodeInfo](t)(first.Nodes(ctx)) {
		if n.ID == "n3" {
			t.Error("a node with another store is announced")
		}
	}
	third.Store = "A"
	if err := must[*Cluster](t)(Open(ctx, third)).Close(); err != nil {
		t.Fatal(err)
	}

	im := must[*Image](t)(first.Image(ctx))
	if !strings.Contains(string(im.keys[keyMeta]), `"store":"A"`) {
		t.Errorf("meta %s", im.keys[keyMeta])
	}
	dir := t.TempDir()
	if err := Restore(ctx, Config{Dir: dir, Store: "B"}, im, Incarnation{Number: 1}); err != nil {
		t.Fatal(err)
	}
	_, err = Open(ctx, Config{Dir: dir, Node: "n1", Store: "A"})
	wantCode(t, err, host.CodeNodeStore)
	openTest(t, Config{Dir: dir, Store: "B"})
}

// TestOneToken: nodes that are alive together have one token. One that is alone may come back with another, and everybody
// after a restore.
func TestOneToken(t *testing.T) {
	ctx := t.Context()
	a := must[*Authority](t)(OpenAuthority(t.TempDir()))
	m := Member{Name: "n1", Peer: address(t), Client: address(t), Certs: certified(t, a, "n1")}
	cfg := Config{Dir: t.TempDir(), Node: "n1", Self: NodeInfo{Identity: "of n1"}, Member: &m, Token: "A", LeaseTTL: 2 * time.Second}
	first := openTest(t, cfg)
	other := clientOf(t, certified(t, a, "n2"), "n2", m)
	other.Token = "B"
	_, err := Open(ctx, other)
	wantCode(t, err, host.CodePolicyDenied)
	other.Token = "A"
	if err := must[*Cluster](t)(Open(ctx, other)).Close(); err != nil {
		t.Fatal(err)
	}
	im := must[*Image](t)(first.Image(ctx))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Token = "B"
	openTest(t, cfg)

	dir := t.TempDir()
	if err := Restore(ctx, Config{Dir: dir}, im, Incarnation{Number: 1}); err != nil {
		t.Fatal(err)
	}
	openTest(t, Config{Dir: dir, Token: "C"})
}

// TestCarries: a folder carries a member once its log is there. A process that was killed before has left other things in it.
func TestCarries(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "member", "snap"), 0o700); err != nil {
		t.Fatal(err)
	}
	if Carries(dir) {
		t.Error("a folder without a log carries a member")
	}
	s, err := startServer(t.Context(), Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if !Carries(dir) {
		t.Error("a member that has run is not known")
	}
}
