package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// shelf is a Sources with one table for every binding.
type shelf struct {
	rows   []row
	asked  []drivers.Request
	err    error
	closed int
	lent   []arrow.RecordBatch
}

func (s *shelf) Open(_ context.Context, _ host.ProductID, _ string, r drivers.Request) (drivers.Reader, error) {
	s.asked = append(s.asked, r)
	if s.err != nil {
		return nil, s.err
	}
	rec := record(s.rows, false)
	s.lent = append(s.lent, rec)
	return &shelfReader{logReader: logReader{batches: []drivers.Batch{{Record: rec,
		Rejected: []drivers.Rejected{{Line: 9, Reason: "cut"}}}}}, s: s}, nil
}

type shelfReader struct {
	logReader
	s *shelf
}

func (r *shelfReader) Close() error {
	r.s.closed++
	return nil
}

// release gives back what the readers handed out: they keep a reference, as logs do.
func (s *shelf) release() {
	for _, rec := range s.lent {
		rec.Release()
	}
}

// oracle is a Decider that counts.
type oracle struct{ asked int }

func (o *oracle) Decide(_ context.Context, id host.ProductID, request []byte) ([]byte, error) {
	o.asked++
	return fmt.Appendf(nil, `{"allow":%t,"reason":"%s"}`, strings.Contains(string(request), "yes"), id.Name), nil
}

func readAll(g *goGuest, binding int, request string) ([]row, error) {
	r, err := g.calls.DriverOpen(g.ctx, binding, []byte(request))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []row
	for {
		b, err := r.Next(g.ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, rowsOf(b.Record)...)
		b.Record.Release()
	}
}

// TestEffectsAndRecords: what a guest reads from drivers and policy is recorded in the head, what it writes waits in
// the outbox, and both come back as they were.
func TestEffectsAndRecords(t *testing.T) {
	var answers []string
	w := newWorld(t, host.Append, logic{process: func(g *goGuest, _ int, rows []row) error {
		read, err := readAll(g, 0, `{"since":9007199254740993}`)
		if err != nil {
			return err
		}
		for _, q := range []string{`{"q":"yes"}`, `{"q":"no"}`, `{"q":"yes"}`, "no JSON"} {
			a, err := g.calls.Decide(g.ctx, []byte(q))
			if err != nil {
				return err
			}
			answers = append(answers, string(a))
		}
		for _, r := range rows {
			rec := record([]row{r}, false)
			defer rec.Release()
			if err := g.calls.DriverWrite(g.ctx, 1, rec); err != nil {
				return err
			}
		}
		g.calls.Log(2, "half way")
		g.calls.Metric(0, "rows", float64(len(rows)))
		return g.emit(0, read...)
	}})
	w.product.Bindings = []host.Binding{
		{Name: "ref", URI: "file:x", Access: "read", Schema: schema, Options: host.Options{"format": "csv"}},
		{Name: "sink", URI: "file:y", Access: "write", Schema: schema},
	}
	sources, decider := &shelf{rows: []row{text(7, "seven")}}, &oracle{}
	w.runner.Sources, w.runner.Decider = sources, decider
	var said []string
	w.runner.Log = func(id host.ProductID, run string, level int32, m string) { said = append(said, fmt.Sprint(level, m)) }
	w.runner.Metric = func(id host.ProductID, run string, kind int32, n string, v float64) {
		said = append(said, fmt.Sprint(kind, n, v))
	}
	w.inputs.add("in", text(1, "a"), text(2, "b"))
	w.inputs.add("in", text(3, "c"))
	res := w.execute(host.RunCommitted)
	w.wantRows("7:seven", "7:seven")
	if !slices.Equal(said, []string{"2half way", "0rows2", "2half way", "0rows1"}) {
		t.Fatalf("said %q", said)
	}
	if decider.asked != 3 || answers[0] != answers[2] || answers[0] != `{"allow":true,"reason":"p"}` || sources.closed != 2 {
		t.Fatalf("asked %d, answers %q, closed %d", decider.asked, answers, sources.closed)
	}
	if o := sources.asked[0].Options; o["format"] != "csv" || o["request"] != `{"since":9007199254740993}` {
		t.Fatalf("options %v", o)
	}
	if res.Run.Rejected != 2 { // a broken row in each reading of the binding
		t.Fatalf("rejected %d", res.Run.Rejected)
	}

	var got []string
	for fr, err := range run.ReadFrames(t.Context(), w.store, *res.Head.Outbox) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(fr.Kind, fr.Ordinal, fr.Binding, rowsOf(fr.Record)))
		fr.Record.Release()
	}
	if want := []string{"write1sink[1:a]", "write2sink[2:b]", "write3sink[3:c]"}; !slices.Equal(got, want) || res.Head.Outbox.Rows != 3 {
		t.Fatalf("outbox %q", got)
	}
	got = nil
	for fr, err := range run.ReadFrames(t.Context(), w.store, *res.Head.Recorded) {
		if err != nil {
			t.Fatal(err)
		}
		var rows []row
		if fr.Record != nil {
			rows = rowsOf(fr.Record)
			fr.Record.Release()
		}
		got = append(got, fmt.Sprint(fr.Kind, fr.Call, fr.Binding, fr.Input, fr.Batches, string(fr.Request), string(fr.Answer), rows))
	}
	want := []string{
		`read1ref[]{"since":9007199254740993}[]`, `rows1[][7:seven]`, `end1[][]`,
		`decide2[]{"q":"yes"}{"allow":true,"reason":"p"}[]`, `decide3[]{"q":"no"}{"allow":false,"reason":"p"}[]`, `decide4[]"no JSON"{"allow":false,"reason":"p"}[]`,
		`read5ref[]{"since":9007199254740993}[]`, `rows5[][7:seven]`, `end5[][]`, `input0in[2 1][]`,
	}
	if !slices.Equal(got, want) {
		t.Fatalf("recorded\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestHeldAttemptHasNoEffects: what a held attempt would have written does not leave.
func TestHeldAttemptHasNoEffects(t *testing.T) {
	w := newWorld(t, host.Append, logic{process: func(g *goGuest, _ int, rows []row) error {
		rec := record(rows, false)
		defer rec.Release()
		return errors.Join(g.calls.DriverWrite(g.ctx, 0, rec), g.calls.StatePut([]byte("k"), []byte("v")), g.emit(0, rows...))
	}})
	w.product.Bindings = []host.Binding{{Name: "sink", Access: "write", Schema: schema}}
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Hold)}
	w.inputs.add("in", null(1))
	res := w.execute(host.RunHeld)
	if res.Head.Outbox != nil || res.Head.State != nil || res.Head.Recorded != nil {
		t.Fatalf("held head %+v", res.Head)
	}
	for _, name := range w.files() {
		if !strings.HasSuffix(name, "/head.json") && !strings.HasSuffix(name, "/quarantine.ndjson") && !strings.HasSuffix(name, "/committed") {
			t.Errorf("a held attempt left %s", name)
		}
	}
}

