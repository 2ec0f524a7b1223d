package duckdb_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
)

// TestSpare: one process waits after a session, nobody has used it, the next session has it, and it goes when none comes.
func TestSpare(t *testing.T) {
	program := filepath.Join(t.TempDir(), "adp-duckdb")
	if err := os.Link(duckdbtest.Program(t), program); err != nil {
		t.Skipf("NOT RUN: the program cannot have a name of its own: %v", err)
	}
	p := &duckdb.Process{Path: program, Spare: time.Minute}
	load := func() drivers.Session {
		s, err := p.Load(t.Context(), drivers.Load{Tables: []drivers.Table{{Name: "t", Rows: rows(t)}}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := load()
	if got := running(t, program); len(got) != 1 {
		t.Fatalf("processes %v, want one", got)
	}
	second := load() // at the same time
	for _, s := range []drivers.Session{first, second} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	waits := running(t, program)
	if len(waits) != 1 {
		t.Fatalf("processes %v wait, want one", waits)
	}
	third := load()
	if got := running(t, program); len(got) != 1 || got[0] != waits[0] {
		t.Errorf("processes %v, want %v, which waited", got, waits)
	}
	p.Spare = time.Millisecond
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); len(running(t, program)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a process waits for ever")
		}
	}
	last := &duckdb.Process{Path: program, Spare: time.Minute}
	drivertest.Compute(t, fixture(last))
	if err := last.Close(); err != nil {
		t.Error(err)
	}
	if got := running(t, program); len(got) > 0 {
		t.Errorf("processes %v are left", got)
	}
}

// running are the processes of a program.
func running(t *testing.T, program string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range all {
		if to, err := os.Readlink(link); err == nil && to == program {
			pids = append(pids, link)
		}
	}
	return pids
}
