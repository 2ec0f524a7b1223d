package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
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

// crowd is many of the product ringer, whose code is compiled once.
func crowd(t *testing.T) fleet.Crowd {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	b := &build.Builder{Cache: filepath.Join(cache, "adp"), GoSDK: gosdk.Source, RustSDK: rustsdk.Source, Env: os.Environ(), LookPath: exec.LookPath}
	a, err := b.Product(t.Context(), filepath.Join("testdata", "ringer"), nil)
	if err != nil {
		t.Fatal(err)
	}
	product := fstest.MapFS{"product.wasm": {Data: a.Module}}
	for name, text := range a.Documents {
		product[name] = &fstest.MapFile{Data: bytes.Replace(text, []byte("path: .}"), []byte("path: product.wasm}"), 1), Mode: 0o644}
	}
	return fleet.Crowd{Product: product, Document: "product.yaml", Input: "files", Bell: "bell", Work: t.TempDir(), Talk: t.Logf, Builder: b}
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

// mesh is a fleet with a crowd of products on it, each over a folder of its own.
type mesh struct {
	*fleet.Fleet
	t       *testing.T
	said    *log
	folders map[host.ProductID]string
	want    []int64 // rows that every product must have, in order
}

func newMesh(t *testing.T, products int, lease time.Duration) *mesh {
	t.Helper()
	m := &mesh{t: t, said: &log{}}
	var err error
	m.Fleet, err = fleet.Start(t.Context(), t.TempDir(), lease, m.said)
	return m.populated(products, err)
}

// newMeshOver is a mesh of two nodes over an etcd that is there.
func newMeshOver(t *testing.T, etcd string, products int, lease time.Duration) *mesh {
	t.Helper()
	m := &mesh{t: t, said: &log{}}
	var err error
	m.Fleet, err = fleet.StartOver(t.Context(), etcd, t.TempDir(), lease, m.said)
	return m.populated(products, err)
}

// populated is the mesh, if it has started, with so many products.
func (m *mesh) populated(products int, err error) *mesh {
	t := m.t
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, m.said.b.String())
	}
	t.Cleanup(func() {
		_ = m.Close()
		if t.Failed() {
			t.Log(m.said.b.String())
		}
	})
	if m.folders, err = crowd(t).Register(t.Context(), m.First, products); err != nil {
		t.Fatal(err)
	}
	return m
}

// drop gives every product a new file.
func (m *mesh) drop() {
	m.t.Helper()
	v := len(m.want) + 1
	m.want = append(m.want, int64(v))
	for _, folder := range m.folders {
		if err := fleet.Drop(folder, fmt.Sprint(v), "at", v); err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *mesh) until(what string, ok func(host.FleetStatus) bool) {
	m.t.Helper()
	if err := m.Until(m.t.Context(), what, ok); err != nil {
		m.t.Fatal(err)
	}
}

// eventually waits for what must come.
func (m *mesh) eventually(what string, ok func() bool) {
	m.t.Helper()
	m.until(what, func(host.FleetStatus) bool { return ok() })
}

// wait waits for what must come.
func (m *mesh) wait(what string, c <-chan struct{}) {
	m.t.Helper()
	m.eventually(what, func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	})
}

// kill kills a child.
func (m *mesh) kill(name string) {
	m.t.Helper()
	_ = m.Children[name].Process.Kill()
	_ = m.Children[name].Wait()
}

// died waits until a child has killed itself at a failpoint.
func (m *mesh) died(name, point string) {
	m.t.Helper()
	err := m.Children[name].Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		m.t.Fatalf("%s did not die at %s: %v", name, point, err)
	}
}

func (m *mesh) heads() map[host.ProductID]host.Pointer {
	m.t.Helper()
	heads, err := m.First.Heads(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return heads
}

// settle waits until every product has every row.
func (m *mesh) settle() {
	m.t.Helper()
	for id := range m.folders {
		m.eventually("every product has every row", func() bool { return m.heads()[id].Seq > 0 && len(rows(m.t, m.First, id)) >= len(m.want) })
	}
}

// of gives one of a node's products, and its head.
func (m *mesh) of(name string) (host.ProductID, host.Pointer) {
	m.t.Helper()
	owned, err := m.Owned(m.t.Context(), name)
	if err != nil || len(owned) == 0 {
		m.t.Fatalf("%s owns %v, %v", name, owned, err)
	}
	return owned[0], m.heads()[owned[0]]
}

// epoch is that of a product's newest ownership.
func (m *mesh) epoch(id host.ProductID) host.Epoch {
	m.t.Helper()
	p, err := m.First.Placement(m.t.Context(), id)
	if err != nil {
		m.t.Fatal(err)
	}
	return p.Epoch
}

// owns reports whether a node is there and owns so many products or more.
func owns(st host.FleetStatus, name string, products int) bool {
	return slices.ContainsFunc(st.Nodes, func(n host.NodeStatus) bool { return n.Node == name && n.Boot != "" && n.Products >= products })
}

// alive reports whether a node is heard of.
func alive(st host.FleetStatus, name string) bool { return owns(st, name, 0) }

// rung are the values that arrived where a product's effects go, sorted.
func (m *mesh) rung(id host.ProductID) (out []int64) {
	m.t.Helper()
	files, err := filepath.Glob(filepath.Join(fleet.Rung(m.folders[id]), "*.csv"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, line := range strings.Fields(string(b))[1:] {
			v, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				m.t.Fatal(err)
			}
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return out
}

// finish waits until every product has every row and has told of it, and returns how many have not exactly those, or have
// told of others.
func (m *mesh) finish() (wrong int) {
	m.t.Helper()
	for id := range m.folders {
		var told []int64
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if told = m.rung(id); len(told) >= len(m.want) {
				break
			}
		}
		if !slices.Equal(told, m.want) {
			wrong++
			m.t.Errorf("%s has told of %v, want %v", id.URL(), told, m.want)
		}
		var got []int64
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if got = rows(m.t, m.First, id); len(got) >= len(m.want) {
				break
			}
		}
		if !slices.Equal(got, m.want) {
			wrong++
			m.t.Errorf("%s has rows %v, want %v", id.URL(), got, m.want)
		}
	}
	return wrong
}
