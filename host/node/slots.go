package node

import "context"

// slots bounds the runs that execute at once: guests are compute, so there are as many as cores, and serving and
// leases never wait behind them.
type slots chan struct{}

func newSlots(n int) slots { return make(slots, n) }

func (s slots) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slots) release() { <-s }
