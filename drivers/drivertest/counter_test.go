package drivertest_test

import (
	"context"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

// TestCounter: what other rooms count with keeps the contract itself.
func TestCounter(t *testing.T) {
	drivertest.Sink(t, func(*testing.T) drivertest.SinkFixture {
		c := &drivertest.Counter{}
		return drivertest.SinkFixture{URI: "mem:", Open: func(_ *testing.T, fail func(int) error) drivers.Sink { return &process{c, fail, 0} },
			Arrived: func(_ *testing.T, product string) []drivertest.Arrival { return c.Arrived("mem:", product) }}
	})
}

// process delivers to a counter that outlives it.
type process struct {
	c    *drivertest.Counter
	fail func(int) error
	step int
}

func (p *process) Deliver(ctx context.Context, d drivers.Delivery) error {
	if p.fail == nil {
		return p.c.Deliver(ctx, d)
	}
	p.c.Fail = func(drivers.Delivery, int) error { p.step++; return p.fail(p.step) }
	defer func() { p.c.Fail = nil }()
	return p.c.Deliver(ctx, d)
}
