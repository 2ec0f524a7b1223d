package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest"
)

// TestDiskFull runs a whole node on a disk of 64 MiB and fills it: the run says so, the last snapshot stays readable, and
// the product goes on once there is room.
func TestDiskFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: mounting a small disk takes root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("NOT RUN: no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	w := newWorkshop(t)
	n := open(t, filepath.Join(disk, "data"))
	defer n.Close()
	if err := register(ctx, n, w.artifact(t, "good", "well")); err != nil {
		t.Fatal(err)
	}
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(disk, "filler"))
	w.write(t, filepath.Join("in", "2.csv"), "id\n4\n")
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	p, err := n.Product(ctx, id("good"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("full: %s: %s", p.State, p.Reason)
	if p.State != host.StateFailed || !strings.Contains(p.Reason, "no space left") || !strings.Contains(p.Reason, string(host.CodeRunStore)) {
		t.Errorf("on a full disk the product is %s: %s", p.State, p.Reason)
	}
	if rows := count(t, n); rows != 3 {
		t.Errorf("the last snapshot has %d rows, want 3", rows)
	}
	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	if p, err = n.Product(ctx, id("good")); err != nil || p.State != host.StateReady || count(t, n) != 4 {
		t.Errorf("with room again: %s: %s, %d rows, %v", p.State, p.Reason, count(t, n), err)
	}
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func count(t *testing.T, n *node.Node) int64 {
	t.Helper()
	d, err := n.Ports().Open(t.Context(), id("good"), "rows", rest.At{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := d.Read(t.Context(), rest.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows := int64(0)
	for {
		rec, err := r.Next(t.Context())
		if err != nil {
			return rows
		}
		rows += rec.NumRows()
		rec.Release()
	}
}
