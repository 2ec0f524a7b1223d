package file

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

// Tens of thousands of files: each once, and a cursor that fits into a head.
func TestManyFiles(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	const batches, per = 32, 400
	var c json.RawMessage
	next := 0
	put := func(n int) (want []int64) {
		for range n {
			// Names arrive in no order: later ones sort before earlier ones.
			path := filepath.Join(dir, fmt.Sprintf("%04x-a-name-of-usual-length-%d.csv", next*7919%65536, next))
			if err := errors.Join(os.WriteFile(path, csvOf(next), 0o644), os.Chtimes(path, clock, clock)); err != nil {
				t.Fatal(err)
			}
			want = append(want, int64(next))
			next++
		}
		return want
	}
	largest := 0
	for i := range batches {
		n := per
		if i%3 == 1 {
			n = 1 // single files drop in between
		}
		want := put(n)
		r := mustRead(t, d, request(dir, c))
		got := r.IDs()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("batch %d: read %d rows, want %d", i, len(got), len(want))
		}
		c = r.Cursor
		largest = max(largest, len(c))
	}
	if largest > 2<<10 {
		t.Errorf("the cursor grew to %d bytes for %d files", largest, next)
	}
	// Another process reads the ledger from its files.
	again, err := New(Config{LedgerStore: d.cfg.LedgerStore})
	if err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, again, request(dir, c)); len(got.Rows) != 0 {
		t.Errorf("%d rows were read twice", len(got.Rows))
	}
	// And knows each of the files.
	names, _ := os.ReadDir(dir)
	victim := names[len(names)/2].Name()
	write(t, filepath.Join(dir, victim), csvOf(1, 2, 3))
	_, err = again.Pending(t.Context(), request(dir, c))
	if !errors.Is(err, drivers.ErrChanged) || !strings.Contains(err.Error(), victim) {
		t.Errorf("a file changed: %v, want an error that names %s", err, victim)
	}
}

// What a ledger writes for a commit that never comes does no harm; what a crash tore is not believed.
func TestLedgerSurvivesCrashes(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	for i := range 100 {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d.csv", i)), csvOf(i))
	}
	first := mustRead(t, d, request(dir, nil))
	if len(first.Rows) != 100 {
		t.Fatal(len(first.Rows))
	}
	segments := func() (names []string) {
		for info, err := range d.cfg.LedgerStore.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, info.Name)
		}
		return names
	}
	if len(segments()) != 1 {
		t.Fatalf("segments %q", segments())
	}
	// The run failed before its commit: the same again, with the same cursor and no more litter.
	again := mustRead(t, d, request(dir, nil))
	if !bytes.Equal(again.Cursor, first.Cursor) || len(segments()) != 1 {
		t.Errorf("the same read gave another cursor, or segments %q", segments())
	}
	// A process died while it wrote the segment, before anything referred to it.
	name := segments()[0]
	path := filepath.Join(d.cfg.LedgerStore.(*Store).Path(), name)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	restarted, err := New(Config{LedgerStore: d.cfg.LedgerStore})
	if err != nil {
		t.Fatal(err)
	}
	third := mustRead(t, restarted, request(dir, nil))
	if got := mustRead(t, restarted, request(dir, third.Cursor)); len(got.Rows) != 0 {
		t.Errorf("%d rows twice", len(got.Rows))
	}
	// A cursor that refers to what is torn or gone says so, instead of reading all files anew.
	for _, spoil := range []func() error{func() error { return nil }, func() error { return os.Remove(path) }} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		fresh, err := New(Config{LedgerStore: d.cfg.LedgerStore})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fresh.Pending(t.Context(), request(dir, first.Cursor)); !errors.Is(err, drivers.ErrRestart) {
			t.Errorf("a spoilt ledger: %v, want drivers.ErrRestart", err)
		}
	}
}

// failing is a Store whose nth call of one kind fails.
type failing struct {
	drivers.Store
	n   int
	err error
}

func (f *failing) step() error {
	if f.n--; f.n == 0 {
		return f.err
	}
	return nil
}

func (f *failing) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := f.step(); err != nil {
		return nil, err
	}
	w, err := f.Store.Create(ctx, name)
	return &failingWriter{w, f}, err
}

func (f *failing) Sync(ctx context.Context, names ...string) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Store.Sync(ctx, names...)
}

type failingWriter struct {
	io.WriteCloser
	f *failing
}

