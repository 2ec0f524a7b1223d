package node_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adp-host/adp/host/node"
)

// TestGuestsOfANode: a module is compiled once, by whoever the node is told; its guest initialises itself once in each engine,
// and all later runs begin where it was then.
func TestGuestsOfANode(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w := newWorkshop(t)
	var compiled atomic.Int64
	n, err := node.Open(ctx, node.Config{Data: t.TempDir(), Compile: func(context.Context, string) error {
		compiled.Add(1)
		return nil // and found nothing: the node does it itself
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := errors.Join(register(ctx, n, w.brief(t, "source")), n.Settle(ctx)); err != nil {
		t.Fatal(err)
	}
	starts := map[string]float64{}
	for k := 0; compiled.Load() == 0 || starts["initialised"] < 2 || starts["reused"] < 3; k++ {
		w.write(t, filepath.Join("in", fmt.Sprint(k+2, ".csv")), fmt.Sprintf("id\n%d\n", k+4))
		if err := n.Settle(ctx); err != nil {
			t.Fatalf("%v; starts: %v, compiled %d times", err, starts, compiled.Load())
		}
		families, err := n.Metrics().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "adp_guest_starts_total" {
				for _, m := range f.Metric {
					starts[m.Label[0].GetValue()] = m.Counter.GetValue()
				}
			}
		}
	}
	if compiled.Load() != 1 || starts["initialised"] != 2 {
		t.Errorf("starts: %v, compiled %d times", starts, compiled.Load())
	}
	t.Log(starts)
}
