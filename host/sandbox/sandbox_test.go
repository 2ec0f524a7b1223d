package sandbox

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
)

// What an echo guest gets, the run gets back.
func TestEcho(t *testing.T) {
	engines(t, func(t *testing.T, e *Engine) {
		module := assemble(t, echo.text())
		var f fake
		u, err := runAll(e, specOf(module, numbers), &f, counting(10), counting(0), counting(1000))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.batches) != 2 || !array.RecordEqual(f.batches[0], counting(10)) || !array.RecordEqual(f.batches[1], counting(1000)) {
			t.Fatalf("got %v", f.batches)
		}
		if u.Fuel <= 0 || u.MemoryBytes < 64<<10 || u.BytesIn < 20_000 || u.BytesOut < 20_000 {
			t.Errorf("usage %+v", u)
		}
	})
}
