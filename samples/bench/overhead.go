package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/adp-host/adp/host/wasm"
)

// overheadRows fit into a processor's cache, so that the figures are those of the code and not of the memory.
const overheadRows = 1 << 15

// overhead measures what metering costs, for each kit: the kernels of one module in plain wazero as its compiler made it,
// metered, and under wazero's own termination, all in turn with the same in native Go.
func (b *bench) overhead(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx) // that can end: without one, wazero's own termination costs nothing, and does nothing
	defer cancel()
	rec := kernelBatch()
	defer rec.Release()
	in := newOverheadInput(rec.NewSlice(0, overheadRows))
	for _, k := range kits {
		module, err := b.guest(ctx, k)
		if errors.Is(err, errNoKit) {
			b.talk("NOT MEASURED: %v", err)
			b.print(figure{name: "meter-" + k.name, value: math.Inf(1), unit: "times", against: "NOT MEASURED: its compiler is missing", atMost: k.kernelAim})
			continue
		}
		if err != nil {
			return err
		}
		if err := b.overheadOf(ctx, k, module, in); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

func (b *bench) overheadOf(ctx context.Context, k kit, module []byte, in *overheadInput) error {
	metered, err := meter(module)
	if err != nil {
		return err
	}
	worlds := []struct {
		module []byte
		config wazero.RuntimeConfig
	}{
		{module, wazero.NewRuntimeConfigCompiler()},
		{metered, wazero.NewRuntimeConfigCompiler()},
		{module, wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true)},
	}
	var runs []*overheadRun
	for _, w := range worlds {
		r, err := newOverheadRun(ctx, w.module, w.config, in)
		if err != nil {
			return err
		}
		defer r.runtime.Close(ctx)
		runs = append(runs, r)
	}
	aims := map[string]float64{"kernel": k.kernelAim, "bytes": k.bytesAim}
	for job, native := range in.native {
		peers := []func() (time.Duration, error){func() (time.Duration, error) {
			start := time.Now()
			in.result = native.run()
			return time.Since(start), nil
		}}
		for _, r := range runs {
			peers = append(peers, func() (time.Duration, error) { return r.call(ctx, job, in) })
		}
		took, err := inTurn(b.rounds(400), peers...)
		if err != nil {
			return fmt.Errorf("%s: %w", native.name, err)
		}
		b.talk("  %s %s: native %.1f µs, unmetered %.1f, metered %.1f, under CloseOnContextDone %.1f", k.name, native.name,
			best(took[0])/1e3, best(took[1])/1e3, best(took[2])/1e3, best(took[3])/1e3)
		b.print(figure{name: "meter-" + k.name + "-" + native.name, value: best(took[2]) / best(took[1]), unit: "times", against: "unmetered", atMost: aims[native.name]})
		b.print(figure{name: "native-" + k.name + "-" + native.name, value: best(took[2]) / best(took[0]), unit: "times", against: "native Go"})
		b.print(figure{name: "done-" + k.name + "-" + native.name, value: best(took[2]) / best(took[3]), unit: "times", against: "CloseOnContextDone"})
	}
	b.print(figure{name: "size-" + k.name, value: float64(len(metered)) / float64(len(module)), unit: "times", against: "unmetered"})
	return nil
}

// overheadInput is the columns, and what native code makes of them.
type overheadInput struct {
	columns [][]byte // keys, values, other values, offsets, text, room for results, room for sums
	rows    uint64
	text    uint64
	native  []nativeJob
	result  float64 // of the last native job
}

type nativeJob struct {
	name string
	run  func() float64 // the number that tells right from wrong
}

