package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
)

// TestKilledWhileProductsMove kills a node process at each step of taking products up and giving them away. Its products go
// on elsewhere, it comes back, and in the end each product has every row once.
func TestKilledWhileProductsMove(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for leases")
	}
	const products = 30
	m := newMesh(t, products, 2*time.Second)
	died := func() { _ = m.Children["n2"].Wait() } // it kills itself
	end := func() {
		_ = m.Children["n2"].Process.Kill()
		_ = m.Children["n2"].Wait()
		m.until("n2 is gone", func(st host.FleetStatus) bool { return takenOver(st, products) })
	}
	kills := 0
	for round, point := range node.MoveFailpoints {
		end()
		m.drop()
		if err := m.StartChild("n2", fmt.Sprint(point, ":", 2+round%2)); err != nil {
			t.Fatal(err)
		}
		if round >= 2 { // it must have something to give away
			m.until("n2 owns its share", func(st host.FleetStatus) bool { return owns(st, "n2", products/4) })
			if err := m.First.Drain(t.Context(), "n2"); err != nil {
				t.Fatal(err)
			}
		}
		died()
		kills++
		m.drop()
		if err := m.First.Uncordon(t.Context(), "n2"); err != nil {
			t.Fatal(err)
		}
		m.until("the others have taken over", func(st host.FleetStatus) bool { return takenOver(st, products) })
	}
	if err := m.StartChild("n2", ""); err != nil {
		t.Fatal(err)
	}
	m.until("n2 owns its share again", func(st host.FleetStatus) bool { return owns(st, "n2", products/4) })
	m.drop()
	wrong := m.finish()
	t.Logf("%d kills at the steps of %v, %d products with wrong rows", kills, node.MoveFailpoints, wrong)
}
