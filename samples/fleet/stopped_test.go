package fleet_test

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/samples/fleet"
)

// TestStoppedLongerThanItsLease stops a node that owns many products with SIGSTOP while they have work, for longer than its
// lease, and lets it go on with SIGCONT: each product of it is a trial. Meanwhile its products are paused, so that their new
// owners commit nothing and only the epoch stands between what the node had begun and its commit. All of that is refused, as
// etcd's own history tells; the last snapshots are read throughout, and in the end each product has every row once.
func TestStoppedLongerThanItsLease(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN with -short: it waits for leases")
	}
	t.Parallel()
	const products, wanted, atMost = 120, 200, 2000
	m := &mesh{t: t, said: &log{}}
	var err error
	if m.Fleet, err = fleet.Start(t.Context(), t.TempDir(), 2*time.Second, m.said); err != nil {
		t.Fatalf("%v\n%s", err, m.said.b.String())
	}
	w := newWitness(t, m.Fleet)
	m.populated(products, nil)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	refused := func() int { return m.said.count("has ended") }
	trials, reads := 0, 0
	for trials < wanted || refused() == 0 && trials < atMost {
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
		for _, id := range owned {
			if err := m.First.Pause(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		m.until("the others have taken over", func(st host.FleetStatus) bool {
			id := owned[reads%len(owned)]
			if reads++; m.heads()[id].Seq > 0 {
				got := rows(t, m.First, id)
				if len(got) > len(m.want) || !slices.Equal(got, m.want[:len(got)]) {
					t.Errorf("while its owner is stopped %s reads as %v", id.URL(), got)
				}
			}
			return !alive(st, "n2") && !owns(st, "n2", 0) && takenOver(st, products)
		})
		if err := m.Children["n2"].Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		m.until("n2 is heard of again", func(st host.FleetStatus) bool { return alive(st, "n2") })
		for _, id := range owned {
			if err := m.First.Resume(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	wrong := m.finish()
	commits, stale := w.tell(m)
	t.Logf("%d trials, %d runs of the stopped node were refused, %d of %d commits were stale, %d products are wrong; %d reads while it was stopped",
		trials, refused(), len(stale), commits, wrong, reads)
	for _, s := range stale {
		t.Error(s)
	}
	if refused() == 0 || commits < products || reads == 0 {
		t.Error("nothing was tried")
	}
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
