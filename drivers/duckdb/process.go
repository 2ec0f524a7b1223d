package duckdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/adp-host/adp/drivers"
)

// Process is a drivers.Compute that runs DuckDB in a process for each session: what ends that one ends nothing else.
type Process struct {
	Path string // of the program adp-duckdb
	// Spare is how long after a session another process waits for the next one, which then need not start it; 0: none waits.
	Spare time.Duration

	mu     sync.Mutex
	waits  *child
	leaves *time.Timer
}

// Load is that of drivers.Compute.
func (p *Process) Load(ctx context.Context, l drivers.Load) (drivers.Session, error) {
	if err := sound(l); err != nil {
		return nil, err
	}
	c := p.spare()
	if c == nil {
		var err error
		if c, err = p.start(); err != nil {
			return nil, err
		}
	}
	if err := c.until(ctx, func() error { return c.load(l) }); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// spare is the process that waits, nil when none does.
func (p *Process) spare() *child {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.waits
	if p.waits = nil; c != nil {
		p.leaves.Stop()
	}
	return c
}

// Close ends the process that waits; sessions go on.
func (p *Process) Close() error {
	p.mu.Lock()
	p.Spare = 0
	p.mu.Unlock()
	if c := p.spare(); c != nil {
		return c.Close()
	}
	return nil
}

// again lets a process wait for the next session.
func (p *Process) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Spare == 0 || p.waits != nil {
		return
	}
	c, err := p.start()
	if err != nil {
		return // the next session will say it
	}
	p.waits = c
	p.leaves = time.AfterFunc(p.Spare, func() {
		p.mu.Lock()
		mine := p.waits == c
		if mine {
			p.waits = nil
		}
		p.mu.Unlock()
		if mine {
			_ = c.Close() // it has done nothing yet
		}
	})
}

// start starts a process.
func (p *Process) start() (*child, error) {
	c := &child{of: p, said: &tail{}}
	running, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.cmd = exec.CommandContext(running, p.Path)
	c.cmd.Env = []string{} // it needs nothing of what this process was told
	c.cmd.Dir = "/"
	c.cmd.Stderr = c.said
	c.cmd.WaitDelay = time.Second
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, &drivers.Error{Kind: drivers.ErrUnavailable, Message: "DuckDB's program does not start", Err: err}
	}
	c.in, c.to, c.from = in, bufio.NewWriterSize(in, 1<<20), bufio.NewReaderSize(out, 1<<20)
	return c, nil
}

// sound says what of a load no database needs to be asked about.
func sound(l drivers.Load) error {
	bad := func(format string, a ...any) error {
		return &drivers.Error{Kind: drivers.ErrRequest, Message: fmt.Sprintf(format, a...)}
	}
	if l.Memory < 0 || l.Threads < 0 {
		return bad("limits below zero: %d bytes, %d threads", l.Memory, l.Threads)
	}
	names := map[string]bool{}
	for _, t := range l.Tables {
		name := strings.ToLower(t.Name)
		switch {
		case name == "" || names[name] || strings.ContainsRune(name, 0):
			return bad("table names %q: each must be there, once", t.Name)
		case (t.Rows == nil) == (len(t.Files) == 0):
			return bad("table %s has rows or files", t.Name)
		case len(t.Files) > 0 && t.Schema == nil:
			return bad("table %s has files without a schema", t.Name)
		case slices.ContainsFunc(t.Files, func(f string) bool { return !filepath.IsAbs(f) || strings.ContainsAny(f, "*?[]{}\x00") }):
			return bad("table %s: files have absolute paths that are no patterns", t.Name)
		}
		names[name] = true
	}
	return nil
}

// maxText is how many bytes a statement may have.
const maxText = 1 << 20

// soundQuestion says what of a question no database needs to be asked about.
func soundQuestion(q drivers.Question) error {
	bad := func(format string, a ...any) error {
		return &drivers.Error{Kind: drivers.ErrRequest, Origin: q.Origin, Message: fmt.Sprintf(format, a...)}
	}
	switch {
	case len(q.Text) > maxText:
		return bad("the statement has %d bytes, more than %d", len(q.Text), maxText)
	case strings.ContainsRune(q.Text, 0):
		return bad("the statement has a zero byte")
	}
	return nil
}

// child is a drivers.Session of a process.
type child struct {
	of   *Process
	cmd  *exec.Cmd
	stop context.CancelFunc // ends the process
	in   io.Closer
	to   *bufio.Writer
	from *bufio.Reader
	said *tail

	ended   error // why nothing can be asked any more
	loaded  bool
	closing bool
	closed  bool // and reaped
}

// until does something with the process, which ends with ctx.
func (c *child) until(ctx context.Context, do func() error) error {
	if c.ended != nil {
		return c.ended
	}
	defer context.AfterFunc(ctx, c.stop)()
	err := do()
	if ctx.Err() != nil {
		c.ended = fmt.Errorf("the statement was stopped: %w", context.Cause(ctx))
		return c.ended
	}
	return err
}

