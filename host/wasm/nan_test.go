package wasm_test

import (
	"testing"

	"github.com/adp-host/adp/host/wasm"
)

// TestStrictNaNs gives NaNs with all kinds of bits to every instruction that makes NaNs, and makes some of infinities: what comes out
// is the canonical one in both engines, lane by lane, and costs the same as without.
func TestStrictNaNs(t *testing.T) {
	cases := wasm.NaNCases()
	if len(cases) != 48 {
		t.Errorf("%d instructions make NaNs", len(cases))
	}
	for _, c := range cases {
		var fuel []int64
		for _, compiler := range []bool{false, true} {
			for _, strict := range []bool{true, false} {
				w := newWorld(t, c.Name, compiler, &wasm.Options{CanonicalNaNs: strict})
				m, err := w.instantiate(c.Module, "")
				if err != nil {
					t.Fatal(err)
				}
				for i := range c.Inputs {
					got, err := m.ExportedFunction("f").Call(ctx, uint64(i))
					if err != nil {
						t.Fatal(err)
					}
					if strict && [2]uint64(got) != c.Want[i] {
						t.Errorf("%s, compiler %v, operand %d: %x, want %x", c.Name, compiler, i, got, c.Want[i])
					}
				}
				fuel = append(fuel, w.used())
				w.r.Close(ctx)
			}
		}
		if fuel[0] != fuel[1] || fuel[0] != fuel[2] || fuel[0] != fuel[3] {
			t.Errorf("%s: fuel %d", c.Name, fuel)
		}
	}
}
