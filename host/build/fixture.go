package build

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/arrowtext"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// A product's fixtures: what comes in, by input or binding, and what must come out, by output port.
const (
	fixturesIn  = testFolder + "/in"
	fixturesOut = testFolder + "/out"
)

// fixtureFormats are the extensions of fixtures.
var fixtureFormats = []string{".csv", ".ndjson", ".parquet"}

// Fixtures are a product's fixture files.
type Fixtures struct {
	In  map[string]string // file: URIs by input or binding
	Out map[string]string // paths by output port
	dir string
}

// FindFixtures lists the fixtures of a product's folder. A file that belongs to no port is an error: a test that silently
// tests nothing is worse than none.
func FindFixtures(dir string, p *host.Product) (Fixtures, error) {
	f := Fixtures{In: map[string]string{}, Out: map[string]string{}, dir: dir}
	var inputs, outputs []string
	for _, in := range p.Inputs {
		inputs = append(inputs, in.Name)
	}
	for _, b := range p.Bindings {
		if !b.Compute {
			inputs = append(inputs, b.Name)
		}
	}
	for _, o := range p.Outputs {
		outputs = append(outputs, o.Name)
	}
	in, err := fixtureFiles(filepath.Join(dir, fixturesIn), "input", inputs)
	if err != nil {
		return f, err
	}
	for name, path := range in {
		f.In[name], _ = FileURI("", "file:"+path)
	}
	f.Out, err = fixtureFiles(filepath.Join(dir, fixturesOut), "output", outputs)
	if err == nil && len(f.In) == 0 {
		err = host.Errorf(host.CodeBuildTest, "%s has no fixtures", dir).
			WithHint("put rows into %s/<input>.csv, then write what comes of them with adp test --update", fixturesIn)
	}
	return f, err
}

func fixtureFiles(dir, what string, known []string) (map[string]string, error) {
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, host.Errorf(host.CodeBuildTest, "%w", err)
	}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext)
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			continue
		case !slices.Contains(fixtureFormats, ext) || !slices.Contains(known, name):
			return nil, host.Errorf(host.CodeBuildTest, "%s is no fixture of an %s", path, what).
				WithHint("%ss are %s; files are %s", what, strings.Join(known, ", "), strings.Join(fixtureFormats, ", "))
		case out[name] != "":
			return nil, host.Errorf(host.CodeBuildTest, "%s %s has two fixtures: %s and %s", what, name, out[name], path)
		}
		out[name] = path
	}
	return out, nil
}

// Difference is how one output differs from its fixture.
type Difference struct {
	Port       string     `json:"port"`
	Columns    []string   `json:"columns"`
	Expected   int        `json:"expected"` // rows
	Got        int        `json:"got"`
	Missing    [][]string `json:"missing,omitempty"`    // rows that should be there
	Unexpected [][]string `json:"unexpected,omitempty"` // rows that should not

	order func(a, b []string) int // of rows: by the port's key, if it has one
}

// Equal reports whether nothing differs.
func (d Difference) Equal() bool { return len(d.Missing) == 0 && len(d.Unexpected) == 0 }

// Compare holds the rows of all outputs against the fixtures, as tables have them: without an order. Outputs without a
// fixture are not compared; when there is none at all that is an error.
func (f Fixtures) Compare(ctx context.Context, source drivers.Source, p *host.Product, got map[string][]arrow.RecordBatch) ([]Difference, error) {
	if len(f.Out) == 0 {
		return nil, host.Errorf(host.CodeBuildTest, "there is nothing to compare with in %s", filepath.Join(f.dir, fixturesOut)).
			WithHint("write it with adp test --update, and read it before you commit it")
	}
	var out []Difference
	for i := range p.Outputs {
		o := &p.Outputs[i]
		path, ok := f.Out[o.Name]
		if !ok {
			continue
		}
		want, err := readFixture(ctx, source, path, o)
		if err != nil {
			return nil, err
		}
		out = append(out, compareRows(o, want, textRows(got[o.Name])))
	}
	return out, nil
}

// readFixture reads expected rows by the output's contract: a cell that does not fit it is an error.
func readFixture(ctx context.Context, source drivers.Source, path string, o *host.Output) ([][]string, error) {
	schema, err := columnar.Schema(o.Schema)
	if err != nil {
		return nil, err
	}
	uri, _ := FileURI("", "file:"+path)
	r, err := source.Open(ctx, drivers.Request{URI: uri, Schema: schema, Mode: drivers.Snapshot, Options: map[string]string{"quiet": "0s"}})
	if err != nil {
		return nil, host.Errorf(host.CodeBuildTest, "%s: %w", path, err)
	}
	defer r.Close()
	var rows [][]string
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, host.Errorf(host.CodeBuildTest, "%s: %w", path, err)
		}
		if b.Record != nil {
			rows = append(rows, textRows([]arrow.RecordBatch{b.Record})...)
			b.Record.Release()
		}
		if len(b.Rejected) > 0 {
			rej := b.Rejected[0]
			e := host.Errorf(host.CodeBuildTest, "an expected row does not fit the contract: %s", rej.Reason)
			e.At = host.Position{File: path, Line: int(rej.Line), Column: 1}
			e.Excerpt = rej.Raw
			return nil, e
		}
	}
}

