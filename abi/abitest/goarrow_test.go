package abitest_test

import (
	"testing"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
)

// TestGoArrow: what a guest takes through Arrow's library comes back equal, with every type, nulls at every place, and batches
// that are laid down plainly or with offsets everywhere.
func TestGoArrow(t *testing.T) {
	h := newPlain(t, abitest.BuildGo(t, "arrow/conform"))
	fields := abitest.AllFields()
	s := abitest.Spec{Inputs: []abitest.Port{{Name: "all", Mode: abi.ModeIncremental, Fields: fields}},
		Outputs: []abitest.Port{{Name: "columns", Mode: abi.ModeAppend, Fields: fields}}}
	for name, layout := range map[string]abitest.Block{"plain": {}, "offset": {Skip: 3, Lead: 5, Gap: 100, Bitmaps: true}} {
		t.Run(name, func(t *testing.T) {
			h.layout = layout
			in := h.Start(t, s)
			defer in.Close()
			if err := in.Open(); err != nil {
				t.Fatal(err)
			}
			var all []abitest.Row
			for _, n := range []int{1, 7, 8, 9, 64, 65, 0, 3000} {
				for _, density := range []float64{0, 0.3, 1} {
					rows := abitest.RandomRows(fields, n, density, uint64(n))
					if err := in.Process(0, rows); err != nil {
						t.Fatalf("%d rows, %v null: %v, %v", n, density, err, in.Result().Logs)
					}
					all = append(all, rows...)
				}
			}
			if err := in.Flush(); err != nil {
				t.Fatal(err, in.Result().Logs)
			}
			if got, want := abitest.Text(in.Result().Emitted["columns"]), abitest.Text(all); got != want {
				t.Errorf("%d bytes of text came back, not the %d that went in", len(got), len(want))
			}
		})
	}
}
