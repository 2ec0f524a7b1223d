// Package duckdbtest gives tests the program adp-duckdb.
package duckdbtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Program builds adp-duckdb, once for all tests of a machine as long as nothing of it changes, and gives its path. Tests that
// need it are skipped, with a reason, where there is no C compiler.
func Program(t testing.TB) string {
	t.Helper()
	path, err := Build()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("NOT RUN: DuckDB needs a C compiler: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Build is Program for those who are no test. The error is exec.ErrNotFound where there is no C compiler.
var Build = sync.OnceValues(func() (string, error) {
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath(strings.TrimSpace(string(cc))); err != nil {
		return "", err
	}
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "adp", "tests")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "adp-duckdb")
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644) // test binaries run at the same time
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-tags", "duckdb_arrow", "-o", path, "./cmd/adp-duckdb")
	build.Dir = filepath.Dir(strings.TrimSpace(string(mod)))
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if said, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(said))
	}
	return path, nil
})
