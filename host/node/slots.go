package node

import "context"

// slots bounds what goes on at once. Nil slots bound nothing.
//
// Guests are compute: there are as many slots for them as cores, so that serving and leases never wait behind them. Whole
// attempts mostly wait, for sources and disks: of those attemptsPerSlot times as many go on, and what they keep in memory
// stays bounded.
type slots chan struct{}

const attemptsPerSlot = 16

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
