package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/table"
	"github.com/adp-host/adp/registry"
)

// simProducts are the products of a simulated mesh, by name.
var simProducts = map[string]simProduct{
	"raw":    {mode: host.Append},                  // the rows of the source
	"down":   {reads: "raw", mode: host.Append},    // its rows, one by one
	"counts": {reads: "raw", mode: host.Upsert},    // how many of them there are of each kind, in state
	"mirror": {reads: "counts", mode: host.Upsert}, // what the change feed of counts adds up to
	"alarms": {reads: "raw", mode: host.Append},    // its rows again, each with an effect
}

var simOrder = []string{"raw", "down", "counts", "mirror", "alarms"}

type simProduct struct {
	reads string // "": the source
	mode  host.OutputMode
}

var simSchema = host.Schema{Fields: []host.Field{
	{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
	{Name: "name", Type: host.Type{Kind: host.String}},
}}

const simTarget = "mem:alarms"

// simArtifacts has an artifact of each name, whose digest is the name.
type simArtifacts struct{}

func (simArtifacts) Pull(_ context.Context, d host.Digest) (registry.Artifact, error) {
	spec := simProducts[string(d)]
	p := &host.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: string(d)}, Version: "1.0.0",
		Inputs:   []host.Input{{Name: "in", From: "log:all", Mode: host.Incremental, Schema: simSchema}},
		Outputs:  []host.Output{{Name: "out", Mode: spec.mode, Schema: simSchema}},
		Schedule: host.Schedule{OnInputs: true}}
	if spec.reads != "" {
		p.Inputs[0].From = "adp://./d/" + spec.reads + "/out"
	}
	if spec.mode == host.Upsert {
		p.Outputs[0].Key = []string{"id"}
	}
	if d == "alarms" {
		p.Bindings = []host.Binding{{Name: "sink", URI: simTarget, Access: "write", Schema: simSchema}}
	}
	return registry.Artifact{Product: p, ModuleDigest: d}, nil
}

func (simArtifacts) Module(context.Context, host.Digest) ([]byte, error) { return nil, nil }

// simRow is one row.
type simRow struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Op   string `json:"op,omitempty"`
}

// simRecord makes a record of them, with the columns _op and _seq as far as asked for.
func simRecord(rows []simRow, op bool, seq host.Seq) arrow.RecordBatch {
	s, err := columnar.Schema(simSchema)
	if err != nil {
		panic(err)
	}
	switch {
	case seq > 0:
		s = columnar.WithChanges(s)
	case op:
		s = columnar.WithOp(s)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.ID)
		b.Field(1).(*array.StringBuilder).Append(r.Name)
		if op || seq > 0 {
			b.Field(2).(*array.StringBuilder).Append(r.Op)
		}
		if seq > 0 {
			b.Field(3).(*array.Int64Builder).Append(int64(seq))
		}
	}
	return b.NewRecordBatch()
}

func simRows(rec arrow.RecordBatch) []simRow {
	out := make([]simRow, rec.NumRows())
	for i := range out {
		out[i] = simRow{ID: rec.Column(0).(*array.Int64).Value(i), Name: strings.Clone(rec.Column(1).(*array.String).Value(i))}
		if rec.NumCols() > 2 {
			out[i].Op = strings.Clone(rec.Column(2).(*array.String).Value(i))
		}
	}
	return out
}

// simGuests run the logic of the products.
type simGuests struct{ p *simProcess }

func (g simGuests) Start(_ context.Context, s run.GuestSpec, c run.Calls) (run.Guest, error) {
	g.p.node.running(s.Product.ID)
	return &simGuest{p: g.p, spec: s, calls: c}, nil
}

type simGuest struct {
	p     *simProcess
	spec  run.GuestSpec
	calls run.Calls
}

func (g *simGuest) Open(context.Context) error  { return nil }
func (g *simGuest) Flush(context.Context) error { return nil }
func (g *simGuest) Usage() run.Usage            { return run.Usage{} }
func (g *simGuest) Engine() host.Engine         { return host.Engine{Name: "sim"} }
func (g *simGuest) Close() error                { return nil }

