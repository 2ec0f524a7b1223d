package node

import "context"

// slots bounds what goes on at once. Nil slots bound nothing.
//
// Attempts mostly wait, for sources, disks and slots in which their guests compute: of those the sandbox has as many as there
// are cores. guestsPerSlot times as many guests are there at once, and attemptsPerSlot times as many attempts go on, so
// that what they keep in memory stays bounded.
type slots chan struct{}

const (
	guestsPerSlot   = 8
	attemptsPerSlot = 16
)

func newSlots(n int) slots { return make(slots, n) }

func (s slots) acquire(ctx context.Context) error {
	if s == nil {
		return nil
	}
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slots) release() {
	if s != nil {
		<-s
	}
}
