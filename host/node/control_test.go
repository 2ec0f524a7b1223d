package node_test

import (
	"errors"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestCommandsAtOnce: a node that has just started owns nothing yet; commands wait until it does.
func TestCommandsAtOnce(t *testing.T) {
	w, data := newWorkshop(t), t.TempDir()
	n := open(t, data)
	if err := errors.Join(register(t.Context(), n, w.artifact(t, "good", "well")), n.Settle(t.Context()), n.Close()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		n := open(t, data)
		if st, err := n.Trigger(t.Context(), id("good"), true); err != nil || st.State != host.RunCommitted {
			t.Errorf("%s, %v", st.State, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
