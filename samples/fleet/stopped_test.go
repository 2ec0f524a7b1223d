package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	gosdk "github.com/adp-host/adp/guest-sdk/go"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest"
	"github.com/adp-host/adp/samples/fleet"
)

func TestMain(m *testing.M) {
	if value := os.Getenv(fleet.ChildVariable); value != "" {
		if err := fleet.Child(context.Background(), value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// log is what the nodes say, shared by processes and goroutines.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func crowd(t *testing.T) fleet.Crowd {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Crowd{Product: os.DirFS("../bench/pulse"), Document: "reader.yaml", Input: "files", Work: t.TempDir(), Talk: t.Logf,
		Builder: &build.Builder{Cache: filepath.Join(cache, "adp"), GoSDK: gosdk.Source, RustSDK: rustsdk.Source, Env: os.Environ(), LookPath: exec.LookPath}}
}

// rows are the values of a product's only column, sorted.
func rows(t *testing.T, n *node.Node, id host.ProductID) []int64 {
	t.Helper()
	d, err := n.Ports().Open(t.Context(), id, "beats", rest.At{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := d.Read(t.Context(), rest.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []int64
	for {
		rec, err := r.Next(t.Context())
		if err == io.EOF {
			slices.Sort(out)
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec.Column(0).(*array.Int64).Int64Values()...)
		rec.Release()
	}
}

// TestStoppedLongerThanItsLease stops a node that owns many products with SIGSTOP while they have work, for longer than its
// lease, and lets it go on with SIGCONT: each product of it is a trial. Whatever it had begun is refused, its products have
// gone on elsewhere, and in the end each has every row once.
func TestStoppedLongerThanItsLease(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for leases")
	}
	const products, wanted, lease = 120, 200, 2 * time.Second
	ctx := t.Context()
	said := &log{}
	f, err := fleet.Start(ctx, t.TempDir(), lease, said)
	if err != nil {
		t.Fatalf("%v\n%s", err, said.b.String())
	}
	defer f.Close()
	folders, err := crowd(t).Register(ctx, f.First, products)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]host.ProductID, 0, len(folders))
	for id := range folders {
		ids = append(ids, id)
	}
	var want []int64
	drop := func() {
		v := len(want) + 1
		want = append(want, int64(v))
		for _, folder := range folders {
			if err := fleet.Drop(folder, fmt.Sprint(v), "at", v); err != nil {
				t.Fatal(err)
			}
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	trials, gone := 0, 0
	for trials < wanted {
		if err := f.Until(ctx, "n2 owns its share", func(st host.FleetStatus) bool {
			return slices.ContainsFunc(st.Nodes, func(n host.NodeStatus) bool { return n.Node == "n2" && n.Products >= products/4 })
		}); err != nil {
			t.Fatal(err)
		}
		owned, err := f.Owned(ctx, "n2")
		if err != nil {
			t.Fatal(err)
		}
		trials += len(owned)
		drop()
		time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond) // its runs are somewhere between their first and last step
		if err := f.Children["n2"].Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if err := f.Until(ctx, "the others have taken over", func(st host.FleetStatus) bool {
			return !slices.ContainsFunc(st.Nodes, func(n host.NodeStatus) bool { return n.Node == "n2" })
		}); err != nil {
			t.Fatal(err)
		}
		gone += len(owned)
		drop()
		if err := f.Children["n2"].Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	wrong := 0
	for _, id := range ids {
		var got []int64
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if got = rows(t, f.First, id); len(got) >= len(want) {
				break
			}
		}
		if !slices.Equal(got, want) {
			wrong++
			t.Errorf("%s has rows %v, want %v", id.URL(), got, want)
		}
	}
	t.Logf("%d trials, %d products taken over, %d runs of the stopped node were refused, %d stale commits", trials, gone, said.count("has ended"), wrong)
}
