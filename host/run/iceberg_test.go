package run_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/table"
)

// icebergs plugs the real tables in, as host/node does.
type icebergs struct{ t *table.Tables }

func (s icebergs) Begin(ctx context.Context, spec run.StageSpec) (run.Stage, error) {
	st, err := s.t.Begin(ctx, table.StageSpec(spec))
	if err != nil {
		return nil, err
	}
	return iceberg{st}, nil
}

type iceberg struct{ table.Stage }

func (s iceberg) Finish(ctx context.Context) (run.Staged, error) {
	st, err := s.Stage.Finish(ctx)
	return run.Staged(st), err
}

// scanned are the rows of the newest snapshot, read by a table that has never seen them.
func (w *world) scanned() []string {
	w.t.Helper()
	ref, ok := w.head().Outputs["out"]
	if !ok {
		return nil
	}
	tables := table.New(w.store, table.Options{})
	if err := tables.Verify(w.t.Context(), ref); err != nil {
		w.t.Fatal(err)
	}
	r, err := tables.Scan(w.t.Context(), ref, schema, table.ScanOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	var out []string
	for {
		rec, err := r.Next(w.t.Context())
		if errors.Is(err, io.EOF) {
			slices.Sort(out)
			return out
		}
		if err != nil {
			w.t.Fatal(err)
		}
		for _, row := range rowsOf(rec) {
			out = append(out, row.String())
		}
		rec.Release()
	}
}

// TestCrashesOverIceberg makes random histories over real tables, with processes that end at random failpoints, and
// compares what is published with what a plain map says, and with a recomputation from scratch (I12).
func TestCrashesOverIceberg(t *testing.T) {
	for _, mode := range []host.OutputMode{host.Append, host.Upsert} {
		t.Run(string(mode), func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, mode, pass)
			restart := func() {
				w.restart()
				w.runner.Tables = icebergs{table.New(w.store, table.Options{})}
			}
			restart()
			w.product.Outputs[0].Rules = []host.Rule{
				holdNulls(host.Quarantine),
				{ID: "unique", Kind: host.DuplicateValues, Columns: []string{"id"}, OnViolation: host.Warn},
			}
			model := map[int64]string{}
			var log []string
			for step := range 40 {
				id := int64(step)
				if mode == host.Upsert {
					id = int64(rng.IntN(10))
				}
				name := fmt.Sprint("v", step)
				w.inputs.add("in", text(id, name), null(1000+id))
				model[id] = name
				log = append(log, fmt.Sprintf("%d:%s", id, name))
				if rng.IntN(3) == 0 {
					w.crash(run.Failpoints[rng.IntN(len(run.Failpoints))], 1)
					restart()
				} else if rng.IntN(2) == 0 {
					w.execute2()
				}
			}
			for w.execute2().State == host.RunCommitted {
			}
			want := log
			if mode == host.Upsert {
				want = nil
				for id, name := range model {
					want = append(want, fmt.Sprintf("%d:%s", id, name))
				}
			}
			slices.Sort(want)
			if got := w.scanned(); !slices.Equal(got, want) {
				t.Fatalf("rows %q, want %q", got, want)
			}
			w.execute(host.RunCommitted, rebuild)
			if got := w.scanned(); !slices.Equal(got, want) {
				t.Fatalf("recomputed %q, want %q", got, want)
			}
		})
	}
}
