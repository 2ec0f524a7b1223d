package drivertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/arrow/util"

	"github.com/adp-host/adp/drivers"
)

// ComputeFixture is a driver under test, with statements in its language. Tables t and u have the columns of Schema.
type ComputeFixture struct {
	Driver drivers.Compute
	All    string // every row of t, id and name, in order
	Twice  string // t joined to itself by id: id and name of the first
	Some   string // 7 and the name, of the rows of t whose id is 9,000 or more, in order
	Join   string // rows of t whose id is in u, with the name of u, in the order of t
	Wrong  string // no statement at all
	Fails  string // is one, and fails on the rows of t
	Large  string // needs more than 16 MiB
	Long   string // runs for minutes
	// Endless has more rows than anybody reads, and needs no more memory than Errors allows.
	Endless string
	Beyond  []string
}

// Compute checks a drivers.Compute.
func Compute(t *testing.T, f ComputeFixture) {
	t.Run("Rows", func(t *testing.T) { computeRows(t, f) })
	t.Run("Endless", func(t *testing.T) { computeEndless(t, f) })
	t.Run("Errors", func(t *testing.T) { computeErrors(t, f) })
	t.Run("Beyond", func(t *testing.T) { computeBeyond(t, f) })
	t.Run("Stopped", func(t *testing.T) { computeStopped(t, f) })
	t.Run("BrokenTable", func(t *testing.T) { computeBroken(t, f) })
	t.Run("OneAfterAnother", func(t *testing.T) { computeSeries(t, f) })
	t.Run("AtTheSameTime", func(t *testing.T) { computeConcurrent(t, f) })
}

// some are n rows, of which every third has no name.
func some(n int) (rows []Row) {
	for id := range int64(n) {
		r := Row{ID: id}
		if id%3 != 0 {
			r = Named(id, fmt.Sprintf("name %d, long enough to lie outside", id))
		}
		rows = append(rows, r)
	}
	return rows
}

// table has its rows in batches of the size given, an empty one first.
func table(t *testing.T, mem memory.Allocator, name string, rows []Row, size int) drivers.Table {
	t.Helper()
	records := []arrow.RecordBatch{Record(nil)}
	for len(rows) > 0 {
		n := min(size, len(rows))
		whole := RecordIn(mem, append([]Row{{ID: -1}}, rows[:n]...))
		records = append(records, whole.NewSlice(1, int64(n)+1)) // offsets are not 0
		whole.Release()
		rows = rows[n:]
	}
	r, err := array.NewRecordReader(Schema, records)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		rec.Release()
	}
	t.Cleanup(r.Release)
	return drivers.Table{Name: name, Rows: r}
}

// ask returns all rows of an answer, read after it and its session were closed.
func ask(ctx context.Context, c drivers.Compute, l drivers.Load, q drivers.Question) (rows []Row, err error) {
	s, err := c.Load(ctx, l)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return askIn(ctx, s, q)
}

func askIn(ctx context.Context, s drivers.Session, q drivers.Question) (rows []Row, err error) {
	a, err := s.Ask(ctx, q)
	if err != nil {
		return nil, err
	}
	var records []arrow.RecordBatch
	for {
		rec, err := a.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(err, a.Close())
		}
		records = append(records, rec)
	}
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		return nil, err
	}
	for _, rec := range records {
		ids, names := rec.Column(0).(*array.Int64), rec.Column(1).(*array.String)
		for i := range int(rec.NumRows()) {
			r := Row{ID: ids.Value(i)}
			if !names.IsNull(i) {
				r = Named(r.ID, strings.Clone(names.Value(i)))
			}
			rows = append(rows, r)
		}
		rec.Release()
	}
	return rows, nil
}

func computeRows(t *testing.T, f ComputeFixture) {
	const n = 10_000
	all := some(n)
	var joined []Row
	for id := int64(0); id < n; id += 2 {
		joined = append(joined, Named(id, fmt.Sprint("even ", id)))
	}
	for _, c := range []struct {
		name, text string
		t          []Row
		want       []Row
	}{
		{"all", f.All, all, all}, {"twice", f.Twice, all, all}, {"some", f.Some, all, sevens(all[9000:])}, {"join", f.Join, all, joined}, {"none", f.All, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			t.Cleanup(func() { mem.AssertSize(t, 0) }) // after the tables are let go: what the driver keeps is missing
			tables := []drivers.Table{table(t, mem, "t", c.t, 999), table(t, mem, "u", joined, 7)}
			got, err := ask(t.Context(), f.Driver, drivers.Load{Tables: tables}, drivers.Question{Text: c.text})
			if err != nil {
				t.Fatal(err)
			}
			if show(got) != show(c.want) {
				t.Fatalf("%d rows, want %d, or others: %.300s", len(got), len(c.want), show(got))
			}
		})
	}
}

func sevens(rows []Row) (all []Row) {
	for _, r := range rows {
		all = append(all, Row{7, r.Name})
	}
	return all
}

func computeErrors(t *testing.T, f ComputeFixture) {
	for _, c := range []struct {
		name, text string
		kind       error
	}{{"wrong", f.Wrong, drivers.ErrRequest}, {"fails", f.Fails, drivers.ErrRequest}, {"large", f.Large, drivers.ErrExceeded}, {"empty", "", drivers.ErrRequest}} {
		_, err := ask(t.Context(), f.Driver, drivers.Load{Memory: 16 << 20, Tables: []drivers.Table{table(t, memory.DefaultAllocator, "t", some(10), 4)}},
			drivers.Question{Text: c.text, Origin: "sql/out.sql"})
		var e *drivers.Error
		if !errors.Is(err, c.kind) || !errors.As(err, &e) || e.Origin != "sql/out.sql" {
			t.Errorf("%s: %v, want one of sql/out.sql that is %v", c.name, err, c.kind)
		}
	}
}

