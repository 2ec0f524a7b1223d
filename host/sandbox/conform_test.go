package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// The conformance suite of the ABI, with the reference products of the SDKs in this sandbox.

func TestConformGo(t *testing.T)   { conform(t, Config{}, abitest.BuildGo(t, "conform")) }
func TestConformRust(t *testing.T) { conform(t, Config{}, abitest.PrebuiltRust(t, "conform")) }

// conform runs the suite over a reference product.
func conform(t *testing.T, cfg Config, module []byte) {
	e := newEngine(t, cfg)
	if err := e.Check(context.Background(), module); err != nil {
		t.Fatal(err)
	}
	abitest.Run(t, harness{e, module})
}

// harness lets the suite start instances.
type harness struct {
	engine *Engine
	module []byte
}

// conformRun is an instance in the hands of the suite, and the run that it reaches.
type conformRun struct {
	*fake
	t      testing.TB
	guest  *Instance
	spec   abitest.Spec
	ports  Spec
	result abitest.Result
}

func (h harness) Start(t testing.TB, a abitest.Spec) abitest.Instance {
	t.Helper()
	s := specOf(h.module, numbers)
	p := s.Product
	p.Inputs, p.Outputs, p.Bindings, p.Config = nil, nil, nil, a.Config
	s.Inputs, s.Outputs, s.Bindings = schemas(a.Inputs), schemas(a.Outputs), schemas(a.Bindings)
	s.RunID, s.Start, s.Rebuild = a.RunID, a.Start, a.Rebuild
	for _, port := range a.Inputs {
		p.Inputs = append(p.Inputs, host.Input{Name: port.Name, Mode: host.InputMode(abitest.ModeName(port.Mode))})
	}
	for _, port := range a.Outputs {
		p.Outputs = append(p.Outputs, host.Output{Name: port.Name, Mode: host.OutputMode(abitest.ModeName(port.Mode))})
	}
	for _, port := range a.Bindings {
		p.Bindings = append(p.Bindings, host.Binding{Name: port.Name, Access: abitest.ModeName(port.Mode)})
	}
	r := &conformRun{fake: &fake{state: map[string]string{}}, t: t, spec: a, ports: s}
	for k, v := range a.State {
		r.state[k] = string(v)
	}
	r.result = abitest.Result{Emitted: map[string][]abitest.Row{}, Written: map[string][]abitest.Row{}, Metrics: map[string]float64{}}
	r.guest = start(t, h.engine, s, r)
	return r
}

func (r *conformRun) Open() error  { return r.guest.Open(context.Background()) }
func (r *conformRun) Flush() error { return r.guest.Flush(context.Background()) }
func (r *conformRun) Close()       { r.guest.Close() }

func (r *conformRun) Process(input int, rows []abitest.Row) error {
	rec := toArrow(r.ports.Inputs[input], rows)
	err := r.guest.Process(context.Background(), input, rec)
	if a := r.guest.arena; a.size > 0 && r.guest.mem.size > 0 {
		b := r.guest.mem.bytes()[a.ptr:][:a.size]
		copy(b, bytes.Repeat([]byte{0xdb}, len(b))) // who kept a pointer finds this
	}
	return err
}

func (r *conformRun) Result() abitest.Result {
	r.result.State = map[string][]byte{}
	for k, v := range r.state {
		r.result.State[k] = []byte(v)
	}
	return r.result
}

func (r *conformRun) Emit(_ context.Context, port int, rec arrow.RecordBatch) error {
	name := r.spec.Outputs[port].Name
	r.result.Emitted[name] = append(r.result.Emitted[name], fromArrow(rec)...)
	return nil
}

func (r *conformRun) Log(level int32, message string) {
	r.result.Logs = append(r.result.Logs, abitest.Log{Level: level, Message: message})
}

func (r *conformRun) Metric(kind int32, name string, value float64) {
	if kind == abi.MetricCounter {
		value += r.result.Metrics[name]
	}
	r.result.Metrics[name] = value
}

func (r *conformRun) Decide(_ context.Context, request []byte) ([]byte, error) {
	return r.spec.Decide(request), nil
}

func (r *conformRun) DriverWrite(_ context.Context, binding int, rec arrow.RecordBatch) error {
	name := r.spec.Bindings[binding].Name
	r.result.Written[name] = append(r.result.Written[name], fromArrow(rec)...)
	return nil
}

func (r *conformRun) DriverOpen(_ context.Context, binding int, request []byte) (drivers.Reader, error) {
	batches, err := r.spec.Read(r.spec.Bindings[binding].Name, request)
	if err != nil {
		return nil, err
	}
	return &rowReader{r.ports.Bindings[binding], batches}, nil
}

type rowReader struct {
	schema *arrow.Schema
	rest   [][]abitest.Row
}

