package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/adp-host/adp/host"
)

// commits measures whole runs of the smallest product, one after another, fsync on, against the floor of what they must do:
// four new files made durable one after another, and their folder. Both are the middle one of many, on one file system.
func (b *bench) commits(ctx context.Context) error {
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	dir, err := b.folder("pulse", "product.yaml", "pulse")
	if err != nil {
		return err
	}
	ids, err := b.register(ctx, n, nil, dir)
	if err != nil {
		return err
	}
	if err := n.Settle(ctx); err != nil {
		return err
	}
	commit := func() (time.Duration, error) {
		start := time.Now()
		st, err := n.Trigger(ctx, ids[0], false)
		if err == nil && st.State != host.RunCommitted {
			err = fmt.Errorf("the run is %s", st.State)
		}
		return time.Since(start), err
	}
	next := 0
	floor := func() (time.Duration, error) {
		next++
		return timed(func() error { return commitFloor(filepath.Join(b.work, fmt.Sprint("floor-", next))) })
	}
	took, err := inTurn(b.rounds(400), commit, floor)
	if err != nil {
		return err
	}
	rate := func(ds []time.Duration) float64 { return float64(time.Second) / float64(median(ds)) }
	b.print(figure{name: "commits", value: rate(took[0]) / rate(took[1]), unit: "times", against: "four files fsynced", atLeast: 0.25})
	b.print(figure{name: "commits-rate", value: rate(took[0]), unit: "1/s", against: "-"})
	b.print(figure{name: "commits-floor", value: rate(took[1]), unit: "1/s", against: "-"})
	return nil
}

// commitFloor makes four small files and their folder durable.
func commitFloor(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"1", "2", "3", "4"} {
		if err := syncedFile(filepath.Join(dir, name), make([]byte, 2000)); err != nil {
			return err
		}
	}
	return syncFolder(dir)
}
