package file

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

func TestSinkConformance(t *testing.T) {
	for _, format := range []string{FormatNDJSON, FormatCSV, FormatParquet} {
		t.Run(format, func(t *testing.T) {
			drivertest.Sink(t, func(t *testing.T) drivertest.SinkFixture { return sinkFixture(t, map[string]string{"format": format}) })
		})
	}
}

func sinkFixture(t *testing.T, options map[string]string) drivertest.SinkFixture {
	dir := filepath.Join(t.TempDir(), "made", "on demand")
	return drivertest.SinkFixture{
		URI: "file:" + dir, Options: options,
		Open: func(t *testing.T, fail func(step int) error) drivers.Sink {
			d := sinkDriver(t)
			if fail != nil {
				step := 0
				d.fail = func(string, string) error { step++; return fail(step) }
			}
			return d
		},
		Arrived: func(t *testing.T, product string) []drivertest.Arrival { return arrived(t, dir, product) },
	}
}

func sinkDriver(t *testing.T) *Driver {
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// arrived reads the effects of a product with the driver's own reader.
func arrived(t *testing.T, dir, product string) []drivertest.Arrival {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []drivertest.Arrival
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), fileStem(product)+"-")
		var a drivertest.Arrival
		var ext string
		if n, _ := fmt.Sscanf(rest, "%016d-%010d.%s", &a.Seq, &a.Ordinal, &ext); !ok || n != 3 || strings.Count(rest, "-") != 1 {
			continue
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 0 {
			got, err := drivertest.Read(t.Context(), sinkDriver(t), drivers.Request{URI: "file:" + filepath.Join(dir, e.Name()), Schema: drivertest.Schema,
				Mode: drivers.Snapshot, Options: map[string]string{"quiet": "0s"}})
			if err != nil || len(got.Rejected) > 0 {
				t.Fatalf("%s: %v %+v", e.Name(), err, got.Rejected)
			}
			a.Rows = got.Rows
		}
		out = append(out, a)
	}
	if !slices.IsSortedFunc(out, func(a, b drivertest.Arrival) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Ordinal, b.Ordinal))
	}) {
		t.Fatalf("files of %q do not sort as they were written: %v", product, out)
	}
	return out
}

// TestSinkFiles: what a folder looks like to those who read it, with this driver or without.
func TestSinkFiles(t *testing.T) {
	f := sinkFixture(t, nil)
	s := f.Open(t, nil)
	dir := strings.TrimPrefix(f.URI, "file:")
	for _, k := range []drivers.Key{{Product: "local/safety/alerts", Seq: 41, Ordinal: 1}, {Product: "local/safety/alerts", Seq: 41, Ordinal: 2}} {
		rec := drivertest.Record([]drivertest.Row{drivertest.Named(k.Ordinal, "x"), {ID: 9}})
		if err := s.Deliver(t.Context(), drivers.Delivery{URI: f.URI, Key: k, Epoch: 3, Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{".local.safety.alerts.delivered", ".local.safety.alerts.lock",
		"local.safety.alerts-0000000000000041-0000000001.ndjson", "local.safety.alerts-0000000000000041-0000000002.ndjson"}
	if !slices.Equal(names, want) {
		t.Fatalf("%q", names)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, want[2])); string(b) != "{\"id\":1,\"name\":\"x\"}\n{\"id\":9,\"name\":null}\n" {
		t.Errorf("%s", b)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, want[0])); string(b) != `{"product":"local/safety/alerts","epoch":3,"seq":41,"ordinal":2}`+"\n" {
		t.Errorf("%s", b)
	}
	// As a source of this driver the folder is its effects, one after another, and nothing else.
	got, err := drivertest.Read(t.Context(), sinkDriver(t), drivers.Request{URI: f.URI, Schema: drivertest.Schema, Mode: drivers.Snapshot,
		Options: map[string]string{"quiet": "0s", "recursive": "true"}})
	if err != nil || !slices.Equal(got.IDs(), []int64{1, 9, 2, 9}) {
		t.Fatalf("%v %v", got.IDs(), err)
	}
}

// TestSinkTaken: whoever the effects are for takes their files away, and a repetition does not bring them back; after a
// crash between the file and the mark it does, which nobody can prevent who does not see the file being taken.
func TestSinkTaken(t *testing.T) {
	f := sinkFixture(t, nil)
	dir := strings.TrimPrefix(f.URI, "file:")
	deliver := func(d drivers.Sink, seq int64) error {
		rec := drivertest.Record([]drivertest.Row{drivertest.Named(seq, "x")})
		return d.Deliver(t.Context(), drivers.Delivery{URI: f.URI, Key: drivers.Key{Product: "p", Seq: seq, Ordinal: 1}, Epoch: 1, Record: rec})
	}
	if err := deliver(f.Open(t, nil), 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "p-0000000000000001-0000000001.ndjson")); err != nil {
		t.Fatal(err)
	}
	if err := deliver(f.Open(t, nil), 1); err != nil || len(arrived(t, dir, "p")) != 0 {
		t.Fatalf("an effect that was taken came back: %v", err)
	}
}