func (g *simGuest) Process(ctx context.Context, _ int, rec arrow.RecordBatch) error {
	name := g.spec.Product.ID.Name
	if err := g.p.wait(ctx, upTo(g.p.w.die(g.p.name, "guest "+name), 20*time.Millisecond)); err != nil {
		return err
	}
	rows := simRows(rec)
	switch name {
	case "counts":
		return g.count(ctx, rows)
	case "mirror":
		rows = slices.DeleteFunc(rows, func(r simRow) bool { return r.Op == abi.OpUpdateBefore })
		for i := range rows {
			if rows[i].Op != abi.OpDelete {
				rows[i].Op = abi.OpUpsert
			}
		}
	case "alarms":
		for _, r := range rows {
			effect := simRecord([]simRow{r}, false, 0)
			err := g.calls.DriverWrite(ctx, 0, effect)
			effect.Release()
			if err != nil {
				return err
			}
		}
	}
	return g.emit(ctx, rows)
}

func (g *simGuest) emit(ctx context.Context, rows []simRow) error {
	rec := simRecord(rows, g.spec.Product.Outputs[0].Mode == host.Upsert, 0)
	defer rec.Release()
	return g.calls.Emit(ctx, 0, rec)
}

const simKinds = 5

// count keeps how many rows it has seen of each kind. Of kinds whose count divides by 7 the row is deleted.
func (g *simGuest) count(ctx context.Context, rows []simRow) error {
	changed := map[int64]simRow{}
	for _, r := range rows {
		kind := r.ID % simKinds
		key := []byte{byte(kind)}
		n := int64(1)
		if b, ok := g.calls.StateGet(key); ok {
			_ = json.Unmarshal(b, &n)
			n++
		}
		b, _ := json.Marshal(n)
		if err := g.calls.StatePut(key, b); err != nil {
			return err
		}
		changed[kind] = counted(kind, n)
	}
	var out []simRow
	for _, kind := range slices.Sorted(maps.Keys(changed)) {
		out = append(out, changed[kind])
	}
	return g.emit(ctx, out)
}

func counted(kind, n int64) simRow {
	r := simRow{ID: kind, Name: fmt.Sprint(n), Op: abi.OpUpsert}
	if n%7 == 0 {
		r.Op = abi.OpDelete
	}
	return r
}

// simTables keeps the rows of a port as one file and the changes of a commit as another.
type simTables struct{ s simStore }

func (t simTables) Begin(_ context.Context, s run.StageSpec) (run.Stage, error) {
	return &simStage{t: t, spec: s}, nil
}

type simStage struct {
	t     simTables
	spec  run.StageSpec
	rows  []simRow
	files []string
}

func (s *simStage) Write(_ context.Context, rec arrow.RecordBatch) error {
	s.rows = append(s.rows, simRows(rec)...)
	return nil
}

func (s *simStage) Finish(ctx context.Context) (run.Staged, error) {
	ref := host.OutputRef{Kind: "rows", Changed: s.spec.Seq, Base: s.spec.Seq}
	var before []simRow
	if prev := s.spec.Prev; prev != nil {
		var err error
		if before, err = s.t.read(ctx, prev.Metadata); err != nil {
			return run.Staged{}, err
		}
		if !s.spec.Rebuild {
			ref.Base = prev.Base
		}
	}
	after, changes := merged(before, s.rows, s.spec)
	if len(changes) == 0 && s.spec.Prev != nil {
		same := *s.spec.Prev
		same.Changes = nil
		return run.Staged{Ref: same}, nil
	}
	var err error
	var data, feed host.FileRef
	if data, err = s.write(ctx, "rows", after); err != nil {
		return run.Staged{}, err
	}
	if feed, err = s.write(ctx, "changes", changes); err != nil {
		return run.Staged{}, err
	}
	ref.Metadata, ref.Hash, ref.Rows, ref.Changes = data.Location, data.Hash, int64(len(after)), []host.FileRef{feed}
	return run.Staged{Ref: ref, Changed: true, Files: s.files}, nil
}

func (s *simStage) write(ctx context.Context, what string, rows []simRow) (host.FileRef, error) {
	name := s.spec.Dir + "/" + s.spec.Output.Name + "/" + what
	b, err := json.Marshal(rows)
	if err != nil {
		return host.FileRef{}, err
	}
	w, err := s.t.s.Create(ctx, name)
	if err != nil {
		return host.FileRef{}, err
	}
	s.files = append(s.files, name)
	_, err = w.Write(b)
	return host.FileRef{Location: name, Hash: digestOf(b), Bytes: int64(len(b)), Rows: int64(len(rows))}, err
}