// computeEndless: an answer that does not fit into memory can be read all the same.
func computeEndless(t *testing.T, f ComputeFixture) {
	s, err := f.Driver.Load(t.Context(), drivers.Load{Memory: 16 << 20, Tables: []drivers.Table{table(t, memory.DefaultAllocator, "t", some(10), 4)}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.Ask(t.Context(), drivers.Question{Text: f.Endless})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for bytes := int64(0); bytes < 64<<20; {
		rec, err := a.Next(t.Context())
		if err != nil {
			t.Fatalf("after %d bytes: %v", bytes, err)
		}
		bytes += util.TotalRecordSize(rec)
		rec.Release()
	}
}

func computeBeyond(t *testing.T, f ComputeFixture) {
	s, err := f.Driver.Load(t.Context(), drivers.Load{Tables: []drivers.Table{table(t, memory.DefaultAllocator, "t", some(10), 4)}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, text := range f.Beyond {
		if _, err := askIn(t.Context(), s, drivers.Question{Text: text}); !errors.Is(err, drivers.ErrBeyond) {
			t.Errorf("%s: %v, want drivers.ErrBeyond", text, err)
		}
	}
	if got, err := askIn(t.Context(), s, drivers.Question{Text: f.All}); err != nil || show(got) != show(some(10)) {
		t.Errorf("after all of them: %d rows of 10, %v", len(got), err)
	}
}

func computeStopped(t *testing.T, f ComputeFixture) {
	for name, after := range map[string]time.Duration{"while it reads": 0, "while it computes": 300 * time.Millisecond} {
		ctx, cancel := context.WithCancel(t.Context())
		first := &hooked{RecordReader: table(t, memory.DefaultAllocator, "t", some(10), 4).Rows, before: func() {
			if after == 0 {
				cancel()
			}
			time.AfterFunc(after, cancel)
		}}
		_, err := ask(ctx, f.Driver, drivers.Load{Tables: []drivers.Table{{Name: "t", Rows: first}}}, drivers.Question{Text: f.Long})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
}

// hooked does something before each batch, and fails with err if there is one.
type hooked struct {
	array.RecordReader
	before func()
	err    error
}

func (h *hooked) Next() bool {
	if h.before != nil {
		h.before()
	}
	return h.err == nil && h.RecordReader.Next()
}

func (h *hooked) Err() error { return errors.Join(h.err, h.RecordReader.Err()) }

func computeBroken(t *testing.T, f ComputeFixture) {
	broken := errors.New("the disk is gone")
	for _, text := range []string{f.All, f.Twice} {
		r := &hooked{RecordReader: table(t, memory.DefaultAllocator, "t", some(10), 4).Rows, err: broken}
		if _, err := ask(t.Context(), f.Driver, drivers.Load{Tables: []drivers.Table{{Name: "t", Rows: r}}}, drivers.Question{Text: text}); !errors.Is(err, broken) {
			t.Errorf("%s: %v, want the reader's error", text, err)
		}
	}
}

// computeSeries: an error of a statement leaves the session as it was.
func computeSeries(t *testing.T, f ComputeFixture) {
	rows := some(20_000)
	s, err := f.Driver.Load(t.Context(), drivers.Load{Tables: []drivers.Table{table(t, memory.DefaultAllocator, "t", rows, 999), table(t, memory.DefaultAllocator, "u", rows[:2], 1)}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		for _, text := range []string{f.Wrong, f.Fails} {
			if _, err := askIn(t.Context(), s, drivers.Question{Text: text}); !errors.Is(err, drivers.ErrRequest) {
				t.Errorf("%s: %v", text, err)
			}
		}
		plan, err := s.Plan(t.Context(), drivers.Question{Text: f.Join})
		if err != nil || fmt.Sprint(plan.Reads) != "[t u]" {
			t.Errorf("it reads %v: %v", plan.Reads, err)
		}
		got, err := askIn(t.Context(), s, drivers.Question{Text: f.All})
		if err != nil || show(got) != show(rows) {
			t.Fatalf("%d rows of %d, or others: %v", len(got), len(rows), err)
		}
	}
	a, err := s.Ask(t.Context(), drivers.Question{Text: f.Endless}) // is not read, which must not take for ever
	if err != nil {
		t.Fatal(err)
	}
	rec, err := a.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec.Release()
	if err := errors.Join(a.Close(), s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if _, err := s.Ask(t.Context(), drivers.Question{Text: f.All}); err == nil {
		t.Error("a session that is closed answers")
	}
}

func computeConcurrent(t *testing.T, f ComputeFixture) {
	var group sync.WaitGroup
	for i := range 4 {
		rows := some(1000 * (i + 1))
		l := drivers.Load{Tables: []drivers.Table{table(t, memory.DefaultAllocator, "t", rows, 100)}}
		group.Go(func() {
			got, err := ask(t.Context(), f.Driver, l, drivers.Question{Text: f.All})
			if err != nil || show(got) != show(rows) {
				t.Errorf("question %d: %d rows of %d, %v", i, len(got), len(rows), err)
			}
		})
	}
	group.Wait()
}
