package mesh_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest"
	"github.com/adp-host/adp/registry"
	"github.com/adp-host/adp/samples/mesh"
)

// world is a sample mesh whose sources a test edits: its data folder can be opened by one node after another.
type world struct {
	samples   string
	data      string // of the node
	sources   *mesh.Data
	products  []string // folders
	artifacts []registry.Artifact
	rng       *rand.Rand
	edits     int
}

// worldProducts have an incremental join, a snapshot input, an aggregate with state, appends, upserts and effects.
var worldProducts = []string{"aviation/airports", "safety/birdstrikes", "safety/strike-locations", "safety/strike-risk", "weather/seattle-days", "weather/seattle-months", rainAlerts}

// rainAlerts is a product of the tests: it tells of rainy days on its port and, as effects, to a folder of its node.
const rainAlerts = "mesh/testdata/rain-alerts"

// bell is the folder that a node with the data folder rings in.
func bell(data string) string { return data + "-bell" }

// newWorld builds the products and cuts the sources down, so that a run takes milliseconds.
func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := newWorldOf(t, seed, worldProducts)
	for year := 1991; year <= 2002; year++ {
		if err := os.Remove(filepath.Join(w.sources.Dir, "birdstrikes", fmt.Sprint(year)+".csv")); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// newWorldOf builds products over the whole sources.
func newWorldOf(t *testing.T, seed uint64, products []string) *world {
	t.Helper()
	samples, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{samples: samples, data: t.TempDir(), products: products, rng: rand.New(rand.NewPCG(seed, 1))}
	if w.sources, err = mesh.CopyData(samples, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, name := range products {
		a, err := builder(t).Product(t.Context(), filepath.Join(samples, filepath.FromSlash(name)), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.artifacts = append(w.artifacts, a)
	}
	return w
}

// openNode opens a node on a data folder, with a driver that keeps a tally of effects.
func openNode(ctx context.Context, data string) (*node.Node, error) {
	folders, err := file.New(file.Config{})
	if err != nil {
		return nil, err
	}
	return node.Open(ctx, node.Config{Data: data, Drivers: map[string]any{"tally": &tally{folders: folders}},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))})
}

// register opens a node on the data folder and registers the products there.
func (w *world) register(ctx context.Context, data string) (*node.Node, error) {
	n, err := openNode(ctx, data)
	if err != nil {
		return nil, err
	}
	var rs []node.Registration
	for i, a := range w.artifacts {
		d, err := n.Registry().Push(ctx, a)
		if err != nil {
			return nil, errors.Join(err, n.Close())
		}
		sources := w.sources.Sources(w.products[i])
		if w.products[i] == rainAlerts {
			sources["bell"] = "tally:" + bell(data)
		}
		rs = append(rs, node.Registration{Artifact: d, Sources: sources})
	}
	if _, err := n.Register(ctx, rs); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// edit changes the sources as operational systems do: new and corrected strikes, new days, now and then an airport.
func (w *world) edit(t *testing.T) {
	t.Helper()
	w.edits++
	var strikes strings.Builder
	strikes.WriteString("strike_id,airport,aircraft,damage,date,operator,state,phase,wildlife_size,species,time_of_day,cost_other,cost_repair,cost_total,speed_knots\n")
	for range 1 + w.rng.IntN(4) {
		id := 1 + w.rng.IntN(460) // corrects one of 1990
		if w.rng.IntN(2) == 0 {
			id = 100_000 + w.edits*10 + w.rng.IntN(10)
		}
		state := []string{"Texas", "Ohio", "Utah", "Louisiana", "DC"}[w.rng.IntN(5)]
		fmt.Fprintf(&strikes, "%d,SOMEWHERE,B-737,%s,1999-01-02,X,%s,Climb,Small,Gull,Day,0,0,%d,\n", id, []string{"None", "Minor"}[w.rng.IntN(2)], state, w.rng.IntN(1000))
	}
	w.write(t, filepath.Join("birdstrikes", fmt.Sprintf("edit-%04d.csv", w.edits)), strikes.String())
	day := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, w.edits)
	w.write(t, filepath.Join("seattle-weather", fmt.Sprintf("day-%04d.csv", w.edits)),
		fmt.Sprintf("date,precipitation,temp_max,temp_min,wind,weather\n%s,%d.5,9,3,2,rain\n", day.Format(time.DateOnly), w.rng.IntN(9)))
	if w.rng.IntN(5) == 0 {
		path := filepath.Join(w.sources.Dir, "airports", "airports.csv")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("Z%03d,New,Town,%s,USA,40.%d,-90\n", w.edits, []string{"TX", "OH", "UT"}[w.rng.IntN(3)], w.rng.IntN(100))
		w.write(t, filepath.Join("airports", "airports.csv"), string(b)+line)
	}
}

// write puts a file in place by renaming, with a time in the past: it is complete at once.
func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.sources.Dir, name)
	tmp := filepath.Join(filepath.Dir(path), ".tmp-"+filepath.Base(path))
	past := time.Now().Add(-time.Hour).Add(time.Duration(w.edits) * time.Second)
	if err := errors.Join(os.WriteFile(tmp, []byte(text), 0o644), os.Chtimes(tmp, past, past), os.Rename(tmp, path)); err != nil {
		t.Fatal(err)
	}
}

