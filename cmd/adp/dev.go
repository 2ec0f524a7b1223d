package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/spf13/cobra"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest/client"
	"github.com/adp-host/adp/registry"
)

// sampleRows is how many rows of each input a change is tried on.
const sampleRows = 1000

// edit is what a change of a product does, before anybody else sees it: five differences.
type edit struct {
	Product    string             `json:"product"`
	Module     host.Digest        `json:"module"` // that was run
	Millis     int64              `json:"ms"`     // from the sources to here
	Rows       []build.Difference `json:"rows"`   // of the fixtures, against testdata/out
	Schema     []build.PortChange `json:"schema"` // against what is published
	Checks     []host.Check       `json:"checks"` // of the rules, on the fixtures
	Sample     []build.Difference `json:"sample"` // of rows of the live inputs: as published, and now
	Downstream []build.Reader     `json:"downstream"`
	Notes      []string           `json:"notes"` // what could not be compared, and why
	Logs       []string           `json:"logs"`
}

func (a *app) devCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "dev DIR",
		Short: "Show what each edit of a product does, before anybody else sees it",
		Long: `Show what each edit of a product does, before anybody else sees it.

Builds the product, runs it in the sandbox on its fixtures and on a sample of its live inputs, and shows five differences:
the rows of the fixtures against testdata/out, the columns against what is published, the rules, the rows that the sample
gives against those of the published version, and which products downstream would notice. Nothing is published.

Then it waits for an edit of the product's files and does so again; where optimising takes longer than all else (AssemblyScript),
the module is not optimised, and is not the one that adp build makes. --once builds as adp build does, shows it once and ends:
0 when the fixtures and the rules pass, 1 when not.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.dev(cmd.Context(), args[0], once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "show the differences once and end")
	return cmd
}

func (a *app) dev(ctx context.Context, dir string, once bool) error {
	w, err := a.workshop()
	if err != nil {
		return err
	}
	defer w.close()
	w.Again = !once
	for {
		seen := build.Watched(dir)
		e, err := a.tryEdit(ctx, w, dir)
		if once {
			if err != nil {
				return err
			}
			if err := a.showEdit(e); err != nil || e.passes() {
				return err
			}
			return &exitError{host.ExitFailed}
		}
		if ctx.Err() != nil {
			return nil
		}
		if isTerminal(a.out) {
			fmt.Fprint(a.out, "\x1b[H\x1b[2J") // one pane
		}
		if err != nil {
			a.showError(err)
		} else if err := a.showEdit(e); err != nil {
			return err
		}
		a.talk("%s  waiting for an edit of %s", time.Now().Format(time.TimeOnly), dir)
		if err := build.AwaitEdit(ctx, dir, seen); err != nil {
			return nil // interrupted
		}
	}
}

// tryEdit builds a product and runs it, as it is now.
func (a *app) tryEdit(ctx context.Context, w *workshop, dir string) (*edit, error) {
	start := time.Now()
	artifact, err := w.Product(ctx, dir, w.contract)
	if err != nil {
		return nil, err
	}
	p := artifact.Product
	module := host.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(artifact.Module)))
	e := &edit{Product: p.ID.URL(), Module: module, Rows: []build.Difference{}, Schema: []build.PortChange{}, Checks: []host.Check{}, Sample: []build.Difference{},
		Downstream: []build.Reader{}, Notes: []string{}, Logs: []string{}}
	if err := e.onFixtures(ctx, w, dir, artifact); err != nil {
		return nil, err
	}
	if c, err := a.connect(); err != nil {
		e.note("schema, sample and downstream: there is no node to compare with")
	} else if err := e.onMesh(ctx, w, c, dir, artifact); err != nil {
		return nil, err
	}
	e.Millis = time.Since(start).Milliseconds()
	return e, nil
}

func (e *edit) note(format string, args ...any) {
	e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
}

// missed reports whether a note says why a difference is not there.
func (e *edit) missed(name string) bool {
	return slices.ContainsFunc(e.Notes, func(n string) bool {
		about, _, _ := strings.Cut(n, ":")
		return strings.Contains(about, name)
	})
}

// execute runs a version of the product in a folder that goes away.
func (w *workshop) execute(ctx context.Context, a registry.Artifact, files map[string]string, rows map[string]arrow.RecordBatch) (node.FixtureResult, error) {
	tmp, err := os.MkdirTemp("", "adp-dev-*")
	if err != nil {
		return node.FixtureResult{}, host.Errorf(host.CodeRunStore, "%w", err)
	}
	defer os.RemoveAll(tmp)
	return node.Fixture{Product: a.Product, Module: a.Module, Files: files, Rows: rows, Dir: tmp, Engine: w.engine, Drivers: computeDrivers()}.Execute(ctx)
}

func releaseOutputs(outputs map[string][]arrow.RecordBatch) {
	for _, rows := range outputs {
		for _, b := range rows {
			b.Release()
		}
	}
}

// onFixtures compares rows with testdata/out, and judges them.
func (e *edit) onFixtures(ctx context.Context, w *workshop, dir string, a registry.Artifact) error {
	fixtures, err := build.FindFixtures(dir, a.Product)
	if err != nil && len(fixtures.In) > 0 {
		return err
	}
	if len(fixtures.In) == 0 {
		e.note("rows and checks: %s has no fixtures in testdata/in", dir)
		return nil
	}
	res, err := w.execute(ctx, a, fixtures.In, nil)
	defer releaseOutputs(res.Outputs)
	e.Logs = append(e.Logs, res.Logs...)
	if err != nil {
		return err
	}
	e.Checks = append(e.Checks, res.Checks...)
	switch {
	case res.State != host.RunCommitted:
		e.note("rows: a rule holds what comes of the fixtures")
	case len(fixtures.Out) == 0:
		e.note("rows: there is nothing to compare with in testdata/out; adp test --update writes it")
	default:
		e.Rows, err = compare(ctx, fixtures, a.Product, res)
	}
	return err
}

// onMesh compares with what is published, on rows of the live inputs.
func (e *edit) onMesh(ctx context.Context, w *workshop, c *client.Client, dir string, a registry.Artifact) error {
	all, err := c.Products(ctx, "")
	if err != nil {
		e.note("schema, sample and downstream: %v", err)
		return nil
	}
	i := slices.IndexFunc(all, func(st host.ProductStatus) bool { return st.URL == a.Product.ID.URL() })
	if i < 0 {
		e.note("schema, sample and downstream: %s is not published yet", a.Product.ID.URL())
		return nil
	}
	published, err := c.Product(ctx, host.Address{Mesh: ".", Domain: a.Product.ID.Domain, Product: a.Product.ID.Name})
	if err != nil {
		return err
	}
	e.Schema = build.ComparePorts(published.Outputs, a.Product)
	if e.Sample, err = e.onSample(ctx, w, c, dir, a, published, all); err != nil {
		return err
	}
	e.Downstream = build.Readers(all, a.Product, e.Schema, e.Sample)
	return nil
}

// onSample runs the published version and this one on the same rows of the live inputs.
func (e *edit) onSample(ctx context.Context, w *workshop, c *client.Client, dir string, a registry.Artifact, published host.ProductStatus, all []host.ProductStatus) ([]build.Difference, error) {
	none := []build.Difference{}
	before, err := w.store.Pull(ctx, published.Artifact)
	if err != nil {
		e.note("sample: the published version was not built on this machine")
		return none, nil
	}
	rows := map[string]arrow.RecordBatch{}
	defer func() {
		for _, rec := range rows {
			rec.Release()
		}
	}()
	for i := range a.Product.Inputs {
		in := &a.Product.Inputs[i]
		if rows[in.Name], err = sample(ctx, c, dir, a.Product, in, all); err != nil {
			delete(rows, in.Name)
			e.note("sample: no rows of input %s: %v", in.Name, err)
			return none, nil
		}
	}
	was, err := w.execute(ctx, before, nil, rows)
	defer releaseOutputs(was.Outputs)
	if err != nil || was.State != host.RunCommitted {
		e.note("sample: the published version publishes nothing of these rows")
		return none, nil
	}
	now, err := w.execute(ctx, a, nil, rows)
	defer releaseOutputs(now.Outputs)
	switch {
	case err != nil:
		return nil, err
	case now.State != host.RunCommitted:
		e.note("sample: a rule holds what comes of the live rows")
		return none, nil
	}
	return build.CompareVersions(a.Product, was.Outputs, now.Outputs), nil
}

// sample reads the first rows of an input, in the form in which the product would get them.
func sample(ctx context.Context, c *client.Client, dir string, p *host.Product, in *host.Input, all []host.ProductStatus) (arrow.RecordBatch, error) {
	schema, err := columnar.Schema(in.Schema)
	if err != nil {
		return nil, err
	}
	id, port, ok := in.Upstream(p.ID.Tenant)
	if !ok {
		return sampleFile(ctx, dir, in, schema)
	}
	rec, err := samplePort(ctx, c, host.Address{Mesh: ".", Domain: id.Domain, Product: id.Name, Port: port}, schema)
	if err != nil || in.Mode == host.Snapshot {
		return rec, err
	}
	for _, st := range all {
		for _, o := range st.Outputs {
			if st.URL == id.URL() && o.Name == port && o.Mode != string(host.Append) {
				return node.AsInserts(rec, 1), nil
			}
		}
	}
	return rec, nil
}

func samplePort(ctx context.Context, c *client.Client, at host.Address, schema *arrow.Schema) (arrow.RecordBatch, error) {
	data, err := c.Open(ctx, at, client.Read{Format: "arrow", Limit: sampleRows})
	if err != nil {
		return nil, err
	}
	defer data.Body.Close()
	r, err := ipc.NewReader(data.Body)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	var got []arrow.RecordBatch
	defer func() { releaseOutputs(map[string][]arrow.RecordBatch{"": got}) }()
	for r.Next() {
		rec, err := columnar.Convert(r.RecordBatch(), schema)
		if err != nil {
			return nil, err
		}
		got = append(got, rec)
	}
	return joined(schema, got), r.Err()
}

func sampleFile(ctx context.Context, dir string, in *host.Input, schema *arrow.Schema) (arrow.RecordBatch, error) {
	files, err := file.New(file.Config{})
	if err != nil {
		return nil, err
	}
	uri, _ := build.FileURI(dir, in.From)
	r, err := files.Open(ctx, drivers.Request{URI: uri, Schema: schema, Mode: drivers.Snapshot, Options: in.Options})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var got []arrow.RecordBatch
	defer func() { releaseOutputs(map[string][]arrow.RecordBatch{"": got}) }()
	for rows := int64(0); rows < sampleRows; {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		n := min(b.Record.NumRows(), sampleRows-rows)
		got = append(got, b.Record.NewSlice(0, n))
		b.Record.Release()
		rows += n
	}
	return joined(schema, got), nil
}

// joined is one batch of many.
func joined(schema *arrow.Schema, parts []arrow.RecordBatch) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	if len(parts) == 0 {
		return b.NewRecordBatch()
	}
	rows := int64(0)
	cols := make([]arrow.Array, schema.NumFields())
	for i := range cols {
		var all []arrow.Array
		for _, p := range parts {
			all = append(all, p.Column(i))
		}
		var err error
		if cols[i], err = array.Concatenate(all, memory.DefaultAllocator); err != nil {
			panic(err) // of one type
		}
		defer cols[i].Release()
		rows = int64(cols[i].Len())
	}
	return array.NewRecordBatch(schema, cols, rows)
}

// passes reports whether the fixtures and the rules pass.
func (e *edit) passes() bool {
	return allEqual(e.Rows) && !slices.ContainsFunc(e.Checks, func(k host.Check) bool { return k.Status == host.CheckFail || k.Status == host.CheckError })
}

// showEdit is the pane.
func (a *app) showEdit(e *edit) error {
	if a.json() {
		return a.showJSON(e)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s  %s  %d ms\n", e.Product, shortDigest(e.Module), e.Millis)
	section := func(name, nothing string, lines []string) {
		if len(lines) == 0 && e.missed(name) {
			nothing = "not compared"
		}
		if len(lines) == 0 {
			lines = []string{nothing}
		}
		fmt.Fprintf(&s, "\n%-12s%s\n", name, lines[0])
		for _, l := range lines[1:] {
			fmt.Fprintf(&s, "            %s\n", l)
		}
	}
	section("rows", "as testdata/out", differing(e.Rows))
	var lines []string
	for _, c := range e.Schema {
		breaks := ""
		if c.Breaking {
			breaks = ", which breaks its contract"
		}
		lines = append(lines, c.Port+" is "+c.State+breaks)
		for _, col := range c.Columns {
			lines = append(lines, "  "+col)
		}
	}
	section("schema", "as published", lines)
	lines = nil
	for _, k := range e.Checks {
		if k.Status != host.CheckPass && k.Status != host.CheckSkip {
			lines = append(lines, fmt.Sprintf("%s %s: %s", k.Port, k.Rule, k.Reason))
		}
	}
	section("checks", fmt.Sprintf("%d pass", len(e.Checks)), lines)
	section("sample", "as the published version", differing(e.Sample))
	lines = nil
	for _, r := range e.Downstream {
		lines = append(lines, fmt.Sprintf("%s reads %s: %s", r.Product, r.Port, r.Effect))
	}
	section("downstream", "nobody notices", lines)
	if len(e.Notes) > 0 {
		section("notes", "", e.Notes)
	}
	for _, l := range e.Logs {
		a.talk("log: %s", l)
	}
	_, err := io.WriteString(a.out, s.String())
	return err
}

func differing(list []build.Difference) (lines []string) {
	for _, d := range list {
		if !d.Equal() {
			lines = append(lines, strings.Split(strings.TrimRight(d.Text(shownRows), "\n"), "\n")...)
		}
	}
	return lines
}

// shortDigest is what a person compares.
func shortDigest(d host.Digest) string {
	_, sum, _ := strings.Cut(string(d), ":")
	return sum[:min(12, len(sum))]
}
