//go:build cgo && duckdb_arrow

package duckdb_test

import (
	"errors"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
	"github.com/adp-host/adp/drivers/duckdb"
)

func TestCompute(t *testing.T) { drivertest.Compute(t, fixture(duckdb.Driver{})) }

// TestPlaces: errors say where in the file the statement is wrong.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		text, message string
		line, column  int64
	}{
		{"SELECT id\nFROM t\nWERE id > 1", `syntax error at or near "id"`, 3, 6},
		{"SELECT 'é', id\nFROM\n  t WHERE 'ü' = 1 nobody", "", 3, 19},
		{"SELECT id\nFROM nobody", "there is no table nobody; there is t", 2, 6},
		{"SELECT id,\n  wrong FROM t", "", 2, 3},
		{"SELECT 'é', now()", "the function now does not depend on its arguments alone", 1, 13},
		{"SELECT id FROM t; SELECT 2", "one statement is wanted, here are 2", 0, 0},
		{"SELECT $1", "a statement has no parameters here", 0, 0},
		{"SELECT nope(id) FROM t", "", 1, 8},
	} {
		_, err := session(t).Ask(t.Context(), drivers.Question{Text: c.text, Origin: "sql/out.sql"})
		var e *drivers.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if e.Line != c.line || e.Column != c.column || c.message != "" && e.Message != c.message {
			t.Errorf("%q: %d:%d %q, want %d:%d %q", c.text, e.Line, e.Column, e.Message, c.line, c.column, c.message)
		}
	}
}

// TestAllowed: what looks like the refused, and is none of it.
func TestAllowed(t *testing.T) {
	for _, text := range []string{
		"SELECT id FROM t; -- done", "SELECT t.id AS now, 'random()' AS s FROM t -- read_csv('/etc/passwd')", "WITH read_csv AS (FROM t) FROM read_csv",
		"WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n", "SELECT * FROM range(3)", "SELECT age(TIMESTAMP '2020-01-02', TIMESTAMP '2020-01-01')", "SELECT unnest([1, 2])",
		"SELECT list_sum([1, 2]), date_trunc('day', TIMESTAMP '2024-01-01 10:00:00'), error(NULL)", "SELECT id, sum(id) OVER (PARTITION BY name) FROM t", "FROM t SELECT max(name) GROUP BY ALL",
		"SELECT * FROM (VALUES (1), (2)) v(a)", "PIVOT (SELECT id, coalesce(name, 'none') AS name FROM t) ON name IN ('one', 'none') USING count(*)",
	} {
		a, err := session(t).Ask(t.Context(), drivers.Question{Text: text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := a.Close(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// session has the table t.
func session(t *testing.T) drivers.Session {
	t.Helper()
	s, err := duckdb.Driver{}.Load(t.Context(), drivers.Load{Tables: []drivers.Table{{Name: "t", Rows: rows(t)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