// content is what every port holds: the number of rows and the hash of their sorted texts.
func content(ctx context.Context, n *node.Node) (map[string]string, error) {
	products, err := n.Products(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, p := range products {
		id := host.ProductID{Tenant: host.LocalTenant, Domain: p.Domain, Name: p.Product}
		if p.State != host.StateReady {
			return nil, fmt.Errorf("%s is %s: %s", p.URL, p.State, p.Reason)
		}
		for _, port := range p.Outputs {
			rows, err := portRows(ctx, n, id, port.Name)
			if err != nil {
				return nil, err
			}
			slices.Sort(rows)
			sum := sha256.Sum256([]byte(strings.Join(rows, "\n")))
			out[p.URL+"/"+port.Name] = fmt.Sprintf("%d rows %s", len(rows), hex.EncodeToString(sum[:8]))
		}
	}
	return out, nil
}

func portRows(ctx context.Context, n *node.Node, id host.ProductID, port string) ([]string, error) {
	d, err := n.Ports().Open(ctx, id, port, rest.At{})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	r, err := d.Read(ctx, rest.ReadOptions{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var rows []string
	for {
		rec, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			var key []byte
			for _, c := range rec.Columns() {
				key = columnar.AppendValue(key, c, i)
			}
			rows = append(rows, hex.EncodeToString(key))
		}
		rec.Release()
	}
}

// recomputed is what a fresh node makes of the sources as they are now.
func (w *world) recomputed(ctx context.Context, t *testing.T) map[string]string {
	t.Helper()
	n, err := w.register(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := content(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	for port, w := range want {
		if got[port] != w {
			t.Errorf("%s: %s, recomputed from scratch %s", port, got[port], w)
		}
	}
	if len(want) < len(worldProducts) {
		t.Errorf("only %d ports were compared", len(want))
	}
}

// compareEffects demands that what arrived in the folder is what the product published, each row once.
func (w *world) compareEffects(ctx context.Context, t *testing.T, n *node.Node) {
	t.Helper()
	id := host.ProductID{Tenant: host.LocalTenant, Domain: "weather", Name: "rain-alerts"}
	st, err := n.Product(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(bell(w.data), "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	days := map[string]int{}
	rows := int64(0)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
			rows++
			if days[line]++; days[line] > 1 {
				t.Errorf("rang twice for %s", line)
			}
		}
	}
	if st.Effects == nil {
		t.Fatalf("%s has no effects", id.URL())
	}
	again := checkTally(t, bell(w.data), st.Effects.Delivered, st.Rows)
	t.Logf("%d effects with %d rows, %d of them handed over again", st.Effects.Delivered, st.Rows, again)
	if st.Effects.Waiting != 0 || int64(len(files)) != st.Effects.Delivered || rows != st.Rows || rows < 500 {
		t.Errorf("the folder has %d rows in %d files, the product published %d rows; effects %+v", rows, len(files), st.Rows, st.Effects)
	}
}
