package mesh_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
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
	n, err := node.Open(ctx, node.Config{Data: t.TempDir(), Drivers: computes(t), Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))})
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
	b := &build.Builder{Cache: filepath.Join(cache, "adp-test"), GoSDK: sdkgo.Source, Env: os.Environ(), LookPath: exec.LookPath}
	if c := computes(t)["duckdb"]; c != nil {
		b.Compute = c.(drivers.Compute)
	}
	return b
}

// computes is DuckDB, where there is a C compiler.
func computes(t *testing.T) map[string]any {
	t.Helper()
	program, err := duckdbtest.Build()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		t.Logf("NOT TESTED: products in SQL: %v", err)
		return nil
	case err != nil:
		t.Fatal(err)
	}
	return map[string]any{"duckdb": &duckdb.Process{Path: program}}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) { w.t.Log(string(b)); return len(b), nil }
