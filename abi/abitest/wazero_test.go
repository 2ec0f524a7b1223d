package abitest_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
)

// plain is the smallest host that can run guests: the reference encoder and decoder over wazero, no metering, no limits. It
// shows that the guests and the suite agree without the real sandbox.
type plain struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
	stderr  io.Writer
	layout  abitest.Block // how batches are laid down
}

func newPlain(t testing.TB, module []byte) *plain {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { _ = r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	m, err := r.CompileModule(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	b := r.NewHostModuleBuilder(abi.ImportModule)
	for name, f := range imports {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
			for i, p := range f.params {
				if p == i32 {
					stack[i] = uint64(uint32(stack[i])) // the rest is undefined
				}
			}
			f.call(ctx.Value(instanceKey{}).(*instance), stack)
		}), f.params, f.results).Export(name)
	}
	if _, err := b.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	return &plain{runtime: r, module: m, stderr: t.Output()}
}

type instanceKey struct{}

// instance is one run.
type instance struct {
	t       abitest.T
	h       *plain
	spec    abitest.Spec
	ctx     context.Context
	module  api.Module
	random  *rand.ChaCha8
	clock   int64
	arena   [2]uint32 // address, size
	readers [][][]abitest.Row
	names   []string // of the readers' bindings
	fatal   error
	result  abitest.Result
}

func (h *plain) Start(t abitest.T, s abitest.Spec) abitest.Instance {
	t.Helper()
	in := &instance{t: t, h: h, spec: s, clock: s.Start.UnixNano()}
	in.result = abitest.Result{Emitted: map[string][]abitest.Row{}, Written: map[string][]abitest.Row{}, Metrics: map[string]float64{}, State: map[string][]byte{}}
	for k, v := range s.State {
		in.result.State[k] = v
	}
	var seed [32]byte
	copy(seed[:], s.RunID)
	in.random = rand.NewChaCha8(seed)
	in.ctx = context.WithValue(context.Background(), instanceKey{}, in)
	var err error
	in.module, err = h.runtime.InstantiateModule(in.ctx, h.module, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithStderr(h.stderr))
	if err != nil {
		t.Fatal(err)
	}
	if v := in.call(abi.ExportABI); v != abi.Version {
		t.Fatalf("the guest speaks ABI %d", v)
	}
	return in
}

func (in *instance) Close() { _ = in.module.Close(in.ctx) }

func (in *instance) Result() abitest.Result { return in.result }

// call calls an export; a trap is a fatal error and the answer Failed.
func (in *instance) call(name string, args ...uint64) uint32 {
	r, err := in.module.ExportedFunction(name).Call(in.ctx, args...)
	if err != nil {
		in.fatal = errors.Join(in.fatal, err)
		return uint32(abi.Failed)
	}
	if len(r) == 0 {
		return 0
	}
	return uint32(r[0])
}

func (in *instance) outcome(status uint32) error {
	if in.fatal != nil {
		return in.fatal
	}
	if status != 0 {
		why := "nothing logged"
		for _, l := range in.result.Logs {
			if l.Level == abi.LogError {
				why = l.Message
			}
		}
		return fmt.Errorf("status %d: %s", status, why)
	}
	return nil
}

// place asks the guest for memory and puts a block there, which is laid out once the address is known.
func (in *instance) alloc(size int) uint32 {
	addr := in.call(abi.ExportAlloc, uint64(size))
	if addr == 0 || addr%abi.Alignment != 0 {
		in.t.Fatalf("adp_alloc(%d) gave %d", size, addr)
	}
	return addr
}

func (in *instance) write(addr uint32, b []byte) {
	if !in.module.Memory().Write(addr, b) {
		in.t.Fatalf("%d bytes at %d leave memory", len(b), addr)
	}
}

func (in *instance) Open() error {
	size := abitest.Block{Base: abi.Alignment, Gap: in.h.layout.Gap}
	size.Open(in.spec)
	block := abitest.Block{Base: in.alloc(len(size.Bytes)), Gap: in.h.layout.Gap}
	addr := block.Open(in.spec)
	in.write(block.Base, block.Bytes)
	return in.outcome(in.call(abi.ExportOpen, uint64(addr), uint64(len(block.Bytes))))
}

