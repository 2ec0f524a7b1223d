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
