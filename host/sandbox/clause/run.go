package clause

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/drivers"
)

// run is what surrounds an instance: it answers its imports from a Spec and notes what they bring.
type run struct {
	spec   abitest.Spec
	ports  ports
	result abitest.Result
}

// ports are the schemas of a Spec.
type ports struct {
	inputs, outputs, bindings []*arrow.Schema
}

func newRun(s abitest.Spec) *run {
	return &run{spec: s, ports: ports{schemas(s.Inputs), schemas(s.Outputs), schemas(s.Bindings)}, result: abitest.Result{
		Emitted: map[string][]abitest.Row{}, Written: map[string][]abitest.Row{}, Metrics: map[string]float64{}, State: maps.Clone(s.State),
	}}
}

func (r *run) Emit(_ context.Context, port int, rec arrow.RecordBatch) error {
	name := r.spec.Outputs[port].Name
	r.result.Emitted[name] = append(r.result.Emitted[name], fromArrow(rec)...)
	return nil
}

func (r *run) Log(level int32, message string) {
	r.result.Logs = append(r.result.Logs, abitest.Log{Level: level, Message: message})
}

func (r *run) Metric(kind int32, name string, value float64) {
	if kind == abi.MetricCounter {
		value += r.result.Metrics[name]
	}
	r.result.Metrics[name] = value
}

func (r *run) StateGet(key []byte) ([]byte, bool) {
	v, ok := r.result.State[string(key)]
	return v, ok
}

func (r *run) StatePut(key, value []byte) error {
	if r.result.State == nil {
		r.result.State = map[string][]byte{}
	}
	r.result.State[string(key)] = value
	return nil
}

func (r *run) StateDelete(key []byte) { delete(r.result.State, string(key)) }

func (r *run) StateScan(prefix, after []byte, yield func(key, value []byte) bool) {
	for _, k := range slices.Sorted(maps.Keys(r.result.State)) {
		if strings.HasPrefix(k, string(prefix)) && k > string(after) && !yield([]byte(k), r.result.State[k]) {
			return
		}
	}
}

// Decide denies where the Spec says nothing.
func (r *run) Decide(_ context.Context, request []byte) ([]byte, error) {
	if r.spec.Decide == nil {
		return []byte(`{"allow":false,"reason":"nothing is allowed here"}`), nil
	}
	return r.spec.Decide(request), nil
}

func (r *run) DriverWrite(_ context.Context, binding int, rec arrow.RecordBatch) error {
	name := r.spec.Bindings[binding].Name
	r.result.Written[name] = append(r.result.Written[name], fromArrow(rec)...)
	return nil
}

// DriverOpen reads nothing where the Spec says nothing.
func (r *run) DriverOpen(_ context.Context, binding int, request []byte) (drivers.Reader, error) {
	var batches [][]abitest.Row
	if r.spec.Read != nil {
		var err error
		if batches, err = r.spec.Read(r.spec.Bindings[binding].Name, request); err != nil {
			return nil, err
		}
	}
	return &rowReader{r.ports.bindings[binding], batches}, nil
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
