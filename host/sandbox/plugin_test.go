package sandbox

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// pluginSpec is a product whose code is an Extism plug-in.
func pluginSpec(module []byte, schema *arrow.Schema, function, encoding string) Spec {
	s := specOf(module, schema)
	s.Product.Bindings, s.Bindings = nil, nil
	s.Product.Code = host.Code{Language: host.Extism, Function: function, Encoding: encoding}
	return s
}

// plugins runs a test in the compiler and in the interpreter.
func plugins(t *testing.T, test func(t *testing.T, e *Engine)) {
	for _, interpreter := range []bool{false, true} {
		t.Run(map[bool]string{false: "compiler", true: "interpreter"}[interpreter], func(t *testing.T) {
			test(t, newEngine(t, Config{Interpreter: interpreter, Rows: file.ReadRows}))
		})
	}
}

// pluginText is a plug-in in WebAssembly text: its imports by the kernel's names and the code of its function.
func pluginText(fields, run string) string {
	var b strings.Builder
	for _, f := range kernelFunctions {
		b.WriteString(importText(f.name, f.signature))
	}
	for _, f := range extismImports() {
		b.WriteString(importText(f.name, f.signature))
	}
	b.WriteString(`(memory (export "memory") 1)` + "\n" + fields)
	b.WriteString(`(func $run (export "run") (result i32) (local $a i64) (local $b i64) (local $i i64)` + "\n" + run + "\n(i32.const 0))")
	return b.String()
}

func importText(name, signature string) string {
	params, results, _ := strings.Cut(signature, "->")
	out := `(import "extism:host/env" "` + name + `" (func $` + name
	if p := strings.TrimSpace(params); p != "" {
		out += " (param " + p + ")"
	}
	if r := strings.TrimSpace(results); r != "" {
		out += " (result " + r + ")"
	}
	return out + "))\n"
}

// echoPlugin answers with its input, where that is.
const echoPlugin = `(call $output_set (call $input_offset) (call $input_length))`

// What an echo plug-in gets, the run gets back, in every encoding.
func TestPluginEcho(t *testing.T) {
	module := assemble(t, pluginText("", echoPlugin))
	plugins(t, func(t *testing.T, e *Engine) {
		for _, encoding := range []string{host.NDJSON, host.JSON, host.Columns} {
			var f fake
			u, err := runAll(e, pluginSpec(module, numbers, "run", encoding), &f, counting(10), counting(0), counting(1000))
			if err != nil {
				t.Fatalf("%s: %v", encoding, err)
			}
			if len(f.batches) != 2 || !array.RecordEqual(f.batches[0], counting(10)) || !array.RecordEqual(f.batches[1], counting(1000)) {
				t.Fatalf("%s: got %v", encoding, f.batches)
			}
			if u.Fuel <= 0 || u.MemoryBytes < 17*64<<10 || u.BytesIn < 10_000 || u.BytesOut < 10_000 {
				t.Errorf("%s: usage %+v", encoding, u)
			}
		}
	})
}

// TestKernel: the kernel is that of the SDK in go.mod.
func TestKernel(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/extism/go-sdk "+extismVersion+"\n") {
		t.Errorf("go.mod has another version of the SDK than %s", extismVersion)
	}
	m, err := wasm.Parse(extismRuntimeWasm)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range kernelFunctions {
		if !slices.ContainsFunc(m.Exports, func(x wasm.Export) bool { return x.Name == f.name && x.Type.Equal(wasm.MustFuncType(f.signature)) }) {
			t.Errorf("the kernel has no %s %s", f.name, f.signature)
		}
	}
}

// hostile are plug-ins that mean no good, and what becomes of their runs.
var hostilePlugins = []struct {
	name, code string
	limits     host.Limits
	wants      host.ErrorCode
	says       string
}{
	{"spins", `(loop $l (br $l))`, host.Limits{Fuel: 10_000_000}, host.CodeGuestFuel, "used up its fuel"},
	{"spins past its deadline", `(loop $l (br $l))`, host.Limits{Deadline: 100 * time.Millisecond, Fuel: 1 << 60}, host.CodeGuestDeadline, "deadline"},
	{"spins in the kernel", `(loop $l (drop (call $length (i64.const 1))) (br $l))`, host.Limits{Fuel: 10_000_000}, host.CodeGuestFuel, "used up its fuel"},
	{"recurses", `(drop (call $run))`, host.Limits{}, host.CodeGuestStack, "stack"},
	{"traps", `(unreachable)`, host.Limits{}, host.CodeGuestTrap, "run trapped: unreachable"},
	{"returns", `(return (i32.const 7))`, host.Limits{}, host.CodeGuestStatus, "run returned 7"},
	{"fills the kernel", `(loop $l (br_if $l (i64.ne (call $alloc (i64.const 1000000)) (i64.const 0)))) (unreachable)`, host.Limits{Memory: 4 << 20}, host.CodeGuestMemory, "memory"},
	{"fills both memories", `(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)`, host.Limits{Memory: 4 << 20}, host.CodeGuestMemory, "memory"},
	{"names a setting nowhere", `(drop (call $config_get (i64.const 4000000000)))`, host.Limits{}, host.CodeGuestABI, "no block at 4000000000"},
	{"logs nowhere", `(call $log_info (i64.const 99))`, host.Limits{}, host.CodeGuestABI, "no block at 99"},
	{"floods the log", `(local.set $a (call $alloc (i64.const 1000))) (loop $l (call $log_info (local.get $a)) (br $l))`, host.Limits{Logs: 10_000}, host.CodeGuestLogs, "logged more than its limit"},
	{"keeps too much", `(local.set $a (call $alloc (i64.const 600000))) (call $var_set (call $alloc (i64.const 1)) (local.get $a)) (call $var_set (call $alloc (i64.const 2)) (local.get $a))`,
		host.Limits{}, host.CodeGuestCallLimit, "variables"},
	{"asks the network nothing", `(drop (call $http_request (i64.const 0) (i64.const 0)))`, host.Limits{}, host.CodeGuestABI, "is no JSON"},
	{"answers too much", `(local.set $a (call $alloc (i64.const 100000))) (call $output_set (local.get $a) (i64.const 100000))`, host.Limits{Output: 1000}, host.CodeGuestOutput, "output limit"},
	{"answers nonsense", `(local.set $a (call $alloc (i64.const 10))) (call $output_set (local.get $a) (i64.const 10))`, host.Limits{}, host.CodeGuestBatch, "row 1"},
}

