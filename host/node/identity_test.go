package node

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
)

// TestStoreIdentity: all who open a store at once are told one identity, and it stays; stores differ in it. What is left
// of a file that was never written is made again.
func TestStoreIdentity(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() { ids[i] = identityIn(t, dir) })
	}
	all.Wait()
	for _, id := range append(ids, identityIn(t, dir)) {
		if id == "" || id != ids[0] {
			t.Fatalf("identities %q", ids)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, identityFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if id := identityIn(t, other); id == "" || id == ids[0] {
		t.Fatalf("identity %q of another store", id)
	}
}

func identityIn(t *testing.T, dir string) string {
	s, err := file.NewStore(dir)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer s.Close()
	id, err := storeIdentity(t.Context(), s)
	if err != nil {
		t.Error(err)
	}
	return id
}

// TestForeignStore: a node whose store is not the mesh's is refused, and one that takes its place is not.
func TestForeignStore(t *testing.T) {
	data, shared := t.TempDir(), t.TempDir()
	if err := openAndClose(t, data, shared); err != nil {
		t.Fatal(err)
	}
	if err := openAndClose(t, data, t.TempDir()); host.CodeOf(err) != host.CodeNodeStore {
		t.Fatalf("another store: %v", err)
	}
	if err := openAndClose(t, data, shared); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := openAndClose(t, t.TempDir(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := Recover(t.Context(), Recovery{Data: data, Shared: other}); err != nil { // the store of another, for good
		t.Fatal(err)
	}
	if err := openAndClose(t, data, other); err != nil {
		t.Fatal(err)
	}
}

func openAndClose(t *testing.T, data, shared string) error {
	t.Helper()
	n, err := Open(t.Context(), Config{Data: data, Fleet: Fleet{Shared: shared}})
	if err != nil {
		return err
	}
	return n.Close()
}

// TestTokenOfTheMesh: a node keeps the token that it is given, and a process that finds the data directory in use changes
// nothing.
func TestTokenOfTheMesh(t *testing.T) {
	data := t.TempDir()
	token := func() string {
		b, err := os.ReadFile(filepath.Join(data, "token"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if err := openAndClose(t, data, data); err != nil {
		t.Fatal(err)
	}
	own := token()
	n, err := Open(t.Context(), Config{Data: data, Fleet: Fleet{Token: "of the mesh"}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Token() != "of the mesh" || token() != n.Token() || own == token() {
		t.Errorf("given a token, the node has %q and keeps %q", n.Token(), token())
	}
	_, err = Open(t.Context(), Config{Data: data, Fleet: Fleet{Token: "another"}})
	if host.CodeOf(err) != host.CodeNodeInUse || token() != n.Token() {
		t.Errorf("%v; it keeps %q", err, token())
	}
}
