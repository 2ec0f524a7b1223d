package table

import (
	"hash/maphash"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// sampleRows is how many values of a column decide whether a dictionary pays.
const sampleRows = 2048

// repeats judges by evenly spread values whether a flat column has few distinct ones, so that a dictionary makes it
// smaller and is not tried in vain: a dictionary that fails has cost more than the whole column.
func repeats(c *arrow.Chunked) bool {
	n := c.Len()
	if n < 64 || c.DataType().ID() == arrow.BOOL {
		return false
	}
	step := max(1, n/sampleRows)
	few := n / step / 4
	seed := maphash.MakeSeed() // only equality matters
	seen := map[uint64]struct{}{}
	next, base := 0, 0
	for _, a := range c.Chunks() {
		for ; next < base+a.Len(); next += step {
			if i := next - base; a.IsValid(i) {
				seen[valueHash(seed, a, i)] = struct{}{}
			}
		}
		if len(seen) > few {
			return false
		}
		base += a.Len()
	}
	return true
}

func valueHash(seed maphash.Seed, a arrow.Array, i int) uint64 {
	switch a := a.(type) {
	case *array.String:
		return maphash.String(seed, a.Value(i))
	case *array.Binary:
		return maphash.Bytes(seed, a.Value(i))
	}
	w := a.DataType().(arrow.FixedWidthDataType).Bytes()
	d := a.Data()
	at := (d.Offset() + i) * w
	return maphash.Bytes(seed, d.Buffers()[1].Bytes()[at:at+w])
}
