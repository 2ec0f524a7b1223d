package wasm_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/adp-host/adp/host/wasm"
)

// instantiable is what a sandbox makes of a module, the long way.
func instantiable(t *testing.T, module []byte) wasm.Instantiable {
	t.Helper()
	m, err := wasm.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	metered, err := wasm.Meter(m, wasm.Options{StackBudget: 1 << 20, Limits: wasm.DefaultLimits})
	if err != nil {
		t.Fatal(err)
	}
	out := metered.Instantiable()
	out.Kin, _ = wasm.Kin(module)
	return out
}

// laid is a module with content in it.
func laid(t *testing.T, module []byte, content string) []byte {
	t.Helper()
	out, err := wasm.Embed(module, "script", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRelaid: what is made of a module's kin is in all what is made of the module itself.
func TestRelaid(t *testing.T) {
	module := withMemory("")
	one := instantiable(t, laid(t, module, "print(1)"))
	for _, script := range []string{"print(1)", "", "print(2)", strings.Repeat("print(3)\n", 1000)} {
		other := laid(t, module, script)
		want := instantiable(t, other)
		got, err := one.Relaid(other)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d bytes: %d of data at start %d, want %d at %d", len(script), got.DataBytes, got.Start, want.DataBytes, want.Start)
		}
	}
}

// TestNoKin: modules with other code, other memory or another number of segments are not taken for kin, and broken ones for nothing.
func TestNoKin(t *testing.T) {
	module := withMemory("")
	good := laid(t, module, "print(1)")
	one := instantiable(t, good)
	other := bytes.Replace(bytes.Clone(good), []byte{0x2d, 0x00, 0x00}, []byte{0x2d, 0x00, 0x01}, 1) // the offset of a load
	if bytes.Equal(other, good) {
		t.Fatal("the test has changed nothing")
	}
	for name, m := range map[string][]byte{
		"other code":   other,
		"more memory":  laid(t, module, strings.Repeat("x", 1<<18)),
		"passive data": laid(t, wasm.Assemble(strings.Replace(scriptless, "%max", "", 1)+"data passive\n"), "print(1)"),
		"a short one":  good[:len(good)-1],
		"a long one":   append(bytes.Clone(good), 0),
		"no script":    bytes.Replace(bytes.Clone(good), []byte("adp_script"), []byte("adp_skript"), 1),
		"two of data":  append(bytes.Clone(good), 11, 1, 0),
		"no module":    []byte("print(1)"),
		"nothing":      nil,
	} {
		if _, err := one.Relaid(m); err == nil {
			t.Errorf("%s: it is taken for kin", name)
		}
	}
	if _, ok := wasm.Kin(good); !ok {
		t.Error("a module has no kin")
	}
}
