package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/policy"
)

// mesh is an in-memory node: real tables with a history, no disk, no engine.
type mesh struct {
	mu        sync.Mutex
	alloc     *memory.CheckedAllocator
	products  []host.ProductStatus
	ports     map[string]*port // domain/product/port
	runs      map[string][]host.RunStatus
	rejected  []host.RejectedRow
	did       []string // what control was told
	uploaded  []byte
	sources   map[string]string
	decisions []policy.Request
	policy    *policy.Policy
	failAfter int // batches after which a read fails; 0: never
	published error
	controlE  error
}

type port struct {
	schema   *arrow.Schema
	versions []version
	oldest   host.Seq // changes before it are gone
	stored   []byte   // of the newest version
	batch    int64    // rows a batch
}

type version struct {
	seq       host.Seq
	committed time.Time
	rows      arrow.RecordBatch
	changes   arrow.RecordBatch
}

var day = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const testToken = "0123456789abcdef0123456789abcdef"

var strikesFields = []host.Field{
	{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true, Description: "number of the report"},
	{Name: "airport", Type: host.Type{Kind: host.String}, Description: `where, "as told" <b>`},
	{Name: "speed", Type: host.Type{Kind: host.Float64}, Tags: []string{"knots"}},
}

func newMesh(t *testing.T) *mesh {
	m := &mesh{alloc: memory.NewCheckedAllocator(memory.NewGoAllocator()), ports: map[string]*port{}, runs: map[string][]host.RunStatus{},
		policy: policy.Local(policy.Options{AnonymousRead: true})}
	m.addStrikes(t)
	m.addKinds(t)
	m.addProduct(t, "safety", "risk", "by_airport", "by_year")
	m.addProduct(t, "lab", "empty", "nothing")
	m.addProduct(t, "lab", "v1.2", "v1.2")
	m.commit(t, m.ports["lab/v1.2/v1.2"], 1, []string{`{"id":1,"airport":"KSEA","speed":101}`}, nil)
	t.Cleanup(func() {
		for _, p := range m.ports {
			for _, v := range p.versions {
				v.rows.Release()
				v.changes.Release()
			}
		}
		m.alloc.AssertSize(t, 0)
	})
	return m
}

func (m *mesh) addProduct(t *testing.T, domain, name string, ports ...string) {
	st := host.ProductStatus{Domain: domain, Product: name, Version: "1.0.0", Language: "go", State: host.StateReady,
		URL: "adp://./" + domain + "/" + name, Description: "about " + name}
	s, err := columnar.Schema(host.Schema{Fields: strikesFields})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		st.Outputs = append(st.Outputs, host.PortStatus{Name: p, Mode: "append", Fields: strikesFields})
		m.ports[domain+"/"+name+"/"+p] = &port{schema: s, batch: 3}
	}
	m.products = append(m.products, st)
}

// addStrikes has three snapshots: 7 rows, then one corrected and one deleted, then (seq 4, after a held attempt) 2 more.
func (m *mesh) addStrikes(t *testing.T) {
	m.addProduct(t, "safety", "strikes", "strikes")
	m.products[0].Tags = []string{"faa", "wildlife"}
	m.products[0].Snapshot, m.products[0].Reason = 4, `rule <script>alert(1)</script>`
	p := m.ports["safety/strikes/strikes"]
	row := func(id int, airport string, speed float64) string {
		return fmt.Sprintf(`{"id":%d,"airport":%q,"speed":%g}`, id, airport, speed)
	}
	var first []string
	for i := 1; i <= 7; i++ {
		first = append(first, row(i, "KSEA", float64(100+i)))
	}
	second := append(slices.Clone(first[:2]), row(3, "KPDX", 99.5), first[3], first[4], first[5])
	third := append(slices.Clone(second), row(8, "Nowhere, \"USA\"", 0.25), row(9, "", 1e300))
	m.commit(t, p, 1, first, inserts(first))
	m.commit(t, p, 2, second, []string{op(first[2], "update_before"), op(row(3, "KPDX", 99.5), "update_after"), op(first[6], "delete")})
	m.commit(t, p, 4, third, inserts(third[6:]))
	m.runs["safety/strikes"] = []host.RunStatus{
		{RunRecord: host.RunRecord{ID: "r4", Reason: "input changed", Started: day.Add(4 * time.Hour), Fuel: 12}, Seq: 4, State: host.RunCommitted,
			Checks: []host.Check{{Port: "strikes", Rule: "id.duplicateValues", Status: host.CheckPass, Expected: "= 0"}}},
		{RunRecord: host.RunRecord{ID: "r3", Started: day.Add(3 * time.Hour)}, Seq: 3, State: host.RunHeld},
	}
	m.runs["safety/risk"] = []host.RunStatus{{RunRecord: host.RunRecord{ID: "q1", Started: day.Add(210 * time.Minute)}, State: host.RunFailed, Error: "trap", Code: host.CodeGuestTrap}}
	m.rejected = []host.RejectedRow{{Port: "strikes", Rule: "speed.range", Reason: "-1 is below 0", Origin: "1990.csv", Line: 7, Row: map[string]any{"speed": -1}}}
}

