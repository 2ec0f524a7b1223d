package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// plugin is what the host keeps for an Extism plug-in beside its kernel.
type plugin struct {
	vars     map[string][]byte // of the run
	varBytes int64
	input    int     // of Product.Inputs, the current batch
	text     []byte  // in which batches are written, kept from one to the next
	fetched  fetched // by http_request
}

// extismPolicy says with whom an Extism plug-in may talk. function is what it must export; "": that is known already.
func extismPolicy(function string) wasm.Policy {
	p := wasm.Policy{Reserved: abi.Reserved, Hint: map[string]string{
		"extism:host/user":           "functions of an application's own are not offered: a product gets its data as batches",
		"env":                        "the plug-in was built for another host; PDKs import from " + extismEnv,
		"wasi_snapshot_preview2":     "build it for wasip1",
		"wasi:cli/environment@0.2.0": "build it for wasip1",
	}}
	for _, f := range kernelFunctions {
		p.Imports = append(p.Imports, wasm.ImportRule{Module: extismEnv, Name: f.name, Type: wasm.MustFuncType(f.signature)})
	}
	for _, f := range extismImports() {
		p.Imports = append(p.Imports, wasm.ImportRule{Module: extismEnv, Name: f.name, Type: wasm.MustFuncType(f.signature)})
	}
	for _, f := range wasiImports() {
		p.Imports = append(p.Imports, wasm.ImportRule{Module: abi.WASIModule, Name: f.name, Type: wasm.MustFuncType(f.signature)})
	}
	for _, name := range []string{abi.ExportInitialize, exportConstructors} {
		p.Exports = append(p.Exports, wasm.ExportRule{Name: name, Kind: wasm.KindFunc, Type: wasm.MustFuncType("->"), Optional: true})
	}
	p.Exports = append(p.Exports, wasm.ExportRule{Name: exportHaskell, Kind: wasm.KindFunc, Type: wasm.MustFuncType("i32 i32 ->"), Optional: true})
	if function != "" {
		p.Exports = append(p.Exports, wasm.ExportRule{Name: function, Kind: wasm.KindFunc, Type: wasm.MustFuncType("-> i32")})
	}
	p.Exports = append(p.Exports, wasm.ExportRule{Name: abi.ExportMemory, Kind: wasm.KindMemory})
	return p
}

// pluginHint says of a module that is refused what to do about it, where it is a plug-in or should be one.
func pluginHint(e *host.Error, m *wasm.Module, rules wasm.Policy) error {
	switch {
	case rules.Hint != nil:
		var names []string
		for _, x := range m.Exports {
			if x.Kind == wasm.KindFunc && x.Type.Equal(wasm.MustFuncType("-> i32")) {
				names = append(names, x.Name)
			}
		}
		return e.WithHint("an Extism plug-in imports %s and a part of WASI, and exports what code.function names, which takes nothing and returns an i32; this one exports: %s",
			extismEnv, cmp.Or(strings.Join(names[:min(len(names), maxReasons)], ", "), "no such function"))
	case slices.ContainsFunc(m.Imports, func(im wasm.Import) bool { return im.Module == extismEnv }):
		return e.WithHint("it is an Extism plug-in: write code: {language: extism, path: …, function: …} in product.yaml")
	}
	return e
}

// Functions with which the runtimes of some languages begin, besides _initialize.
const (
	exportConstructors = "__wasm_call_ctors"
	exportHaskell      = "hs_init"
)

// bootPlugin runs what a plug-in runs before its first batch, as every host of Extism does.
func (i *Instance) bootPlugin(ctx context.Context) error {
	f := i.funcs.plugin
	if f == nil || len(f.Definition().ParamTypes()) != 0 || !bytes.Equal(f.Definition().ResultTypes(), []api.ValueType{api.ValueTypeI32}) {
		return host.Errorf(host.CodeGuestABI, "the plug-in exports no function %s that takes nothing and returns an i32", i.spec.Product.Code.Function).
			WithHint("code.function in product.yaml names it")
	}
	if f := i.mod.ExportedFunction(exportHaskell); f != nil {
		_, err := i.call(ctx, initialize, f, 0, 0)
		return err
	}
	if i.mod.ExportedFunction(abi.ExportInitialize) != nil { // boot has called it
		return nil
	}
	if f := i.mod.ExportedFunction(exportConstructors); f != nil {
		_, err := i.call(ctx, initialize, f)
		return err
	}
	return nil
}

// exchange gives a plug-in one batch, and the run what the plug-in answers.
func (i *Instance) exchange(ctx context.Context, input int, rec arrow.RecordBatch) error {
	name, encoding := i.spec.Product.Inputs[input].Name, i.spec.Product.Code.Encoding
	text, err := i.encode(encoding, input, rec)
	if err != nil {
		return i.end(host.Errorf(host.CodeTableSchema, "input %s: %w", name, err))
	}
	i.plugin.input = input
	var out arrow.RecordBatch
	err = i.send(ctx, text, func(answer []byte) (err error) {
		out, err = i.decode(encoding, answer)
		return err
	})
	if out != nil {
		defer out.Release()
	}
	if err != nil || out == nil || out.NumRows() == 0 {
		return err
	}
	if err := i.calls.Emit(ctx, 0, out); err != nil {
		return i.end(err)
	}
	return nil
}

