//go:build cgo && duckdb_arrow

package duckdb

import (
	"path/filepath"
	"testing"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// TestLocked: the database refuses by itself what the look at the statement would let pass.
func TestLocked(t *testing.T) {
	in, err := open(t.Context(), defaultMemory, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range []string{
		"FROM read_csv('/etc/passwd')", "FROM '/etc/passwd'", "FROM read_text('/etc/passwd')", "FROM read_blob('/etc/passwd')", "FROM glob('/etc/*')", "FROM read_parquet('/x.parquet')",
		"FROM read_parquet('http://127.0.0.1:9/x')", "FROM read_csv('s3://b/k')", "ATTACH '/nowhere/x.db'", "INSTALL httpfs", "LOAD httpfs", "LOAD '/x.duckdb_extension'",
		"COPY (SELECT 1) TO '/nowhere/o.csv'", "EXPORT DATABASE '/nowhere/e'", "IMPORT DATABASE '/nowhere/e'", "SET enable_external_access = true", "SET memory_limit = '20GB'", "SET threads = 64",
		"RESET memory_limit", "SET lock_configuration = false", "SET temp_directory = '/tmp'", "SET disabled_filesystems = ''", "SET allowed_paths = ['/etc/passwd']", "PRAGMA memory_limit = '20GB'",
		"SELECT getenv('PATH')",
	} {
		if err := in.exec(t.Context(), s); err == nil {
			t.Errorf("%s: no error", s)
		}
	}
	if err := in.exec(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
}

// TestLockedFiles: of all files it can read those of its tables.
func TestLockedFiles(t *testing.T) {
	dir := t.TempDir()
	mine, other := filepath.Join(dir, "it's mine.parquet"), filepath.Join(dir, "other.parquet")
	w, err := open(t.Context(), defaultMemory, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := w.exec(t.Context(), "COPY (SELECT 1) TO "+literal(mine)); err == nil {
		t.Fatal("a locked database writes a file")
	}
	var free mapping.Database
	var conn mapping.Connection
	if mapping.Open(":memory:", &free) == mapping.StateError || mapping.Connect(free, &conn) == mapping.StateError {
		t.Fatal("no database")
	}
	defer mapping.Close(&free)
	defer mapping.Disconnect(&conn)
	for _, f := range []string{mine, other} {
		var res mapping.Result
		if mapping.Query(conn, "COPY (SELECT 7 AS n) TO "+literal(f)+" (FORMAT parquet)", &res) == mapping.StateError {
			t.Fatal(mapping.ResultError(&res))
		}
		mapping.DestroyResult(&res)
	}
	in, err := open(t.Context(), defaultMemory, 1, mine)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	if err := in.exec(t.Context(), "FROM read_parquet("+literal(mine)+")"); err != nil {
		t.Error(err)
	}
	for _, s := range []string{
		"FROM read_parquet(" + literal(other) + ")", "FROM read_parquet(" + literal(filepath.Join(dir, "*.parquet")) + ")", "FROM glob(" + literal(filepath.Join(dir, "*")) + ")",
		"FROM read_text('/etc/passwd')", "FROM read_text(" + literal(filepath.Join(mine, "..", "other.parquet")) + ")", "COPY (SELECT 1) TO " + literal(mine),
		"COPY (SELECT 1) TO " + literal(mine+".csv"), "SET allowed_paths = ['/etc/passwd']", "INSTALL httpfs", "ATTACH " + literal(filepath.Join(dir, "x.db")),
	} {
		if err := in.exec(t.Context(), s); err == nil {
			t.Errorf("%s: no error", s)
		}
	}
}