// TestPluginBounds: the kernel ignores offsets that are none, as it does under Extism's own host.
func TestPluginBounds(t *testing.T) {
	for _, code := range []string{
		`(call $output_set (i64.const 4000000000) (i64.const 8))`,
		`(call $output_set (i64.const 1048600) (i64.const 4000000000))`,
		`(call $error_set (i64.const 4000000000000))`,
		`(drop (call $load_u64 (i64.const 4000000000)))`,
		`(call $store_u64 (i64.const 4000000000) (i64.const 1))`,
	} {
		module := assemble(t, pluginText("", code))
		plugins(t, func(t *testing.T, e *Engine) {
			var f fake
			if _, err := runAll(e, pluginSpec(module, numbers, "run", host.NDJSON), &f, counting(10)); err != nil || len(f.batches) > 0 {
				t.Errorf("%s: %v, %v", code, f.batches, err)
			}
		})
	}
}

// meddler is a run that changes the kernel's memory when its plug-in logs.
type meddler struct {
	fake
	change func()
}

func (m *meddler) Log(int32, string) { m.change() }

// TestPluginForges: offsets and lengths that lie in the kernel's memory are not believed, whoever wrote them.
func TestPluginForges(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		old  string // function of the kernel that gives what is forged
		says string
	}{
		"output length": {`(call $output_set (call $alloc (i64.const 123457)) (i64.const 123457))`, "output_length", "the output of run"},
		"output offset": {`(call $output_set (call $alloc (i64.const 123457)) (i64.const 123457))`, "output_offset", "the output of run"},
		"error length":  {`(call $error_set (call $alloc (i64.const 123457)))`, "", "run failed with an error of"},
	} {
		t.Run(name, func(t *testing.T) {
			module := assemble(t, pluginText("", c.code+`(local.set $a (call $alloc (i64.const 3))) (call $log_info (local.get $a))`))
			plugins(t, func(t *testing.T, e *Engine) {
				var m meddler
				i := start(t, e, pluginSpec(module, numbers, "run", host.NDJSON), &m)
				m.change = func() {
					mem, old, wide := i.kernel.mem.bytes(), uint64(123457), 4
					if c.old != "" {
						var err error
						if old, err = i.asked(i.kernel.mod.ExportedFunction(c.old), 0); err != nil {
							t.Fatal(err)
						}
						wide = 8
					}
					was := binary.LittleEndian.AppendUint64(nil, old)[:wide]
					for at := 0; at+8 <= len(mem); at++ {
						if bytes.Equal(mem[at:at+wide], was) {
							copy(mem[at:at+wide], "\xff\xff\xff\x7f\xff\xff\xff\x7f")
						}
					}
				}
				err := i.Open(t.Context())
				if err == nil {
					err = i.Process(t.Context(), 0, counting(1))
				}
				wantError(t, err, host.CodeGuestABI, c.says, "memory of the kernel")
			})
		})
	}
}

func TestHostilePlugins(t *testing.T) {
	for _, c := range hostilePlugins {
		t.Run(c.name, func(t *testing.T) {
			module := assemble(t, pluginText("", c.code))
			plugins(t, func(t *testing.T, e *Engine) {
				s := pluginSpec(module, numbers, "run", host.NDJSON)
				s.Product.Limits = c.limits
				if s.Product.Limits.Deadline == 0 {
					s.Product.Limits.Deadline = time.Minute
				}
				_, err := runAll(e, s, &fake{}, counting(10))
				wantError(t, err, c.wants, c.says)
			})
		})
	}
}

// TestPluginsAdmitted: what a plug-in may import and must export.
func TestPluginsAdmitted(t *testing.T) {
	e := newEngine(t, Config{})
	code := host.Code{Language: host.Extism, Function: "run", Encoding: host.NDJSON}
	for name, c := range map[string]struct {
		text, says string
	}{
		"good":          {pluginText("", echoPlugin), ""},
		"a user's own":  {`(import "extism:host/user" "f" (func $f)) (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0))`, "functions of an application's own"},
		"unknown":       {`(import "extism:host/env" "launch" (func $f)) (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0))`, "launch: not offered"},
		"no function":   {`(memory (export "memory") 1) (func (export "go") (result i32) (i32.const 0))`, "export run is missing"},
		"its type":      {`(memory (export "memory") 1) (func (export "run") (param i32) (result i32) (i32.const 0))`, "run has type"},
		"reserved name": {`(memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)) (func (export "adp_open") (result i32) (i32.const 0))`, "adp_open"},
		"the meter":     {`(import "adp_meter" "refill" (func $f (param i64) (result i64))) (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0))`, "meter"},
	} {
		t.Run(name, func(t *testing.T) {
			err := e.Check(t.Context(), assemble(t, c.text), code)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, host.CodeModuleRefused, c.says)
		})
	}
}
