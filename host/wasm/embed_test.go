package wasm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/adp-host/adp/host/wasm"
)

// scriptless is a module that content can be laid into: script is the place, where calls it.
const scriptless = `
import env.f () -> ()
memory 1 %max
global i32 mut 7
func script () -> (i32)
  i32.const 0
func other (i32) -> (i32)
  local.get 0
  i32.load8_u 0
func where () -> (i32)
  call $script
`

// withMemory is scriptless with a memory of one page that may grow to so many, for ever if "".
func withMemory(max string) []byte {
	return wasm.Assemble(strings.Replace(scriptless, "%max", max, 1))
}

// TestEmbed: what is laid into a module is found where its function says, behind all that was there; and the module is as it was.
func TestEmbed(t *testing.T) {
	data := wasm.Assemble(strings.Replace(scriptless, "%max", "", 1) + "data passive\n")
	for name, module := range map[string][]byte{"a memory without end": withMemory(""), "one that may grow": withMemory("600"), "passive data": data} {
		for _, n := range []int{0, 1, 3, 127, 128, 65_531, 65_532, 65_533, 1<<18 - 4, 1<<18 - 3, 5 << 20} {
			content := bytes.Repeat([]byte("sum += row.x;\n"), n/14+1)[:n]
			out, err := wasm.Embed(module, "script", content)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			again, err := wasm.Embed(bytes.Clone(module), "script", bytes.Clone(content))
			if err != nil || !bytes.Equal(out, again) {
				t.Errorf("%s, %d bytes: the same content gives other bytes (%v)", name, n, err)
			}
			if got := embedded(t, out); !bytes.Equal(got, content) {
				t.Errorf("%s, %d bytes: %d came back, %.40q", name, n, len(got), got)
			}
		}
	}
}

// TestEmbedKeepsCode: scripts of about the same length differ in data alone.
func TestEmbedKeepsCode(t *testing.T) {
	module := withMemory("")
	var codes [][]byte
	for _, n := range []int{10, 100_000} {
		out, err := wasm.Embed(module, "script", bytes.Repeat([]byte("x"), n))
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasm.Parse(out)
		if err != nil {
			t.Fatal(err)
		}
		metered, err := wasm.Meter(m, wasm.Options{Limits: wasm.DefaultLimits, StackBudget: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, metered.Instantiable().Bytes)
	}
	if !bytes.Equal(codes[0], codes[1]) {
		t.Error("what an engine compiles depends on the script")
	}
}

// embedded runs a module and reads what was laid into it, by the address that its code sees.
func embedded(t *testing.T, module []byte) []byte {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() {}).Export("f").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := r.Instantiate(ctx, module)
	if err != nil {
		t.Fatal(err)
	}
	if m.ExportedFunction("script") != nil {
		t.Error("the place is still exported")
	}
	at, err := m.ExportedFunction("where").Call(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if at[0] < 1<<16 {
		t.Errorf("laid at %d, where the module's own memory is", at[0])
	}
	n, ok := m.Memory().ReadUint32Le(uint32(at[0]))
	if !ok {
		t.Fatal("the length lies outside memory")
	}
	b, ok := m.Memory().Read(uint32(at[0])+4, n)
	if !ok {
		t.Fatalf("%d bytes lie outside memory", n)
	}
	return bytes.Clone(b)
}

// TestEmbedRefuses: a module without a place, and content without room.
func TestEmbedRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		module []byte
		export string
		bytes  int
		says   string
	}{
		"no such function": {withMemory(""), "nothing", 1, "no function nothing"},
		"a parameter":      {withMemory(""), "other", 1, "(i32) -> (i32)"},
		"a memory":         {withMemory(""), "memory", 1, "no function memory"},
		"no memory":        {wasm.Assemble("func script () -> (i32)\n i32.const 0\n"), "script", 1, "no memory"},
		"a full memory":    {withMemory("1"), "script", 1, "do not fit"},
		"too long":         {withMemory("5"), "script", 4<<16 - 3, "do not fit"},
		"no module":        {[]byte("\x00asm"), "script", 1, "invalid module"},
	} {
		_, err := wasm.Embed(c.module, c.export, make([]byte, c.bytes))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if !errors.Is(err, wasm.ErrRefused) && !errors.Is(err, wasm.ErrInvalid) {
			t.Errorf("%s: %v is of no kind", name, err)
		}
	}
	if _, err := wasm.Embed(withMemory("5"), "script", make([]byte, 4<<16-4)); err != nil {
		t.Errorf("what just fits: %v", err)
	}
}

// FuzzEmbed: whatever the module and the content, the result is valid, or there is none.
func FuzzEmbed(f *testing.F) {
	f.Add(withMemory(""), []byte("export function f() {}"))
	f.Add(withMemory("5"), []byte{})
	f.Fuzz(func(t *testing.T, module, content []byte) {
		out, err := wasm.Embed(module, "script", content)
		if err != nil {
			return
		}
		if _, err := wasm.Parse(out); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(out, append(binary.LittleEndian.AppendUint32(nil, uint32(len(content))), content...)) {
			t.Fatal("the content is not in it")
		}
	})
}

// TestEmbedIsAnInterpreter: a module that carries a script may have twice the functions and blocks × locals, and no more of anything else.
func TestEmbedIsAnInterpreter(t *testing.T) {
	module := withMemory("")
	plain, err := wasm.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("print(1)")
	out, err := wasm.Embed(module, "script", content)
	if err != nil {
		t.Fatal(err)
	}
	scripted, err := wasm.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	rules := wasm.Policy{Imports: []wasm.ImportRule{{Module: "env", Name: "f", Type: wasm.MustFuncType("->")}}}
	enough := wasm.DefaultLimits
	for enough.ModuleBlockLocals = 0; plain.Admit(enough, rules) != nil; enough.ModuleBlockLocals++ {
		if enough.ModuleBlockLocals > 100 {
			t.Fatal(plain.Admit(enough, rules))
		}
	}
	half := enough
	half.ModuleBlockLocals = (enough.ModuleBlockLocals + 1) / 2
	if err := plain.Admit(half, rules); err == nil {
		t.Error("a module without a script has the limits of one with it")
	}
	if err := scripted.Admit(half, rules); err != nil {
		t.Error(err)
	}
	half.ModuleBlockLocals--
	if err := scripted.Admit(half, rules); err == nil {
		t.Error("a script allows more than twice as many")
	}
	few := enough
	few.Functions = 2
	if err := plain.Admit(few, rules); err == nil {
		t.Error("a module without a script has as many functions as one with it")
	}
	if err := scripted.Admit(few, rules); err != nil {
		t.Error(err)
	}
	one := enough
	one.BlockLocals, one.Functions = 0, 0
	if err := scripted.Admit(one, rules); err == nil || !strings.Contains(err.Error(), "functions, at most 0") || !strings.Contains(err.Error(), "blocks × locals, at most 0") {
		t.Errorf("a script lifts other limits: %v", err)
	}
}
