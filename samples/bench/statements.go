package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
)

// statements measures the flights job as a product in SQL, each round the first run of a product with its process, checks, commit and fsync, against DuckDB
// alone, warm in one process, which reads the same file and writes one too.
func (b *bench) statements(ctx context.Context) error {
	program, err := duckdbtest.Build()
	if errors.Is(err, exec.ErrNotFound) {
		b.talk("NOT MEASURED: sql: %v", err)
		b.print(figure{name: "sql-3m", value: -1, unit: "times", against: "NOT MEASURED", atLeast: 0.001})
		return nil
	}
	if err != nil {
		return err
	}
	compute := &duckdb.Process{Path: program, Spare: time.Minute}
	b.builder.Compute = compute
	data, err := b.fetchFlights(ctx)
	if err != nil {
		return err
	}
	want, err := plainJob(ctx, data, filepath.Join(b.work, "warm.parquet"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.work, "node-*")
	if err != nil {
		return err
	}
	n, err := node.Open(ctx, node.Config{Data: dir, Drivers: map[string]any{"duckdb": compute}})
	if err != nil {
		return err
	}
	defer n.Close()
	stored, err := b.publishFlights(ctx, n, dir, data)
	if err != nil {
		return err
	}
	round := 0
	product := func() (time.Duration, error) {
		round++
		name := fmt.Sprintf("statements-%d", round)
		folder, err := b.folder("statements", "product.yaml", name)
		if err != nil {
			return 0, err
		}
		ids, err := b.register(ctx, n, nil, folder)
		if err != nil {
			return 0, err
		}
		if err := n.Settle(ctx); err != nil { // it runs as soon as it is registered: its input is there
			return 0, err
		}
		runs, err := n.Runs(ctx, ids[0], 10)
		if err != nil {
			return 0, err
		}
		if len(runs) != 1 || runs[0].State != host.RunCommitted || runs[0].RowsIn != 2*flightRows {
			return 0, fmt.Errorf("it ran as %+v", runs)
		}
		got, err := productResult(ctx, n, ids[0])
		return runs[0].Finished.Sub(runs[0].Started), want.same(got, err)
	}
	if _, err := product(); err != nil {
		return err
	}
	duck, err := b.startDuck(ctx, stored)
	if err != nil {
		return err
	}
	defer duck.end()
	took, err := inTurn(b.rounds(12), product, duck.run)
	if err != nil {
		return err
	}
	b.talk("  product %.0f ms, DuckDB %.0f ms", best(took[0])/1e6, best(took[1])/1e6)
	b.print(figure{name: "sql-3m", value: best(took[0]) / best(took[1]), unit: "times", against: "DuckDB alone, all cores", atMost: 1.2})
	b.print(figure{name: "sql-rate", value: flightRows / (best(took[0]) / 1e9) / 1e6, unit: "million rows/s", against: "-"})
	return nil
}

// publishFlights lets a product publish all flights, and finds the file that they lie in.
func (b *bench) publishFlights(ctx context.Context, n *node.Node, dir, data string) (stored string, err error) {
	folder, err := b.folder("everything", "product.yaml", "everything")
	if err != nil {
		return "", err
	}
	input := filepath.Join(folder, "data")
	if err := os.Mkdir(input, 0o755); err != nil {
		return "", err
	}
	if err := os.Link(data, filepath.Join(input, "flights-3m.parquet")); err != nil {
		return "", err
	}
	ids, err := b.register(ctx, n, map[string]string{"flights": "file:" + input}, folder)
	if err != nil {
		return "", err
	}
	if err := n.Settle(ctx); err != nil {
		return "", err
	}
	st, err := n.Product(ctx, ids[0])
	if err != nil {
		return "", err
	}
	if len(st.Outputs) != 1 || st.Outputs[0].Rows != flightRows {
		return "", fmt.Errorf("all flights are %+v", st)
	}
	err = filepath.WalkDir(filepath.Join(dir, "store"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".parquet") {
			if info, err := e.Info(); err == nil && info.Size() > 1<<20 {
				stored = path
			}
		}
		return err
	})
	return stored, err
}
