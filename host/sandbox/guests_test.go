package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// guest is the text of a module in pieces, each with a default that does nothing and returns OK.
type guest struct {
	imports, fields                                 string
	memory                                          string // "pages [max]"
	initialize, abi, alloc, free, open, proc, flush string
}

// text puts the module together. Allocation counts up from 4096 and grows memory, 64-byte aligned; freeing is forgotten.
func (g guest) text() string {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	return g.imports + `
(memory (export "memory") ` + or(g.memory, "1") + `)
(global $top (mut i32) (i32.const 4096))
(func $_initialize (export "_initialize") ` + g.initialize + `)
(func $adp_abi (export "adp_abi") (result i32) ` + or(g.abi, "(i32.const 1)") + `)
(func $adp_alloc (export "adp_alloc") (param $n i32) (result i32) (local $p i32) ` + or(g.alloc, bump) + `)
(func $adp_free (export "adp_free") (param $p i32) (param $n i32) ` + g.free + `)
(func $adp_open (export "adp_open") (param $block i32) (param $size i32) (result i32) ` + or(g.open, "(i32.const 0)") + `)
(func $adp_process (export "adp_process") (param $input i32) (param $array i32) (result i32) ` + or(g.proc, "(i32.const 0)") + `)
(func $adp_flush (export "adp_flush") (result i32) ` + or(g.flush, "(i32.const 0)") + `)
` + g.fields
}

const bump = `
(local.set $p (global.get $top))
(global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get $n)) (i32.const 63)) (i32.const -64)))
(if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
  (then (if (i32.eq (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 1))) (i32.const -1))
    (then (global.set $top (local.get $p)) (return (i32.const 0))))))
(local.get $p)`

// Imports of the tests' guests.
const (
	importEmit = `(import "adp_v1" "emit" (func $emit (param i32 i32) (result i32)))`
	importLog  = `(import "adp_v1" "log" (func $log (param i32 i32 i32) (result i32)))`
)

// echo emits what it gets.
var echo = guest{imports: importEmit, proc: `(call $emit (local.get $input) (local.get $array))`}

// fake is a run: it remembers what reaches it.
type fake struct {
	mu      sync.Mutex
	batches []arrow.RecordBatch
	ports   []int
	logs    []string
	metrics []string
	state   map[string]string
	read    []arrow.RecordBatch // what a driver gives
	asked   []string
	fail    error // of the next Emit, StatePut or Driver call
	onEmit  func(ctx context.Context) error
}

func (f *fake) Emit(ctx context.Context, port int, rec arrow.RecordBatch) error {
	if f.onEmit != nil {
		return f.onEmit(ctx)
	}
	if f.fail != nil {
		return f.fail
	}
	rec.Retain()
	f.batches, f.ports = append(f.batches, rec), append(f.ports, port)
	return nil
}

func (f *fake) Log(level int32, message string) {
	f.logs = append(f.logs, fmt.Sprintf("%d %s", level, message))
}

func (f *fake) Metric(kind int32, name string, value float64) {
	f.metrics = append(f.metrics, fmt.Sprintf("%d %s %g", kind, name, value))
}

func (f *fake) StateGet(key []byte) ([]byte, bool) {
	v, ok := f.state[string(key)]
	return []byte(v), ok
}

func (f *fake) StatePut(key, value []byte) error {
	if f.fail != nil {
		return f.fail
	}
	if f.state == nil {
		f.state = map[string]string{}
	}
	f.state[string(key)] = string(value)
	return nil
}

func (f *fake) StateDelete(key []byte) { delete(f.state, string(key)) }

