package quality

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestFilteredNulls: columns without a bitmap can be asked for their nulls after rows were set aside.
func TestFilteredNulls(t *testing.T) {
	s := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}, {Name: "b", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "c", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)}}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(`[{"a":"x","b":1,"c":[1]},{"a":"y","b":null,"c":[]},{"a":"z","b":3,"c":[2]}]`))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	plain := array.NewStringData(array.NewData(arrow.BinaryTypes.String, 3, []*memory.Buffer{nil, rec.Column(0).Data().Buffers()[1], rec.Column(0).Data().Buffers()[2]}, nil, 0, 0))
	bare := array.NewRecordBatch(s, []arrow.Array{plain, rec.Column(1), rec.Column(2)}, 3)
	drop := mask(nil).cleared(3)
	drop.set(0)
	out := without(bare, drop)
	defer out.Release()
	for j, want := range []int{0, 1, 0} {
		if got := out.Column(j).NullN(); got != want || out.NumRows() != 2 {
			t.Errorf("column %d: %d nulls in %d rows, want %d", j, got, out.NumRows(), want)
		}
	}
}
