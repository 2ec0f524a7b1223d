package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/node"
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
	if name, nth, ok := strings.Cut(point, ":"); ok {
		n, err := strconv.Atoi(nth)
		if err != nil {
			return err
		}
		failpoint.Arm(name, n, func() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n, err := node.Open(ctx, node.Config{Data: data, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		return err
	}
	return errors.Join(n.Settle(ctx), n.Close())
}

// points are the steps at which the process is killed.
var points = []string{
	"run.after-plan", "run.after-open", "run.after-read", "run.after-guest", "table.data-written", "table.metadata-written", "run.after-stage",
	"run.after-state-write", "run.before-head-write", "run.after-head-write", "run.before-sync", "run.after-sync", "run.before-commit",
	"run.after-commit", "run.after-settle", "run.after-acknowledge",
	"run.before-delivery", "run.after-delivery", "run.after-delivery-acknowledge",
}

// TestKilledAtFailpoints kills a real node process three times at each step of a run. What the mesh holds in the end
// equals an undisturbed run over the same sources, and what arrived in the folder that a product writes to equals what it
// published: nothing is lost, nothing doubled.
func TestKilledAtFailpoints(t *testing.T) {
	w, ctx := crashWorld(t)
	hits := map[string]int{}
	for round := range 3 {
		for _, p := range points {
			w.edit(t)
			nth := 1 + round
			if strings.Contains(p, "delivery") {
				nth = 1 // an edit has one effect
			}
			if w.killed(t, ctx, p+":"+strconv.Itoa(nth), 0) {
				hits[p]++
			}
		}
	}
	for _, p := range points {
		if hits[p] == 0 {
			t.Errorf("failpoint %s never killed the process", p)
		}
	}
	t.Logf("killed at %d failpoints: %v", len(hits), hits)
	w.finish(t, ctx)
}

// TestKilledAtRandom kills a real node process at 50 random moments.
func TestKilledAtRandom(t *testing.T) {
	w, ctx := crashWorld(t)
	kills := 0
	for range 50 {
		w.edit(t)
		if w.killed(t, ctx, "", time.Duration(w.rng.IntN(1200))*time.Millisecond) {
			kills++
		}
	}
	t.Logf("%d of 50 kills came before the node had settled", kills)
	w.finish(t, ctx)
}

func crashWorld(t *testing.T) (*world, context.Context) {
	if testing.Short() {
		t.Skip("kills real processes for minutes; make test runs it")
	}
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

// killed starts a node process and reports whether it was killed: at the point, or after a while. A process that ends
// by itself must have succeeded.
func (w *world) killed(t *testing.T, ctx context.Context, point string, after time.Duration) bool {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childData+"="+w.data, childPoint+"="+point)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
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
	if w.killed(t, ctx, "", 0) {
		t.Fatal("killed by nobody")
	}
	n, err := node.Open(ctx, node.Config{Data: w.data})
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
