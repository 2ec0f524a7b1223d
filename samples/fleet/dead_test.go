package fleet_test

import (
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

// TestDeadBeforeItsLease kills a node process whose lease is long. Its machine refuses connections, so the others know long
// before the lease has run out.
func TestDeadBeforeItsLease(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for a missing sign of life")
	}
	t.Parallel()
	const products = 9
	m := newMesh(t, products, 30*time.Second)
	m.kill("n2")
	m.drop()
	m.until("the others have taken over", func(st host.FleetStatus) bool { return takenOver(st, products) })
	if m.said.count("a node is dead") == 0 {
		t.Error("the others have waited for the lease")
	}
	if wrong := m.finish(); wrong > 0 {
		t.Errorf("%d products with wrong rows", wrong)
	}
}
