package fleet_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
)

// TestKilledWhileProductsMove kills a node process twice at each step of taking products up and giving them away. Its
// products go on elsewhere, it comes back, and in the end each product has every row once.
func TestKilledWhileProductsMove(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for leases")
	}
	t.Parallel()
	const products = 30
	m := newMesh(t, products, 2*time.Second)
	gone := func(st host.FleetStatus) bool { return takenOver(st, products) }
	kills := 0
	for nth := range 2 {
		for _, point := range node.MoveFailpoints {
			m.kill("n2")
			m.until("n2 is gone", gone)
			m.drop()
			if err := m.StartChild("n2", fmt.Sprint(point, ":", 1+3*nth)); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(point, "-claim") { // it must have something to give away
				m.until("n2 owns its share", func(st host.FleetStatus) bool { return owns(st, "n2", products/4) })
				if err := m.First.Drain(t.Context(), "n2"); err != nil {
					t.Fatal(err)
				}
			}
			m.died("n2", point)
			kills++
			m.drop()
			if err := m.First.Uncordon(t.Context(), "n2"); err != nil {
				t.Fatal(err)
			}
			m.until("the others have taken over", gone)
		}
	}
	if err := m.StartChild("n2", ""); err != nil {
		t.Fatal(err)
	}
	m.until("n2 owns its share again", func(st host.FleetStatus) bool { return owns(st, "n2", products/4) })
	m.drop()
	wrong := m.finish()
	t.Logf("kills %d at %d steps of moving products, %d products with wrong rows", kills, len(node.MoveFailpoints), wrong)
}

// TestKilledWhileItPlans kills the elected scheduler's process twice at each step of placing products, when the only other
// node has just left and all that it had is to be placed. That node comes back, is elected, and places everything.
func TestKilledWhileItPlans(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for leases")
	}
	t.Parallel()
	const products = 12
	m := newMeshOver(t, wiredEtcd(t).url(), products, 2*time.Second)
	kills := 0
	for range 2 {
		for _, point := range node.PlanFailpoints {
			m.kill("n2")
			m.until("n2 is gone", func(st host.FleetStatus) bool { return takenOver(st, products) })
			if err := m.StartChild("n2", point); err != nil {
				t.Fatal(err)
			}
			m.until("both own a share", func(st host.FleetStatus) bool { return owns(st, "n2", products/4) })
			m.drop()
			if err := m.First.Close(); err != nil { // what it led is n2's to lead
				t.Fatal(err)
			}
			m.died("n2", point)
			kills++
			if err := m.OpenFirst(); err != nil {
				t.Fatal(err)
			}
			m.until("n1 places everything", func(st host.FleetStatus) bool { return takenOver(st, products) })
			m.settle()
		}
	}
	m.drop()
	wrong := m.finish()
	t.Logf("kills %d at %d steps of planning, %d products with wrong rows", kills, len(node.PlanFailpoints), wrong)
}
