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
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// run is what surrounds an instance: it answers its imports from a Spec and notes what they bring.
type run struct {
	spec   abitest.Spec
	ports  ports
	result abitest.Result
	kept   int // bytes in the state, and in keys that were written
}

// ports are the schemas of a Spec, and those in which they cross to the guest: the same ones unless the product asks for forms.
type ports struct {
	inputs, outputs, bindings []crossing
	code                      host.Code // of the product, where one is known
}

// crossing is one port.
type crossing struct{ plain, guest *arrow.Schema }

// formed reports whether a column of the port crosses in another form.
func (c crossing) formed() bool { return c.plain != c.guest }

// plainPorts are those of a Spec without forms.
func plainPorts(s abitest.Spec) ports {
	cross := func(ports []abitest.Port) (out []crossing) {
		for _, s := range schemas(ports) {
			out = append(out, crossing{s, s})
		}
		return out
	}
	return ports{inputs: cross(s.Inputs), outputs: cross(s.Outputs), bindings: cross(s.Bindings)}
}

// guests are the schemas as the guest has them.
func guests(ports []crossing) (out []*arrow.Schema) {
	for _, p := range ports {
		out = append(out, p.guest)
	}
	return out
}

// rows are those of a batch of the guest.
func (c crossing) rows(rec arrow.RecordBatch) ([]abitest.Row, error) {
	if !c.formed() {
		return fromArrow(rec), nil
	}
	plain, err := columnar.Convert(rec, c.plain)
	if err != nil {
		return nil, err
	}
	defer plain.Release()
	return fromArrow(plain), nil
}

// batch is a batch for the guest.
func (c crossing) batch(rows []abitest.Row) (arrow.RecordBatch, error) {
	rec := toArrow(c.plain, rows)
	if !c.formed() {
		return rec, nil
	}
	return columnar.Convert(rec, c.guest)
}

func newRun(s abitest.Spec, p ports) *run {
	return &run{spec: s, ports: p, result: abitest.Result{
		Emitted: map[string][]abitest.Row{}, Written: map[string][]abitest.Row{}, Metrics: map[string]float64{}, State: maps.Clone(s.State),
	}}
}

func (r *run) Emit(_ context.Context, port int, rec arrow.RecordBatch) error {
	name := r.spec.Outputs[port].Name
	rows, err := r.ports.outputs[port].rows(rec)
	r.result.Emitted[name] = append(r.result.Emitted[name], rows...)
	return err
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
	if r.kept += len(key) + len(value) - len(r.result.State[string(key)]); r.kept > mostKept {
		return host.Errorf(host.CodeRunState, "the guest puts more than %d MiB into its state", mostKept>>20)
	}
	r.result.State[string(key)] = value
	return nil
}

// mostKept bounds what a run may put into its state, and what it may emit and write, in bytes.
const mostKept = 64 << 20

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
	rows, err := r.ports.bindings[binding].rows(rec)
	r.result.Written[name] = append(r.result.Written[name], rows...)
	return err
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
	port crossing
	rest [][]abitest.Row
}

func (r *rowReader) Next(context.Context) (drivers.Batch, error) {
	if len(r.rest) == 0 {
		return drivers.Batch{}, io.EOF
	}
	rows := r.rest[0]
	r.rest = r.rest[1:]
	rec, err := r.port.batch(rows)
	return drivers.Batch{Record: rec}, err
}

func (r *rowReader) Cursor() json.RawMessage { return nil }
func (r *rowReader) Close() error            { return nil }