// TestSinkFormatChanged: the option changes between a crash and the repetition; the effect is there once.
func TestSinkFormatChanged(t *testing.T) {
	f := sinkFixture(t, nil)
	dir := strings.TrimPrefix(f.URI, "file:")
	rec := drivertest.Record([]drivertest.Row{drivertest.Named(1, "x")})
	dl := drivers.Delivery{URI: f.URI, Key: drivers.Key{Product: "p", Seq: 1, Ordinal: 1}, Epoch: 1, Record: rec}
	crashed := sinkDriver(t)
	crashed.fail = func(op, name string) error {
		if op == "rename" && name == ".p.delivered" && len(arrived(t, dir, "p")) == 1 {
			return syscall.EIO
		}
		return nil
	}
	if err := crashed.Deliver(t.Context(), dl); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	dl.Options = map[string]string{"format": "csv"}
	if err := sinkDriver(t).Deliver(t.Context(), dl); err != nil {
		t.Fatal(err)
	}
	if got := arrived(t, dir, "p"); len(got) != 1 {
		t.Fatalf("%+v", got)
	}
}

// TestFileStem: names are told apart where upper and lower case are one, and never hide a file.
func TestFileStem(t *testing.T) {
	for product, want := range map[string]string{"local/safety/alerts": "local.safety.alerts", "A.b": "%41%2eb", "/x": "%2fx", "_x_": "%5fx_", "é": "%c3%a9"} {
		if got := fileStem(product); got != want {
			t.Errorf("%q: %s, want %s", product, got, want)
		}
	}
	if got := fileStem(strings.Repeat("A", 300)); len(got) != maxStem || !strings.Contains(got, "~") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// TestSinkErrors: what a person reads.
func TestSinkErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	marked := filepath.Join(dir, "marked")
	if err := errors.Join(os.WriteFile(plain, nil, 0o644), os.Mkdir(marked, 0o755), os.WriteFile(filepath.Join(marked, ".p.delivered"), []byte("{"), 0o644)); err != nil {
		t.Fatal(err)
	}
	rec := drivertest.Record([]drivertest.Row{drivertest.Named(1, "x")})
	for name, c := range map[string]struct {
		uri     string
		options map[string]string
		fail    error
		kind    error
		says    string
	}{
		"a file":       {uri: "file:" + plain, kind: drivers.ErrRequest, says: "plain: is not a folder"},
		"relative":     {uri: "file:out", kind: drivers.ErrRequest, says: "absolute path"},
		"format":       {uri: "file:" + dir, options: map[string]string{"format": "xml"}, kind: drivers.ErrRequest, says: `"xml" is not csv, ndjson or parquet`},
		"option":       {uri: "file:" + dir, options: map[string]string{"header": "true"}, kind: drivers.ErrRequest, says: `no option "header"`},
		"damaged mark": {uri: "file:" + marked, kind: drivers.ErrFormat, says: ".p.delivered: does not say how far"},
		"full disk":    {uri: "file:" + dir, fail: syscall.ENOSPC, kind: drivers.ErrUnavailable, says: "no space left"},
		"forbidden":    {uri: "file:" + dir, fail: os.ErrPermission, kind: drivers.ErrUnavailable, says: "cannot be written to"},
	} {
		d := sinkDriver(t)
		if c.fail != nil {
			d.fail = func(op, _ string) error {
				if op == "write" {
					return c.fail
				}
				return nil
			}
		}
		err := d.Deliver(t.Context(), drivers.Delivery{URI: c.uri, Options: c.options, Key: drivers.Key{Product: "p", Seq: 1, Ordinal: 1}, Epoch: 1, Record: rec})
		var said *drivers.Error
		if !errors.Is(err, c.kind) || !errors.As(err, &said) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if c.fail != nil && !errors.Is(err, c.fail) {
			t.Errorf("%s: the cause is lost: %v", name, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*.part")); len(left) > 0 {
		t.Errorf("a failed delivery left %q", left)
	}
}

// TestSinkLock: a process that holds the lock keeps others waiting, and a wait ends with its context.
func TestSinkLock(t *testing.T) {
	dir := t.TempDir()
	holder, err := sinkDriver(t).openTarget(t.Context(), dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := sinkDriver(t)
	waiting.fail = func(op, _ string) error {
		if op == "lock" {
			cancel()
		}
		return nil
	}
	rec := drivertest.Record(nil)
	dl := drivers.Delivery{URI: "file:" + dir, Key: drivers.Key{Product: "p", Seq: 1, Ordinal: 1}, Epoch: 1, Record: rec}
	if err := waiting.Deliver(ctx, dl); !errors.Is(err, context.Canceled) || len(arrived(t, dir, "p")) != 0 {
		t.Fatalf("delivered past a lock: %v", err)
	}
	holder.close()
	if err := sinkDriver(t).Deliver(t.Context(), dl); err != nil {
		t.Fatal(err)
	}
}

// TestSinkTypes: every type of the type table, in every format, reads back as it was.
func TestSinkTypes(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "i32", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "i64", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "f32", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "f64", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "dec", Type: &arrow.Decimal128Type{Precision: 20, Scale: 4}, Nullable: true},
		{Name: "date", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "time", Type: arrow.FixedWidthTypes.Time64us, Nullable: true},
		{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
		{Name: "tz", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "bin", Type: arrow.BinaryTypes.Binary, Nullable: true},
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "struct", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.BinaryTypes.String, Nullable: true}, arrow.Field{Name: "y", Type: arrow.PrimitiveTypes.Float64, Nullable: true}), Nullable: true},
	}, nil)
	rows := `[{"b":true,"i32":-5,"i64":9007199254740993,"f32":0.1,"f64":1e300,"dec":"-1234567890.0001","date":"2026-11-22","time":"23:59:59.000001",
		"ts":"2026-11-22T01:02:03.000004","tz":"1969-12-31T23:59:59Z","s":"a,\"b\"\n ","bin":"AAH/","list":[1,null,3],"struct":{"x":"q","y":null}},
		{"b":false,"s":"","bin":"","list":[],"struct":{"x":null,"y":0.5}},{"i64":0}]`
	want, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{FormatNDJSON, FormatCSV, FormatParquet} {
		dir := t.TempDir()
		d := sinkDriver(t)
		err := d.Deliver(t.Context(), drivers.Delivery{URI: "file:" + dir, Options: map[string]string{"format": format}, Key: drivers.Key{Product: "p", Seq: 1, Ordinal: 1}, Epoch: 1, Record: want})
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Open(t.Context(), drivers.Request{URI: "file:" + dir, Schema: schema, Mode: drivers.Snapshot, Options: map[string]string{"quiet": "0s"}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Next(t.Context())
		if err != nil || len(b.Rejected) > 0 {
			t.Fatalf("%s: %v %+v", format, err, b.Rejected)
		}
		if !array.RecordEqual(b.Record, want) {
			got, _ := json.Marshal(b.Record)
			should, _ := json.Marshal(want)
			t.Errorf("%s read back as\n%s\nwant\n%s", format, got, should)
		}
	}
}
