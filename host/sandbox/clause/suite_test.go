package clause_test

import (
	"context"
	"testing"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build/buildtest"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/sandbox/clause"
)

// The conformance suite of the ABI, with the reference products of the SDKs in the sandbox.

func TestConformGo(t *testing.T)   { conform(t, abitest.BuildGo(t, "conform")) }
func TestConformRust(t *testing.T) { conform(t, abitest.PrebuiltRust(t, "conform")) }
func TestConformC(t *testing.T)    { conform(t, buildtest.Guest(t, "c", "conform")) }

// TestConformJavaScript: the scripts of the JavaScript kit, in its engine.
func TestConformJavaScript(t *testing.T) { conform(t, buildtest.Guest(t, "javascript", "conform")) }

func TestConformAssemblyScript(t *testing.T) {
	conform(t, buildtest.Guest(t, "assemblyscript", "conform"))
}

func TestConformPython(t *testing.T) { conform(t, buildtest.Guest(t, "python", "conform")) }

func conform(t *testing.T, module []byte) {
	e := newEngine(t, sandbox.Config{})
	if err := e.Check(context.Background(), module, host.Code{}); err != nil {
		t.Fatal(err)
	}
	abitest.Run(t, clause.Harness{Engine: e, Module: module})
}

func newEngine(t testing.TB, cfg sandbox.Config) *sandbox.Engine {
	t.Helper()
	e, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}