func inserts(rows []string) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = op(r, "insert")
	}
	return out
}

func op(row, op string) string { return strings.TrimSuffix(row, "}") + fmt.Sprintf(`,"_op":%q}`, op) }

func (m *mesh) commit(t *testing.T, p *port, seq host.Seq, rows, changes []string) {
	t.Helper()
	for i, c := range changes {
		changes[i] = strings.TrimSuffix(c, "}") + fmt.Sprintf(`,"_seq":%d}`, seq)
	}
	v := version{seq: seq, committed: day.Add(time.Duration(seq) * time.Hour)}
	v.rows = m.record(t, p.schema, rows)
	v.changes = m.record(t, columnar.WithChanges(p.schema), changes)
	p.versions = append(p.versions, v)
}

func (m *mesh) record(t *testing.T, s *arrow.Schema, rows []string) arrow.RecordBatch {
	t.Helper()
	rec, _, err := array.RecordFromJSON(m.alloc, s, strings.NewReader("["+strings.Join(rows, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

var kindsFields = []host.Field{
	{Name: "bool", Type: host.Type{Kind: host.Bool}}, {Name: "int32", Type: host.Type{Kind: host.Int32}},
	{Name: "int64", Type: host.Type{Kind: host.Int64}}, {Name: "float32", Type: host.Type{Kind: host.Float32}},
	{Name: "float64", Type: host.Type{Kind: host.Float64}}, {Name: "decimal", Type: host.Type{Kind: host.Decimal, Precision: 12, Scale: 2}},
	{Name: "date", Type: host.Type{Kind: host.Date}}, {Name: "time", Type: host.Type{Kind: host.Time}},
	{Name: "timestamp", Type: host.Type{Kind: host.Timestamp}}, {Name: "timestamptz", Type: host.Type{Kind: host.TimestampTZ}},
	{Name: "string", Type: host.Type{Kind: host.String}}, {Name: "binary", Type: host.Type{Kind: host.Binary}},
	{Name: "list", Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Int64}}}},
	{Name: "struct", Type: host.Type{Kind: host.Struct, Fields: []host.Field{{Name: "a", Type: host.Type{Kind: host.String}}, {Name: "b", Type: host.Type{Kind: host.Float64}}}}},
}

// addKinds has one row of every type, and one of nulls.
func (m *mesh) addKinds(t *testing.T) {
	m.addProduct(t, "lab", "kinds", "kinds")
	m.products[len(m.products)-1].Outputs[0].Fields = kindsFields
	s, err := columnar.Schema(host.Schema{Fields: kindsFields})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(m.alloc, s)
	defer b.Release()
	instant := arrow.Timestamp(time.Date(2026, 11, 1, 23, 59, 58, 123456000, time.UTC).UnixMicro())
	b.Field(0).(*array.BooleanBuilder).Append(true)
	b.Field(1).(*array.Int32Builder).Append(-7)
	b.Field(2).(*array.Int64Builder).Append(9007199254740993)
	b.Field(3).(*array.Float32Builder).Append(0.1)
	b.Field(4).(*array.Float64Builder).Append(-1e-9)
	b.Field(5).(*array.Decimal128Builder).Append(decimal128.FromI64(-12345))
	b.Field(6).(*array.Date32Builder).Append(arrow.Date32FromTime(day))
	b.Field(7).(*array.Time64Builder).Append(arrow.Time64(3_600_000_001))
	b.Field(8).(*array.TimestampBuilder).Append(instant)
	b.Field(9).(*array.TimestampBuilder).Append(instant)
	b.Field(10).(*array.StringBuilder).Append("a \"q\", ünï\n\t\x01")
	b.Field(11).(*array.BinaryBuilder).Append([]byte{0, 255})
	lb := b.Field(12).(*array.ListBuilder)
	lb.Append(true)
	lb.ValueBuilder().(*array.Int64Builder).AppendValues([]int64{1, 2}, []bool{true, false})
	sb := b.Field(13).(*array.StructBuilder)
	sb.Append(true)
	sb.FieldBuilder(0).(*array.StringBuilder).Append("x\"y")
	sb.FieldBuilder(1).(*array.Float64Builder).Append(2.5)
	for i := range kindsFields {
		b.Field(i).AppendNull()
	}
	p := m.ports["lab/kinds/kinds"]
	p.schema = s
	p.versions = []version{{seq: 1, committed: day, rows: b.NewRecordBatch(), changes: m.record(t, columnar.WithChanges(s), nil)}}
}

func (m *mesh) Products(context.Context) ([]host.ProductStatus, error) { return m.products, nil }

func (m *mesh) Product(_ context.Context, id host.ProductID) (host.ProductStatus, error) {
	for _, st := range m.products {
		if st.Domain == id.Domain && st.Product == id.Name {
			return st, nil
		}
	}
	return host.ProductStatus{}, host.Errorf(host.CodeAccessUnknown, "no product %s in this mesh", id.URL()).WithHint("see what there is: adp find")
}

func (m *mesh) Runs(ctx context.Context, id host.ProductID, limit int) ([]host.RunStatus, error) {
	if _, err := m.Product(ctx, id); err != nil {
		return nil, err
	}
	runs := m.runs[id.Domain+"/"+id.Name]
	return runs[:min(limit, len(runs))], nil
}

func (m *mesh) Rejected(ctx context.Context, id host.ProductID, at host.Seq, limit int) ([]host.RejectedRow, int64, error) {
	if _, err := m.Product(ctx, id); err != nil || id.Name != "strikes" || at == 1 {
		return nil, 0, err
	}
	return m.rejected[:min(limit, len(m.rejected))], int64(len(m.rejected)), nil
}

func (m *mesh) told(ctx context.Context, id host.ProductID, what string) (host.RunStatus, error) {
	if _, err := m.Product(ctx, id); err != nil {
		return host.RunStatus{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.did = append(m.did, what+" "+id.String())
	return host.RunStatus{RunRecord: host.RunRecord{ID: "now"}, State: host.RunCommitted}, m.controlE
}

func (m *mesh) Pause(ctx context.Context, id host.ProductID) error {
	_, err := m.told(ctx, id, "pause")
	return err
}

func (m *mesh) Resume(ctx context.Context, id host.ProductID) error {
	_, err := m.told(ctx, id, "resume")
	return err
}

// one is the only node of the test's mesh.
var one = host.NodeStatus{Node: "n1", State: "ready", Products: 2, Leader: true, Started: time.Unix(1_700_000_000, 0).UTC()}

func (m *mesh) Fleet(context.Context) (host.FleetStatus, error) {
	return host.FleetStatus{Nodes: []host.NodeStatus{one}, Tolerance: "none may fail"}, nil
}

func (m *mesh) NodeDetail(_ context.Context, node string) (host.NodeStatus, error) {
	if node != one.Node {
		return host.NodeStatus{}, host.Errorf(host.CodeNodeUnknown, "no node %s in this mesh", node)
	}
	n := one
	n.Owns = []host.PlacementStatus{{Product: "adp://./safety/strikes", Node: "n1", Epoch: 3, Why: "it fits", Nodes: map[string]string{"n1": "fits"}}}
	return n, nil
}

func (m *mesh) Placement(ctx context.Context, id host.ProductID) (host.PlacementStatus, error) {
	_, err := m.Product(ctx, id)
	return host.PlacementStatus{Product: id.URL(), Why: "it fits"}, err
}

func (m *mesh) toldNode(ctx context.Context, node string) error {
	_, err := m.NodeDetail(ctx, node)
	return err
}

func (m *mesh) Cordon(ctx context.Context, node string) error { return m.toldNode(ctx, node) }
func (m *mesh) Drain(ctx context.Context, node string) error  { return m.toldNode(ctx, node) }
func (m *mesh) Backup(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "{}\n")
	return err
}
func (m *mesh) Uncordon(ctx context.Context, node string) error { return m.toldNode(ctx, node) }

func (m *mesh) Join(_ context.Context, r host.JoinRequest) (host.JoinAnswer, error) {
	if r.Format != host.JoinFormat {
		return host.JoinAnswer{}, host.Errorf(host.CodeNodeVersion, "another format")
	}
	return host.JoinAnswer{Mesh: "local", Endpoints: []string{"https://127.0.0.1:1"}}, nil
}

func (m *mesh) Trigger(ctx context.Context, id host.ProductID, rebuild bool) (host.RunStatus, error) {
	return m.told(ctx, id, fmt.Sprintf("trigger(%v)", rebuild))
}

func (m *mesh) Rollback(ctx context.Context, id host.ProductID, to host.Seq) (host.RunStatus, error) {
	return m.told(ctx, id, fmt.Sprintf("rollback(%d)", to))
}

func (m *mesh) Release(ctx context.Context, id host.ProductID) (host.RunStatus, error) {
	return m.told(ctx, id, "release")
}

func (m *mesh) Skip(ctx context.Context, id host.ProductID) (host.RunStatus, error) {
	return m.told(ctx, id, "skip")
}

func (m *mesh) Publish(_ context.Context, r io.Reader, sources map[string]string) (host.ProductStatus, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return host.ProductStatus{}, fmt.Errorf("reading the artifact: %w", err)
	}
	if m.published != nil {
		return host.ProductStatus{}, m.published
	}
	m.uploaded, m.sources = b, sources
	return m.products[0], nil
}

func (m *mesh) Open(_ context.Context, id host.ProductID, name string, at At) (Dataset, error) {
	p := m.ports[id.Domain+"/"+id.Name+"/"+name]
	if len(p.versions) == 0 {
		return nil, host.Errorf(host.CodeAccessEmpty, "%s has published nothing yet", id.URL())
	}
	for i := len(p.versions) - 1; i >= 0; i-- {
		v := p.versions[i]
		switch {
		case at == At{}, at.Seq >= v.seq && at.Seq <= p.versions[len(p.versions)-1].seq, !at.Time.IsZero() && !v.committed.After(at.Time):
			return &dataset{m: m, p: p, v: v, newest: i == len(p.versions)-1}, nil
		}
	}
	return nil, host.Errorf(host.CodeTableSnapshot, "%s has no snapshot %d", id.URL(), at.Seq)
}

func (m *mesh) Changes(_ context.Context, id host.ProductID, name string, after host.Seq) (Feed, error) {
	p := m.ports[id.Domain+"/"+id.Name+"/"+name]
	f := &feed{rows: rows{m: m, p: p}, schema: columnar.WithChanges(p.schema)}
	if after > 0 && after < p.oldest {
		return nil, host.Errorf(host.CodeAccessExpired, "changes after %d are no longer kept", after)
	}
	for _, v := range p.versions {
		f.latest = v.seq
		if v.seq > after && v.seq >= p.oldest {
			f.recs = append(f.recs, v.changes)
		}
	}
	return f, nil
}

type dataset struct {
	m      *mesh
	p      *port
	v      version
	newest bool
}

func (d *dataset) Info() Snapshot {
	return Snapshot{Seq: d.v.seq, Content: host.Digest(fmt.Sprintf("sha256:%d", d.v.seq)), Committed: d.v.committed, Schema: d.p.schema, Rows: d.v.rows.NumRows()}
}

func (d *dataset) Close() error { return nil }

// Read ignores the options, as it may: the server cuts.
func (d *dataset) Read(context.Context, ReadOptions) (Reader, error) {
	return &rows{m: d.m, p: d.p, recs: []arrow.RecordBatch{d.v.rows}}, nil
}

func (d *dataset) Stored(context.Context) (drivers.StoreFile, bool, error) {
	if !d.newest || d.p.stored == nil {
		return nil, false, nil
	}
	return storeFile{bytes.NewReader(d.p.stored)}, true, nil
}

type storeFile struct{ *bytes.Reader }

func (storeFile) Close() error { return nil }

// rows hands records over in small batches.
type rows struct {
	m    *mesh
	p    *port
	recs []arrow.RecordBatch
	at   int64
	sent int
}

func (r *rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.m.failAfter > 0 && r.sent >= r.m.failAfter {
		return nil, errors.New("the disk at /secret/place broke")
	}
	for len(r.recs) > 0 {
		rec := r.recs[0]
		if r.at >= rec.NumRows() {
			r.recs, r.at = r.recs[1:], 0
			continue
		}
		hi := min(r.at+r.p.batch, rec.NumRows())
		out := rec.NewSlice(r.at, hi)
		r.at = hi
		r.sent++
		return out, nil
	}
	return nil, io.EOF
}

func (r *rows) Close() error { return nil }

type feed struct {
	rows
	schema *arrow.Schema
	latest host.Seq
}

func (f *feed) Schema() *arrow.Schema { return f.schema }
func (f *feed) Latest() host.Seq      { return f.latest }

// Decide records every question.
func (m *mesh) Decide(r policy.Request) policy.Decision {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decisions = append(m.decisions, r)
	return m.policy.Decide(r)
}

func (m *mesh) asked() []policy.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.decisions
	m.decisions = nil
	return out
}

