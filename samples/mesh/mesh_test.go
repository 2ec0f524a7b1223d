package mesh_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	sdkgo "github.com/adp-host/adp/guest-sdk/go"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/samples/mesh"
)

// TestDemo is what `adp demo --once` does: the whole mesh over the real data.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	samples, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(ctx, node.Config{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	d := mesh.Demo{Node: n, Samples: samples, Work: t.TempDir(), Talk: testWriter{t}, Builder: builder(t)}
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	products, err := n.Products(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range products {
		t.Logf("%-10s %-18s %-6s rows %6d snapshot %d checks %d/%d %s %s", p.Domain, p.Product, p.Language, p.Rows, p.Snapshot, p.ChecksPassed, p.ChecksFailed, p.State, p.Reason)
		want := host.StateReady
		if p.Product == mesh.Held.Name {
			want = host.StateHeld
		}
		if p.State != want || p.Rows == 0 {
			t.Errorf("%s/%s is %s with %d rows, want %s", p.Domain, p.Product, p.State, p.Rows, want)
		}
	}
}

func builder(t *testing.T) *build.Builder {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return &build.Builder{Cache: filepath.Join(cache, "adp-test"), GoSDK: sdkgo.Source, Env: os.Environ(), LookPath: exec.LookPath}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) { w.t.Log(string(b)); return len(b), nil }
