package run

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/adp-host/adp/host"
)

// guestTime is the wall-clock time that a guest has left in one run. Only calls into it count, and of those not the
// time for which its own output held it up: a slow disk does not kill a guest.
type guestTime struct {
	deadline time.Duration // 0: none

	mu      sync.Mutex
	spent   time.Duration
	excused time.Duration // in the current call
}

func (g *guestTime) excuse(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.excused += d
}

// call runs fn with what is left; S004 when it is used up.
func (g *guestTime) call(ctx context.Context, fn func(context.Context) error) error {
	if g.deadline <= 0 {
		return fn(ctx)
	}
	left := g.deadline - g.spent
	if left <= 0 {
		return g.over(nil)
	}
	limited, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	began := time.Now()
	err := fn(limited)
	g.mu.Lock()
	g.spent += max(0, time.Since(began)-g.excused)
	g.excused = 0
	g.mu.Unlock()
	if err != nil && host.CodeOf(err) == "" && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return g.over(err)
	}
	return err
}

func (g *guestTime) over(err error) error {
	e := host.Errorf(host.CodeGuestDeadline, "the guest ran past its deadline of %v", g.deadline)
	e.Err = err
	return e.WithHint("raise limits.deadline in the product's documents, or let it do less in one run")
}
