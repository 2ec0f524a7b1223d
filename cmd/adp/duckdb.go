package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/adp-host/adp/drivers/duckdb"
)

// duckdbProgram is the program that runs DuckDB, and duckdbScheme how drivers' URIs name it.
const (
	duckdbProgram = "adp-duckdb"
	duckdbScheme  = "duckdb"
)

// duckdbSpare is how long a process waits for the next run of a product in SQL.
const duckdbSpare = time.Minute

// findDuckDB looks for the program, once: ADP_DUCKDB, else beside this one, else on the PATH. nil: this machine computes no SQL.
var findDuckDB = sync.OnceValue(func() *duckdb.Process {
	path := os.Getenv("ADP_DUCKDB")
	if path == "" {
		path = besideOrOnPath()
	}
	if path == "" {
		return nil
	}
	started = &duckdb.Process{Path: path, Spare: duckdbSpare}
	return started
})

// started is what findDuckDB has found, if anybody has asked.
var started *duckdb.Process

// endDuckDB leaves no process behind that waits for a next run.
func endDuckDB() {
	if started != nil {
		_ = started.Close() // of a process that has done nothing
	}
}

func besideOrOnPath() string {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), duckdbProgram)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside
		}
	}
	if path, err := exec.LookPath(duckdbProgram); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			return path
		}
	}
	return ""
}

// computeDrivers are those of this machine, by scheme.
func computeDrivers() map[string]any {
	if c := findDuckDB(); c != nil {
		return map[string]any{duckdbScheme: c}
	}
	return nil
}
