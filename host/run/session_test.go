package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/run"
)

// computes answers every binding with one driver.
type computes struct {
	driver drivers.Compute
	err    error
}

func (c computes) Compute(context.Context, host.ProductID, string, string) (drivers.Compute, error) {
	return c.driver, c.err
}

func statement(text string) string {
	b, _ := json.Marshal(host.Statement{Text: text, File: "out.sql"})
	return string(b)
}

// asking emits the answer to a statement once the inputs are read.
func asking(text *string) logic {
	return logic{
		process: func(*goGuest, int, []row) error { return errors.New("the guest got rows") },
		flush: func(g *goGuest) error {
			rows, err := readAll(g, 0, statement(*text))
			if err != nil {
				return err
			}
			return g.emit(0, rows...)
		},
	}
}

// newStatementWorld is a product that answers one statement with DuckDB.
func newStatementWorld(t *testing.T, mode host.OutputMode, l logic, inputs ...host.Input) *world {
	w := newWorld(t, mode, l, inputs...)
	w.product.Bindings = []host.Binding{{Name: "out.sql", URI: "duckdb:inputs", Access: "read", Schema: schema, Compute: true}}
	w.runner.Computes = computes{driver: &duckdb.Process{Path: duckdbtest.Program(t)}}
	return w
}

// TestStatements: a statement sees what is new of incremental inputs and all of snapshot inputs; what was read counts,
// and is not read again.
func TestStatements(t *testing.T) {
	asked := "SELECT i.id, coalesce(k.name, i.name) AS name FROM i LEFT JOIN k USING (id)"
	w := newStatementWorld(t, host.Append, asking(&asked), host.Input{Name: "i", Mode: host.Incremental, Schema: schema},
		host.Input{Name: "k", Mode: host.Snapshot, OnChange: host.Rebuild, Schema: schema}, host.Input{Name: "unread", Mode: host.Incremental, Schema: schema})
	w.inputs.set("k", text(1, "one"), text(2, "two"))
	w.inputs.add("i", null(1), text(7, "seven"))
	w.inputs.addBatch("i", drivers.Batch{Record: record(nil, false), Rejected: []drivers.Rejected{{Line: 9, Reason: "cut"}}})
	w.inputs.add("unread", null(5))
	res := w.execute(host.RunCommitted)
	w.wantRows("1:one", "7:seven")
	if res.Run.RowsIn != 5 || len(res.Rejected) != 1 {
		t.Errorf("%d rows in, %d rejected, want 5 and 1", res.Run.RowsIn, len(res.Rejected))
	}
	w.execute(host.RunIdle)
	w.inputs.add("i", null(2))
	w.execute(host.RunCommitted)
	w.wantRows("1:one", "2:two", "7:seven")
	w.inputs.set("k", text(1, "first"))
	w.execute(host.RunCommitted) // everything again
	w.wantRows("1:first", "2:null", "7:seven")
	w.checkChain()
	if w.guests.open != 0 || len(w.trouble) > 0 {
		t.Errorf("%d guests are open, trouble %v", w.guests.open, w.trouble)
	}
}

// TestStatementsFail: what goes wrong with a statement fails the run with its code and place, publishes nothing, and the
// next run has the rows.
func TestStatementsFail(t *testing.T) {
	in := host.Input{Name: "i", Mode: host.Incremental, Schema: schema}
	for name, c := range map[string]struct {
		text   string
		change func(w *world)
		code   host.ErrorCode
		says   string
	}{
		"wrong":   {"SELECT id,\n  nmae AS name FROM i", nil, host.CodeDriverStatement, "out.sql:2:3: "},
		"beyond":  {"SELECT 1::BIGINT AS id, content AS name FROM read_text('/etc/passwd')", nil, host.CodeDriverStatement, "reaches beyond"},
		"rows":    {"SELECT name::BIGINT AS id, name FROM i", nil, host.CodeDriverStatement, "Could not convert"},
		"columns": {"SELECT id FROM i", nil, host.CodeDriverStatement, "there is no column name"},
		"memory": {"SELECT id, x AS name FROM i, (SELECT max(y) AS x FROM (SELECT DISTINCT range::VARCHAR || 'more than twelve' AS y FROM range(9000000)))",
			func(w *world) { w.product.Limits.Memory = 32 << 20 }, host.CodeGuestMemory, "32 MiB"},
		"nothing there": {"FROM i", func(w *world) { w.runner.Computes = nil }, host.CodeDriverUnknown, "out.sql"},
		"denied":        {"FROM i", func(w *world) { w.runner.Computes = computes{err: host.Errorf(host.CodePolicyDenied, "no")} }, host.CodePolicyDenied, "no"},
		"no program":    {"FROM i", func(w *world) { w.runner.Computes = computes{driver: &duckdb.Process{Path: "/nowhere"}} }, host.CodeDriverOpen, "does not start"},
		"broken input":  {"FROM i", func(w *world) { w.inputs.errs["next i"] = errors.New("the disk is gone") }, host.CodeRunInput, "the disk is gone"},
		"changes":       {"FROM i", func(w *world) { w.runner.Inputs = changes{w.inputs} }, host.CodeRunInput, "input i brings changes"},
	} {
		t.Run(name, func(t *testing.T) {
			said := c.text
			w := newStatementWorld(t, host.Append, asking(&said), in)
			w.inputs.add("i", text(1, "one"))
			computes, inputs := w.runner.Computes, w.runner.Inputs
			if c.change != nil {
				c.change(w)
			}
			_, err := w.runner.Execute(t.Context(), w.attempt())
			if host.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) && !strings.Contains(host.HintOf(err), c.says) {
				t.Errorf("%v (%s), want %s with %q", err, host.HintOf(err), c.code, c.says)
			}
			w.wantRows()
			said = "FROM i"
			w.runner.Computes, w.runner.Inputs, w.product.Limits.Memory = computes, inputs, 0
			delete(w.inputs.errs, "next i")
			w.execute(host.RunCommitted)
			w.wantRows("1:one")
		})
	}
}

