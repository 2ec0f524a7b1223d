package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing/fstest"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/quality"
	"github.com/adp-host/adp/host/synthetic"
	"github.com/adp-host/adp/registry"
)

// randomRows is how many rows an input of a random run has at most.
const randomRows = 30

// randomTest is what random runs found.
type randomTest struct {
	Product string       `json:"product"`
	Passed  bool         `json:"passed"`
	Seed    uint64       `json:"seed"` // of the first run; each has the next
	Runs    int          `json:"runs"`
	Held    int          `json:"held"` // of them, by rules
	Rules   []coverage   `json:"rules"`
	Failure *randomError `json:"failure,omitempty"`
}

// coverage is how often a rule was met, and how often broken.
type coverage struct {
	Port   string `json:"port"`
	Rule   string `json:"rule"`
	Broken int    `json:"broken"` // runs
	Runs   int    `json:"runs"`
}

// randomError is a run whose code failed.
type randomError struct {
	Seed  uint64           `json:"seed"`
	Rows  map[string][]any `json:"rows"` // that it failed on, by input
	Logs  []string         `json:"logs,omitempty"`
	Error *host.Error      `json:"error"`
	lines []string         // the rows for people
}

// random runs a product on rows that its input contracts allow, run after run, until one fails.
func (a *app) random(ctx context.Context, dir string, runs int, seed uint64) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	defer w.close()
	artifact, err := w.Product(ctx, dir, w.contract)
	if err != nil {
		return err
	}
	fixtures, err := build.FindFixtures(dir, artifact.Product)
	if err != nil && len(fixtures.In) > 0 {
		return err
	}
	tmp, err := os.MkdirTemp("", "adp-test-*")
	if err != nil {
		return host.Errorf(host.CodeRunStore, "%w", err)
	}
	defer os.RemoveAll(tmp)
	p := node.Property{Rows: randomRows, Fixture: node.Fixture{Product: artifact.Product, Module: artifact.Module, Files: fixtures.In, Dir: tmp, Engine: w.engine, Drivers: computeDrivers()}}
	if err := fed(&p, dir, artifact); err != nil {
		return err
	}
	if seed == 0 {
		seed = rand.Uint64N(1 << 32)
	}
	out := randomTest{Product: artifact.Product.ID.URL(), Passed: true, Seed: seed}
	for out.Runs < runs && out.Passed {
		if isTerminal(a.err) {
			fmt.Fprintf(a.err, "\rrandom run %d of %d ", out.Runs+1, runs)
		}
		at := seed + uint64(out.Runs)
		checks, failed, err := p.Run(ctx, at)
		if err != nil {
			return err
		}
		out.Runs++
		out.covered(checks)
		if failed != nil {
			out.failed(failed)
		}
	}
	if isTerminal(a.err) {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
	return a.showRandom(out)
}

// fed says how the rows of each input are made: as its contract has them, and as what its upstream publishes.
func fed(p *node.Property, dir string, a registry.Artifact) error {
	files := fstest.MapFS{}
	for name, b := range a.Documents {
		files[name] = &fstest.MapFile{Data: b}
	}
	bundle, err := manifest.LoadProduct(files)
	if err != nil {
		return err
	}
	p.Sources, p.Feeds = map[string]*synthetic.Source{}, map[string]bool{}
	for _, in := range a.Product.Inputs {
		if p.Sources[in.Name], err = synthetic.New(in.Schema, bundle.Promises(in)); err != nil {
			return err
		}
	}
	for _, u := range bundle.Upstreams() {
		upstream, err := build.Neighbour(dir, u)
		if err != nil {
			return err
		}
		if _, in := a.Product.Input(u.Input); in.Mode == host.Incremental && upstream != nil {
			p.Feeds[u.Input] = upstream.OutputMode(u.Port) != host.Append
		}
	}
	return nil
}

// covered counts what the rules said of a run.
func (t *randomTest) covered(checks []host.Check) {
	if quality.Holds(checks) {
		t.Held++
	}
	for _, k := range checks {
		if k.Status == host.CheckSkip {
			continue
		}
		i := slices.IndexFunc(t.Rules, func(c coverage) bool { return c.Port == k.Port && c.Rule == k.Rule })
		if i < 0 {
			t.Rules = append(t.Rules, coverage{Port: k.Port, Rule: k.Rule})
			i = len(t.Rules) - 1
		}
		t.Rules[i].Runs++
		if k.Status != host.CheckPass {
			t.Rules[i].Broken++
		}
	}
}

func (t *randomTest) failed(c *node.Counterexample) {
	t.Passed = false
	t.Failure = &randomError{Seed: c.Seed, Rows: map[string][]any{}, Logs: c.Logs}
	if !errors.As(c.Err, &t.Failure.Error) {
		t.Failure.Error = host.Errorf(host.CodeOf(c.Err), "%w", c.Err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Rows)) {
		rec := c.Rows[name]
		defer rec.Release()
		t.Failure.Rows[name] = []any{}
		if rec.NumRows() == 0 {
			t.Failure.lines = append(t.Failure.lines, name+": no rows")
		}
		for i := range int(rec.NumRows()) {
			t.Failure.Rows[name] = append(t.Failure.Rows[name], columnar.Row(rec, i))
			t.Failure.lines = append(t.Failure.lines, name+": "+jsonRow(rec, i))
		}
	}
}

// showRandom shows the outcome: exit 1 for code that failed.
func (a *app) showRandom(t randomTest) error {
	if a.json() {
		if err := a.showJSON(t); err != nil {
			return err
		}
	} else if err := a.showRandomText(t); err != nil {
		return err
	}
	if !t.Passed {
		return &exitError{host.ExitFailed}
	}
	return nil
}

func (a *app) showRandomText(t randomTest) error {
	if t.Passed {
		var rows [][]string
		for _, c := range t.Rules {
			rows = append(rows, []string{c.Port, c.Rule, fmt.Sprintf("%d of %d runs", c.Broken, c.Runs)})
		}
		a.talk("%d random runs (seed %d): the code never failed; rules held %d of them back", t.Runs, t.Seed, t.Held)
		return table(a.out, []string{"PORT", "RULE", "BROKEN IN"}, rows)
	}
	for _, line := range t.Failure.Logs {
		a.talk("log: %s", line)
	}
	a.talk("random run %d failed on rows that the input contracts allow:", t.Runs)
	for _, line := range t.Failure.lines {
		a.talk("  %s", line)
	}
	a.showOne(t.Failure.Error)
	a.talk("hint: adp test --random 1 --seed %d repeats this run; what such rows mean is for the contract of the input to say, or for the code to bear", t.Failure.Seed)
	return nil
}

// jsonRow is a row as a line of NDJSON, its columns in order.
func jsonRow(rec arrow.RecordBatch, row int) string {
	b := []byte{'{'}
	for i, f := range rec.Schema().Fields() {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%q:", f.Name)
		v, _ := json.Marshal(columnar.Value(rec.Column(i), row)) // values of columns always encode
		b = append(b, v...)
	}
	return string(append(b, '}'))
}
