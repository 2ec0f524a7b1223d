package node

import (
	"testing"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// TestPausedBySchedule: a schedule that was set before the pause comes round in vain. The owner has no node: an attempt
// would panic.
func TestPausedBySchedule(t *testing.T) {
	for _, spec := range []host.Spec{{Paused: true}, {Retired: true}} {
		o := &owner{spec: spec}
		if err := o.attempts(t.Context(), run.Attempt{Reason: "schedule", Force: true}); err != nil {
			t.Error(err)
		}
	}
}
