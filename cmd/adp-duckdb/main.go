//go:build cgo && duckdb_arrow

// Command adp-duckdb is DuckDB in a process of its own, for products in SQL. adp starts it, one for each run, and speaks with
// it over its standard input and output; nobody else calls it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/adp-host/adp/drivers/duckdb"
)

func main() {
	err := limit()
	if err == nil {
		err = duckdb.Warm()
	}
	if err == nil {
		err = duckdb.Serve(context.Background(), duckdb.Driver{}, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