func (in *instance) Process(input int, rows []abitest.Row) error {
	fields := in.spec.Inputs[input].Fields
	size := in.h.layout
	size.Base = abi.Alignment
	size.Batch(fields, rows)
	if n := uint32(len(size.Bytes)); n > in.arena[1] {
		if in.arena[1] > 0 {
			in.call(abi.ExportFree, uint64(in.arena[0]), uint64(in.arena[1]))
		}
		in.arena = [2]uint32{in.alloc(int(n)), n}
	}
	block := in.h.layout
	block.Base = in.arena[0]
	addr := block.Batch(fields, rows)
	in.write(block.Base, block.Bytes)
	err := in.outcome(in.call(abi.ExportProcess, uint64(input), uint64(addr)))
	junk := make([]byte, in.arena[1])
	for i := range junk {
		junk[i] = 0xdb // who kept a pointer finds this
	}
	in.write(in.arena[0], junk)
	return err
}

func (in *instance) Flush() error { return in.outcome(in.call(abi.ExportFlush)) }

func (in *instance) read(ptr, n uint64) string {
	b, ok := in.module.Memory().Read(uint32(ptr), uint32(n))
	if !ok {
		in.t.Errorf("%d bytes at %d leave memory", n, ptr)
	}
	return string(b)
}

// fill follows the buffer convention.
func (in *instance) fill(buf, capacity uint64, value string) uint64 {
	if len(value) <= int(capacity) {
		in.write(uint32(buf), []byte(value))
	}
	return uint64(len(value))
}

func refuse(s abi.Status) uint64 { return uint64(-int64(s)) }

// take decodes what a guest hands over.
func (in *instance) take(ports []abitest.Port, port, array uint64, to map[string][]abitest.Row) abi.Status {
	if int(port) >= len(ports) {
		return abi.NotFound
	}
	memory, _ := in.module.Memory().Read(0, in.module.Memory().Size())
	rows, err := abitest.Decode(memory, ports[port].Fields, uint32(array))
	if err != nil {
		in.t.Errorf("%s: %v", ports[port].Name, err)
		in.fatal = err
		return abi.BadArray
	}
	to[ports[port].Name] = append(to[ports[port].Name], rows...)
	return abi.OK
}

// function is one import.
type function struct {
	params, results []api.ValueType
	call            func(in *instance, stack []uint64)
}

const i32, i64, f64 = api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeF64

// status makes an import that answers a status, buffer one that answers a length.
func status(call func(in *instance, a []uint64) abi.Status, params ...api.ValueType) function {
	return function{params, []api.ValueType{i32}, func(in *instance, a []uint64) { a[0] = uint64(call(in, a)) }}
}

func buffer(call func(in *instance, a []uint64) uint64, params ...api.ValueType) function {
	return function{params, []api.ValueType{i64}, func(in *instance, a []uint64) {
		a[0] = call(in, a)
	}}
}

var imports map[string]function

func init() { // the functions refer to the table through instances
	imports = map[string]function{
		abi.ImportEmit: status(func(in *instance, a []uint64) abi.Status {
			return in.take(in.spec.Outputs, a[0], a[1], in.result.Emitted)
		}, i32, i32),
		abi.ImportLog: status(func(in *instance, a []uint64) abi.Status {
			if a[2] > abi.MaxLogMessage {
				return abi.TooLarge
			}
			in.result.Logs = append(in.result.Logs, abitest.Log{Level: int32(a[0]), Message: in.read(a[1], a[2])})
			return abi.OK
		}, i32, i32, i32),
		abi.ImportConfig: buffer(func(in *instance, a []uint64) uint64 {
			v, ok := in.spec.Config[in.read(a[0], a[1])]
			if !ok {
				return refuse(abi.NotFound)
			}
			return in.fill(a[2], a[3], v)
		}, i32, i32, i32, i32),
		abi.ImportClock: {nil, []api.ValueType{i64}, func(in *instance, a []uint64) {
			in.clock += 1000
			a[0] = uint64(in.clock)
		}},
		abi.ImportRandom: status(func(in *instance, a []uint64) abi.Status {
			b := make([]byte, uint32(a[1]))
			_, _ = in.random.Read(b)
			in.write(uint32(a[0]), b)
			return abi.OK
		}, i32, i32),
		abi.ImportMetric: status(func(in *instance, a []uint64) abi.Status {
			name, v := in.read(a[1], a[2]), api.DecodeF64(a[3])
			if int32(a[0]) == abi.MetricCounter {
				v += in.result.Metrics[name]
			}
			in.result.Metrics[name] = v
			return abi.OK
		}, i32, i32, i32, f64),
		abi.ImportDecide: buffer(func(in *instance, a []uint64) uint64 {
			return in.fill(a[2], a[3], string(in.spec.Decide([]byte(in.read(a[0], a[1])))))
		}, i32, i32, i32, i32),
	}
	stateImports()
	driverImports()
}

