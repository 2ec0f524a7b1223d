package sandbox

import (
	"context"
	"sync"
	_ "unsafe" // for the link to the kernel

	_ "github.com/extism/go-sdk" // carries the kernel
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// An Extism plug-in lives beside a kernel, a module of Extism's own with a memory of its own: input, output and all that the two exchange
// lie there, and the plug-in reads and writes it by the kernel's functions, at most 8 bytes a call. Here these calls go from one
// module to the other without the host between them. Both are metered; the kernel's fuel and memory are the plug-in's.
//
//	plug-in ──extism:host/env──▶ glue ──▶ kernel      alloc, load_u64, store_u64, output_set, …
//	                               └────▶ the host    config_get, var_get, log_info, …

// extismRuntimeWasm is the kernel, as the SDK carries it.
//
//go:linkname extismRuntimeWasm github.com/extism/go-sdk.extismRuntimeWasm
var extismRuntimeWasm []byte

// Modules that an Extism program is linked of.
const (
	extismEnv    = "extism:host/env"  // what plug-ins import
	kernelModule = "adp_extism"       // as the glue knows the kernel
	kernelHost   = "adp_extism_host"  // as the glue knows the host's functions
	kernelMeter  = "adp_kernel_meter" // refill of the kernel
)

// kernelStack is the kernel's stack in bytes. Its functions hardly call each other.
const kernelStack = 64 << 10

// extismVersion is that of the SDK in go.mod; a test compares.
const extismVersion = "v1.7.1"

// kernelFunctions are those of the kernel that a plug-in may call.
var kernelFunctions = []struct{ name, signature string }{
	{"alloc", "i64 -> i64"}, {"free", "i64 ->"}, {"length", "i64 -> i64"}, {"length_unsafe", "i64 -> i64"},
	{"load_u8", "i64 -> i32"}, {"load_u64", "i64 -> i64"}, {"input_load_u8", "i64 -> i32"}, {"input_load_u64", "i64 -> i64"},
	{"store_u8", "i64 i32 ->"}, {"store_u64", "i64 i64 ->"},
	{"input_set", "i64 i64 ->"}, {"input_offset", "-> i64"}, {"input_length", "-> i64"},
	{"output_set", "i64 i64 ->"}, {"output_offset", "-> i64"}, {"output_length", "-> i64"},
	{"error_set", "i64 ->"}, {"error_get", "-> i64"}, {"reset", "->"}, {"memory_bytes", "-> i64"},
}

// kernelModules are the modules beside a plug-in's own, ready to be compiled.
var kernelModules = sync.OnceValues(func() (parts kernelParts, err error) {
	m, err := wasm.Parse(extismRuntimeWasm)
	if err != nil {
		return parts, err
	}
	metered, err := wasm.Meter(m, wasm.Options{StackBudget: kernelStack})
	if err != nil {
		return parts, err
	}
	return kernelParts{kernel: metered.Instantiable(), glue: glue(), meter: meterGlue()}, nil
})

type kernelParts struct {
	kernel      wasm.Instantiable
	glue, meter []byte
}

// Functions of the glue for the host, which calls them once where it would call the kernel several times. No plug-in can import them.
const (
	glueBegin = "adp_begin" // forgets the calls before, and gives a block of that length, which is the input
	glueEnd   = "adp_end"   // the offset of the error, 0 for none, and the offset and the length of the output
)

// glue is a module that gives the functions of two others under one name.
func glue() []byte {
	var g wasm.Glue
	kernel := map[string]uint32{}
	for _, f := range kernelFunctions {
		kernel[f.name] = g.Pass(kernelModule, f.name, wasm.MustFuncType(f.signature))
	}
	for _, f := range extismImports() {
		g.Pass(kernelHost, f.name, wasm.MustFuncType(f.signature))
	}
	var begin, end wasm.Steps
	begin = begin.Call(kernel["reset"]).Get(0).Call(kernel["alloc"]).Keep(1).Get(0).Call(kernel["input_set"]).Get(1)
	end = end.Call(kernel["error_get"]).Call(kernel["output_offset"]).Call(kernel["output_length"])
	g.Add(glueBegin, wasm.MustFuncType("i64 -> i64"), 1, begin)
	g.Add(glueEnd, wasm.MustFuncType("-> i64 i64 i64"), 0, end)
	return g.Module()
}

// meterGlue gives the kernel another meter than the plug-in has: modules of one runtime find the host's under one name, unless a module
// that is no host's stands between.
func meterGlue() []byte {
	var g wasm.Glue
	g.Pass(kernelMeter, abi.MeterRefill, wasm.MustFuncType("i64 -> i64"))
	return g.Module()
}

// kernelCode is the kernel as a program has it, compiled.
type kernelCode struct {
	kernel, glue wazero.CompiledModule
	meter        api.Module // as the kernel imports it
	data         []wasm.Data
	cost         int64 // fuel, before any of its code runs
	memory       int64 // that it begins with, in bytes
}

// compileKernel compiles the kernel in the runtime of a plug-in.
func compileKernel(ctx context.Context, rt wazero.Runtime) (*kernelCode, error) {
	parts, err := kernelModules()
	if err != nil {
		return nil, host.Errorf(host.CodeModuleInvalid, "the Extism kernel: %w", err)
	}
	meter := []hostFunc{{abi.MeterRefill, "i64 -> i64", 0, 0, func(i *Instance, stack []uint64) {
		stack[0] = uint64(i.refillKernel(int64(stack[0])))
	}}}
	if err := define(ctx, rt, kernelMeter, meter); err != nil {
		return nil, err
	}
	if err := define(ctx, rt, kernelHost, extismImports()); err != nil {
		return nil, err
	}
	k := &kernelCode{data: parts.kernel.Data, cost: parts.kernel.Start}
	if k.meter, err = rt.InstantiateWithConfig(ctx, parts.meter, wazero.NewModuleConfig().WithName("")); err != nil {
		return nil, err
	}
	if k.kernel, err = rt.CompileModule(ctx, parts.kernel.Bytes); err == nil {
		k.glue, err = rt.CompileModule(ctx, parts.glue)
	}
	if err != nil {
		return nil, host.Errorf(host.CodeModuleInvalid, "the Extism kernel does not compile: %w", err)
	}
	k.memory = int64(k.kernel.ExportedMemories()[abi.ExportMemory].Min()) * pageSize
	return k, nil
}

// kernel is that of one plug-in.
type kernel struct {
	mod, glue api.Module
	mem       *linear
	counter   api.MutableGlobal // of what it was granted of the plug-in's fuel
	stack     [3]uint64         // of the current call

	alloc, length, begin, end api.Function
}

// beside instantiates a kernel for a plug-in whose memory is to be theirs. The two have limit bytes together.
func (c *kernelCode) beside(ctx context.Context, rt wazero.Runtime, theirs *linear, limit int64) (_ *kernel, err error) {
	mem, err := newLinear(limit)
	if err != nil {
		return nil, err
	}
	mem.beside, theirs.beside = theirs, mem
	k := &kernel{mem: mem}
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	plain := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	own := linked(ctx, map[string]api.Module{abi.MeterModule: c.meter})
	if k.mod, err = rt.InstantiateModule(experimental.WithMemoryAllocator(own, mem), c.kernel, plain); err != nil {
		return nil, err
	}
	for _, d := range c.data {
		copy(mem.bytes()[d.Offset:], d.Bytes)
	}
	if k.glue, err = rt.InstantiateModule(linked(ctx, map[string]api.Module{kernelModule: k.mod}), c.glue, plain); err != nil {
		return nil, err
	}
	k.counter = k.mod.ExportedGlobal(fuelGlobal).(api.MutableGlobal)
	k.alloc, k.length = k.mod.ExportedFunction("alloc"), k.mod.ExportedFunction("length")
	k.begin, k.end = k.glue.ExportedFunction(glueBegin), k.glue.ExportedFunction(glueEnd)
	return k, nil
}

// linked has modules found under these names, and all others where they always are.
func linked(ctx context.Context, modules map[string]api.Module) context.Context {
	return experimental.WithImportResolver(ctx, func(name string) api.Module { return modules[name] })
}

func (k *kernel) close() {
	for _, m := range []api.Module{k.glue, k.mod} {
		if m != nil {
			_ = m.Close(context.Background())
		}
	}
	k.mem.Free()
}

// view is a piece of the kernel's memory, false when it leaves it. It is good until a guest runs again.
func (k *kernel) view(at, length uint64) ([]byte, bool) {
	mem := k.mem.bytes()
	if at > uint64(len(mem)) || length > uint64(len(mem))-at {
		return nil, false
	}
	return mem[at : at+length : at+length], true
}

// kernelQuantum is the fuel that the kernel is granted at a time: small, since the plug-in pays for all of it.
const kernelQuantum = 10_000

// refillKernel is adp_meter.refill of the kernel: what it is granted the plug-in has spent.
func (i *Instance) refillKernel(left int64) int64 {
	m := &i.meter
	if left == wasm.StackExhausted {
		i.kill(host.Errorf(host.CodeGuestStack, "the Extism kernel recursed past its stack"))
	}
	i.mustGoOn()
	m.charge(kernelQuantum - left)
	i.yield()
	if m.used() > m.limit {
		i.kill(host.Errorf(host.CodeGuestFuel, "the guest used up its fuel of %d", m.limit).
			WithHint("look for a loop that does not end, or raise limits.fuel"))
	}
	return kernelQuantum
}