// lost is the error of a process that has ended, or says what means nothing.
func (c *child) lost(err error) error {
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE)
	if ended {
		defer time.AfterFunc(time.Second, c.stop).Stop()
	} else {
		c.stop()
	}
	if why := c.wait(); ended && why != nil {
		err = why
	}
	if said := c.said.String(); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	c.ended = &drivers.Error{Kind: drivers.ErrUnavailable, Message: "DuckDB's process ended", Err: err,
		Hint: "the statement and its data made it fail, or the machine has no memory left: nothing else was harmed"}
	return c.ended
}

// wait reaps the process, once.
func (c *child) wait() error {
	if c.closed {
		return nil
	}
	c.closed = true
	return c.cmd.Wait()
}

func (c *child) load(l drivers.Load) error {
	out := load{Memory: l.Memory, Threads: l.Threads}
	for _, t := range l.Tables {
		out.Tables = append(out.Tables, table{Name: t.Name, Files: t.Files, Schema: schemaBytes(t.Schema)})
	}
	wrote := tell(c.to, out)
	for _, t := range l.Tables {
		if wrote != nil || t.Rows == nil {
			continue
		}
		wrote = send(c.to, t.Rows)
		if err := t.Rows.Err(); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	// A process that takes no more has said why, if it could.
	r, err := c.reply()
	c.loaded = err == nil
	if err == nil && wrote != nil && r.Error == nil {
		return c.lost(wrote)
	}
	return err
}

// reply reads what the process says. Its error is that of the reply, if it has one.
func (c *child) reply() (reply, error) {
	var r reply
	if err := hear(c.from, &r); err != nil {
		return r, c.lost(err)
	}
	return r, r.Error.err()
}

func (c *child) say(q drivers.Question, plan bool) (r reply, err error) {
	if err := soundQuestion(q); err != nil {
		return r, err
	}
	err = tell(c.to, question{Plan: plan, Text: q.Text, Origin: q.Origin, Schema: schemaBytes(q.Schema), Optional: q.Optional, Growing: q.Growing})
	if err != nil {
		return r, c.lost(err)
	}
	return c.reply()
}

// Plan is that of drivers.Session.
func (c *child) Plan(ctx context.Context, q drivers.Question) (p drivers.Plan, err error) {
	err = c.until(ctx, func() error {
		r, err := c.say(q, true)
		p = drivers.Plan{Reads: r.Reads, Whole: r.Whole.err()}
		return err
	})
	return p, err
}

// Ask is that of drivers.Session.
func (c *child) Ask(ctx context.Context, q drivers.Question) (a drivers.Answer, err error) {
	err = c.until(ctx, func() error {
		if _, err := c.say(q, false); err != nil {
			return err
		}
		rows, err := ipc.NewReader(c.from)
		if err != nil {
			return c.lost(err)
		}
		if q.Schema != nil && !rows.Schema().Equal(q.Schema) {
			rows.Release()
			return c.lost(fmt.Errorf("an answer of the schema %s", rows.Schema()))
		}
		a = &childAnswer{c: c, rows: rows}
		return nil
	})
	return a, err
}

// Close is that of drivers.Session. A process that still computes is ended.
func (c *child) Close() error {
	if c.closing {
		return nil
	}
	c.closing = true
	if c.ended == nil {
		c.ended = errors.New("the session is closed")
	}
	if c.loaded {
		c.of.again()
	}
	defer c.stop()
	_ = c.in.Close() // what the process says with its exit is all there is to know
	time.AfterFunc(time.Second, c.stop)
	_ = c.wait() // ended by us, or for a reason that was said
	return nil
}

// childAnswer is a drivers.Answer.
type childAnswer struct {
	c    *child
	rows *ipc.Reader // nil: closed
	end  error       // io.EOF, or why there are no more rows; nil: there may be
}

func (a *childAnswer) Schema() *arrow.Schema { return a.rows.Schema() }

func (a *childAnswer) Next(ctx context.Context) (rec arrow.RecordBatch, err error) {
	switch {
	case a.rows == nil:
		return nil, errors.New("the answer is closed")
	case a.end != nil:
		return nil, a.end
	}
	a.end = a.c.until(ctx, func() error {
		if a.rows.Next() {
			rec = a.rows.RecordBatch()
			rec.Retain()
			return nil
		}
		if err := a.rows.Err(); err != nil && !errors.Is(err, io.EOF) {
			return a.c.lost(err)
		}
		if _, err := a.c.reply(); err != nil {
			return err
		}
		return io.EOF
	})
	return rec, a.end
}

// Close ends the process of an answer that is not over: how long the rest of it takes nobody knows.
func (a *childAnswer) Close() error {
	if a.rows == nil {
		return nil
	}
	a.rows.Release()
	a.rows = nil
	if a.end == nil && a.c.ended == nil {
		a.c.ended = errors.New("the answer before was not read to its end")
		a.c.stop()
	}
	return nil
}

// tail keeps the end of what a process says before it ends.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - 4096; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