func (w *failingWriter) Write(b []byte) (int, error) {
	if err := w.f.step(); err != nil {
		return 0, err
	}
	return w.WriteCloser.Write(b)
}

func (w *failingWriter) Close() error {
	err := w.WriteCloser.Close()
	return errors.Join(w.f.step(), err)
}

// Each call to the ledger's store fails once: the read fails with it, and works when it is tried again.
func TestLedgerFailsAtEveryStep(t *testing.T) {
	dir := t.TempDir()
	for i := range 60 {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d.csv", i)), csvOf(i))
	}
	boom := errors.New("no space left")
	for n := 1; ; n++ {
		f := &failing{Store: newStore(t), n: n, err: boom}
		d, err := New(Config{LedgerStore: f})
		if err != nil {
			t.Fatal(err)
		}
		_, err = drivertest.Read(t.Context(), d, request(dir, nil))
		if f.n > 0 {
			if err != nil {
				t.Fatal(err)
			}
			if n < 4 {
				t.Errorf("only %d steps failed", n-1)
			}
			return
		}
		if !errors.Is(err, boom) || !errors.Is(err, drivers.ErrUnavailable) {
			t.Fatalf("step %d: %v", n, err)
		}
		r := mustRead(t, d, request(dir, nil))
		if len(r.Rows) != 60 || len(mustRead(t, d, request(dir, r.Cursor)).Rows) != 0 {
			t.Fatalf("step %d, again: %d rows", n, len(r.Rows))
		}
	}
}

func TestCollect(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	var c json.RawMessage
	var kept json.RawMessage
	for i := range 30 {
		for j := range 10 {
			write(t, filepath.Join(dir, fmt.Sprintf("%d-%d.csv", i, j)), csvOf(i))
		}
		c = mustRead(t, d, request(dir, c)).Cursor
		if i == 15 {
			kept = c
		}
	}
	if n, err := d.Collect(t.Context(), []json.RawMessage{c}); err != nil || n != 0 {
		t.Errorf("collected %d of this process's own segments, %v", n, err)
	}
	later, err := New(Config{LedgerStore: d.cfg.LedgerStore})
	if err != nil {
		t.Fatal(err)
	}
	n, err := later.Collect(t.Context(), []json.RawMessage{c, nil, kept})
	if err != nil || n == 0 {
		t.Errorf("collected %d, %v", n, err)
	}
	for _, cur := range []json.RawMessage{c, kept} {
		if _, err := later.Pending(t.Context(), request(dir, cur)); err != nil {
			t.Errorf("a kept cursor: %v", err)
		}
	}
	if _, err := later.Collect(t.Context(), []json.RawMessage{json.RawMessage("{")}); err == nil {
		t.Error("collected although a cursor to keep could not be read")
	}
}

func TestWithoutLedger(t *testing.T) {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.csv"), csvOf(1))
	r := mustRead(t, d, request(dir, nil))
	for i := range 100 {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.csv", i)), csvOf(i))
	}
	if _, err := drivertest.Read(t.Context(), d, request(dir, r.Cursor)); !errors.Is(err, drivers.ErrRequest) {
		t.Errorf("a hundred files without a ledger: %v", err)
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(encodeSegment(map[string]record{"a.csv": {entry{"a.csv", 1, 2}, contentHash{3}}, "ab.csv": {entry{"ab.csv", 1 << 40, -2}, contentHash{}}}))
	f.Add([]byte(segmentMagic + "\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := decodeSegment(b)
		if err != nil {
			return
		}
		m := map[string]record{}
		for _, r := range records {
			m[r.name] = r
		}
		back, err := decodeSegment(encodeSegment(m))
		if err != nil || len(back) != len(m) {
			t.Fatalf("%d records came back as %d, %v", len(m), len(back), err)
		}
		for _, r := range back {
			if m[r.name] != r {
				t.Fatalf("%+v came back as %+v", m[r.name], r)
			}
		}
	})
}

func TestTouchedFileIsNotChanged(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	path := filepath.Join(dir, "a.csv")
	write(t, path, csvOf(1))
	r := mustRead(t, d, request(dir, nil))
	write(t, path, csvOf(1)) // the same bytes at another time: a copy, a checkout
	for range 2 {
		if p, err := d.Pending(t.Context(), request(dir, r.Cursor)); p || err != nil {
			t.Errorf("pending %v, %v", p, err)
		}
	}
	q := request(dir, nil)
	q.Mode = drivers.Snapshot
	q.Cursor = mustRead(t, d, q).Cursor
	write(t, path, csvOf(1))
	if p, err := d.Pending(t.Context(), q); p || err != nil {
		t.Errorf("snapshot: pending %v, %v", p, err)
	}
	write(t, path, csvOf(2)) // as many bytes, others
	if p, err := d.Pending(t.Context(), q); !p || err != nil {
		t.Errorf("snapshot of other bytes: pending %v, %v", p, err)
	}
	if _, err := d.Pending(t.Context(), request(dir, r.Cursor)); !errors.Is(err, drivers.ErrChanged) {
		t.Errorf("other bytes: %v", err)
	}
}

func TestRemovedFileIsFine(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), csvOf(1))
	write(t, filepath.Join(dir, "b.csv"), csvOf(2))
	c := mustRead(t, d, request(dir, nil)).Cursor
	if err := os.Remove(filepath.Join(dir, "a.csv")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "c.csv"), csvOf(3))
	r := mustRead(t, d, request(dir, c))
	if got := r.IDs(); !slices.Equal(got, []int64{3}) {
		t.Errorf("read %v", got)
	}
	// The same file comes back: it is known.
	write(t, filepath.Join(dir, "a.csv"), csvOf(1))
	if got := mustRead(t, d, request(dir, r.Cursor)).IDs(); len(got) != 0 {
		t.Errorf("read %v again", got)
	}
}