func (f *fake) StateScan(prefix, after []byte, yield func(key, value []byte) bool) {
	var keys []string
	for k := range f.state {
		if strings.HasPrefix(k, string(prefix)) && k > string(after) {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		if !yield([]byte(k), []byte(f.state[k])) {
			return
		}
	}
}

func (f *fake) DriverOpen(_ context.Context, binding int, request []byte) (drivers.Reader, error) {
	f.asked = append(f.asked, fmt.Sprintf("open %d %s", binding, request))
	if f.fail != nil {
		return nil, f.fail
	}
	return &fakeReader{f, f.read}, nil
}

func (f *fake) DriverWrite(_ context.Context, binding int, rec arrow.RecordBatch) error {
	f.asked = append(f.asked, fmt.Sprintf("write %d %d rows", binding, rec.NumRows()))
	return f.fail
}

func (f *fake) Decide(_ context.Context, request []byte) ([]byte, error) {
	f.asked = append(f.asked, "decide "+string(request))
	return []byte(`{"allow":true,"reason":"because"}`), f.fail
}

type fakeReader struct {
	f    *fake
	rest []arrow.RecordBatch
}

func (r *fakeReader) Next(context.Context) (drivers.Batch, error) {
	if r.f.fail != nil {
		return drivers.Batch{}, r.f.fail
	}
	if len(r.rest) == 0 {
		return drivers.Batch{}, io.EOF
	}
	rec := r.rest[0]
	r.rest = r.rest[1:]
	rec.Retain()
	return drivers.Batch{Record: rec}, nil
}

func (r *fakeReader) Cursor() json.RawMessage { return nil }

func (r *fakeReader) Close() error {
	r.f.asked = append(r.f.asked, "close")
	return nil
}

// numbers is the schema of most tests' ports.
var numbers = arrow.NewSchema([]arrow.Field{
	{Name: "n", Type: arrow.PrimitiveTypes.Int64},
	{Name: "word", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// counting is rows of numbers.
func counting(rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, numbers)
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", i))
	}
	return b.NewRecordBatch()
}

// specOf is a product with an input, an output and two bindings of one schema.
func specOf(module []byte, schema *arrow.Schema) Spec {
	sum := sha256.Sum256(module)
	return Spec{
		Module: host.Digest(fmt.Sprintf("sha256:%x", sum)),
		Bytes:  func() ([]byte, error) { return module, nil },
		Product: &host.Product{
			ID:       host.ProductID{Tenant: host.LocalTenant, Domain: "test", Name: "guest"},
			Inputs:   []host.Input{{Name: "in", Mode: host.Incremental}},
			Outputs:  []host.Output{{Name: "out", Mode: host.Append}},
			Bindings: []host.Binding{{Name: "source", Access: "read"}, {Name: "sink", Access: "write"}},
			Config:   map[string]string{"greeting": "hello"},
			Limits:   host.Limits{Deadline: time.Minute},
		},
		Inputs: []*arrow.Schema{schema}, Outputs: []*arrow.Schema{schema}, Bindings: []*arrow.Schema{schema, schema},
		RunID: "run-1", Start: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
}

// engines runs a test in the compiler and in the interpreter.
func engines(t *testing.T, test func(t *testing.T, e *Engine)) {
	for _, interpreter := range []bool{false, true} {
		t.Run(map[bool]string{false: "compiler", true: "interpreter"}[interpreter], func(t *testing.T) {
			test(t, newEngine(t, Config{Interpreter: interpreter}))
		})
	}
}

func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func start(t testing.TB, e *Engine, s Spec, c Calls) *Instance {
	t.Helper()
	i, err := e.Start(context.Background(), s, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

// runAll starts a guest and takes it through a run with the given batches.
func runAll(e *Engine, s Spec, c Calls, batches ...arrow.RecordBatch) (Usage, error) {
	ctx := context.Background()
	i, err := e.Start(ctx, s, c)
	if err != nil {
		return Usage{}, err
	}
	defer i.Close()
	if err = i.Open(ctx); err != nil {
		return i.Usage(), err
	}
	for _, b := range batches {
		if err = i.Process(ctx, 0, b); err != nil {
			return i.Usage(), err
		}
	}
	return i.Usage(), i.Flush(ctx)
}

// wantError checks an error's code and that its message has all the words.
func wantError(t *testing.T, err error, code host.ErrorCode, words ...string) {
	t.Helper()
	if host.CodeOf(err) != code {
		t.Errorf("got %v, want code %s", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}
