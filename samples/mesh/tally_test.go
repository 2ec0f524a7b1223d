package mesh_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host/columnar"
)

// tally is a sink for URIs tally:FOLDER. It writes down every delivery that reaches it, also those that come again, and
// passes it on to the folder.
type tally struct{ folders *file.Driver }

// entry is one call of Deliver.
type entry struct {
	Product      string
	Seq, Ordinal int64
	Epoch        int64
	Rows         int64
	Sum          string // of the rows
}

// tallyFile lies beside the folder and lives as long as its processes do not.
func tallyFile(folder string) string { return folder + ".tally" }

// Deliver notes the effect and passes it on.
func (s *tally) Deliver(ctx context.Context, d drivers.Delivery) error {
	folder := strings.TrimPrefix(d.URI, "tally:")
	var rows []byte
	for i := range int(d.Record.NumRows()) {
		for _, c := range d.Record.Columns() {
			rows = columnar.AppendValue(rows, c, i)
		}
	}
	sum := sha256.Sum256(rows)
	line, err := json.Marshal(entry{d.Key.Product, d.Key.Seq, d.Key.Ordinal, d.Epoch, d.Record.NumRows(), hex.EncodeToString(sum[:])})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(tallyFile(folder), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n')) // at once: a process is killed before it or after it
	if err = cmp.Or(err, f.Close()); err != nil {
		return err
	}
	d.URI = "file:" + folder
	return s.folders.Deliver(ctx, d)
}

// checkTally demands of what reached the sink of a single product: effects came in the order of their keys, one came again
// only as it was and while it was the last, epochs never fell, and the keys name so many effects. It returns how many came
// again.
func checkTally(t *testing.T, folder string, effects, rows int64) (again int) {
	t.Helper()
	b, err := os.ReadFile(tallyFile(folder))
	if err != nil {
		t.Fatal(err)
	}
	var last entry
	var keys, sum int64
	for line := range bytes.Lines(b) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Epoch < last.Epoch {
			t.Errorf("effect %+v after epoch %d", e, last.Epoch)
		}
		switch c := cmp.Or(cmp.Compare(e.Seq, last.Seq), cmp.Compare(e.Ordinal, last.Ordinal)); {
		case c > 0:
			keys++
			sum += e.Rows
		case c < 0:
			t.Errorf("effect %+v after %+v", e, last)
		case e.Sum != last.Sum:
			t.Errorf("effect %+v came again as %+v", last, e)
		default:
			again++
		}
		last = e
	}
	if keys != effects || sum != rows {
		t.Errorf("%d effects with %d rows reached the sink, %d with %d were committed", keys, sum, effects, rows)
	}
	return again
}
