package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/wasm"
)

// quantum is the fuel that a metered guest gets at a time, as in the sandbox.
const quantum = 100_000

// metering measures the row kernel in plain wazero: the module as its compiler made it, and metered, with nothing of the
// sandbox around either. Only the call is timed; the rows lie in guest memory before.
func (b *bench) metering(ctx context.Context) error {
	rec := kernelBatch()
	defer rec.Release()
	guests, err := b.kernelGuests(ctx)
	if err != nil {
		return err
	}
	for _, g := range guests {
		metered, err := meter(g.module)
		if err != nil {
			return err
		}
		var peers []func() (time.Duration, error)
		for _, module := range [][]byte{g.module, metered} {
			p, err := newPlainGuest(ctx, module, rec)
			if err != nil {
				return fmt.Errorf("%s: %w", g.language, err)
			}
			defer p.runtime.Close(ctx)
			peers = append(peers, func() (time.Duration, error) { return timed(func() error { return p.process(ctx) }) })
		}
		took, err := inTurn(b.rounds(60), peers...)
		if err != nil {
			return err
		}
		b.talk("  %s unmetered %.2f ms, metered %.2f ms", g.language, best(took[0])/1e6, best(took[1])/1e6)
		b.print(figure{name: "meter-" + g.language, value: best(took[1]) / best(took[0]), unit: "times", against: "unmetered", atMost: g.meterAim})
	}
	return nil
}

func meter(module []byte) ([]byte, error) {
	m, err := wasm.Parse(module)
	if err != nil {
		return nil, err
	}
	out, err := wasm.Meter(m, wasm.Options{})
	if err != nil {
		return nil, err
	}
	return out.Bytes, nil
}

// plainGuest is a kernel in wazero, opened, with a batch in its memory.
type plainGuest struct {
	runtime wazero.Runtime
	module  api.Module
	at      uint64
}

func newPlainGuest(ctx context.Context, module []byte, rec arrow.RecordBatch) (*plainGuest, error) {
	p := &plainGuest{runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())}
	if err := p.start(ctx, module, rec); err != nil {
		_ = p.runtime.Close(ctx)
		return nil, err
	}
	return p, nil
}

func (p *plainGuest) start(ctx context.Context, module []byte, rec arrow.RecordBatch) error {
	if err := p.link(ctx, module); err != nil {
		return err
	}
	var err error
	p.module, err = p.runtime.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return err
	}
	for _, name := range []string{wasm.ExportStart, abi.ExportInitialize} {
		if f := p.module.ExportedFunction(name); f != nil {
			if _, err := f.Call(ctx); err != nil {
				return err
			}
		}
	}
	if err := p.open(ctx); err != nil {
		return err
	}
	w := kernelLayout().NewWriter()
	size, err := w.Plan(rec)
	if err != nil {
		return err
	}
	if p.at, err = p.alloc(ctx, size); err != nil {
		return err
	}
	mem, _ := p.module.Memory().Read(0, p.module.Memory().Size())
	w.Write(mem, uint32(p.at))
	return nil
}

// link gives the guest what it imports: WASI, fuel, and a host that answers every question with nothing.
func (p *plainGuest) link(ctx context.Context, module []byte) error {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.runtime); err != nil {
		return err
	}
	m, err := wasm.Parse(module)
	if err != nil {
		return err
	}
	refill := func(_ context.Context, left int64) int64 { return left + quantum }
	meter := p.runtime.NewHostModuleBuilder(wasm.MeterModule).NewFunctionBuilder().WithFunc(refill).Export(wasm.MeterRefill)
	if _, err := meter.Instantiate(ctx); err != nil {
		return err
	}
	nothing := p.runtime.NewHostModuleBuilder(abi.ImportModule)
	for _, i := range m.Imports {
		if i.Module == abi.ImportModule {
			nothing.NewFunctionBuilder().WithGoFunction(answerNothing(i.Type), engineTypes(i.Type.Params), engineTypes(i.Type.Results)).Export(i.Name)
		}
	}
	_, err = nothing.Instantiate(ctx)
	return err
}

// answerNothing is 0: fine, or an empty value. Either kernel takes an empty job for the row kernel.
func answerNothing(t wasm.FuncType) api.GoFunc {
	return func(_ context.Context, stack []uint64) { clear(stack[:len(t.Results)]) }
}

func engineTypes(ts []wasm.ValueType) []api.ValueType {
	out := make([]api.ValueType, len(ts))
	for i, t := range ts {
		out[i] = api.ValueType(t) // both are the binary encoding
	}
	return out
}

func (p *plainGuest) alloc(ctx context.Context, size int64) (uint64, error) {
	at, err := p.module.ExportedFunction(abi.ExportAlloc).Call(ctx, uint64(size))
	if err != nil {
		return 0, err
	}
	if at[0] == 0 {
		return 0, fmt.Errorf("no room for %d bytes", size)
	}
	return at[0], nil
}

// open tells the guest its ports.
func (p *plainGuest) open(ctx context.Context) error {
	field := func(name, format string) abitest.Field { return abitest.Field{Name: name, Format: format} }
	spec := abitest.Spec{
		Inputs:  []abitest.Port{{Name: "rows", Mode: abi.ModeIncremental, Fields: []abitest.Field{field("k", "l"), field("v", "g"), field("name", "u")}}},
		Outputs: []abitest.Port{{Name: "sums", Mode: abi.ModeAppend, Fields: []abitest.Field{field("rows", "l"), field("sum", "g")}}},
	}
	measure := abitest.Block{Base: abi.Alignment}
	measure.Open(spec)
	base, err := p.alloc(ctx, int64(len(measure.Bytes)))
	if err != nil {
		return err
	}
	block := abitest.Block{Base: uint32(base)}
	at := block.Open(spec)
	p.module.Memory().Write(block.Base, block.Bytes)
	return p.status(p.module.ExportedFunction(abi.ExportOpen).Call(ctx, uint64(at), uint64(len(block.Bytes))))
}

func (p *plainGuest) process(ctx context.Context) error {
	return p.status(p.module.ExportedFunction(abi.ExportProcess).Call(ctx, 0, p.at))
}

func (p *plainGuest) status(result []uint64, err error) error {
	if err == nil && uint32(result[0]) != uint32(abi.OK) {
		err = fmt.Errorf("status %d", result[0])
	}
	return err
}