// filed are inputs of which one lies in a file.
type filed struct {
	*logs
	input string
	files run.Files
	err   error
}

func (f filed) Files(_ context.Context, _ *host.Product, in *host.Input, _ host.Cursor) (run.Files, error) {
	if in.Name != f.input {
		return run.Files{}, nil
	}
	return f.files, f.err
}

// TestStatementsOnFiles: an input that lies in files is not read but looked at there, and counts as read.
func TestStatementsOnFiles(t *testing.T) {
	asked := "SELECT i.id, k.name FROM i JOIN k USING (id)"
	w := newStatementWorld(t, host.Append, asking(&asked), host.Input{Name: "i", Mode: host.Incremental, Schema: schema},
		host.Input{Name: "k", Mode: host.Snapshot, OnChange: host.Rebuild, Schema: schema})
	path := filepath.Join(t.TempDir(), "k.parquet")
	rec := record([]row{text(1, "one"), text(2, "two")}, false)
	defer rec.Release()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pqarrow.NewFileWriter(rec.Schema(), f, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Write(rec), out.Close()); err != nil {
		t.Fatal(err)
	}
	inputs := filed{w.inputs, "k", run.Files{Paths: []string{path}, Rows: 2, Cursor: host.Cursor(`{"at":1}`)}, nil}
	w.runner.Inputs = inputs
	w.inputs.set("k", text(1, "not read"))
	w.inputs.add("i", null(2), null(3))
	res := w.execute(host.RunCommitted)
	w.wantRows("2:two")
	if res.Run.RowsIn != 4 || w.inputs.opened["k"] != 0 || string(w.head().Cursors["k"]) != `{"at":1}` {
		t.Errorf("%d rows in, %d readers of k, cursor %s", res.Run.RowsIn, w.inputs.opened["k"], w.head().Cursors["k"])
	}
	w.execute(host.RunIdle)
	inputs.err = errors.New("no listing")
	w.runner.Inputs = inputs
	w.inputs.add("i", null(1))
	if _, err := w.runner.Execute(t.Context(), w.attempt()); host.CodeOf(err) != host.CodeRunInput {
		t.Errorf("%v", err)
	}
	inputs.err, inputs.files.Paths = nil, []string{path + " that is gone"}
	w.runner.Inputs = inputs
	if _, err := w.runner.Execute(t.Context(), w.attempt()); err == nil {
		t.Error("a file that is gone is no error")
	}
	w.wantRows("2:two")
}

// changes are inputs that deliver changes of rows.
type changes struct{ run.Inputs }

func (c changes) Schema(ctx context.Context, p *host.Product, in *host.Input) (s *arrow.Schema, err error) {
	if s, err = c.Inputs.Schema(ctx, p, in); err == nil {
		s = columnar.WithChanges(s)
	}
	return s, err
}

// TestStatementsOutOfTurn: a guest asks when the inputs are read, and one thing at a time.
func TestStatementsOutOfTurn(t *testing.T) {
	in := host.Input{Name: "i", Mode: host.Incremental, Schema: schema}
	for name, l := range map[string]logic{
		"in open": {open: func(g *goGuest) error { _, err := readAll(g, 0, statement("FROM i")); return err }},
		"two at a time": {flush: func(g *goGuest) error {
			if _, err := g.calls.DriverOpen(g.ctx, 0, []byte(statement("FROM i"))); err != nil {
				return err
			}
			_, err := g.calls.DriverOpen(g.ctx, 0, []byte(statement("FROM i")))
			return err
		}},
	} {
		w := newStatementWorld(t, host.Append, l, in)
		w.inputs.add("i", text(1, "one"))
		if _, err := w.runner.Execute(t.Context(), w.attempt()); host.CodeOf(err) != host.CodeGuestCallLimit {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newStatementWorld(t, host.Append, logic{flush: func(g *goGuest) error { _, err := readAll(g, 0, "FROM i"); return err }}, in)
	w.inputs.add("i", text(1, "one"))
	if _, err := w.runner.Execute(t.Context(), w.attempt()); host.CodeOf(err) != host.CodeDriverStatement {
		t.Errorf("a request that is no JSON: %v", err)
	}
	// A statement without an end is stopped with its guest.
	w = newStatementWorld(t, host.Append, logic{flush: func(g *goGuest) error {
		ctx, cancel := context.WithTimeout(g.ctx, 300*time.Millisecond)
		defer cancel()
		g.ctx = ctx
		_, err := readAll(g, 0, statement("SELECT sum(a.range * b.range)::BIGINT AS id, max(i.name) AS name FROM i, range(3000000) a, range(3000000) b"))
		return err
	}}, in)
	w.inputs.add("i", text(1, "one"))
	if _, err := w.runner.Execute(t.Context(), w.attempt()); host.CodeOf(err) != host.CodeGuestDeadline {
		t.Errorf("a statement without an end: %v", err)
	}
}
