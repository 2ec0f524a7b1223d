package sandbox

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

// TestLoad: a guest is initialised, and what it logs as errors meanwhile is told; nothing of it stays.
func TestLoad(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	said := `(data (i32.const 8) "product.js:1:2: no")`
	for _, c := range []struct {
		name string
		g    guest
		says []string
		code host.ErrorCode
	}{
		{"quiet", guest{}, nil, ""},
		{"errors", guest{imports: importLog, initialize: `(drop (call $log (i32.const 3) (i32.const 8) (i32.const 18))) (drop (call $log (i32.const 1) (i32.const 8) (i32.const 4)))`, fields: said},
			[]string{"product.js:1:2: no"}, ""},
		{"a trap", guest{initialize: `(unreachable)`}, nil, host.CodeGuestTrap},
		{"no guest", guest{imports: `(import "env" "f" (func $f (param i32) (result i32)))`}, nil, host.CodeModuleRefused},
	} {
		got, err := e.Load(t.Context(), assemble(t, c.g.text()))
		if host.CodeOf(err) != c.code || !slices.Equal(got, c.says) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	if n := len(e.programs.ready); n != 0 {
		t.Errorf("%d programs are kept", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.Load(ctx, assemble(t, guest{initialize: spin}.text())); err == nil {
		t.Error("a guest that spins was loaded")
	}
}
