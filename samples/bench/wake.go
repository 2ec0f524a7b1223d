package main

import (
	"context"
	"fmt"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
)

// wake measures how long after an upstream's commit the run of its consumer starts: two products on one node, fsync on. A
// run's record ends just before its head is written and committed, so the figure holds the commit itself too.
func (b *bench) wake(ctx context.Context) error {
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	pulse, follower, err := b.pulses(ctx, n)
	if err != nil {
		return err
	}
	var took []time.Duration
	for range b.rounds(100) {
		d, err := wakeOnce(ctx, n, pulse, follower)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	b.print(figure{name: "wake", value: float64(median(took)) / 1e6, unit: "ms", against: "commit of the upstream", atMost: 20})
	return nil
}

// pulses registers a product that emits a row a run, and one that passes them on.
func (b *bench) pulses(ctx context.Context, n *node.Node) (pulse, follower host.ProductID, err error) {
	up, err := b.folder("pulse", "product.yaml", "pulse")
	if err != nil {
		return pulse, follower, err
	}
	ids, err := b.register(ctx, n, nil, up)
	if err != nil {
		return pulse, follower, err
	}
	down, err := b.folder("pulse", "follower.yaml", "follower")
	if err != nil {
		return pulse, follower, err
	}
	more, err := b.register(ctx, n, nil, down)
	if err != nil {
		return pulse, follower, err
	}
	return ids[0], more[0], n.Settle(ctx)
}

func wakeOnce(ctx context.Context, n *node.Node, pulse, follower host.ProductID) (time.Duration, error) {
	up, err := n.Trigger(ctx, pulse, false)
	if err != nil {
		return 0, err
	}
	if up.State != host.RunCommitted {
		return 0, fmt.Errorf("the upstream's run is %s", up.State)
	}
	if err := n.Settle(ctx); err != nil {
		return 0, err
	}
	runs, err := n.Runs(ctx, follower, 1)
	if err != nil {
		return 0, err
	}
	committed := up.Started.Add(up.Duration)
	if len(runs) == 0 || runs[0].Started.Before(committed) {
		return 0, fmt.Errorf("%s has not run", follower.URL())
	}
	return runs[0].Started.Sub(committed), nil
}
