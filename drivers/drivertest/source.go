package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
)

// Row is what the suite writes and expects back. A nil Name is null.
type Row struct {
	ID   int64
	Name *string
}

// Named is a Row with a name.
func Named(id int64, name string) Row { return Row{id, &name} }

// Schema is that of Row.
var Schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// Fixture is one source under test, empty at first.
type Fixture struct {
	// Driver implements drivers.Source and drivers.Prober, and may implement Watcher and Inferrer, which are then checked.
	Driver  any
	URI     string
	Options map[string]string
	// Put adds a piece; it is complete, and counts as complete, when Put returns. Pieces are put in the order in which they
	// are expected to be read.
	Put func(t *testing.T, piece string, rows []Row)
	// Replace changes a piece. nil: pieces of this technology cannot change.
	Replace func(t *testing.T, piece string, rows []Row)
	// Broken adds a piece of which the rows between good ones cannot be read: ids good[i] can. nil: cannot happen.
	Broken func(t *testing.T, piece string) (good []int64, rejected int)
}

// Source checks reading: drivers.Source with drivers.Prober, and Watcher and Inferrer where the driver has them.
func Source(t *testing.T, open func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Fixture)
	}{
		{"IncrementalReadsEachPieceOnce", incrementalOnce},
		{"IncrementalCanBeRepeated", incrementalRepeat},
		{"IncrementalEmpty", incrementalEmpty},
		{"IncrementalChanged", incrementalChanged},
		{"Snapshot", snapshot},
		{"SnapshotFollowsChanges", snapshotFollows},
		{"RejectedRows", rejectedRows},
		{"EndRepeats", endRepeats},
		{"CloseEarly", closeEarly},
		{"Cancelled", cancelled},
		{"BadRequests", badRequests},
		{"MissingColumn", missingColumn},
		{"Watch", watch},
		{"Infer", infer},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func (f Fixture) request(mode drivers.Mode, c json.RawMessage) drivers.Request {
	return drivers.Request{URI: f.URI, Schema: Schema, Mode: mode, Cursor: c, Options: f.Options}
}

func (f Fixture) source() drivers.Source { return f.Driver.(drivers.Source) }

func (f Fixture) pending(t *testing.T, mode drivers.Mode, c json.RawMessage) bool {
	t.Helper()
	p, err := f.Driver.(drivers.Prober).Pending(t.Context(), f.request(mode, c))
	if err != nil {
		t.Fatalf("Pending: %v", err)
	}
	return p
}

// Result is all that one read gave.
type Result struct {
	Rows     []Row
	Rejected []drivers.Rejected
	Batches  int
	Cursor   json.RawMessage
}

// IDs are the ids of the rows.
func (r Result) IDs() []int64 {
	ids := make([]int64, len(r.Rows))
	for i, row := range r.Rows {
		ids[i] = row.ID
	}
	return ids
}

// Read opens a request in Schema, or a schema that begins like it, and reads to the end, checking each batch.
func Read(ctx context.Context, s drivers.Source, r drivers.Request) (Result, error) {
	var out Result
	reader, err := s.Open(ctx, r)
	if err != nil {
		return out, err
	}
	defer reader.Close()
	for {
		b, err := reader.Next(ctx)
		if err == io.EOF {
			out.Cursor = reader.Cursor()
			if !json.Valid(out.Cursor) {
				return out, fmt.Errorf("the cursor is not JSON: %q", out.Cursor)
			}
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if err := checkBatch(b, r.Schema); err != nil {
			b.Record.Release()
			return out, err
		}
		out.Rows = append(out.Rows, rowsOf(b.Record)...)
		out.Rejected = append(out.Rejected, b.Rejected...)
		out.Batches++
		b.Record.Release()
	}
}

// checkBatch checks what drivers.Batch promises.
func checkBatch(b drivers.Batch, schema *arrow.Schema) error {
	if b.Record == nil {
		return errors.New("a batch without a record")
	}
	n := b.Record.NumRows()
	switch {
	case !b.Record.Schema().Equal(schema):
		return fmt.Errorf("the record's schema is %s", b.Record.Schema())
	case n > 0 && b.Origin == "":
		return errors.New("rows without an origin")
	case b.Lines != nil && int64(len(b.Lines)) != n:
		return fmt.Errorf("%d lines for %d rows", len(b.Lines), n)
	case n > 0 && b.Line < 1:
		return fmt.Errorf("the first row is on line %d", b.Line)
	case len(b.Lines) > 0 && b.Lines[0] != b.Line:
		return fmt.Errorf("Line is %d and Lines begins with %d", b.Line, b.Lines[0])
	case !slices.IsSorted(b.Lines):
		return errors.New("lines are out of order")
	}
	for i, c := range b.Record.Columns() {
		if c.NullN() > 0 && !schema.Field(i).Nullable {
			return fmt.Errorf("nulls in the required column %s", schema.Field(i).Name)
		}
	}
	for _, r := range b.Rejected {
		if r.Origin == "" || r.Line < 1 || r.Reason == "" || len(r.Raw) > 4<<10 {
			return fmt.Errorf("a rejected row without origin, line or reason, or too long: %+v", r)
		}
	}
	return nil
}

func (f Fixture) read(t *testing.T, mode drivers.Mode, c json.RawMessage) Result {
	t.Helper()
	r, err := Read(t.Context(), f.source(), f.request(mode, c))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return r
}

func expect(t *testing.T, r Result, want ...int64) {
	t.Helper()
	if got := r.IDs(); !slices.Equal(got, want) {
		t.Fatalf("read ids %v, want %v", got, want)
	}
}

func incrementalOnce(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "one"), {ID: 2}})
	f.Put(t, "b", []Row{Named(3, "three")})
	if !f.pending(t, drivers.Incremental, nil) {
		t.Fatal("two new pieces, and nothing is pending")
	}
	first := f.read(t, drivers.Incremental, nil)
	expect(t, first, 1, 2, 3)
	if first.Rows[0].Name == nil || *first.Rows[0].Name != "one" || first.Rows[1].Name != nil {
		t.Errorf("values came back changed: %+v", first.Rows)
	}
	if f.pending(t, drivers.Incremental, first.Cursor) {
		t.Error("everything is read and something is pending")
	}
	again := f.read(t, drivers.Incremental, first.Cursor)
	expect(t, again)
	if !bytes.Equal(again.Cursor, first.Cursor) {
		t.Errorf("a read of nothing moved the cursor:\n%s\n%s", first.Cursor, again.Cursor)
	}
	f.Put(t, "c", []Row{Named(4, "four")})
	if !f.pending(t, drivers.Incremental, first.Cursor) {
		t.Fatal("a new piece is not pending")
	}
	second := f.read(t, drivers.Incremental, first.Cursor)
	expect(t, second, 4)
	expect(t, f.read(t, drivers.Incremental, second.Cursor))
}