func (r *rowReader) Next(context.Context) (drivers.Batch, error) {
	if len(r.rest) == 0 {
		return drivers.Batch{}, io.EOF
	}
	rows := r.rest[0]
	r.rest = r.rest[1:]
	return drivers.Batch{Record: toArrow(r.schema, rows)}, nil
}

func (r *rowReader) Cursor() json.RawMessage { return nil }
func (r *rowReader) Close() error            { return nil }

func schemas(ports []abitest.Port) (out []*arrow.Schema) {
	for _, p := range ports {
		out = append(out, arrow.NewSchema(arrowFields(p.Fields), nil))
	}
	return out
}

func arrowFields(in []abitest.Field) []arrow.Field {
	out := make([]arrow.Field, len(in))
	for i, f := range in {
		out[i] = arrow.Field{Name: f.Name, Type: arrowType(f), Nullable: f.Nullable}
	}
	return out
}

func arrowType(f abitest.Field) arrow.DataType {
	if digits, ok := strings.CutPrefix(f.Format, "d:"); ok {
		var p, s int32
		if _, err := fmt.Sscanf(digits, "%d,%d", &p, &s); err != nil {
			panic(err)
		}
		return &arrow.Decimal128Type{Precision: p, Scale: s}
	}
	switch f.Format {
	case "+l":
		return arrow.ListOfField(arrowFields(f.Children)[0])
	case "+s":
		return arrow.StructOf(arrowFields(f.Children)...)
	}
	return map[string]arrow.DataType{
		"b": arrow.FixedWidthTypes.Boolean, "i": arrow.PrimitiveTypes.Int32, "l": arrow.PrimitiveTypes.Int64,
		"f": arrow.PrimitiveTypes.Float32, "g": arrow.PrimitiveTypes.Float64, "tdD": arrow.FixedWidthTypes.Date32,
		"ttu": arrow.FixedWidthTypes.Time64us, "tsu:": &arrow.TimestampType{Unit: arrow.Microsecond},
		"tsu:UTC": &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, "u": arrow.BinaryTypes.String, "z": arrow.BinaryTypes.Binary,
	}[f.Format]
}

// toArrow makes a batch of rows, in a slice of a longer one, so that offsets are at work.
func toArrow(s *arrow.Schema, rows []abitest.Row) arrow.RecordBatch {
	const before = 3
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for c := range s.Fields() {
		for n := range len(rows) + before {
			if n < before && len(rows) > 0 {
				n = before
			}
			if n >= before {
				appendValue(b.Field(c), rows[n-before][c])
			}
		}
	}
	rec := b.NewRecordBatch()
	return rec.NewSlice(rec.NumRows()-int64(len(rows)), rec.NumRows())
}

func appendValue(b array.Builder, v any) {
	if v == nil {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v.(bool))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Float32Builder:
		b.Append(v.(float32))
	case *array.Float64Builder:
		b.Append(v.(float64))
	case *array.Decimal128Builder:
		b.Append(decimal128.New(v.(abitest.Decimal).Hi, v.(abitest.Decimal).Lo))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.(int32)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.(int64)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.(int64)))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append(v.([]byte))
	case *array.ListBuilder:
		b.Append(true)
		for _, e := range v.([]any) {
			appendValue(b.ValueBuilder(), e)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, e := range v.([]any) {
			appendValue(b.FieldBuilder(i), e)
		}
	}
}

func fromArrow(rec arrow.RecordBatch) []abitest.Row {
	rows := make([]abitest.Row, rec.NumRows())
	for n := range rows {
		for _, c := range rec.Columns() {
			rows[n] = append(rows[n], valueOf(c, n))
		}
	}
	return rows
}

func valueOf(a arrow.Array, n int) any {
	if a.IsNull(n) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(n)
	case *array.Int32:
		return a.Value(n)
	case *array.Int64:
		return a.Value(n)
	case *array.Float32:
		return a.Value(n)
	case *array.Float64:
		return a.Value(n)
	case *array.Decimal128:
		return abitest.Decimal{Lo: a.Value(n).LowBits(), Hi: a.Value(n).HighBits()}
	case *array.Date32:
		return int32(a.Value(n))
	case *array.Time64:
		return int64(a.Value(n))
	case *array.Timestamp:
		return int64(a.Value(n))
	case *array.String:
		return a.Value(n)
	case *array.Binary:
		return a.Value(n)
	case *array.List:
		from, to := a.ValueOffsets(n)
		out := make([]any, 0, to-from)
		for e := from; e < to; e++ {
			out = append(out, valueOf(a.ListValues(), int(e)))
		}
		return out
	case *array.Struct:
		out := make([]any, a.NumField())
		for i := range out {
			out[i] = valueOf(a.Field(i), n)
		}
		return out
	}
	panic(fmt.Sprintf("no value of %T", a))
}