// send calls the plug-in with its input and has take look at the output, which is good until take returns.
func (i *Instance) send(ctx context.Context, input []byte, take func(output []byte) error) error {
	if i.dead {
		return errDead
	}
	f := i.funcs.plugin
	i.usage.BytesIn += int64(len(input))
	return i.visit(ctx, running, f, func() error {
		i.kernel.mem.denied = false
		i.meter.chargeBytes(int64(len(input)))
		if err := i.lay(input); err != nil {
			return err
		}
		i.stack = [2]uint64{}
		if err := f.CallWithStack(&i.ctx, i.stack[:]); err != nil {
			return err
		}
		if i.failure != nil {
			return nil // visit has it
		}
		output, err := i.answer(uint32(i.stack[0]))
		if err == nil {
			i.meter.chargeBytes(int64(len(output)))
			err = take(output)
		}
		var e *host.Error
		if errors.As(err, &e) {
			i.fail(err)
			return nil
		}
		return err
	})
}

// lay puts the input of a call into the kernel, which forgets those of calls before it.
func (i *Instance) lay(input []byte) error {
	at, err := i.asked(i.kernel.begin, uint64(len(input)))
	if err != nil {
		return err
	}
	buf, ok := i.kernel.view(at, uint64(len(input)))
	if !ok || at == 0 && len(input) > 0 {
		i.fail(i.noRoom(len(input)))
		return i.failure
	}
	copy(buf, input)
	return nil
}

// allocated asks the kernel for a block.
func (i *Instance) allocated(bytes uint64) (at uint64, err error) {
	return i.asked(i.kernel.alloc, bytes)
}

func (i *Instance) noRoom(bytes int) error {
	return host.Errorf(host.CodeGuestMemory, "there is no room for %s of data in the plug-in's memory of at most %s", size(int64(bytes)), size(i.limits.Memory)).
		WithHint("raise limits.memory")
}

// asked is the first result of a function of the kernel that takes one value or none; the others are in its stack.
func (i *Instance) asked(f api.Function, param uint64) (uint64, error) {
	i.kernel.stack[0] = param
	err := f.CallWithStack(&i.ctx, i.kernel.stack[:])
	return i.kernel.stack[0], err
}

// maxPluginError is how much of what a plug-in says about its failure is shown.
const maxPluginError = 4 << 10

// answer is what the plug-in has set as its output, or as its error. The host believes neither offsets nor lengths: a plug-in can write
// whatever it likes into the memory of its kernel.
func (i *Instance) answer(status uint32) ([]byte, error) {
	k := i.kernel
	failed, err := i.asked(k.end, 0)
	if err != nil {
		return nil, err
	}
	at, n := k.stack[1], k.stack[2]
	function := i.spec.Product.Code.Function
	if failed != 0 {
		n, err := i.asked(k.length, failed)
		if err != nil {
			return nil, err
		}
		b, ok := k.view(failed, n)
		if !ok {
			return nil, host.Errorf(host.CodeGuestABI, "%s failed with an error of %d bytes at %d, which leave the memory of the kernel of %d", function, n, failed, k.mem.size)
		}
		if len(b) > 0 {
			said := strings.ToValidUTF8(string(b[:min(len(b), maxPluginError)]), "\uFFFD")
			return nil, host.Errorf(host.CodeGuestStatus, "%s failed: %s", function, said)
		}
	}
	if status != 0 {
		i.log.flush()
		return nil, host.Errorf(host.CodeGuestStatus, "%s returned %d%s", function, int32(status), i.log.lastWords())
	}
	out, ok := k.view(at, n)
	if !ok {
		return nil, host.Errorf(host.CodeGuestABI, "the output of %s, %d bytes at %d, leaves the memory of the kernel of %d", function, n, at, k.mem.size)
	}
	return out, nil
}

// block reads a block of the kernel's memory by its offset, for a function of the host. The run fails, and the guest does not go on, where
// there is none or it has more than most bytes. The result is a copy.
func (i *Instance) block(what string, at uint64, most int64) []byte {
	n, err := i.asked(i.kernel.length, at)
	if err != nil {
		i.kill(kernelFault(err))
	}
	b, ok := i.kernel.view(at, n)
	switch {
	case !ok || n == 0 && at != 0:
		i.kill(host.Errorf(host.CodeGuestABI, "%s: there is no block at %d in the memory of the kernel of %d", what, at, i.kernel.mem.size))
	case int64(n) > most:
		i.kill(host.Errorf(host.CodeGuestABI, "%s of %s, at most %s", what, size(int64(n)), size(most)))
	}
	i.meter.chargeBytes(int64(n))
	return bytes.Clone(b)
}

// store puts a value into a new block of the kernel's memory and gives its offset.
func (i *Instance) store(value []byte) uint64 {
	i.meter.chargeBytes(int64(len(value)))
	at, err := i.allocated(uint64(len(value)))
	if err != nil {
		i.kill(kernelFault(err))
	}
	buf, ok := i.kernel.view(at, uint64(len(value)))
	if !ok || at == 0 && len(value) > 0 {
		i.kill(i.noRoom(len(value)))
	}
	copy(buf, value)
	return at
}

// kernelFault is why a call of the kernel did not return, unless the run has failed by then.
func kernelFault(err error) error {
	trap, _ := splitTrap(err, "")
	return host.Errorf(host.CodeGuestTrap, "the Extism kernel trapped: %s", trap)
}

// name reads a key: UTF-8, of at most abi.MaxKey bytes.
func (i *Instance) name(what string, at uint64) string {
	b := i.block(what, at, abi.MaxKey)
	if !utf8.Valid(b) {
		i.kill(host.Errorf(host.CodeGuestABI, "%s is not UTF-8", what))
	}
	return string(b)
}

// Exchange is for who compares: it calls a plug-in with any input and gives a copy of its output.
func (b Bare) Exchange(ctx context.Context, input []byte) (output []byte, err error) {
	if b.kernel == nil {
		return nil, fmt.Errorf("the guest is no Extism plug-in")
	}
	err = b.send(ctx, input, func(answer []byte) error {
		output = bytes.Clone(answer)
		return nil
	})
	return output, err
}
