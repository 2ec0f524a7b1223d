package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/placement"
	"github.com/adp-host/adp/samples/fleet"
)

// crowdOf registers so many products, each with a folder of its own if it has an input, and returns the folders.
func (b *bench) crowdOf(ctx context.Context, n *node.Node, document, input string, many int) (map[host.ProductID]string, error) {
	pulse, err := fs.Sub(products, "pulse")
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(b.work, "crowd-*")
	if err != nil {
		return nil, err
	}
	return fleet.Crowd{Builder: b.builder, Product: pulse, Document: document, Input: input, Work: work, Talk: b.talk}.Register(ctx, n, many)
}

// takeover kills a node that owns a third of the products, just after each of its products got new input, and measures how
// long until each has committed it.
func (b *bench) takeover(ctx context.Context) error {
	many := 1000
	if b.short {
		many = 150
	}
	dir, err := os.MkdirTemp(b.work, "fleet-*")
	if err != nil {
		return err
	}
	f, err := fleet.Start(ctx, dir, 5*time.Second, os.Stderr)
	if err != nil {
		return err
	}
	defer f.Close()
	folders, err := b.crowdOf(ctx, f.First, "reader.yaml", "files", many)
	if err != nil {
		return err
	}
	if err := f.Until(ctx, "each node owns its share", func(st host.FleetStatus) bool {
		return !slices.ContainsFunc(st.Nodes, func(n host.NodeStatus) bool { return n.Products < many/3-1 })
	}); err != nil {
		return err
	}
	owned, err := f.Owned(ctx, "n2")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := fleet.Drop(folder, "1", "at", 1); err != nil {
			return err
		}
	}
	if err := f.UntilHeads(ctx, slices.Collect(maps.Keys(folders)), 1, func(host.ProductID) {}); err != nil {
		return err
	}
	b.talk("  n2 is killed, which owns %d of %d products", len(owned), many)
	killed := time.Now()
	if err := f.Children["n2"].Process.Kill(); err != nil {
		return err
	}
	for _, id := range owned {
		if err := fleet.Drop(folders[id], "2", "at", 2); err != nil {
			return err
		}
	}
	var took []time.Duration
	if err := f.UntilHeads(ctx, owned, 2, func(host.ProductID) { took = append(took, time.Since(killed)) }); err != nil {
		return err
	}
	slices.Sort(took)
	b.talk("  first commit after %.2f s, middle %.2f s, last %.2f s", took[0].Seconds(), median(took).Seconds(), took[len(took)-1].Seconds())
	b.print(figure{name: "takeover", value: took[(len(took)*99+99)/100-1].Seconds(), unit: "s p99", against: "a lease of 5 s", atMost: 6.5})
	return nil
}

// parallel measures commits of 32 products at a time, each beginning its next run when it has committed, against four new
// files fsynced one after another.
func (b *bench) parallel(ctx context.Context) error {
	const products, runs = 32, 8 // runs of each product in a round
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	folders, err := b.crowdOf(ctx, n, "product.yaml", "", products)
	if err != nil {
		return err
	}
	if err := n.Settle(ctx); err != nil {
		return err
	}
	commit := func(id host.ProductID) error {
		for range runs {
			st, err := n.Trigger(ctx, id, false)
			if err != nil {
				return err
			}
			if st.State != host.RunCommitted {
				return fmt.Errorf("the run is %s", st.State)
			}
		}
		return nil
	}
	var used, commits time.Duration // processor time, of so many commits
	all := func() (time.Duration, error) {
		before := processorTime()
		defer func() { used, commits = used+processorTime()-before, commits+products*runs }()
		return timed(func() error {
			var wg sync.WaitGroup
			errs := make(chan error, products)
			for id := range folders {
				wg.Go(func() { errs <- commit(id) })
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	next := 0
	floor := func() (time.Duration, error) {
		return timed(func() error {
			for range products * runs {
				next++
				if err := commitFloor(filepath.Join(b.work, fmt.Sprint("parallel-floor-", next))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	took, err := inTurn(b.rounds(12), all, floor)
	if err != nil {
		return err
	}
	rate := func(ds []time.Duration) float64 {
		return products * runs * float64(time.Second) / float64(median(ds))
	}
	b.print(figure{name: "parallel", value: rate(took[0]) / rate(took[1]), unit: "times", against: "four files fsynced", atLeast: 0.6})
	b.print(figure{name: "parallel-processor", value: float64(used/commits) / 1e6, unit: "ms a commit", against: "-"})
	b.print(figure{name: "parallel-rate", value: rate(took[0]), unit: "1/s", against: "-"})
	b.print(figure{name: "parallel-floor", value: rate(took[1]), unit: "1/s", against: "-"})
	return nil
}

// crowd measures what products cost that do nothing: in etcd, in memory, in processor time, and to plan.
func (b *bench) crowd(ctx context.Context) error {
	many := 10_000
	if b.short {
		many = 1000
	}
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	before := resident()
	if _, err := b.crowdOf(ctx, n, "product.yaml", "", many); err != nil {
		return err
	}
	if err := n.Settle(ctx); err != nil {
		return err
	}
	after := resident()
	b.print(figure{name: "crowd-memory", value: float64(after-before) / float64(many) / 1000, unit: "kB a product", against: "-", atMost: 20})
	size, err := n.EtcdBytes(ctx)
	if err != nil {
		return err
	}
	b.print(figure{name: "crowd-etcd", value: float64(size) / float64(many) / 1000, unit: "kB a product", against: "-", atMost: 2})
	used := processorTime()
	span := 20 * time.Second
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(span):
	}
	b.print(figure{name: "crowd-idle", value: 100 * float64(processorTime()-used) / float64(span), unit: "% of a core", against: "-", atMost: 2})
	state := crowdState(many)
	took, err := inTurn(b.rounds(20), func() (time.Duration, error) {
		return timed(func() error { placement.Plan(state); return nil })
	})
	if err != nil {
		return err
	}
	b.print(figure{name: "crowd-plan", value: median(took[0]).Seconds(), unit: "s", against: "-", atMost: 1})
	return nil
}

// crowdState is a mesh of three nodes, of which one has just died.
func crowdState(products int) placement.State {
	s := placement.State{Nodes: []placement.Node{{ID: "n1", Alive: true}, {ID: "n2", Alive: true}, {ID: "n3"}}}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range products {
		at := s.Nodes[rng.IntN(3)].ID
		s.Products = append(s.Products, placement.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: fmt.Sprint("p", i)}, Owner: at, Wish: at, Epoch: 1})
	}
	return s
}

// resident is the memory of the process, what can be given back given back.
func resident() int64 {
	for range 5 { // each halves stacks that a run has made grow
		runtime.GC()
	}
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	_, _ = fmt.Sscan(string(b), &size, &pages)
	return pages * int64(os.Getpagesize())
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