func (in *instance) key(ptr, n uint64) (string, abi.Status) {
	switch {
	case uint32(n) == 0:
		return "", abi.BadArgument
	case uint32(n) > abi.MaxKey:
		return "", abi.TooLarge
	}
	return in.read(ptr, n), abi.OK
}

func stateImports() {
	imports[abi.ImportStateGet] = buffer(func(in *instance, a []uint64) uint64 {
		key, s := in.key(a[0], a[1])
		v, ok := in.result.State[key]
		if s == 0 && !ok {
			s = abi.NotFound
		}
		if s != 0 {
			return refuse(s)
		}
		return in.fill(a[2], a[3], string(v))
	}, i32, i32, i32, i32)
	imports[abi.ImportStatePut] = status(func(in *instance, a []uint64) abi.Status {
		key, s := in.key(a[0], a[1])
		if s == 0 {
			in.result.State[key] = []byte(in.read(a[2], a[3]))
		}
		return s
	}, i32, i32, i32, i32)
	imports[abi.ImportStateDelete] = status(func(in *instance, a []uint64) abi.Status {
		key, s := in.key(a[0], a[1])
		if _, ok := in.result.State[key]; s == 0 && !ok {
			s = abi.NotFound
		}
		delete(in.result.State, key)
		return s
	}, i32, i32)
	imports[abi.ImportStateScan] = buffer(func(in *instance, a []uint64) uint64 {
		var page []byte
		for _, k := range keysAfter(in.result.State, in.read(a[0], a[1]), in.read(a[2], a[3])) {
			entry := binary.LittleEndian.AppendUint32(nil, uint32(len(k)))
			entry = binary.LittleEndian.AppendUint32(entry, uint32(len(in.result.State[k])))
			entry = append(append(entry, k...), in.result.State[k]...)
			if len(page)+len(entry) > int(a[5]) {
				if len(page) == 0 {
					return uint64(len(entry))
				}
				break
			}
			page = append(page, entry...)
		}
		return in.fill(a[4], a[5], string(page))
	}, i32, i32, i32, i32, i32, i32)
}

func driverImports() {
	imports[abi.ImportDriverOpen] = buffer(func(in *instance, a []uint64) uint64 {
		switch {
		case int(a[0]) >= len(in.spec.Bindings):
			return refuse(abi.NotFound)
		case in.spec.Bindings[a[0]].Mode != abi.ModeRead:
			return refuse(abi.Denied)
		}
		batches, err := in.spec.Read(in.spec.Bindings[a[0]].Name, []byte(in.read(a[1], a[2])))
		if err != nil {
			in.fatal = err
			return refuse(abi.DriverError)
		}
		in.readers = append(in.readers, batches)
		return uint64(len(in.readers) - 1)
	}, i32, i32, i32)
	imports[abi.ImportDriverNext] = buffer(func(in *instance, a []uint64) uint64 {
		if int(a[0]) >= len(in.readers) || in.readers[a[0]] == nil {
			return 0
		}
		batches := in.readers[a[0]]
		if len(batches) == 0 {
			return 0
		}
		if a[2] > 0 && uint32(a[1])%abi.Alignment != 0 {
			in.fatal = errors.New("driver_next into a buffer that is not aligned")
			return refuse(abi.Misaligned)
		}
		block := in.h.layout
		block.Base = uint32(a[1])
		if addr := block.Batch(in.spec.Bindings[0].Fields, batches[0]); addr != block.Base {
			in.t.Errorf("the batch begins at %d, the buffer at %d", addr, block.Base)
		}
		if len(block.Bytes) <= int(a[2]) {
			in.write(block.Base, block.Bytes)
			in.readers[a[0]] = batches[1:]
		}
		return uint64(len(block.Bytes))
	}, i32, i32, i32)
	imports[abi.ImportDriverClose] = status(func(in *instance, a []uint64) abi.Status {
		if int(a[0]) >= len(in.readers) {
			return abi.NotFound
		}
		in.readers[a[0]] = nil
		return abi.OK
	}, i32)
	imports[abi.ImportDriverWrite] = status(func(in *instance, a []uint64) abi.Status {
		return in.take(in.spec.Bindings, a[0], a[1], in.result.Written)
	}, i32, i32)
}