func TestBindingsThatAreNot(t *testing.T) {
	w := newWorld(t, host.Append, pass)
	w.product.Bindings = []host.Binding{{Name: "sink", Access: "write", Schema: schema}, {Name: "ref", Access: "read", Schema: schema}}
	for name, c := range map[string]struct {
		do   func(*goGuest) error
		code host.ErrorCode
	}{
		"none":        {func(g *goGuest) error { _, err := g.calls.DriverOpen(g.ctx, 7, nil); return err }, host.CodeGuestCallLimit},
		"to write":    {func(g *goGuest) error { _, err := g.calls.DriverOpen(g.ctx, 0, nil); return err }, host.CodePolicyDenied},
		"to read":     {func(g *goGuest) error { return g.calls.DriverWrite(g.ctx, 1, nil) }, host.CodePolicyDenied},
		"no driver":   {func(g *goGuest) error { _, err := g.calls.DriverOpen(g.ctx, 1, nil); return err }, host.CodeDriverUnknown},
		"no port":     {func(g *goGuest) error { rec := record(nil, false); return g.calls.Emit(g.ctx, 3, rec) }, host.CodeGuestBatch},
		"no decision": {func(g *goGuest) error { return decideDenied(g) }, ""},
	} {
		w.guests.logic = logic{process: func(g *goGuest, _ int, _ []row) error { return c.do(g) }}
		w.inputs.add("in", text(1, name))
		_, err := w.runner.Execute(t.Context(), w.attempt())
		if host.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func decideDenied(g *goGuest) error {
	b, err := g.calls.Decide(g.ctx, nil)
	var a struct{ Allow bool }
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if a.Allow {
		return errors.New("allowed without a policy")
	}
	return err
}

// TestStateCalls: a scan is in order, after a key, within a prefix, and does not see what is changed while it goes on.
func TestStateCalls(t *testing.T) {
	var seen []string
	w := newWorld(t, host.Append, logic{process: func(g *goGuest, _ int, rows []row) error {
		seen = nil
		for _, k := range []string{"b/2", "a/1", "b/1", "c", "b/3", "b"} {
			if err := g.calls.StatePut([]byte(k), []byte("v"+k)); err != nil {
				return err
			}
		}
		g.calls.StateDelete([]byte("b/3"))
		g.calls.StateDelete([]byte("none"))
		g.calls.StateScan([]byte("b/"), nil, func(k, v []byte) bool {
			seen = append(seen, string(k)+"="+string(v))
			g.calls.StateDelete(k)
			return true
		})
		g.calls.StateScan(nil, []byte("a/1"), func(k, _ []byte) bool { seen = append(seen, string(k)); return string(k) != "b" })
		_, ok := g.calls.StateGet([]byte("b/1"))
		seen = append(seen, fmt.Sprint(ok))
		return nil
	}})
	w.inputs.add("in", text(1, "a"))
	res := w.execute(host.RunCommitted)
	if want := []string{"b/1=vb/1", "b/2=vb/2", "b", "false"}; !slices.Equal(seen, want) {
		t.Fatalf("seen %q, want %q", seen, want)
	}
	if res.Head.State.Keys != 3 {
		t.Fatalf("state %+v", res.Head.State)
	}
	w.restart()
	w.inputs.add("in", text(1, "a"))
	w.execute(host.RunCommitted)
	// All keys go: nothing is kept.
	w.guests.logic.process = func(g *goGuest, _ int, _ []row) error {
		g.calls.StateScan(nil, nil, func(k, _ []byte) bool { g.calls.StateDelete(k); return true })
		return nil
	}
	w.inputs.add("in", text(1, "a"))
	if res := w.execute(host.RunCommitted); res.Head.State != nil {
		t.Fatalf("state %+v", res.Head.State)
	}
}

// TestLargeBatches: a batch beyond the limit comes in pieces, and rejected rows of every piece keep their lines.
func TestLargeBatches(t *testing.T) {
	var sizes []int
	w := newWorld(t, host.Append, logic{process: func(g *goGuest, _ int, rows []row) error {
		sizes = append(sizes, len(rows))
		return g.emit(0, rows[len(rows)-1])
	}})
	w.product.Outputs[0].Rules = []host.Rule{holdNulls(host.Quarantine)}
	rows := make([]row, 150_000)
	for i := range rows {
		rows[i] = text(int64(i), "x")
	}
	rows[65535], rows[149_999] = null(65535), null(149_999)
	w.inputs.add("in", rows...)
	res := w.execute(host.RunCommitted)
	if !slices.Equal(sizes, []int{65536, 65536, 18928}) || res.Run.RowsIn != 150_000 {
		t.Fatalf("sizes %v", sizes)
	}
	rejected, err := run.ReadRejected(t.Context(), w.store, res.Head.Quarantine[0], 10)
	if err != nil || len(rejected) != 2 || rejected[0].Line != 65537 || rejected[1].Line != 150_001 {
		t.Fatalf("%+v %v", rejected, err)
	}
}

// TestMuchOutput: a guest that emits more than waits anywhere is held up, not refused.
func TestMuchOutput(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	w := newWorld(t, host.Append, logic{
		process: func(g *goGuest, _ int, rows []row) error {
			for i := range 200 {
				if err := g.emit(0, text(int64(i), big)); err != nil {
					return err
				}
			}
			return nil
		},
	})
	w.inputs.add("in", text(1, "a"))
	res := w.execute(host.RunCommitted)
	if res.Head.Outputs["out"].Rows != 200 {
		t.Fatalf("rows %d", res.Head.Outputs["out"].Rows)
	}
}

// TestPortFailureEndsTheGuest: a table that cannot be written ends the run with the table's error.
func TestPortFailureEndsTheGuest(t *testing.T) {
	w := newWorld(t, host.Append, logic{process: func(g *goGuest, _ int, rows []row) error {
		for {
			if err := g.emit(0, rows...); err != nil {
				return err
			}
		}
	}})
	w.tables.failWrite = host.Errorf(host.CodeTableSchema, "no")
	w.inputs.add("in", text(1, "a"))
	_, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodeTableSchema)
	if w.tables.aborted != 1 || w.guests.open != 0 {
		t.Fatalf("aborted %d, open %d", w.tables.aborted, w.guests.open)
	}
}