func TestHalfWrittenFiles(t *testing.T) {
	dir := t.TempDir()
	d, err := New(Config{Quiet: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("growing.csv", "id,name\n1,")
	put("empty.csv", "")
	for _, name := range []string{".hidden.csv", "_SUCCESS.csv", "~lock.csv", "x.csv~", "x.csv.tmp", "x.csv.part", "X.CSV.PARTIAL", "x.csv.crdownload"} {
		put(name, "id,name\n99,ignored\n")
	}
	if p, err := d.Pending(t.Context(), request(dir, nil)); p || err != nil {
		t.Errorf("a growing file: pending %v, %v", p, err)
	}
	r := mustRead(t, d, request(dir, nil))
	if len(r.Rows) != 0 {
		t.Errorf("read half a file: %v", r.IDs())
	}
	write(t, filepath.Join(dir, "moved-in.csv"), csvOf(2)) // an old time: complete at once
	r = mustRead(t, d, request(dir, r.Cursor))
	if got := r.IDs(); !slices.Equal(got, []int64{2}) {
		t.Errorf("read %v", got)
	}
	// An empty file is not read yet: it may be filled.
	q := request(dir, r.Cursor, OptionQuiet, "0s", OptionFiles, "empty.csv")
	if p, err := d.Pending(t.Context(), q); p || err != nil {
		t.Errorf("an empty file: pending %v, %v", p, err)
	}
	write(t, filepath.Join(dir, "empty.csv"), csvOf(3))
	if got := mustRead(t, d, q).IDs(); !slices.Equal(got, []int64{3}) {
		t.Errorf("read %v", got)
	}
	// A time far in the future says nothing about rest.
	future := time.Now().Add(240 * time.Hour)
	put("future.csv", "id,name\n4,x\n")
	if err := os.Chtimes(filepath.Join(dir, "future.csv"), future, future); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, d, request(dir, nil, OptionFiles, "future.csv")).IDs(); !slices.Equal(got, []int64{4}) {
		t.Errorf("read %v", got)
	}
}

// A text whose last line has no end is likely to go on: it must rest ten times as long.
func TestUnfinishedLine(t *testing.T) {
	dir := t.TempDir()
	d, err := New(Config{Quiet: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string, age time.Duration) {
		path, at := filepath.Join(dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	put("half.csv", "id,name\n1,a\n2,b", 5*time.Minute)
	put("half.ndjson", `{"id":3}`, 5*time.Minute)
	put("whole.csv", "id,name\n4,d\n", 5*time.Minute)
	put("old.csv", "id,name\n5,e", 11*time.Minute)
	r := mustRead(t, d, request(dir, nil))
	if got := ids(r); !slices.Equal(got, []int64{4, 5}) {
		t.Errorf("read %v", got)
	}
	put("half.csv", "id,name\n1,a\n2,bbb\n", 2*time.Minute) // it went on
	r = mustRead(t, d, request(dir, r.Cursor))
	if got := ids(r); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("then read %v", got)
	}
}

// A snapshot that is being written is waited for.
// A snapshot that is being written is waited for.
func TestSnapshotWaits(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	path := filepath.Join(dir, "a.csv")
	if err := os.WriteFile(path, []byte("id,name\n1,x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	q := request(path, nil)
	q.Mode = drivers.Snapshot
	if p, err := d.Pending(t.Context(), q); p || err != nil {
		t.Errorf("pending %v, %v", p, err)
	}
	if got := mustRead(t, d, q).IDs(); !slices.Equal(got, []int64{1}) {
		t.Errorf("read %v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	q.Options[OptionQuiet] = "1h"
	if _, err := d.Open(ctx, q); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a snapshot that does not come to rest: %v", err)
	}
}

// A file that changes under the reader makes the read fail; nothing of it may be kept.
func TestChangeWhileReading(t *testing.T) {
	for _, mode := range []drivers.Mode{drivers.Incremental, drivers.Snapshot} {
		for what, change := range map[string]func(path string) error{
			"appended": func(path string) error {
				f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				_, err = f.WriteString("7,x\n")
				return errors.Join(err, f.Close())
			},
			"truncated": func(path string) error { return os.Truncate(path, 100) },
			"replaced":  func(path string) error { write(t, path, csvOf(5)); return nil },
		} {
			dir, d := t.TempDir(), newDriver(t)
			path := filepath.Join(dir, "a.csv")
			ids := make([]int, 200_000) // several batches, more than is read ahead
			for i := range ids {
				ids[i] = i
			}
			write(t, path, csvOf(ids...))
			q := request(dir, nil)
			q.Mode = mode
			r, err := d.Open(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			first := true
			for err == nil {
				var b drivers.Batch
				if b, err = r.Next(t.Context()); b.Record != nil {
					b.Record.Release()
				}
				if first && err == nil {
					first = false
					if cerr := change(path); cerr != nil {
						t.Fatal(cerr)
					}
				}
			}
			if !errors.Is(err, drivers.ErrMoving) {
				t.Errorf("%s, %s while it is read: %v", mode, what, err)
			}
			if string(r.Cursor()) != string(cursor{Version: 1}.json()) {
				t.Errorf("the cursor moved to %s", r.Cursor())
			}
			_ = r.Close()
		}
	}
}

// A file that vanishes between the look and the reading is no lasting failure.
func TestVanishedFile(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), csvOf(1))
	s, err := d.source("file:"+dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if err := os.Remove(filepath.Join(dir, "a.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.contentOf(t.Context(), l, l.entries[0]); !errors.Is(err, drivers.ErrMoving) {
		t.Errorf("%v", err)
	}
}

func TestFormats(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write([]byte("id\tname\n3,\tx\n3\tx\n"))
	_ = z.Close()
	write(t, filepath.Join(dir, "1.csv"), csvOf(1))
	write(t, filepath.Join(dir, "2.jsonl"), []byte(`{"id":2}`))
	write(t, filepath.Join(dir, "3.TSV.gz"), gz.Bytes())
	write(t, filepath.Join(dir, "README.md"), []byte("not data"))
	write(t, filepath.Join(dir, "sub", "4.csv"), csvOf(4))
	r := mustRead(t, d, request(dir, nil))
	if got := r.IDs(); !slices.Equal(got, []int64{1, 2, 3}) || len(r.Rejected) != 1 || r.Rejected[0].Line != 2 {
		t.Errorf("read %v, %+v", got, r.Rejected)
	}
	if got := mustRead(t, d, request(dir, nil, OptionRecursive, "true", OptionFiles, "*.csv")).IDs(); !slices.Equal(got, []int64{1, 4}) {
		t.Errorf("recursive: %v", got)
	}
	if got := mustRead(t, d, request(filepath.Join(dir, "README.md"), nil, OptionFormat, "csv", OptionHeader, "false")); len(got.Rejected) != 1 {
		t.Errorf("%+v", got)
	}
	if _, err := drivertest.Read(t.Context(), d, request(filepath.Join(dir, "README.md"), nil)); !errors.Is(err, drivers.ErrFormat) {
		t.Errorf("an unknown format: %v", err)
	}
	damaged := gz.Bytes()[:gz.Len()-6]
	write(t, filepath.Join(dir, "bad", "x.csv.gz"), damaged)
	write(t, filepath.Join(dir, "bad2", "x.csv.gz"), []byte("no gzip"))
	write(t, filepath.Join(dir, "bad3", "x.csv"), []byte("\xff\xfei\x00d\x00"))
	for _, bad := range []string{"bad", "bad2", "bad3"} {
		if _, err := drivertest.Read(t.Context(), d, request(filepath.Join(dir, bad), nil)); !errors.Is(err, drivers.ErrFormat) || !strings.Contains(err.Error(), "x.csv") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestColumnsByName(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "strike_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "airport_name", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), []byte("Airport Name, Strike-ID ,x\nLAX,1,\n"))
	read := func(options ...string) (drivertest.Result, error) {
		q := request(dir, nil, options...)
		q.Schema = schema
		return drivertest.Read(t.Context(), d, q)
	}
	if r, err := read(); err != nil || len(r.Rows) != 1 || *r.Rows[0].Name != "LAX" {
		t.Errorf("names that differ in case and punctuation: %+v, %v", r, err)
	}
	if r, err := read("column.airport_name", "x"); err != nil || r.Rows[0].Name != nil {
		t.Errorf("renamed: %+v, %v", r, err)
	}
	for what, options := range map[string][]string{"renamed to nothing": {"column.airport_name", "absent"}, "strict": {"strict", "true"}} {
		if _, err := read(options...); !errors.Is(err, drivers.ErrSchema) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := read("column.strike_id", "Strike")
	for _, part := range []string{"a.csv", `"Strike"`, `"Airport Name", "Strike-ID", "x"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
	write(t, filepath.Join(dir, "a.csv"), []byte("strike_id,strike_id\n1,2\n"))
	if _, err := read(); !errors.Is(err, drivers.ErrSchema) {
		t.Errorf("a name twice: %v", err)
	}
}

func TestOptions(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), []byte("% by hand\nid;name\n1; NA \n2;NA\n3;''\n4;'x;y'\n"))
	r := mustRead(t, d, request(dir, nil, OptionDelimiter, ";", OptionQuote, "'", OptionComment, "%", OptionNull, "NA,NULL", OptionTrim, "true"))
	var names []string
	for _, row := range r.Rows {
		if row.Name == nil {
			names = append(names, "null")
		} else {
			names = append(names, fmt.Sprintf("%q", *row.Name))
		}
	}
	if got := strings.Join(names, " "); got != `"NA" null "" "x;y"` {
		t.Errorf("names %s", got)
	}
	for _, bad := range [][]string{
		{OptionDelimiter, "ab"}, {OptionDelimiter, "é"}, {OptionQuote, ","}, {OptionComment, `"`}, {OptionHeader, "maybe"}, {OptionQuiet, "-1s"}, {OptionQuiet, "soon"},
		{OptionFormat, "xml"}, {OptionFiles, "[a"}, {OptionColumn + "absent", "x"}, {OptionTime + "id", "%Q"}, {"delimeter", ","},
	} {
		if _, err := d.Open(t.Context(), request(dir, nil, bad...)); !errors.Is(err, drivers.ErrRequest) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for uri, want := range map[string]string{"file:/a/b": "/a/b", "file:///a/b%20c": "/a/b c", "file:/a/b%20c": "/a/b%20c", "file:/a/../b/": "/b", "file://localhost/a": "/a"} {
		if got, err := pathOf(uri); err != nil || got != want {
			t.Errorf("%s: %s, %v", uri, got, err)
		}
	}
	for _, uri := range []string{"", "file:", "file:a", "/a", "s3://a/b", "file://host/a", "file:a\x00b"} {
		if p, err := pathOf(uri); !errors.Is(err, drivers.ErrRequest) {
			t.Errorf("%q: %s, %v", uri, p, err)
		}
	}
}

func TestUnavailable(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	outside := t.TempDir()
	write(t, filepath.Join(outside, "x.csv"), csvOf(1))
	for what, prepare := range map[string]func(dir string) string{
		"missing": func(dir string) string { return filepath.Join(dir, "none") },
		"link to nothing": func(dir string) string {
			_ = os.Symlink("nothing.csv", filepath.Join(dir, "a.csv"))
			return dir
		},
		"link out of the folder": func(dir string) string {
			_ = os.Symlink(filepath.Join(outside, "x.csv"), filepath.Join(dir, "a.csv"))
			return dir
		},
		"circle of links": func(dir string) string {
			_ = os.Symlink("b.csv", filepath.Join(dir, "a.csv"))
			_ = os.Symlink("a.csv", filepath.Join(dir, "b.csv"))
			return dir
		},
		"pipe": func(dir string) string {
			p := filepath.Join(dir, "pipe.csv")
			_ = syscall.Mkfifo(p, 0o600)
			return p
		},
	} {
		sub, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		q := request(prepare(sub), nil)
		_, err = drivertest.Read(t.Context(), d, q)
		if !errors.Is(err, drivers.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
		var e *drivers.Error
		if errors.As(err, &e) && strings.Count(e.Error(), e.Origin) != 1 {
			t.Errorf("%s: %v names its file more than once", what, err)
		}
		if _, perr := d.Pending(t.Context(), q); !errors.Is(perr, drivers.ErrUnavailable) {
			t.Errorf("%s: Pending says %v", what, perr)
		}
	}
	// A link within the folder, and a folder that is itself a link, are files like others.
	sub := filepath.Join(dir, "in")
	write(t, filepath.Join(sub, "data", "x.csv"), csvOf(1))
	_ = os.Symlink(filepath.Join("data", "x.csv"), filepath.Join(sub, "a.csv"))
	link := filepath.Join(dir, "link")
	_ = os.Symlink(sub, link)
	if got := mustRead(t, d, request(link, nil)).IDs(); !slices.Equal(got, []int64{1}) {
		t.Errorf("through links: %v", got)
	}
	out := filepath.Join(dir, "out.csv")
	_ = os.Symlink(filepath.Join(outside, "x.csv"), out)
	if got := mustRead(t, d, request(out, nil)).IDs(); !slices.Equal(got, []int64{1}) {
		t.Errorf("a link that is named itself: %v", got)
	}
	if os.Geteuid() == 0 {
		t.Log("the test runs as root, who may read everything: permissions are checked by their error alone")
		err := unavailable("a.csv", &fs.PathError{Op: "open", Path: "a.csv", Err: syscall.EACCES})
		if !errors.Is(err, drivers.ErrUnavailable) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v", err)
		}
		return
	}
	closed := filepath.Join(dir, "closed")
	write(t, filepath.Join(closed, "a.csv"), csvOf(1))
	if err := os.Chmod(filepath.Join(closed, "a.csv"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := drivertest.Read(t.Context(), d, request(closed, nil)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("no permission: %v", err)
	}
}

func TestSingleFile(t *testing.T) {
	path, d := filepath.Join(t.TempDir(), ".odd name.csv"), newDriver(t)
	write(t, path, csvOf(1, 2))
	r := mustRead(t, d, request(path, nil))
	if got := r.IDs(); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("read %v", got)
	}
	write(t, path, csvOf(1, 2, 3))
	if _, err := d.Pending(t.Context(), request(path, r.Cursor)); !errors.Is(err, drivers.ErrChanged) {
		t.Errorf("a file that grew: %v", err)
	}
	q := request(path, r.Cursor)
	q.Mode = drivers.Snapshot
	if _, err := d.Pending(t.Context(), q); !errors.Is(err, drivers.ErrRestart) {
		t.Errorf("the cursor of another mode: %v", err)
	}
}

func TestRequiredAndNull(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), []byte("id,name\n\"\",x\n 2 ,\n\"3\",\"\"\n"))
	r := mustRead(t, d, request(dir, nil))
	if got := r.IDs(); !slices.Equal(got, []int64{2, 3}) || r.Rows[0].Name != nil || r.Rows[1].Name == nil || *r.Rows[1].Name != "" {
		t.Errorf("%+v", r.Rows)
	}
	if len(r.Rejected) != 1 || r.Rejected[0].Reason != "is empty, but it is required" || r.Rejected[0].Column != "id" || r.Rejected[0].Raw != `"",x` {
		t.Errorf("%+v", r.Rejected)
	}
}

// Many broken rows do not pile up in one batch.
func TestRejectedAreBatched(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	text := "id,name\n" + strings.Repeat("x,"+strings.Repeat("y", 8000)+"\n", 1000)
	write(t, filepath.Join(dir, "a.csv"), []byte(text))
	r := mustRead(t, d, request(dir, nil))
	if len(r.Rejected) != 1000 || r.Batches < 4 || len(r.Rejected[0].Raw) != maxRaw || r.Rejected[999].Line != 1001 {
		t.Errorf("%d rejected in %d batches", len(r.Rejected), r.Batches)
	}
}