// textRows writes rows as CSV cells: the empty cell is null, "" the empty text.
func textRows(batches []arrow.RecordBatch) [][]string {
	var rows [][]string
	for _, b := range batches {
		cells := make([]arrowtext.Cell, b.NumCols())
		for j, col := range b.Columns() {
			cells[j] = arrowtext.CSVCells(col)
		}
		for i := range int(b.NumRows()) {
			row := make([]string, len(cells))
			for j, cell := range cells {
				row[j] = string(cell(nil, i))
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// compareRows takes equal rows away from both sides and sorts what is left by the port's key, so that the two versions of
// a row stand together.
func compareRows(o *host.Output, want, got [][]string) Difference {
	d := Difference{Port: o.Name, Expected: len(want), Got: len(got)}
	for _, f := range o.Schema.Fields {
		d.Columns = append(d.Columns, f.Name)
	}
	join := func(row []string) string { return strings.Join(row, "\x00") }
	left := map[string]int{}
	for _, row := range got {
		left[join(row)]++
	}
	for _, row := range want {
		if k := join(row); left[k] > 0 {
			left[k]--
		} else {
			d.Missing = append(d.Missing, row)
		}
	}
	for _, row := range got {
		if k := join(row); left[k] > 0 {
			left[k]--
			d.Unexpected = append(d.Unexpected, row)
		}
	}
	d.order = byKey(o)
	slices.SortStableFunc(d.Missing, d.order)
	slices.SortStableFunc(d.Unexpected, d.order)
	return d
}

// byKey orders rows by the columns of the port's key, or by all of them where it has none.
func byKey(o *host.Output) func(a, b []string) int {
	if len(o.Key) == 0 {
		return slices.Compare[[]string]
	}
	var key []int
	for _, name := range o.Key {
		key = append(key, o.Schema.Index(name))
	}
	return func(a, b []string) int {
		for _, k := range key {
			if c := cmp.Compare(a[k], b[k]); c != 0 {
				return c
			}
		}
		return 0
	}
}

// Update writes the rows of all outputs as the fixtures to compare with, in a stable order, and returns the files. Only
// CSV is written: a fixture in another form must be removed first.
func (f Fixtures) Update(p *host.Product, got map[string][]arrow.RecordBatch) ([]string, error) {
	var written []string
	for i := range p.Outputs {
		o := &p.Outputs[i]
		path := filepath.Join(f.dir, fixturesOut, o.Name+".csv")
		if old, ok := f.Out[o.Name]; ok && old != path {
			return written, host.Errorf(host.CodeBuildTest, "%s is not CSV", old).WithHint("remove it, then write it anew with --update")
		}
		schema, err := columnar.Schema(o.Schema)
		if err != nil {
			return written, err
		}
		rows := textRows(got[o.Name])
		slices.SortStableFunc(rows, byKey(o))
		var b bytes.Buffer
		if err := arrowtext.NewCSV(&b, schema).Close(); err != nil { // the header
			return written, err
		}
		for _, row := range rows {
			fmt.Fprintln(&b, strings.Join(row, ","))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return written, host.Errorf(host.CodeBuildTest, "%w", err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			return written, host.Errorf(host.CodeBuildTest, "%w", err)
		}
		written = append(written, path)
	}
	return written, nil
}

// Text is the difference for people: rows that are missing begin with -, rows that should not be there with +; of two
// versions of a row the expected one comes first. At most limit rows are shown.
func (d Difference) Text(limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d rows, %d expected\n", d.Port, d.Got, d.Expected)
	fmt.Fprintf(&b, "  %s\n", strings.Join(d.Columns, ","))
	minus, plus := d.Missing, d.Unexpected
	for shown := 0; len(minus)+len(plus) > 0; shown++ {
		if shown == limit {
			fmt.Fprintf(&b, "  … and %d more\n", len(minus)+len(plus))
			break
		}
		if len(plus) == 0 || len(minus) > 0 && d.order(minus[0], plus[0]) <= 0 {
			fmt.Fprintf(&b, "- %s\n", strings.Join(minus[0], ","))
			minus = minus[1:]
		} else {
			fmt.Fprintf(&b, "+ %s\n", strings.Join(plus[0], ","))
			plus = plus[1:]
		}
	}
	return b.String()
}
