package drivertest

import (
	"context"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/drivers"
)

// Counter is a drivers.Sink in memory that passes the suite Sink, for tests of those who deliver. It takes records whose
// columns begin like Schema, and counts what reaches it.
type Counter struct {
	// Fail, when set, is asked before each of the three steps of a delivery (fence, write, answer), and makes it fail.
	Fail func(d drivers.Delivery, step int) error

	mu      sync.Mutex
	epochs  map[place]int64
	last    map[place]drivers.Key
	arrived map[place][]Arrival
	asked   int
}

// place is where a product's effects arrive.
type place struct{ uri, product string }

// Deliver takes an effect.
func (c *Counter) Deliver(ctx context.Context, d drivers.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epochs == nil {
		c.epochs, c.last, c.arrived = map[place]int64{}, map[place]drivers.Key{}, map[place][]Arrival{}
	}
	c.asked++
	at := place{d.URI, d.Key.Product}
	if d.Key.Product == "" || d.Key.Seq < 1 || d.Key.Ordinal < 1 || d.Options["no-such-option"] != "" || len(d.URI) < 4 || d.URI[:4] != "mem:" {
		return &drivers.Error{Kind: drivers.ErrRequest, Message: fmt.Sprintf("no effect: %+v to %q", d.Key, d.URI)}
	}
	if d.Epoch < c.epochs[at] {
		return fmt.Errorf("epoch %d after %d: %w", d.Epoch, c.epochs[at], drivers.ErrFenced)
	}
	if err := c.fails(d, 1); err != nil {
		return err
	}
	c.epochs[at] = d.Epoch
	if err := c.fails(d, 2); err != nil {
		return err
	}
	if d.Key.Compare(c.last[at]) > 0 {
		c.last[at] = d.Key
		c.arrived[at] = append(c.arrived[at], Arrival{d.Key.Seq, d.Key.Ordinal, rowsOf(d.Record)})
	}
	return c.fails(d, 3)
}

func (c *Counter) fails(d drivers.Delivery, step int) error {
	if c.Fail == nil {
		return nil
	}
	return c.Fail(d, step)
}

// Arrived are the effects of a product that reached a target, in the order in which they came.
func (c *Counter) Arrived(uri, product string) []Arrival {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Arrival(nil), c.arrived[place{uri, product}]...)
}

// Asked counts calls of Deliver.
func (c *Counter) Asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

func rowsOf(rec arrow.RecordBatch) []Row {
	out := make([]Row, rec.NumRows())
	id, name := rec.Column(0).(*array.Int64), rec.Column(1).(*array.String)
	for i := range out {
		out[i].ID = id.Value(i)
		if name.IsValid(i) {
			s := string(append([]byte{}, name.Value(i)...))
			out[i].Name = &s
		}
	}
	return out
}
