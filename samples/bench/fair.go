package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host/sandbox"
)

const (
	attackers  = 8
	rowsVictim = 1500 // 1.5 million rounds of a loop, a millisecond or so
)

// fair measures what guests that spin do to others: to a product of another tenant, to the collector's pauses, to timers of the
// node, and how late one of them is stopped.
func (b *bench) fair(ctx context.Context) error {
	e, err := sandbox.New(sandbox.Config{}) // as many guests compute at once as there are processors
	if err != nil {
		return err
	}
	defer e.Close(ctx)
	if err := b.victim(ctx, e); err != nil {
		return err
	}
	return b.kill(ctx, e)
}

// spinners run until they are stopped.
func spinners(ctx context.Context, e *sandbox.Engine) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var all []*sandbox.Instance
	stop = func() error {
		cancel()
		wg.Wait()
		var errs []error
		for _, i := range all {
			errs = append(errs, i.Close())
		}
		return errors.Join(errs...)
	}
	spin := rows(rowsSpin)
	for n := range attackers {
		i, err := e.Start(ctx, specOf(smallModule, "attacker", fmt.Sprint("spinner", n), smallSchema, smallSchema), &kernelRun{})
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		all = append(all, i)
		if err := i.Open(ctx); err != nil {
			return nil, errors.Join(err, stop())
		}
		wg.Go(func() { _ = i.Process(ctx, 0, spin) }) // it ends when it is stopped
	}
	return stop, nil
}

// victim measures whole runs of a small product, a timer, and collections, alone and beside spinners in turn.
func (b *bench) victim(ctx context.Context, e *sandbox.Engine) error {
	s := specOf(smallModule, "victim", "victim", smallSchema, smallSchema)
	work := []arrow.RecordBatch{rows(rowsVictim), rows(rowsVictim)}
	if err := through(ctx, e, s, work...); err != nil {
		return err
	}
	ping, hangUp, err := echo()
	if err != nil {
		return err
	}
	defer hangUp()
	var took, late, answered, paused [2][]time.Duration
	for range b.rounds(12) {
		for beside := range 2 {
			stop := func() error { return nil }
			if beside == 1 {
				var err error
				if stop, err = spinners(ctx, e); err != nil {
					return err
				}
			}
			for range 40 {
				start := time.Now()
				time.Sleep(5 * time.Millisecond)
				late[beside] = append(late[beside], time.Since(start)-5*time.Millisecond)
				d, err := timed(ping)
				if err != nil {
					return errors.Join(err, stop())
				}
				answered[beside] = append(answered[beside], d)
				d, err = timed(func() error { return through(ctx, e, s, work...) })
				if err != nil {
					return errors.Join(err, stop())
				}
				took[beside] = append(took[beside], d)
			}
			paused[beside] = append(paused[beside], pauses()...)
			if err := stop(); err != nil {
				return err
			}
		}
	}
	p99 := func(ds []time.Duration) float64 { return float64(percentile(ds, 0.99)) / 1e6 }
	b.talk("  run alone p50 %.2f p99 %.2f ms, beside spinners p50 %.2f p99 %.2f ms", float64(median(took[0]))/1e6, p99(took[0]), float64(median(took[1]))/1e6, p99(took[1]))
	b.print(figure{name: "victim-p99", value: p99(took[1]) / p99(took[0]), unit: "times", against: "alone: " + number(p99(took[0])) + " ms", atMost: 2})
	b.print(figure{name: "victim-p50", value: float64(median(took[1])) / float64(median(took[0])), unit: "times", against: "alone: " + number(micros(median(took[0]))/1e3) + " ms"})
	b.print(figure{name: "timer-p99", value: p99(late[1]), unit: "ms late", against: "alone: " + number(p99(late[0])) + " ms"})
	b.print(figure{name: "network-p99", value: p99(answered[1]), unit: "ms", against: "alone: " + number(p99(answered[0])) + " ms"})
	b.print(figure{name: "gc-pause", value: float64(percentile(paused[1], 1)) / 1e6, unit: "ms", against: "alone: " + number(float64(percentile(paused[0], 1))/1e6) + " ms", atMost: 20})
	return nil
}

// echo is a peer within the process that sends back what it gets, over the network: ping is a question and its answer.
func echo() (ping func() error, hangUp func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	peer, err := l.Accept()
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	go func() {
		_, _ = io.Copy(peer, peer)
		_ = peer.Close()
	}()
	b := make([]byte, 1)
	return func() error {
		if _, err := c.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(c, b)
		return err
	}, c.Close, nil
}

// pauses are those of a few collections.
func pauses() []time.Duration {
	const collections = 5
	for range collections {
		runtime.GC()
	}
	var st debug.GCStats
	debug.ReadGCStats(&st)
	return st.Pause[:min(collections, len(st.Pause))]
}

// kill measures how long after its deadline a guest that spins is stopped, alone and beside others.
func (b *bench) kill(ctx context.Context, e *sandbox.Engine) error {
	const deadline = 50 * time.Millisecond
	s := specOf(smallModule, "victim", "killed", smallSchema, smallSchema)
	s.Product.Limits.Deadline = deadline
	spin := rows(rowsSpin)
	once := func() (time.Duration, error) {
		i, err := e.Start(ctx, s, &kernelRun{})
		if err != nil {
			return 0, err
		}
		defer i.Close()
		if err := i.Open(ctx); err != nil {
			return 0, err
		}
		d, err := timed(func() error { return i.Process(ctx, 0, spin) })
		if err == nil {
			return 0, errors.New("it came back")
		}
		return d - deadline, nil
	}
	took, err := inTurn(b.rounds(40), once)
	if err != nil {
		return err
	}
	b.print(figure{name: "kill", value: float64(percentile(took[0], 1)) / 1e6, unit: "ms late", against: fmt.Sprintf("a deadline of %v", deadline), atMost: 50})
	return nil
}
