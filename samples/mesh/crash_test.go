package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/table"
)

// Settings of the child process that a crash test kills.
const (
	childData  = "ADP_CRASH_DATA"
	childPoint = "ADP_CRASH_POINT" // name:nth
)

func TestMain(m *testing.M) {
	if data := os.Getenv(childData); data != "" {
		if err := child(data, os.Getenv(childPoint)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is a node process: it opens the data folder, follows the sources until nothing is left to do, and ends.
func child(data, point string) error {
	if err := failpoint.Kill(point); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := openNode(ctx, data)
	if err != nil {
		return err
	}
	fmt.Println("open")
	return errors.Join(n.Settle(ctx), n.Close())
}

// points are the steps at which the process is killed.
var points = slices.Concat(run.Failpoints, table.Failpoints, file.Failpoints, cluster.Failpoints, node.NotifyFailpoints)

// most is how often an edit passes a point at least, where that is more than once: each file of a run is one of them.
func most(point string) int {
	switch {
	case strings.HasPrefix(point, "store."):
		return 40
	case strings.HasPrefix(point, "sink."), strings.Contains(point, "delivery"):
		return 1
	}
	return 4
}

// TestKilledAtFailpoints kills a real node process twice at each step, and three times at those of a run: when it comes to it
// for the first time, and at others. What the mesh holds in the end equals an undisturbed run over the same sources, and what
// arrived in the folder that a product writes to equals what it published: nothing is lost, nothing doubled.
func TestKilledAtFailpoints(t *testing.T) {
	w, ctx := crashWorld(t)
	kills, late := 0, 0
	for round := range 3 {
		for _, p := range points {
			if round == 2 && !slices.Contains(run.Failpoints, p) {
				continue
			}
			w.edit(t)
			if round > 0 && most(p) > 1 && w.killed(t, ctx, p+":"+strconv.Itoa(2+w.rng.IntN(most(p)-1)), moment{}) {
				kills++
				late++
				continue
			}
			w.edit(t)
			if !w.killed(t, ctx, p+":1", moment{}) {
				t.Errorf("failpoint %s did not kill the process", p)
				continue
			}
			kills++
		}
	}
	w.finish(t, ctx)
	t.Logf("kills %d at %d steps of real processes, %d of them later than the first time", kills, len(points), late)
}

// TestKilledAtRandom kills a real node process at 50 random moments, most of them while its products run.
func TestKilledAtRandom(t *testing.T) {
	w, ctx := crashWorld(t)
	kills := 0
	for range 50 {
		w.edit(t)
		at := moment{open: 1 + time.Duration(w.rng.IntN(int(600*time.Millisecond)))}
		if w.rng.IntN(5) == 0 {
			at = moment{start: 1 + time.Duration(w.rng.IntN(int(time.Second)))}
		}
		if w.killed(t, ctx, "", at) {
			kills++
		}
	}
	w.finish(t, ctx)
	t.Logf("kills %d at random moments, of 50 before the node had settled", kills)
}

func crashWorld(t *testing.T) (*world, context.Context) {
	if testing.Short() {
		t.Skip("kills real processes for minutes; make test runs it")
	}
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(cancel)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t, seed)
	n, err := w.register(ctx, w.data)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.Settle(ctx), n.Close()); err != nil {
		t.Fatal(err)
	}
	return w, ctx
}

// moment is when a process is killed: so long after its start, or after its node has opened. 0 is never.
type moment struct{ start, open time.Duration }

// told is called when a process says something.
type told func()

func (f told) Write(b []byte) (int, error) { f(); return len(b), nil }

// killed starts a node process and reports whether it was killed: at the point, or at the moment. A process that ends
// by itself must have succeeded.
func (w *world) killed(t *testing.T, ctx context.Context, point string, at moment) bool {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childData+"="+w.data, childPoint+"="+point)
	var said strings.Builder
	cmd.Stderr = &said
	in := func(d time.Duration) {
		if d > 0 {
			time.AfterFunc(d, func() { _ = cmd.Process.Kill() }) // which knows a process that has ended
		}
	}
	cmd.Stdout = told(func() { in(at.open) })
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in(at.start)
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("the node process failed after %s: %v\n%s", point, err, said.String())
	}
	return false
}

// finish lets an undisturbed process catch up and compares.
func (w *world) finish(t *testing.T, ctx context.Context) {
	t.Helper()
	if w.killed(t, ctx, "", moment{}) {
		t.Fatal("killed by nobody")
	}
	n, err := openNode(ctx, w.data)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := content(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, w.recomputed(ctx, t))
	w.compareEffects(ctx, t, n)
}
