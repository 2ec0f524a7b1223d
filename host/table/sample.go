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
	if n < 64 {
		return false
	}
	step := max(1, n/sampleRows)
	seed := maphash.MakeSeed() // only equality matters
	seen := make(map[uint64]struct{}, sampleRows)
	sampled, next, base := 0, 0, 0
	for _, a := range c.Chunks() {
		for ; next < base+a.Len(); next += step {
			if i := next - base; a.IsValid(i) {
				sampled++
				seen[valueHash(seed, a, i)] = struct{}{}
			}
		}
		base += a.Len()
	}
	return len(seen)*4 <= sampled
}

func valueHash(seed maphash.Seed, a arrow.Array, i int) uint64 {
	switch a := a.(type) {
	case *array.String:
		return maphash.String(seed, a.Value(i))
	case *array.Binary:
		return maphash.Bytes(seed, a.Value(i))
	case *array.Boolean:
		return 0
	}
	w := a.DataType().(arrow.FixedWidthDataType).Bytes()
	d := a.Data()
	at := (d.Offset() + i) * w
	return maphash.Bytes(seed, d.Buffers()[1].Bytes()[at:at+w])
}
