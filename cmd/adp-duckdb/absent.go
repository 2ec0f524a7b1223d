//go:build !cgo || !duckdb_arrow

// Command adp-duckdb is nothing without DuckDB: it is built with CGO_ENABLED=1 and -tags duckdb_arrow.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "this adp-duckdb was built without DuckDB: CGO_ENABLED=1 go build -tags duckdb_arrow ./cmd/adp-duckdb")
	os.Exit(1)
}