// A run that failed reads again from the cursor it had.
func incrementalRepeat(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "x")})
	start := f.read(t, drivers.Incremental, nil).Cursor
	f.Put(t, "b", []Row{Named(2, "y"), Named(3, "z")})
	one, two := f.read(t, drivers.Incremental, start), f.read(t, drivers.Incremental, start)
	expect(t, one, 2, 3)
	expect(t, two, 2, 3)
	if !bytes.Equal(one.Cursor, two.Cursor) {
		t.Errorf("the same read ended in two cursors:\n%s\n%s", one.Cursor, two.Cursor)
	}
}

func incrementalEmpty(t *testing.T, f Fixture) {
	if f.pending(t, drivers.Incremental, nil) {
		t.Error("an empty source is pending")
	}
	empty := f.read(t, drivers.Incremental, nil)
	expect(t, empty)
	f.Put(t, "a", []Row{Named(1, "x")})
	if !f.pending(t, drivers.Incremental, empty.Cursor) {
		t.Error("the first piece is not pending")
	}
	expect(t, f.read(t, drivers.Incremental, empty.Cursor), 1)
}

func incrementalChanged(t *testing.T, f Fixture) {
	if f.Replace == nil {
		t.Log("pieces of this source cannot change")
		return
	}
	f.Put(t, "a", []Row{Named(1, "x")})
	f.Put(t, "b", []Row{Named(2, "y")})
	c := f.read(t, drivers.Incremental, nil).Cursor
	f.Replace(t, "a", []Row{Named(1, "x"), Named(9, "added")})
	if _, err := f.Driver.(drivers.Prober).Pending(t.Context(), f.request(drivers.Incremental, c)); !errors.Is(err, drivers.ErrChanged) {
		t.Errorf("Pending after a change: %v, want drivers.ErrChanged", err)
	}
	r, err := Read(t.Context(), f.source(), f.request(drivers.Incremental, c))
	if !errors.Is(err, drivers.ErrChanged) || len(r.Rows) > 0 {
		t.Errorf("a read after a change gave %v and %v, want drivers.ErrChanged", r.IDs(), err)
	}
	// From the beginning everything is read as it is now.
	expect(t, f.read(t, drivers.Incremental, nil), 1, 9, 2)
}

