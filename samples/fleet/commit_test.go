package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// TestKilledWithACommitOnItsWay kills a node process while one of its commits is on its way to an etcd in another process:
// after etcd has applied it and before a reply has come, and before it has come to etcd, where it arrives when another node
// has claimed the product. The first counts; the second is refused, and by the epoch alone, since its head still fits.
func TestKilledWithACommitOnItsWay(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for leases")
	}
	t.Parallel()
	const products = 6
	etcd := wiredEtcd(t)
	m := newMeshOver(t, etcd.url(), products, 2*time.Second)
	m.drop()
	for round := range 2 {
		for _, replies := range []bool{true, false} {
			m.until("n2 owns its share", func(st host.FleetStatus) bool { return owns(st, "n2", products/2) })
			m.settle()
			p, before := m.of("n2")
			epoch := m.epoch(p)
			c := etcd.keep(fmt.Sprintf("%s/e%d/s%d/", run.Folder(p), epoch, before.Seq+1), replies)
			m.drop()
			m.wait("the commit is on its way", c.caught)
			if replies {
				m.eventually("etcd has applied it", func() bool { return m.heads()[p].Epoch == epoch && m.heads()[p].Seq == before.Seq+1 })
			} else if now := m.heads()[p]; now != before {
				t.Fatalf("what was kept has been applied: %+v after %+v", now, before)
			}
			m.kill("n2")
			if !replies {
				m.late(c, p, before, epoch)
			}
			m.until("n1 has taken over", func(st host.FleetStatus) bool { return takenOver(st, products) })
			if err := m.StartChild("n2", ""); err != nil {
				t.Fatal(err)
			}
			t.Logf("round %d, replies lost %v: %s of epoch %d", round, replies, p.URL(), epoch)
		}
	}
	m.drop()
	wrong := m.finish()
	t.Logf("kills %d with a commit on its way, %d products with wrong rows", 4, wrong)
}

// late lets a commit of an epoch arrive when the product has been claimed in another, and before anything else is committed.
func (m *mesh) late(c *catch, p host.ProductID, before host.Pointer, epoch host.Epoch) {
	m.t.Helper()
	if err := m.First.Pause(m.t.Context(), p); err != nil { // whoever claims it commits nothing yet
		m.t.Fatal(err)
	}
	m.eventually("another has claimed it", func() bool { return m.epoch(p) > epoch })
	if now := m.heads()[p]; now != before {
		m.t.Fatalf("the test comes too late: %+v after %+v", now, before)
	}
	close(c.release)
	m.eventually("etcd has answered", func() bool { return c.answered(`"claim"`) || m.heads()[p] != before }) // refused: it says who owns it
	if now := m.heads()[p]; now != before {
		m.t.Errorf("a commit of epoch %d was applied in epoch %d: %+v", epoch, m.epoch(p), now)
	}
	if err := m.First.Resume(m.t.Context(), p); err != nil {
		m.t.Fatal(err)
	}
}
