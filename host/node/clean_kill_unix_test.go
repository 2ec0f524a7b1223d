//go:build unix

package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/run"
)

// A test process that is started with these is a node that cleans up and kills itself at a step of it.
const (
	killedData  = "ADP_TEST_KILLED_DATA"
	killedPoint = "ADP_TEST_KILLED_POINT"
)

// TestMain is also the main of the node that TestCleanKilled kills.
func TestMain(m *testing.M) {
	data := os.Getenv(killedData)
	if data == "" {
		os.Exit(m.Run())
	}
	if err := failpoint.Kill(os.Getenv(killedPoint)); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := node.Open(ctx, node.Config{Data: data})
	if err == nil {
		err = errors.Join(n.Settle(ctx), n.Clean(ctx), n.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// TestCleanKilled kills a real process twice at each step of a clean-up, with new snapshots in between. What is kept
// reads whole in the end, no row is lost or doubled, and what expired is gone.
func TestCleanKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("kills real processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	w, data := newWorkshop(t), t.TempDir()
	n := open(t, data)
	if err := errors.Join(register(ctx, n, w.brief(t, "source"), w.reader(t, "after", "well", "adp://./test/source/rows")), n.Settle(ctx), n.Close()); err != nil {
		t.Fatal(err)
	}
	rows, snapshots, kills := int64(3), host.Seq(1), 0
	for round := range 2 {
		for _, point := range run.CleanFailpoints {
			n := open(t, data)
			for range 3 { // of which one expires with the next clean-up
				rows, snapshots = rows+1, snapshots+1
				w.write(t, filepath.Join("in", fmt.Sprint("more", rows, ".csv")), fmt.Sprintf("id\n%d\n", rows))
				if err := n.Settle(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond) // the retention of the product
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), killedData+"="+data, killedPoint+"="+point)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("round %d: %s did not kill the process: %v\n%s", round, point, err, out)
			}
			kills++
		}
	}
	n = open(t, data)
	defer n.Close()
	if err := errors.Join(n.Settle(ctx), n.Clean(ctx)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"source", "after"} {
		p, err := n.Product(ctx, id(name))
		if err != nil || p.Rows != rows || p.State != host.StateReady {
			t.Errorf("%s has %d rows, want %d; %s %s, %v", name, p.Rows, rows, p.State, p.Reason, err)
		}
		if got, err := followed(t, n, name, 0); err != nil || got != rows {
			t.Errorf("%s: %d rows followed, want %d, %v", name, got, rows, err)
		}
		got := ids(t, n, name)
		for i := range got {
			if got[i] != int64(i+1) {
				t.Fatalf("%s has ids %v", name, got)
			}
		}
	}
	if _, err := followed(t, n, "source", snapshots-3); host.CodeOf(err) != host.CodeAccessExpired {
		t.Errorf("changes since %d: %v", snapshots-3, err)
	}
	heads, err := filepath.Glob(filepath.Join(data, "store", "products", "local", "test", "source", "e*", "s*", "*", "head.json"))
	if err != nil || len(heads) != 2 {
		t.Errorf("%d heads left: %v, %v", len(heads), heads, err)
	}
	t.Logf("kills %d at %d steps of cleaning up", kills, len(run.CleanFailpoints))
}
