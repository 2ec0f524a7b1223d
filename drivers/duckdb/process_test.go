package duckdb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
)

// TestProcess: in a process of its own DuckDB does what it does in this one.
func TestProcess(t *testing.T) {
	drivertest.Compute(t, fixture(&duckdb.Process{Path: duckdbtest.Program(t)}))
}

// TestProcessFails: a process that ends, says nothing or says nonsense fails its session, soon and with a reason.
func TestProcessFails(t *testing.T) {
	for name, c := range map[string]struct{ script, why string }{
		"ends":     {"echo out of luck >&2; exit 3", "exit status 3: out of luck"},
		"killed":   {"kill -9 $$", "signal: killed"},
		"nonsense": {"echo nonsense; exec sleep 60", "invalid character"},
		"half":     {"printf '{\"er'; exit 0", "unexpected EOF"},
		"later":    {"echo '{}'; exit 4", "exit status 4"},
		"no rows":  {"echo '{}'; echo '{}'; echo rubbish; exec sleep 60", "deadline"},
		"hangs":    {"exec sleep 60", "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "adp-duckdb")
			if err := os.WriteFile(path, []byte("#!/bin/sh\nPATH=/bin:/usr/bin\n"+c.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s, err := (&duckdb.Process{Path: path}).Load(ctx, drivers.Load{Tables: []drivers.Table{{Name: "t", Rows: rows(t)}}})
			if err == nil {
				defer s.Close()
				_, err = s.Ask(ctx, drivers.Question{Text: "FROM t", Schema: drivertest.Schema})
			}
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v, want %s", err, c.why)
			}
			if c.why != "deadline" && !errors.Is(err, drivers.ErrUnavailable) {
				t.Errorf("%v is not drivers.ErrUnavailable", err)
			}
		})
	}
	if _, err := (&duckdb.Process{Path: "/nowhere/adp-duckdb"}).Load(t.Context(), drivers.Load{}); !errors.Is(err, drivers.ErrUnavailable) {
		t.Error(err)
	}
}

// rows are two.
func rows(t *testing.T) array.RecordReader {
	rec := drivertest.Record([]drivertest.Row{drivertest.Named(1, "one"), {ID: 2}})
	defer rec.Release()
	r, err := array.NewRecordReader(drivertest.Schema, []arrow.RecordBatch{rec})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Release)
	return r
}
