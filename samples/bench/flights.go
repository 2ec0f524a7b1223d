package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest"
)

// flights measures a whole run: Parquet in, a guest, Parquet out, checked by its contracts, committed, with fsync. Each round
// is the first run of a product that has read nothing; the module is compiled once, in the round that is not counted.
func (b *bench) flights(ctx context.Context) error {
	data, err := b.fetchFlights(ctx)
	if err != nil {
		return err
	}
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	want, err := plainJob(ctx, data, filepath.Join(b.work, "warm.parquet"))
	if err != nil {
		return err
	}
	round := 0
	product := func() (time.Duration, error) {
		round++
		return b.flightsRun(ctx, n, fmt.Sprintf("flights-%d", round), data, want)
	}
	if _, err := product(); err != nil {
		return err
	}
	peers := []func() (time.Duration, error){product, func() (time.Duration, error) {
		out := filepath.Join(b.work, "plain.parquet")
		return timed(func() error { return want.same(plainJob(ctx, data, out)) })
	}}
	duck, err := b.startDuck(ctx, data)
	if err != nil {
		b.talk("  DuckDB is not measured: %v", err)
	} else {
		defer duck.end()
		peers = append(peers, duck.run)
	}
	took, err := inTurn(b.rounds(12), peers...)
	if err != nil {
		return err
	}
	b.talk("  product %.0f ms, plain Go %.0f ms", best(took[0])/1e6, best(took[1])/1e6)
	b.print(figure{name: "flights", value: best(took[0]) / best(took[1]), unit: "times", against: "plain Go", atMost: 1.35})
	rate := func(ds []time.Duration) float64 { return flightRows / (best(ds) / 1e9) / 1e6 }
	b.print(figure{name: "flights-product", value: rate(took[0]), unit: "million rows/s", against: "-"})
	b.print(figure{name: "flights-plain", value: rate(took[1]), unit: "million rows/s", against: "-"})
	if duck != nil {
		b.print(figure{name: "flights-duckdb", value: rate(took[2]), unit: "million rows/s", against: "-"})
	}
	return nil
}

const flightRows = 3_000_000

// flightsRun registers a product whose folder of input is still empty, lets the file be there, and times the run.
func (b *bench) flightsRun(ctx context.Context, n *node.Node, name, data string, want *jobResult) (time.Duration, error) {
	dir, err := b.folder("flights", "product.yaml", name)
	if err != nil {
		return 0, err
	}
	input := filepath.Join(dir, "data")
	if err := os.Mkdir(input, 0o755); err != nil {
		return 0, err
	}
	ids, err := b.register(ctx, n, map[string]string{"flights": "file:" + input}, dir)
	if err != nil {
		return 0, err
	}
	if err := n.Settle(ctx); err != nil {
		return 0, err
	}
	if err := os.Link(data, filepath.Join(input, "flights-3m.parquet")); err != nil {
		return 0, err
	}
	var st host.RunStatus
	took, err := timed(func() error {
		st, err = n.Trigger(ctx, ids[0], false)
		return err
	})
	if err != nil {
		return 0, err
	}
	if st.State != host.RunCommitted || st.RowsIn != flightRows {
		return 0, fmt.Errorf("the run is %s, and read %d rows", st.State, st.RowsIn)
	}
	got, err := productResult(ctx, n, ids[0])
	return took, want.same(got, err)
}

// jobResult is what every peer must come to.
type jobResult struct {
	late    int64
	origins map[string]originSum
}

type originSum struct {
	flights, delay int64
	severity       float64
}

func (r *jobResult) same(got *jobResult, err error) error {
	if err != nil {
		return err
	}
	if got.late != r.late || len(got.origins) != len(r.origins) {
		return fmt.Errorf("%d rows and %d origins, want %d and %d", got.late, len(got.origins), r.late, len(r.origins))
	}
	for code, want := range r.origins {
		s := got.origins[code]
		if s.flights != want.flights || s.delay != want.delay || math.Abs(s.severity-want.severity) > 1e-9*want.severity {
			return fmt.Errorf("%s has %v, want %v", code, s, want)
		}
	}
	return nil
}

// productResult reads what a product has published.
func productResult(ctx context.Context, n *node.Node, id host.ProductID) (*jobResult, error) {
	st, err := n.Product(ctx, id)
	if err != nil {
		return nil, err
	}
	r := &jobResult{origins: map[string]originSum{}}
	for _, o := range st.Outputs {
		if o.Name == "late" {
			r.late = o.Rows
		}
	}
	set, err := n.Ports().Open(ctx, id, "origins", rest.At{})
	if err != nil {
		return nil, err
	}
	rows, err := set.Read(ctx, rest.ReadOptions{})
	if err != nil {
		return nil, err
	}
	return r, errors.Join(r.read(ctx, rows), rows.Close(), set.Close())
}

// read takes the rows of output origins.
func (r *jobResult) read(ctx context.Context, rows rest.Reader) error {
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		origin, flights := rec.Column(0).(*array.String), rec.Column(1).(*array.Int64)
		delay, severity := rec.Column(2).(*array.Int64), rec.Column(3).(*array.Float64)
		for i := range int(rec.NumRows()) {
			r.origins[strings.Clone(origin.Value(i))] = originSum{flights.Value(i), delay.Value(i), severity.Value(i)}
		}
		rec.Release()
	}
}
