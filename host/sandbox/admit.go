package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// features is the closed list of what a module of ABI 1 may use: WebAssembly 2.0.
const features = api.CoreFeaturesV2

// policy says with whom a guest may talk and what it must offer.
func policy() wasm.Policy {
	p := wasm.Policy{Reserved: abi.Reserved}
	for _, f := range guestImports() {
		p.Imports = append(p.Imports, wasm.ImportRule{Module: abi.ImportModule, Name: f.name, Type: wasm.MustFuncType(f.signature)})
	}
	for _, f := range wasiImports() {
		p.Imports = append(p.Imports, wasm.ImportRule{Module: abi.WASIModule, Name: f.name, Type: wasm.MustFuncType(f.signature)})
	}
	for _, x := range []struct{ name, signature string }{
		{abi.ExportInitialize, "->"},
		{abi.ExportABI, "-> i32"},
		{abi.ExportAlloc, "i32 -> i32"},
		{abi.ExportFree, "i32 i32 ->"},
		{abi.ExportOpen, "i32 i32 -> i32"},
		{abi.ExportProcess, "i32 i32 -> i32"},
		{abi.ExportFlush, "-> i32"},
	} {
		p.Exports = append(p.Exports, wasm.ExportRule{Name: x.name, Kind: wasm.KindFunc, Type: wasm.MustFuncType(x.signature),
			Optional: x.name == abi.ExportInitialize})
	}
	p.Exports = append(p.Exports, wasm.ExportRule{Name: abi.ExportMemory, Kind: wasm.KindMemory})
	return p
}

// meterOptions are those for a stack budget in bytes.
func meterOptions(stack int64) wasm.Options {
	return wasm.Options{StackBudget: int32(min(stack, 1<<31-1)), Limits: wasm.DefaultLimits}
}

// admit parses, validates and judges a module and rewrites it to count its fuel and stack.
//
// The original is validated twice, by our parser and by the engine: rewriting adds globals and functions, and must not
// make valid what was not. Limits come first, since an engine can be kept busy for minutes by a few kilobytes.
func admit(ctx context.Context, module []byte, o wasm.Options, rules wasm.Policy) (*wasm.Metered, error) {
	m, err := wasm.ParseWithin(module, o.Limits)
	if err != nil {
		return nil, refusal(err)
	}
	if err := m.Admit(o.Limits, rules); err != nil {
		return nil, pluginHint(refusal(err), m, rules)
	}
	if err := validate(ctx, module); err != nil {
		return nil, host.Errorf(host.CodeModuleInvalid, "the module does not validate: %w", err)
	}
	metered, err := wasm.Meter(m, o)
	if err != nil {
		return nil, refusal(err)
	}
	return metered, nil
}

// validate asks the engine, which is cheap in its interpreter. A module on which it panics is not valid either.
func validate(ctx context.Context, module []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the engine panics: %v", r)
		}
	}()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features).WithDebugInfoEnabled(false))
	defer rt.Close(ctx)
	_, err = rt.CompileModule(ctx, module)
	return err
}

// maxReasons is how many reasons for a refusal are shown.
const maxReasons = 8

// refusal turns what is wrong with a module into an error for people, every reason in it.
func refusal(err error) *host.Error {
	code, hint := host.CodeModuleRefused, "a guest may import "+abi.ImportModule+" and a part of WASI, and exports what the guest SDKs export; adp abi check says it clause by clause"
	if errors.Is(err, wasm.ErrInvalid) {
		code, hint = host.CodeModuleInvalid, "build it again with one of the guest SDKs, for wasm32"
	}
	reasons := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		reasons = joined.Unwrap()
	}
	var lines []string
	for n, r := range reasons {
		if n == maxReasons {
			lines = append(lines, "…")
			break
		}
		lines = append(lines, detail(r))
	}
	e := host.Errorf(code, "the module is refused: %s", strings.Join(lines, "; ")).WithHint("%s", hint)
	e.Err = err
	return e
}

// detail is a reason without the words that all share.
func detail(err error) string {
	s := err.Error()
	for _, kind := range []error{wasm.ErrInvalid, wasm.ErrRefused} {
		s = strings.TrimPrefix(s, kind.Error()+": ")
	}
	return s
}
