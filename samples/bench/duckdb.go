package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// duckScript runs the job once for each line it reads and answers with its seconds. It is one process with the database
// open, as the peers are: neither starting Python nor loading the library is measured.
const duckScript = `
import duckdb, os, sys, time
data, out = sys.argv[1], sys.argv[2]
db = duckdb.connect()
def sync(name):
    f = os.open(name, os.O_RDONLY); os.fsync(f); os.close(f)
def job():
    db.execute(f"""COPY (SELECT *, CASE WHEN severity<0.05 THEN 0 WHEN severity<0.1 THEN 1 WHEN severity<0.25 THEN 2
        WHEN severity<0.5 THEN 3 WHEN severity<1 THEN 4 ELSE 5 END::INTEGER AS bucket FROM
        (SELECT *, delay*1.0::DOUBLE/greatest(distance,1) AS severity FROM read_parquet('{data}') WHERE delay>15))
        TO '{out}' (FORMAT parquet, COMPRESSION snappy)""")
    db.execute(f"SELECT origin, count(*), sum(delay), sum(severity) FROM read_parquet('{out}') GROUP BY 1").fetchall()
    sync(out); sync(os.path.dirname(out))
job()
print(duckdb.__version__, flush=True)
for _ in sys.stdin:
    t = time.perf_counter()
    job()
    print(time.perf_counter() - t, flush=True)
`

// duck is a process with DuckDB in it.
type duck struct {
	cmd     *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Scanner
}

// startDuck starts DuckDB on the flights job, which it has done once when this returns.
func (b *bench) startDuck(ctx context.Context, data string) (*duck, error) {
	python, err := b.duckPython(ctx)
	if err != nil {
		return nil, err
	}
	d := &duck{cmd: exec.CommandContext(ctx, python, "-c", duckScript, data, filepath.Join(b.work, "duck.parquet"))}
	d.cmd.Stderr = os.Stderr
	if d.ask, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.answers = bufio.NewScanner(out)
	if !d.answers.Scan() {
		return nil, errors.Join(errors.New("it ended"), d.end())
	}
	b.talk("  DuckDB %s", d.answers.Text())
	return d, nil
}

func (d *duck) run() (time.Duration, error) {
	if _, err := fmt.Fprintln(d.ask); err != nil {
		return 0, err
	}
	if !d.answers.Scan() {
		return 0, fmt.Errorf("DuckDB ended: %w", d.answers.Err())
	}
	s, err := strconv.ParseFloat(d.answers.Text(), 64)
	return time.Duration(s * 1e9), err
}

func (d *duck) end() error { return errors.Join(d.ask.Close(), d.cmd.Wait()) }

// duckPython is a Python with DuckDB: a virtual environment in the cache, made when it is not there.
func (b *bench) duckPython(ctx context.Context) (string, error) {
	venv := filepath.Join(b.cache, "venv")
	python := filepath.Join(venv, "bin", "python3")
	has := func() error { return exec.CommandContext(ctx, python, "-c", "import duckdb").Run() }
	if has() == nil {
		return python, nil
	}
	b.talk("  pip installs DuckDB, once")
	for _, args := range [][]string{{"python3", "-m", "venv", venv}, {python, "-m", "pip", "--quiet", "install", "duckdb"}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return python, has()
}
