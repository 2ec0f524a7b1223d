package wasm

import (
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestGlue: glue gives the functions of others under its own name, and does with one call what takes several.
func TestGlue(t *testing.T) {
	ctx := t.Context()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	var log []int64
	_, err := rt.NewHostModuleBuilder("numbers").
		NewFunctionBuilder().WithFunc(func(a, b int64) int64 { return a*10 + b }).Export("join").
		NewFunctionBuilder().WithFunc(func(a int64) { log = append(log, a) }).Export("note").
		Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var g Glue
	join := g.Pass("numbers", "join", MustFuncType("i64 i64 -> i64"))
	note := g.Pass("numbers", "note", MustFuncType("i64 ->"))
	g.Add("both", MustFuncType("i64 i64 -> i64 i64"), 1, Steps{}.Get(0).Get(1).Call(join).Keep(2).Call(note).Get(2).Get(0))
	g.Add("nothing", MustFuncType("->"), 0, Steps{})
	if _, err := Parse(g.Module()); err != nil {
		t.Fatal(err)
	}
	m, err := rt.Instantiate(ctx, g.Module())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]uint64{"join": {34}, "both": {34, 3}} {
		got, err := m.ExportedFunction(name).Call(ctx, 3, 4)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s gives %v, %v; want %v", name, got, err, want)
		}
	}
	if got, err := m.ExportedFunction("nothing").Call(ctx); err != nil || len(got) != 0 || !slices.Equal(log, []int64{34}) {
		t.Errorf("%v, %v; noted %v", got, err, log)
	}
	empty := Glue{}
	if _, err := rt.InstantiateWithConfig(ctx, empty.Module(), wazero.NewModuleConfig().WithName("")); err != nil {
		t.Errorf("empty glue: %v", err)
	}
}
