package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
	"github.com/adp-host/adp/host"
)

func sqlBuilder(t *testing.T) *Builder {
	b := builder(t)
	b.Compute = &duckdb.Process{Path: duckdbtest.Program(t)}
	return b
}

// TestSQLModes: what a statement reads and how its output takes the rows belong together.
func TestSQLModes(t *testing.T) {
	const rows, count = "SELECT name, name AS greeting, 1 AS letters FROM people", "SELECT name, name AS greeting, count(*) AS letters FROM people GROUP BY name"
	for _, c := range []struct{ input, output, text, says, told string }{
		{"incremental", "mode: append", rows, "", ""},
		{"incremental", "mode: upsert, key: [name]", rows, "", ""},
		{"incremental", "mode: upsert, key: [name]", "SELECT name, name AS greeting, 1 AS letters, 'delete' AS _op FROM people", "", ""},
		{"snapshot", "mode: replace", count, "", "greetings.sql is computed from whole tables each time: the aggregate count"},
		{"snapshot", "mode: replace", rows, "", "with mode: incremental for its inputs and mode: append new rows would do"},
		{"incremental", "mode: append", count, "the aggregate count needs all rows", ""},
		{"incremental", "mode: replace", rows, "output greetings is replaced by them", ""},
		{"snapshot", "mode: append", count, "they would come again with each run", ""},
		{"incremental", "mode: append", "SELECT 'a' AS name, 'b' AS greeting, 1 AS letters", "they would come again with each run", ""},
		{"incremental", "mode: append", strings.Repeat(" ", 70_000) + rows, "at most 65536 can be asked", ""},
		{"incremental", "mode: append", strings.Repeat(" ", 2<<20) + rows, "more than 1048576", ""},
		{"incremental", "mode: append", "", "", "|"},
	} {
		dir, b := newProduct(t, "hello", "sql"), sqlBuilder(t)
		var talk strings.Builder
		b.Talk = &talk
		path := filepath.Join(dir, "product.yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.NewReplacer("mode: incremental", "mode: "+c.input, "mode: append", c.output).Replace(string(text))
		if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "greetings.sql"), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = b.Product(t.Context(), dir, nil)
		switch {
		case c.told == "|": // an empty file is no statement
			if host.CodeOf(err) != host.CodeBuildCompile {
				t.Errorf("no statement: %v", err)
			}
		case c.says == "" && err != nil, c.told != "" && !strings.Contains(talk.String(), c.told):
			t.Errorf("%s, %s, %.80s: %v, told %q", c.input, c.output, c.text, err, talk.String())
		case c.says != "":
			found := false
			for _, says := range strings.Split(c.says, "|") {
				found = found || err != nil && strings.Contains(err.Error(), says)
			}
			if !found || host.CodeOf(err) != host.CodeBuildCompile {
				t.Errorf("%s, %s, %.80s: %v, want %s", c.input, c.output, strings.TrimSpace(c.text), err, c.says)
			}
		}
	}
}

// TestSQLWithout: without DuckDB a product in SQL is not built, and doctor's words say what is missing.
func TestSQLWithout(t *testing.T) {
	b := builder(t)
	for range 2 {
		if _, err := b.Product(t.Context(), newProduct(t, "hello", "sql"), nil); host.CodeOf(err) != host.CodeBuildToolchain || host.HintOf(err) == "" {
			t.Errorf("%v", err)
		}
		if _, err := b.findSQL(t.Context()); host.CodeOf(err) != host.CodeBuildToolchain {
			t.Errorf("%v", err)
		}
		b.Compute = &duckdb.Process{Path: "/nowhere/adp-duckdb"}
	}
}
