// Package duckdb answers questions in SQL with DuckDB.
//
// DuckDB is C++, and adp is not: Process, which every build has, starts the program adp-duckdb for each session and speaks with
// it. That program is Serve over Driver, which is there when the build has cgo and the tag duckdb_arrow. A fault of DuckDB ends
// one process of its own, and the session with it.
//
// A question is one SELECT in DuckDB's dialect. Names of tables and functions are looked up before anything runs, in what
// DuckDB's own parser makes of the statement. Times with a zone are in UTC. Each session has a database of its own, in memory,
// which can neither reach files other than those of its tables, network, extensions or settings nor write temporary files.
package duckdb
