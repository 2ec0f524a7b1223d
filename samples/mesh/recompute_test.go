package mesh_test

import (
	"context"
	"testing"
	"time"
)

// TestIncrementalEqualsRecomputation edits the sources at random and lets the mesh follow: every product must come to
// what a mesh that starts now makes of the same sources.
func TestIncrementalEqualsRecomputation(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t, seed)
	n, err := w.register(ctx, w.data)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for round := range 12 {
		w.edit(t)
		if round%3 == 0 {
			w.edit(t)
		}
		if err := n.Settle(ctx); err != nil {
			t.Fatal(err)
		}
	}
	got, err := content(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, got, w.recomputed(ctx, t))
}