func snapshot(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "x"), Named(2, "y")})
	if !f.pending(t, drivers.Snapshot, nil) {
		t.Error("a first version is not pending")
	}
	r := f.read(t, drivers.Snapshot, nil)
	expect(t, r, 1, 2)
	if f.pending(t, drivers.Snapshot, r.Cursor) {
		t.Error("the version that was read is pending")
	}
	again := f.read(t, drivers.Snapshot, r.Cursor) // whatever the cursor, the whole
	expect(t, again, 1, 2)
	if !bytes.Equal(r.Cursor, again.Cursor) {
		t.Errorf("one version, two cursors:\n%s\n%s", r.Cursor, again.Cursor)
	}
}

func snapshotFollows(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "x")})
	c := f.read(t, drivers.Snapshot, nil).Cursor
	f.Put(t, "b", []Row{Named(2, "y")})
	if !f.pending(t, drivers.Snapshot, c) {
		t.Error("an added piece is not pending")
	}
	r := f.read(t, drivers.Snapshot, c)
	expect(t, r, 1, 2)
	if f.Replace == nil {
		return
	}
	f.Replace(t, "a", []Row{Named(7, "x")})
	if !f.pending(t, drivers.Snapshot, r.Cursor) {
		t.Error("a changed piece is not pending")
	}
	r = f.read(t, drivers.Snapshot, r.Cursor)
	expect(t, r, 7, 2)
	if f.pending(t, drivers.Snapshot, r.Cursor) {
		t.Error("the new version was read and is pending")
	}
}

func rejectedRows(t *testing.T, f Fixture) {
	if f.Broken == nil {
		t.Log("rows of this source cannot be broken")
		return
	}
	good, rejected := f.Broken(t, "a")
	f.Put(t, "b", []Row{Named(1000, "after")})
	r := f.read(t, drivers.Incremental, nil)
	expect(t, r, append(slices.Clone(good), 1000)...)
	if len(r.Rejected) != rejected {
		t.Errorf("%d rows were rejected, want %d: %+v", len(r.Rejected), rejected, r.Rejected)
	}
	expect(t, f.read(t, drivers.Incremental, r.Cursor)) // rejected rows are read, too
}