func newOverheadInput(rec arrow.RecordBatch) *overheadInput {
	k, v, names := rec.Column(0).(*array.Int64).Int64Values(), rec.Column(1).(*array.Float64).Float64Values(), rec.Column(2).(*array.String)
	offsets, text := names.ValueOffsets(), names.ValueBytes()
	w, out := make([]float64, len(v)), make([]float64, len(v))
	for i := range w {
		w[i] = math.Sqrt(float64(i))
	}
	le := binary.LittleEndian
	in := &overheadInput{columns: make([][]byte, 7), rows: uint64(len(k)), text: uint64(len(text))}
	for i := range k {
		in.columns[0] = le.AppendUint64(in.columns[0], uint64(k[i]))
		in.columns[1] = le.AppendUint64(in.columns[1], math.Float64bits(v[i]))
		in.columns[2] = le.AppendUint64(in.columns[2], math.Float64bits(w[i]))
	}
	for _, o := range offsets {
		in.columns[3] = le.AppendUint32(in.columns[3], uint32(o))
	}
	in.columns[4], in.columns[5], in.columns[6] = text, make([]byte, 8*len(k)), make([]byte, 128)
	in.native = []nativeJob{
		{"kernel", func() float64 { return float64(kernel(k, v, offsets, text, out, new([16]float64))) }},
		{"dense", func() float64 { return dense(v, w, out) }},
		{"bytes", func() float64 { return float64(byteLoop(text)) }},
	}
	return in
}

// overheadRun is a guest in wazero with the columns in its memory.
type overheadRun struct {
	runtime wazero.Runtime
	jobs    []guestJob
}

// guestJob is one of the exports, in the order of overheadInput.native.
type guestJob struct {
	export api.Function
	args   []uint64
	float  bool // what it returns
}

func newOverheadRun(ctx context.Context, module []byte, c wazero.RuntimeConfig, in *overheadInput) (*overheadRun, error) {
	r := &overheadRun{runtime: wazero.NewRuntimeWithConfig(ctx, c)}
	if err := r.start(ctx, module, in); err != nil {
		return nil, errors.Join(err, r.runtime.Close(ctx))
	}
	return r, nil
}

func (r *overheadRun) start(ctx context.Context, module []byte, in *overheadInput) error {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r.runtime); err != nil {
		return err
	}
	refill := api.GoFunc(func(_ context.Context, stack []uint64) { stack[0] += quantum })
	i64 := []api.ValueType{api.ValueTypeI64}
	host := r.runtime.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().WithGoFunction(refill, i64, i64).Export(wasm.MeterRefill)
	if _, err := host.Instantiate(ctx); err != nil {
		return err
	}
	m, err := r.runtime.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return err
	}
	var at []uint64
	for _, c := range in.columns {
		p, err := put(ctx, m, c)
		if err != nil {
			return err
		}
		at = append(at, p)
	}
	keys, values, others, offsets, text, out, sums := at[0], at[1], at[2], at[3], at[4], at[5], at[6]
	r.jobs = []guestJob{
		{m.ExportedFunction("kernel"), []uint64{in.rows, keys, values, offsets, text, out, sums}, false},
		{m.ExportedFunction("dense"), []uint64{in.rows, values, others, out}, true},
		{m.ExportedFunction("bytesum"), []uint64{in.text, text}, false},
	}
	return nil
}

// put copies b into guest memory: where its allocator says, or behind everything it has.
func put(ctx context.Context, m api.Module, b []byte) (uint64, error) {
	at := uint64(m.Memory().Size())
	if alloc := m.ExportedFunction("alloc"); alloc != nil {
		p, err := alloc.Call(ctx, uint64(len(b)))
		if err != nil {
			return 0, err
		}
		at = p[0]
	} else if _, ok := m.Memory().Grow(uint32((len(b) + 0xffff) >> 16)); !ok {
		return 0, errors.New("memory does not grow")
	}
	if !m.Memory().Write(uint32(at), b) {
		return 0, errors.New("outside of memory")
	}
	return at, nil
}

// call runs a job once. It must give what native code gave.
func (r *overheadRun) call(ctx context.Context, job int, in *overheadInput) (time.Duration, error) {
	j := r.jobs[job]
	start := time.Now()
	result, err := j.export.Call(ctx, j.args...)
	took := time.Since(start)
	if err != nil {
		return 0, err
	}
	got := float64(uint32(result[0]))
	if j.float {
		got = math.Float64frombits(result[0])
	}
	if math.Abs(got-in.result) > 1e-9*math.Abs(in.result) {
		return 0, fmt.Errorf("%g, native code gives %g", got, in.result)
	}
	return took, nil
}
