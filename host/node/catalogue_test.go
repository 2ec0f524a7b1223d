package node

import (
	"testing"

	"github.com/adp-host/adp/host/cluster"
)

// TestBelongs has a claim answered after the watch has told that another node owns the product since, as where a process is
// stopped in between.
func TestBelongs(t *testing.T) {
	var l listing
	for _, step := range []struct{ told, want cluster.Owner }{
		{cluster.Owner{Node: "n1", Epoch: 1}, cluster.Owner{Node: "n1", Epoch: 1}},
		{cluster.Owner{Node: "n3", Epoch: 3}, cluster.Owner{Node: "n3", Epoch: 3}},
		{cluster.Owner{Node: "n2", Epoch: 2}, cluster.Owner{Node: "n3", Epoch: 3}}, // the late answer
		{cluster.Owner{Epoch: 3}, cluster.Owner{Epoch: 3}},                         // released
		{cluster.Owner{Node: "n2", Epoch: 4}, cluster.Owner{Node: "n2", Epoch: 4}},
	} {
		if l.belongs(step.told); l.own != step.want {
			t.Fatalf("told %+v it says %+v, not %+v", step.told, l.own, step.want)
		}
	}
}