// merged is a table after rows came to it, and the changes that this makes.
func merged(before, rows []simRow, s run.StageSpec) (after, changes []simRow) {
	if s.Rebuild {
		before = nil
	}
	if s.Output.Mode == host.Append {
		return append(slices.Clone(before), rows...), rows
	}
	was, is := map[int64]simRow{}, map[int64]simRow{}
	for _, r := range before {
		was[r.ID], is[r.ID] = r, r
	}
	for _, r := range rows {
		if r.Op == abi.OpDelete {
			delete(is, r.ID)
		} else {
			is[r.ID] = simRow{ID: r.ID, Name: r.Name}
		}
	}
	for id := range int64(simKinds) {
		a, had := was[id]
		b, has := is[id]
		switch {
		case has && !had:
			changes = append(changes, simRow{id, b.Name, abi.OpInsert})
		case had && !has:
			changes = append(changes, simRow{id, a.Name, abi.OpDelete})
		case has && a != b:
			changes = append(changes, simRow{id, a.Name, abi.OpUpdateBefore}, simRow{id, b.Name, abi.OpUpdateAfter})
		}
		if has {
			after = append(after, b)
		}
	}
	return after, changes
}

func (s *simStage) Duplicates(context.Context, []string, int) (int64, []map[string]any, error) {
	return 0, nil, nil
}
func (s *simStage) Committed() {}
func (s *simStage) Abort() {
	for _, name := range s.files {
		_ = s.t.s.Remove(context.Background(), name)
	}
}

func (t simTables) read(ctx context.Context, name string) (rows []simRow, err error) {
	f, err := t.s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return rows, json.NewDecoder(f).Decode(&rows)
}

func (t simTables) Scan(ctx context.Context, ref host.OutputRef, _ host.Schema, _ table.ScanOptions) (table.Reader, error) {
	rows, err := t.read(ctx, ref.Metadata)
	return &simScan{rows: rows}, err
}

func (t simTables) Changes(ctx context.Context, changes []host.FileRef, mode host.OutputMode, _ host.Schema, seq host.Seq, _ table.ScanOptions) (table.Reader, error) {
	r := &simScan{}
	if mode != host.Append {
		r.seq = seq
	}
	for _, c := range changes {
		rows, err := t.read(ctx, c.Location)
		if err != nil {
			return nil, err
		}
		r.rows = append(r.rows, rows...)
	}
	return r, nil
}

func (t simTables) ParquetFile(context.Context, host.OutputRef) (string, bool, error) {
	return "", false, nil
}

func (t simTables) ParquetFiles(context.Context, host.OutputRef, host.Schema) ([]string, error) {
	return nil, nil
}

type simScan struct {
	rows []simRow
	seq  host.Seq
	done bool
}

func (r *simScan) Schema() *arrow.Schema { return nil }
func (r *simScan) Close() error          { return nil }
func (r *simScan) Next(context.Context) (arrow.RecordBatch, error) {
	if r.done || len(r.rows) == 0 {
		return nil, io.EOF
	}
	r.done = true
	return simRecord(r.rows, false, r.seq), nil
}

// simSource is a driver over the world's log. It forgets what was acknowledged, unless there will be a restore.
type simSource struct{ p *simProcess }

func (s simSource) position(r drivers.Request) int {
	var at struct{ At int }
	_ = json.Unmarshal(r.Cursor, &at)
	return at.At
}

func (s simSource) Pending(ctx context.Context, r drivers.Request) (bool, error) {
	if err := s.p.wait(ctx, upTo(s.p.w.die(s.p.name, "pending"), time.Millisecond)); err != nil {
		return false, err
	}
	s.p.w.mu.Lock()
	defer s.p.w.mu.Unlock()
	return s.position(r) < len(s.p.w.log), nil
}

func (s simSource) Open(ctx context.Context, r drivers.Request) (drivers.Reader, error) {
	if err := s.p.wait(ctx, upTo(s.p.w.die(s.p.name, "open"), time.Millisecond)); err != nil {
		return nil, err
	}
	s.p.w.mu.Lock()
	defer s.p.w.mu.Unlock()
	from, to := max(s.position(r), s.p.w.forgot), len(s.p.w.log)
	out := &simLog{cursor: fmt.Appendf(nil, `{"at":%d}`, to)}
	for _, id := range s.p.w.log[min(from, to):] {
		out.rows = append(out.rows, simRow{ID: id, Name: fmt.Sprint("row ", id)})
	}
	return out, nil
}

