package wasm_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/adp-host/adp/host/wasm"
)

// TestComparedAnds: comparisons with an "and" give the same in both engines. Where the engine's compiler is right by itself,
// ands.go is no longer needed.
func TestComparedAnds(t *testing.T) {
	operands := map[string]string{
		"at once":         "  local.get 0\n  local.get 1\n  T.and\n",
		"by a local":      "  local.get 0\n  local.get 1\n  T.and\n  local.set 1\n  nop\n  local.get 1\n",
		"by a tee":        "  local.get 0\n  local.get 1\n  T.and\n  local.tee 1\n",
		"under a drop":    "  local.get 0\n  local.get 1\n  T.and\n  T.const 5\n  drop\n",
		"through a block": "",
	}
	wrong := 0
	for name, operand := range operands {
		for _, typ := range []string{"i32", "i64"} {
			for _, op := range []string{"lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"} {
				text := "func f (T T) -> (i32)\n  T.const 0\n" + operand + "  T." + op + "\n  if\n    i32.const 1\n    return\n  end\n"
				if name == "through a block" {
					text = "func f (T T) -> (i32)\n  T.const 0\n  local.get 0\n  local.get 1\n  T.and\n  block (T T) -> ()\n  T." + op + "\n  if\n    i32.const 1\n    return\n  end\n  end\n"
				}
				b := wasm.Assemble(replaceT(text+"  i32.const 0", typ))
				want := run(t, b, false, nil)
				if got := run(t, b, true, &wasm.Options{}); got != want {
					t.Errorf("0 %s an and, %s: %v, want %v", op, name, got, want)
				}
				if run(t, b, true, nil) != want {
					wrong++
				}
			}
		}
	}
	if wrong == 0 && runtime.GOARCH == "amd64" {
		t.Error("the engine's compiler is right by itself: ands.go can go")
	}
}

func replaceT(text, typ string) string { return strings.ReplaceAll(text, "T", typ) }

// run calls f with some pairs of numbers.
func run(t *testing.T, b []byte, compiler bool, o *wasm.Options) (results [4]uint32) {
	t.Helper()
	w := newWorld(t, "", compiler, o)
	defer w.r.Close(ctx)
	m, err := w.instantiate(b, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, args := range [][]uint64{{0, 1}, {3, 1}, {1<<64 - 1, 1<<63 | 1<<31}, {1 << 31, 1<<32 - 1}} {
		r, err := m.ExportedFunction("f").Call(ctx, args...)
		if err != nil {
			t.Fatal(err)
		}
		results[i] = uint32(r[0])
	}
	return results
}

// TestChosenFloats: selects of floats and vectors give the same in both engines. Where the engine's compiler is right by itself,
// choice.go is no longer needed.
func TestChosenFloats(t *testing.T) {
	wrong := 0
	for typ, to := range map[string][2]string{"f32": {"f32.reinterpret_i32", "i32.reinterpret_f32"}, "f64": {"i64.extend_i32_u\n  f64.reinterpret_i64", "i64.reinterpret_f64\n  i32.wrap_i64"},
		"v128": {"i32x4.splat", "i32x4.extract_lane 0"}} {
		for _, second := range []string{"global.get 0", "local.get 3", "i32.const 7\n  TO"} {
			for _, choose := range []string{"select", "select TYPE"} {
				text := `
global TYPE mut 77
func h (i32) -> (i32)
  local.get 0
func f (i32 i32) -> (i32)
  local TYPE TYPE
  local.get 0
  TO
  local.set 2
  i32.const 5
  TO
  local.set 3
  i32.const 0
  if -> (TYPE)
  local.get 2
  else
  i32.const 0
  call $h
  drop
  local.get 2
  SECOND
  i32.const 0
  CHOOSE
  end
  BACK
  local.get 2
  BACK
  i32.const 8
  i32.shl
  i32.add
`
				text = strings.NewReplacer("CHOOSE", choose, "SECOND", second).Replace(text)
				b := wasm.Assemble(strings.NewReplacer("TYPE", typ, "TO", to[0], "BACK", to[1]).Replace(text))
				want := run(t, b, false, nil)
				for _, o := range []*wasm.Options{{}, {CanonicalNaNs: true}} {
					if got := run(t, b, true, o); got != want {
						t.Errorf("%s of %s, %s, %+v: %v, want %v", choose, typ, second, *o, got, want)
					}
				}
				if got := run(t, b, true, nil); got != want {
					wrong++
					t.Logf("%s of %s, %s: the compiler alone gives %v, not %v", choose, typ, second, got, want)
				}
			}
		}
	}
	if wrong == 0 && runtime.GOARCH == "amd64" {
		t.Error("the engine's compiler is right by itself: choice.go can go")
	}
}