func endRepeats(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "x")})
	r, err := f.source().Open(t.Context(), f.request(drivers.Incremental, nil))
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, err := r.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b.Record.Release()
	}
	for range 2 {
		if _, err := r.Next(t.Context()); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func closeEarly(t *testing.T, f Fixture) {
	for i := range 8 {
		rows := make([]Row, 500)
		for j := range rows {
			rows[j] = Named(int64(i*500+j), "x")
		}
		f.Put(t, fmt.Sprintf("p%d", i), rows)
	}
	r, err := f.source().Open(t.Context(), f.request(drivers.Incremental, nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Record.Release()
	c := r.Cursor()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	// The cursor of an unfinished read loses nothing.
	if got := f.read(t, drivers.Incremental, c); len(got.Rows) != 4000 && len(got.Rows) != 4000-int(b.Record.NumRows()) {
		t.Errorf("after an early close %d rows are left of 4000", len(got.Rows))
	}
}

func cancelled(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "x")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := f.source().Open(ctx, f.request(drivers.Incremental, nil)); err == nil {
		for err == nil {
			var b drivers.Batch
			if b, err = r.Next(ctx); b.Record != nil {
				b.Record.Release()
			}
		}
		_ = r.Close()
		if !errors.Is(err, context.Canceled) && err != io.EOF {
			t.Errorf("cancelled read: %v", err)
		}
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled open: %v", err)
	}
}

func badRequests(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "x")})
	for what, change := range map[string]func(*drivers.Request){
		"another scheme":    func(r *drivers.Request) { r.URI = "nonsense:" + r.URI },
		"an unknown option": func(r *drivers.Request) { r.Options = map[string]string{"no such option": "1"} },
		"an unknown mode":   func(r *drivers.Request) { r.Mode = "sometimes" },
		"no schema":         func(r *drivers.Request) { r.Schema = nil },
	} {
		q := f.request(drivers.Incremental, nil)
		change(&q)
		if r, err := f.source().Open(t.Context(), q); !errors.Is(err, drivers.ErrRequest) {
			t.Errorf("%s: %v, want drivers.ErrRequest", what, err)
			if err == nil {
				_ = r.Close()
			}
		}
	}
	for _, c := range []string{"{", `"text"`, `{"v":999}`} {
		if r, err := f.source().Open(t.Context(), f.request(drivers.Incremental, json.RawMessage(c))); !errors.Is(err, drivers.ErrRestart) {
			t.Errorf("cursor %s: %v, want drivers.ErrRestart", c, err)
			if err == nil {
				_ = r.Close()
			}
		}
	}
}

func missingColumn(t *testing.T, f Fixture) {
	f.Put(t, "a", []Row{Named(1, "x")})
	q := f.request(drivers.Incremental, nil)
	q.Schema = arrow.NewSchema(append(Schema.Fields(), arrow.Field{Name: "absent", Type: arrow.PrimitiveTypes.Int64}), nil)
	r, err := Read(t.Context(), f.source(), q)
	// Formats that name columns in each row reject each row instead.
	if !errors.Is(err, drivers.ErrSchema) && (err != nil || len(r.Rejected) != 1 || r.Rejected[0].Column != "absent") {
		t.Errorf("a required column that is not there: %v, %+v, want drivers.ErrSchema or a rejected row", err, r)
	}
	q.Schema = arrow.NewSchema(append(Schema.Fields(), arrow.Field{Name: "absent", Type: arrow.PrimitiveTypes.Int64, Nullable: true}), nil)
	if r, err := Read(t.Context(), f.source(), q); err != nil || len(r.Rows) != 1 {
		t.Errorf("a nullable column that is not there: %v", err)
	}
}

func watch(t *testing.T, f Fixture) {
	w, ok := f.Driver.(drivers.Watcher)
	if !ok {
		t.Log("no watcher")
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	called, done := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		done <- w.Watch(ctx, f.URI, func() {
			select {
			case called <- struct{}{}:
			default:
			}
		})
	}()
	var c json.RawMessage
	for i := range 3 {
		f.Put(t, fmt.Sprintf("w%d", i), []Row{Named(int64(i), "x")})
		for !f.pending(t, drivers.Incremental, c) { // a call may be about what was before
			select {
			case <-called:
			case <-time.After(20 * time.Second):
				t.Fatal("a new piece, and the watcher says nothing")
			}
		}
		r := f.read(t, drivers.Incremental, c)
		expect(t, r, int64(i))
		c = r.Cursor
	}
	cancel()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Watch did not end with its context")
	}
}

func infer(t *testing.T, f Fixture) {
	in, ok := f.Driver.(drivers.Inferrer)
	if !ok {
		t.Log("no inferrer")
		return
	}
	if _, err := in.Infer(t.Context(), f.URI, f.Options); err == nil {
		t.Error("a schema was drafted from nothing")
	}
	f.Put(t, "a", []Row{Named(1, "x"), {ID: 2}, Named(3, "true")})
	s, err := in.Infer(t.Context(), f.URI, f.Options)
	if err != nil {
		t.Fatal(err)
	}
	q := f.request(drivers.Snapshot, nil)
	q.Schema = s
	r, err := Read(t.Context(), f.source(), q)
	if err != nil {
		t.Fatalf("read by the draft %s: %v", s, err)
	}
	expect(t, r, 1, 2, 3)
	if len(r.Rejected) > 0 {
		t.Errorf("the draft %s rejects %+v", s, r.Rejected)
	}
}