func (s simSource) Watch(ctx context.Context, _ string, changed func()) error {
	for ctx.Err() == nil {
		s.p.w.mu.Lock()
		grown := s.p.w.grown
		s.p.w.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return nil
		}
		if s.p.wait(ctx, time.Millisecond) == nil {
			changed()
		}
	}
	return nil
}

func (s simSource) forget(c host.Cursor) {
	s.p.w.mu.Lock()
	defer s.p.w.mu.Unlock()
	if !s.p.w.willRestore() {
		s.p.w.forgot = max(s.p.w.forgot, int(position(c)))
	}
}

type simLog struct {
	rows   []simRow
	cursor host.Cursor
}

func (l *simLog) Next(context.Context) (drivers.Batch, error) {
	if len(l.rows) == 0 {
		return drivers.Batch{}, io.EOF
	}
	n := min(5, len(l.rows))
	rec := simRecord(l.rows[:n], false, 0)
	l.rows = l.rows[n:]
	return drivers.Batch{Record: rec}, nil
}

func (l *simLog) Cursor() host.Cursor { return l.cursor }
func (l *simLog) Close() error        { return nil }

// simInputs are the real ones, and tell the source what is committed.
type simInputs struct {
	inputs
	p *simProcess
}

func (in simInputs) Acknowledge(ctx context.Context, p *host.Product, i *host.Input, c host.Cursor) error {
	if i.From != "log:all" {
		return nil
	}
	if err := in.p.wait(ctx, upTo(in.p.w.die(in.p.name, "acknowledge"), time.Millisecond)); err != nil {
		return err
	}
	simSource{in.p}.forget(c)
	return nil
}

func (in simInputs) Open(ctx context.Context, p *host.Product, i *host.Input, c host.Cursor) (drivers.Reader, error) {
	r, err := in.inputs.Open(ctx, p, i, c)
	if err == nil && in.p.w.mutant == "acknowledge before commit" {
		return eager{r, func() { _ = in.Acknowledge(ctx, p, i, r.Cursor()) }}, nil
	}
	return r, err
}

// eager is the mutant that acknowledges what it has read.
type eager struct {
	drivers.Reader
	acknowledge func()
}

func (r eager) Next(ctx context.Context) (drivers.Batch, error) {
	b, err := r.Reader.Next(ctx)
	if isEOF(err) {
		r.acknowledge()
	}
	return b, err
}

// simSink is the way to the target of effects.
type simSink struct{ p *simProcess }

func (s simSink) Deliver(ctx context.Context, d drivers.Delivery) error {
	w := s.p.w
	r := w.die(s.p.name, fmt.Sprint("deliver ", d.Key))
	if err := s.p.wait(ctx, upTo(r, 2*time.Millisecond)); err != nil {
		return err
	}
	w.mu.Lock()
	if tip := w.tips[d.Key.Product]; !w.restored && (tip == nil || int64(tip.Seq) < d.Key.Seq) {
		w.violated("effect %d of snapshot %d arrives before its commit", d.Key.Ordinal, d.Key.Seq)
	}
	if w.mutant == "outbox delivered twice" { // it numbers deliveries, not effects
		w.handed++
		d.Key.Ordinal, d.Key.Seq = w.handed, 1
	}
	w.mu.Unlock()
	deliver := func() error { return w.sink.Deliver(context.WithoutCancel(ctx), d) }
	if !w.isCalm() {
		switch x := r.Float64(); {
		case x < 0.03:
			return errDisk
		case x < 0.06:
			_ = deliver()
			return errDisk
		case x < 0.08: // it arrives late, when the owner may be another one
			d.Record.Retain()
			late := d.Record
			s.p.late.Go(func() {
				time.Sleep(upTo(r, 6*time.Second))
				_ = deliver()
				late.Release()
			})
			return errDisk
		}
	}
	err := deliver()
	if waited := s.p.wait(ctx, upTo(r, 2*time.Millisecond)); waited != nil {
		return waited
	}
	return err
}