func (m *mesh) contract(ctx context.Context, id host.ProductID, port string) ([]byte, error) {
	if m.ports[id.Domain+"/"+id.Name+"/"+port] == nil {
		return nil, host.Errorf(host.CodeAccessUnknown, "no port %q", port)
	}
	return []byte("kind: DataContract\n"), nil
}

func aSchema(document string) ([]byte, bool) {
	return []byte(`{"$schema":"http://json-schema.org/draft-07/schema#"}`), document == "product"
}

// byName is a search that knows names only.
func byName(products []host.ProductStatus, text string) []host.ProductStatus {
	out := []host.ProductStatus{}
	for _, st := range products {
		if strings.Contains(st.Domain+"/"+st.Product, text) {
			out = append(out, st)
		}
	}
	return out
}

// config is a server over the mesh.
func (m *mesh) config(t *testing.T) Config {
	return Config{Catalogue: m, Runs: m, Control: m, Publisher: m, Tables: m, Fleet: m, Decider: m, Version: "test", CacheDir: t.TempDir(), Search: byName, Contract: m.contract, Schema: aSchema,
		Identity: OwnerToken{Token: testToken, Tenant: host.LocalTenant}, MaxUpload: 1 << 20}
}

// serve runs a real server on a free port and returns its URL.
func serve(t *testing.T, cfg Config) string {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

// plainClient does not ask for gzip by itself and follows nothing.
var plainClient = &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// fetch sends a request; headers are "Name: value".
func fetch(t *testing.T, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		} else {
			req.Header.Add(name, value)
		}
	}
	res, err := plainClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, b}
}

func get(t *testing.T, url string, headers ...string) answer {
	t.Helper()
	return fetch(t, http.MethodGet, url, nil, headers...)
}

var owner = "Authorization: Bearer " + testToken

// parquetOf is the file of a record, as a table would store it.
func parquetOf(t *testing.T, rec arrow.RecordBatch) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &b, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
