package fleet_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

// TestStoppedLongerThanItsLease stops a node that owns many products with SIGSTOP while they have work, for longer than its
// lease, and lets it go on with SIGCONT: each product of it is a trial. Whatever it had begun is refused, its products have
// gone on elsewhere, and in the end each has every row once.
func TestStoppedLongerThanItsLease(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for leases")
	}
	t.Parallel()
	const products, wanted = 120, 200
	m := newMesh(t, products, 2*time.Second)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	trials := 0
	for trials < wanted {
		m.until("n2 owns its share", func(st host.FleetStatus) bool { return owns(st, "n2", products/4) })
		owned, err := m.Owned(t.Context(), "n2")
		if err != nil {
			t.Fatal(err)
		}
		trials += len(owned)
		m.drop()
		time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond) // its runs are somewhere between their first and last step
		if err := m.Children["n2"].Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		m.until("the others have taken over", func(st host.FleetStatus) bool {
			return !alive(st, "n2") && !owns(st, "n2", 0) && takenOver(st, products)
		})
		m.drop()
		if err := m.Children["n2"].Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	wrong := m.finish()
	t.Logf("%d trials, %d runs of the stopped node were refused, %d stale commits", trials, m.said.count("has ended"), wrong)
}

// takenOver reports whether n1 and n3 own everything.
func takenOver(st host.FleetStatus, products int) bool {
	n := 0
	for _, node := range st.Nodes {
		if node.Node != "n2" {
			n += node.Products
		}
	}
	return n == products
}
