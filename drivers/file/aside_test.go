package file

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

// ids are the rows of a result in order.
func ids(r drivertest.Result) []int64 {
	got := r.IDs()
	slices.Sort(got)
	return got
}

// A file that nothing can be taken of does not keep the files beside it waiting, and is read once it is corrected.
func TestUnfitFileIsSetAside(t *testing.T) {
	spoilt := map[string]struct {
		name    string
		content []byte
		says    string
	}{
		"header":  {"b.csv", []byte("nobody,knows\n1,2\n"), `column "id" is missing; there are "nobody", "knows"`},
		"gzip":    {"b.csv.gz", []byte("plain text"), "is not gzip"},
		"parquet": {"b.parquet", []byte("PAR1 that is not"), "is damaged, or is not Parquet"},
	}
	for kind, bad := range spoilt {
		t.Run(kind, func(t *testing.T) {
			dir, d := t.TempDir(), newDriver(t)
			write(t, filepath.Join(dir, "a.csv"), csvOf(1))
			write(t, filepath.Join(dir, bad.name), bad.content)
			write(t, filepath.Join(dir, "c.csv"), csvOf(3))
			r := mustRead(t, d, request(dir, nil))
			if got := ids(r); !slices.Equal(got, []int64{1, 3}) {
				t.Fatalf("rows %v, want those of the two good files", got)
			}
			if len(r.Rejected) != 1 || r.Rejected[0].Origin != bad.name || r.Rejected[0].Line != 1 || !strings.Contains(r.Rejected[0].Reason, bad.says) {
				t.Fatalf("rejected %+v", r.Rejected)
			}
			if pending, err := d.Pending(t.Context(), request(dir, r.Cursor)); pending || err != nil {
				t.Fatalf("pending %v, %v: the file is known", pending, err)
			}
			// Corrected under its name, it is a new file: none of its rows was taken.
			if err := os.Remove(filepath.Join(dir, bad.name)); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "b.csv"), csvOf(2))
			r = mustRead(t, d, request(dir, r.Cursor))
			if got := ids(r); !slices.Equal(got, []int64{2}) || len(r.Rejected) != 0 {
				t.Fatalf("rows %v, rejected %v, want the corrected file's", got, r.Rejected)
			}
			// And from then on a file like any other.
			write(t, filepath.Join(dir, "b.csv"), csvOf(2, 4))
			if _, err := d.Pending(t.Context(), request(dir, r.Cursor)); !errors.Is(err, drivers.ErrChanged) {
				t.Errorf("changed once more: %v, want drivers.ErrChanged", err)
			}
		})
	}
}

// Where no file fits, the source is wrong and not its files: nobody would look for all of them in a quarantine.
func TestNoFileFits(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), []byte("x\n1\n"))
	write(t, filepath.Join(dir, "b.csv"), []byte("y\n1\n"))
	_, err := drivertest.Read(t.Context(), d, request(dir, nil))
	if !errors.Is(err, drivers.ErrSchema) || !strings.Contains(err.Error(), "a.csv") {
		t.Errorf("%v, want drivers.ErrSchema of the first file", err)
	}
}

// A snapshot with a file missing would delete that file's rows.
func TestSnapshotSetsNothingAside(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), csvOf(1))
	write(t, filepath.Join(dir, "b.csv"), []byte("y\n1\n"))
	r := request(dir, nil)
	r.Mode = drivers.Snapshot
	if _, err := drivertest.Read(t.Context(), d, r); !errors.Is(err, drivers.ErrSchema) {
		t.Errorf("%v, want drivers.ErrSchema", err)
	}
}

// A file that breaks off after rows of it were delivered fails that read, and the next one sets it aside.
func TestFileThatBreaksOff(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(csvOf(1))
	for i := range 400_000 { // several batches
		fmt.Fprintf(w, "%d,x%d,%d\n", i, i, i*7919)
	}
	_ = w.Close()
	write(t, filepath.Join(dir, "a.csv.gz"), z.Bytes()[:z.Len()-100])
	write(t, filepath.Join(dir, "b.csv"), csvOf(7))
	if _, err := drivertest.Read(t.Context(), d, request(dir, nil)); !errors.Is(err, drivers.ErrFormat) {
		t.Fatalf("%v, want drivers.ErrFormat", err)
	}
	r := mustRead(t, d, request(dir, nil))
	if got := ids(r); !slices.Equal(got, []int64{7}) {
		t.Fatalf("rows %d, want that of the good file", len(got))
	}
	if len(r.Rejected) != 1 || r.Rejected[0].Origin != "a.csv.gz" {
		t.Fatalf("rejected %+v", r.Rejected)
	}
}

// A corrected file stays read, however the ledger moves its records about.
func TestSetAsideInSegments(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	var c json.RawMessage
	next := 1000
	more := func(n int) {
		for range n {
			write(t, filepath.Join(dir, fmt.Sprintf("file-%d.csv", next)), csvOf(next))
			next++
		}
	}
	write(t, filepath.Join(dir, "bad.csv"), []byte("y\n1\n"))
	more(200) // the record goes to a segment
	c = mustRead(t, d, request(dir, c)).Cursor
	write(t, filepath.Join(dir, "bad.csv"), csvOf(1))
	for _, n := range []int{0, 60, 30, 5, 100, 500} {
		more(n)
		r := mustRead(t, d, request(dir, c))
		want := n
		if n == 0 {
			want = 1
		}
		if len(r.Rows) != want {
			t.Fatalf("%d rows of %d new files", len(r.Rows), want)
		}
		c = r.Cursor
	}
}
