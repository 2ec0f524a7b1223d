package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestFullDisk: with no byte left on the disk, heads still move, and a restart finds them.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
		fmt.Fprintf(os.Stderr, "TestFullDisk DID NOT RUN: a disk of 64 MiB needs the right to mount one: %v\n", err)
		t.Skip(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	dir := filepath.Join(disk, "etcd")
	c := openTest(t, Config{Dir: dir})
	own := must[host.Ownership](t)(c.Claim(t.Context(), strikes))
	fill(t, filepath.Join(disk, "filler"))
	var prev host.Pointer
	for seq := host.Seq(1); seq <= 2000; seq++ {
		next := pointer(seq, own, fmt.Sprint("r", seq))
		if err := c.Commit(t.Context(), own, prev, next); err != nil {
			t.Fatalf("commit %d: %v", seq, err)
		}
		prev = next
	}
	c.Close()
	c = openTest(t, Config{Dir: dir})
	if got := must[host.Pointer](t)(c.Head(t.Context(), strikes)); got != prev {
		t.Fatalf("head %+v, want %+v", got, prev)
	}
}

// fill writes until nothing fits any more.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
