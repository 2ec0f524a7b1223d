package run_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/run"
)

// world is a mesh of one product: real etcd, a real store, and rooms in memory that keep the contracts of rooms.go.
type world struct {
	t       testing.TB
	store   drivers.Store
	cluster *cluster.Cluster
	inputs  *logs
	tables  *rowTables
	guests  *goGuests
	sink    *drivertest.Counter // outlives the world's processes, as the targets of effects do
	product *host.Product
	own     host.Ownership
	runner  *run.Runner
	module  host.Digest
	config  host.Digest
	trouble []error
	now     time.Time // of a runner that is tidy
}

// shared is the etcd of all tests that do not stand in its way; every world has a product of its own in it.
var (
	shared *cluster.Cluster
	worlds int
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "run")
	if err == nil {
		shared, err = cluster.Open(context.Background(), cluster.Config{Dir: dir, Node: "n1"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	shared.Close()
	os.RemoveAll(dir)
	os.Exit(code)
}

var schema = host.Schema{Fields: []host.Field{
	{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
	{Name: "name", Type: host.Type{Kind: host.String}},
}}

func newWorld(t testing.TB, mode host.OutputMode, logic logic, inputs ...host.Input) *world {
	t.Helper()
	return newWorldOn(t, nil, mode, logic, inputs...)
}

// newWorldOn lets a test stand between the protocol and etcd.
func newWorldOn(t testing.TB, wrap func(clientv3.KV) clientv3.KV, mode host.OutputMode, logic logic, inputs ...host.Input) *world {
	t.Helper()
	store, err := file.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	c := shared
	if wrap != nil {
		if c, err = cluster.Open(t.Context(), cluster.Config{Dir: t.TempDir(), Node: "n1", WrapKV: wrap}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
	worlds++
	if len(inputs) == 0 {
		inputs = []host.Input{{Name: "in", Mode: host.Incremental, Schema: schema}}
	}
	w := &world{t: t, store: store, cluster: c, inputs: newLogs(), guests: &goGuests{logic: logic}, sink: &drivertest.Counter{}, module: "sha256:m1", config: "sha256:c1", now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		product: &host.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: fmt.Sprint("d", worlds), Name: "p"}, Inputs: inputs,
			Outputs: []host.Output{{Name: "out", Mode: mode, Key: []string{"id"}, Schema: schema}}}}
	if mode != host.Upsert {
		w.product.Outputs[0].Key = nil
	}
	w.restart()
	return w
}

// restart is what a new process sees: nothing in memory, a new epoch.
func (w *world) restart() {
	w.t.Helper()
	own, err := w.cluster.Claim(w.t.Context(), w.product.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	w.own = own
	w.tables = &rowTables{store: w.store}
	w.runner = &run.Runner{Guests: w.guests, Tables: w.tables, Heads: w.cluster, Inputs: w.inputs, Store: w.store, Node: "n1",
		Outboxes: w.cluster, Sinks: sinks{w.sink}, CommitGrace: 50 * time.Millisecond,
		Engine:  func() host.Engine { return host.Engine{Name: "go", Version: "1"} },
		Trouble: func(_ host.ProductID, err error) { w.trouble = append(w.trouble, err) }}
}

func (w *world) attempt() run.Attempt {
	return run.Attempt{Product: w.product, Artifact: "sha256:a1", Module: w.module, Config: w.config, Own: w.own}
}

// execute makes an attempt that must end in the given state.
func (w *world) execute(want host.RunState, change ...func(*run.Attempt)) run.Result {
	w.t.Helper()
	a := w.attempt()
	for _, c := range change {
		c(&a)
	}
	res, err := w.runner.Execute(w.t.Context(), a)
	if err != nil {
		w.t.Fatalf("run failed: %v", err)
	}
	if res.State != want {
		w.t.Fatalf("run ended %s (%s), want %s; checks %+v", res.State, res.Run.Reason, want, res.Checks)
	}
	return res
}

// sinks gives every binding the same sink.
type sinks struct{ sink drivers.Sink }

func (s sinks) Sink(context.Context, host.ProductID, string, string) (drivers.Sink, error) {
	return s.sink, nil
}

// write is a binding that leads to the world's sink.
var write = host.Binding{Name: "sink", URI: "mem:a", Access: "write", Schema: schema}

// deliver hands over what waits.
func (w *world) deliver() host.Delivered {
	w.t.Helper()
	at, err := w.runner.Deliver(w.t.Context(), w.product, w.own)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// wantEffects compares what has arrived at the sink, one "seq.ordinal[rows]" an effect, in the order in which it came.
func (w *world) wantEffects(uri string, want ...string) {
	w.t.Helper()
	var got []string
	for _, a := range w.sink.Arrived(uri, w.product.ID.String()) {
		var rows []row
		for _, r := range a.Rows {
			rows = append(rows, row{ID: r.ID, Name: r.Name})
		}
		got = append(got, fmt.Sprintf("%d.%d%v", a.Seq, a.Ordinal, rows))
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("at %s arrived %q, want %q", uri, got, want)
	}
}

func force(a *run.Attempt)   { a.Force = true }
func rebuild(a *run.Attempt) { a.Rebuild = true }
func release(a *run.Attempt) { a.Override = run.Release }
func skip(a *run.Attempt)    { a.Override = run.Skip }

// head is the newest head as a stranger reads it.
func (w *world) head() *host.Head {
	w.t.Helper()
	p, err := w.cluster.Head(w.t.Context(), w.product.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	if p.Seq == 0 {
		return nil
	}
	h, err := run.LoadHead(w.t.Context(), w.store, run.HeadRef(p))
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// rows are the published rows, "id:name", sorted.
func (w *world) rows() []string {
	w.t.Helper()
	h := w.head()
	if h == nil {
		return nil
	}
	ref, ok := h.Outputs["out"]
	if !ok {
		return nil
	}
	var out []string
	for _, r := range readRows(w.t, w.store, ref.Metadata) {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return out
}

func (w *world) wantRows(want ...string) {
	w.t.Helper()
	if got := w.rows(); !slices.Equal(got, want) {
		w.t.Fatalf("rows %q, want %q", got, want)
	}
}

// files counts the files of the store.
func (w *world) files() (names []string) {
	w.t.Helper()
	for info, err := range w.store.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

// checkChain walks all heads and checks I1 to I4: epochs do not fall, seqs have no gap, cursors tile, files fit hashes.
func (w *world) checkChain() {
	w.t.Helper()
	newer := w.head()
	for h := newer; h != nil; {
		for _, ref := range h.Quarantine {
			if _, err := run.ReadRejected(w.t.Context(), w.store, ref, 1<<20); err != nil {
				w.t.Fatal(err)
			}
		}
		for _, ref := range h.Outputs {
			readRows(w.t, w.store, ref.Metadata)
		}
		if h.Prev == nil {
			if h.Seq != 1 {
				w.t.Fatalf("the chain ends at %d", h.Seq)
			}
			return
		}
		prev, err := run.LoadHead(w.t.Context(), w.store, *h.Prev)
		if err != nil {
			w.t.Fatal(err)
		}
		if prev.Seq+1 != h.Seq || prev.Epoch > h.Epoch {
			w.t.Fatalf("head %d of epoch %d after %d of epoch %d", h.Seq, h.Epoch, prev.Seq, prev.Epoch)
		}
		h = prev
	}
}

// row is one row of the test schema.
type row struct {
	ID   int64   `json:"id"`
	Name *string `json:"name"`
	Op   string  `json:"op,omitempty"`
}

func (r row) String() string {
	if r.Name == nil {
		return fmt.Sprintf("%d:null", r.ID)
	}
	return fmt.Sprintf("%d:%s", r.ID, *r.Name)
}

func text(id int64, name string) row { return row{ID: id, Name: &name} }
func null(id int64) row              { return row{ID: id} }

// alloc is what records are made with; TestNoLeaks counts.
var alloc memory.Allocator = memory.DefaultAllocator

func record(rows []row, withOp bool) arrow.RecordBatch {
	s, err := columnar.Schema(schema)
	if err != nil {
		panic(err)
	}
	if withOp {
		s = columnar.WithOp(s)
	}
	b := array.NewRecordBuilder(alloc, s)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.ID)
		if r.Name == nil {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(*r.Name)
		}
		if withOp {
			if r.Op == "" {
				b.Field(2).AppendNull()
			} else {
				b.Field(2).(*array.StringBuilder).Append(r.Op)
			}
		}
	}
	return b.NewRecordBatch()
}

func rowsOf(rec arrow.RecordBatch) []row {
	out := make([]row, rec.NumRows())
	for i := range out {
		out[i].ID = rec.Column(0).(*array.Int64).Value(i)
		if names := rec.Column(1).(*array.String); names.IsValid(i) {
			s := names.Value(i)
			out[i].Name = &s
		}
		if rec.NumCols() > 2 {
			if ops := rec.Column(2).(*array.String); ops.IsValid(i) {
				out[i].Op = ops.Value(i)
			}
		}
	}
	return out
}

// logs are inputs in memory: an incremental input is a log of batches, a snapshot input a table with a version.
type logs struct {
	mu      sync.Mutex
	batches map[string][]drivers.Batch
	version map[string]int // of snapshot inputs; 0: never published
	errs    map[string]error
	acked   map[string]string
	opened  map[string]int
	ackErr  error
	restart map[string]int // cursors below it cannot be continued
}

func newLogs() *logs {
	return &logs{batches: map[string][]drivers.Batch{}, version: map[string]int{}, errs: map[string]error{}, acked: map[string]string{},
		opened: map[string]int{}, restart: map[string]int{}}
}

func (l *logs) add(input string, rows ...row) {
	l.addBatch(input, drivers.Batch{Record: record(rows, false), Origin: input + ".csv", Line: 2})
}

func (l *logs) addBatch(input string, b drivers.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches[input] = append(l.batches[input], b)
}

// set replaces the table of a snapshot input.
func (l *logs) set(input string, rows ...row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches[input] = []drivers.Batch{{Record: record(rows, false)}}
	l.version[input]++
}

type logCursor struct {
	At int `json:"at"`
}

func (l *logs) at(c host.Cursor) int {
	var at logCursor
	if len(c) > 0 {
		if err := json.Unmarshal(c, &at); err != nil {
			panic(err)
		}
	}
	return at.At
}

func (l *logs) Schema(context.Context, *host.Product, *host.Input) (*arrow.Schema, error) {
	return columnar.Schema(schema)
}

func (l *logs) Pending(_ context.Context, _ *host.Product, in *host.Input, c host.Cursor) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.errs[in.Name]; err != nil {
		return false, err
	}
	if in.Mode == host.Snapshot {
		return l.version[in.Name] != l.at(c), nil
	}
	if c != nil && l.at(c) < l.restart[in.Name] {
		return true, fmt.Errorf("log %s: %w", in.Name, drivers.ErrRestart)
	}
	return l.at(c) < len(l.batches[in.Name]), nil
}

func (l *logs) Open(_ context.Context, _ *host.Product, in *host.Input, c host.Cursor) (drivers.Reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened[in.Name]++
	if err := cmp.Or(l.errs["open "+in.Name], l.errs["open once"]); err != nil {
		delete(l.errs, "open once")
		return nil, err
	}
	from := 0
	if in.Mode == host.Incremental {
		from = l.at(c)
		if c != nil && from < l.restart[in.Name] {
			return nil, fmt.Errorf("log %s: %w", in.Name, drivers.ErrRestart)
		}
	}
	end := len(l.batches[in.Name])
	if in.Mode == host.Snapshot {
		end = l.version[in.Name]
	}
	cursor, _ := json.Marshal(logCursor{end})
	return &logReader{batches: slices.Clone(l.batches[in.Name][from:]), cursor: cursor, err: l.errs["next "+in.Name]}, nil
}

func (l *logs) Acknowledge(_ context.Context, _ *host.Product, in *host.Input, c host.Cursor) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ackErr == nil {
		l.acked[in.Name] = string(c)
	}
	return l.ackErr
}

type logReader struct {
	batches []drivers.Batch
	cursor  json.RawMessage
	err     error
}

func (r *logReader) Next(context.Context) (drivers.Batch, error) {
	if len(r.batches) == 0 {
		if r.err != nil {
			return drivers.Batch{}, r.err
		}
		return drivers.Batch{}, io.EOF
	}
	b := r.batches[0]
	r.batches = r.batches[1:]
	if b.Record != nil {
		b.Record.Retain()
	}
	return b, nil
}

func (r *logReader) Cursor() json.RawMessage { return r.cursor }
func (r *logReader) Close() error            { return nil }

// logic is what a guest does, in Go.
type logic struct {
	open    func(g *goGuest) error
	process func(g *goGuest, input int, rows []row) error
	flush   func(g *goGuest) error
}

// pass emits what it reads.
var pass = logic{process: func(g *goGuest, _ int, rows []row) error { return g.emit(0, rows...) }}

// goGuests starts guests that are Go functions.
type goGuests struct {
	logic   logic
	mu      sync.Mutex
	started int
	open    int // instances that have not been closed
	specs   []run.GuestSpec
}

func (s *goGuests) Start(_ context.Context, spec run.GuestSpec, c run.Calls) (run.Guest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started++
	s.open++
	s.specs = append(s.specs, spec)
	return &goGuest{of: s, spec: spec, calls: c}, nil
}

func (s *goGuests) last() run.GuestSpec { return s.specs[len(s.specs)-1] }

type goGuest struct {
	of    *goGuests
	spec  run.GuestSpec
	calls run.Calls
	ctx   context.Context
	usage run.Usage
}

func (g *goGuest) emit(port int, rows ...row) error {
	rec := record(rows, g.spec.Product.Outputs[port].Mode == host.Upsert)
	defer rec.Release()
	return g.calls.Emit(g.ctx, port, rec)
}

// write puts rows into the outbox, if the product has a binding to write to.
func (g *goGuest) write(rows ...row) error {
	for i, b := range g.spec.Product.Bindings {
		if b.Access == "write" {
			rec := record(rows, false)
			defer rec.Release()
			return g.calls.DriverWrite(g.ctx, i, rec)
		}
	}
	return nil
}

func (g *goGuest) Open(ctx context.Context) error {
	g.ctx = ctx
	if g.of.logic.open == nil {
		return nil
	}
	return g.of.logic.open(g)
}

func (g *goGuest) Process(ctx context.Context, input int, rec arrow.RecordBatch) error {
	g.ctx = ctx
	g.usage.Fuel += rec.NumRows()
	g.usage.BytesIn += rec.NumRows() * 16
	return g.of.logic.process(g, input, rowsOf(rec))
}

func (g *goGuest) Flush(ctx context.Context) error {
	g.ctx = ctx
	if g.of.logic.flush == nil {
		return nil
	}
	return g.of.logic.flush(g)
}

func (g *goGuest) Usage() run.Usage { return g.usage }

func (g *goGuest) Engine() host.Engine { return host.Engine{Name: "go", Version: "1"} }

func (g *goGuest) Close() error {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	g.of.open--
	return nil
}

// rowTables keeps a table as one JSON file with all its rows.
type rowTables struct {
	store     drivers.Store
	mu        sync.Mutex
	aborted   int
	committed int
	began     []run.StageSpec
	failWrite error
}

func (r *rowTables) Begin(_ context.Context, s run.StageSpec) (run.Stage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = append(r.began, s)
	return &rowStage{of: r, spec: s}, nil
}

type rowStage struct {
	of    *rowTables
	spec  run.StageSpec
	rows  []row
	after []row
	files []string
}

func (s *rowStage) Write(_ context.Context, rec arrow.RecordBatch) error {
	s.rows = append(s.rows, rowsOf(rec)...)
	return s.of.failWrite
}

func (s *rowStage) Finish(ctx context.Context) (run.Staged, error) {
	var before []row
	if s.spec.Prev != nil {
		var err error
		if before, err = readRowsFrom(ctx, s.of.store, s.spec.Prev.Metadata); err != nil {
			return run.Staged{}, err
		}
	}
	s.after = merge(before, s.rows, s.spec)
	if s.spec.Prev != nil && slices.EqualFunc(before, s.after, func(a, b row) bool { return a.String() == b.String() }) {
		ref := *s.spec.Prev
		ref.Changes = nil
		return run.Staged{Ref: ref}, nil
	}
	name := s.spec.Dir + "/" + s.spec.Output.Name + "/rows.json"
	b, err := json.Marshal(s.after)
	if err != nil {
		return run.Staged{}, err
	}
	s.files = append(s.files, name)
	w, err := s.of.store.Create(ctx, name)
	if err != nil {
		return run.Staged{}, err
	}
	_, err = w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		return run.Staged{}, err
	}
	ref := host.OutputRef{Kind: "rows", Metadata: name, Hash: sum(b), Rows: int64(len(s.after)), Changed: s.spec.Seq, Base: s.spec.Seq}
	if s.spec.Prev != nil && !s.spec.Rebuild {
		ref.Base = s.spec.Prev.Base
	}
	return run.Staged{Ref: ref, Changed: true, Files: []string{name}}, nil
}

func merge(before, rows []row, s run.StageSpec) []row {
	if s.Rebuild || s.Output.Mode == host.Replace {
		before = nil
	}
	if s.Output.Mode != host.Upsert {
		return append(slices.Clone(before), rows...)
	}
	byID := map[int64]row{}
	for _, r := range append(slices.Clone(before), rows...) {
		if r.Op == abi.OpDelete {
			delete(byID, r.ID)
		} else {
			byID[r.ID] = row{ID: r.ID, Name: r.Name}
		}
	}
	out := slices.Collect(maps.Values(byID))
	slices.SortFunc(out, func(a, b row) int { return int(a.ID - b.ID) })
	return out
}

func (s *rowStage) Duplicates(_ context.Context, columns []string, most int) (int64, []map[string]any, error) {
	seen := map[int64]bool{}
	var n int64
	var examples []map[string]any
	for _, r := range s.after {
		if seen[r.ID] {
			n++
			if len(examples) < most {
				examples = append(examples, map[string]any{"id": r.ID, "name": r.Name})
			}
		}
		seen[r.ID] = true
	}
	return n, examples, nil
}

func (s *rowStage) Committed() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.committed++
}

func (s *rowStage) Abort() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.aborted++
	for _, name := range s.files {
		_ = s.of.store.Remove(context.Background(), name)
	}
}

func readRowsFrom(ctx context.Context, s drivers.Store, name string) ([]row, error) {
	f, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []row
	return out, json.NewDecoder(f).Decode(&out)
}

func readRows(t testing.TB, s drivers.Store, name string) []row {
	t.Helper()
	out, err := readRowsFrom(t.Context(), s, name)
	if err != nil {
		t.Fatalf("a head names %s: %v", name, err)
	}
	return out
}
