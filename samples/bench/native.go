package main

// kernel is the row kernel of guest-sdk/go/kernel, line by line: what its guests are measured against. A test compares.
//
// It keeps the rows with k > 100 whose name is longer than 3 bytes and begins before 'n', computes v × 1.1 + k for each into
// out, and adds that up by the last four bits of k. It returns how many rows it kept.
func kernel(k []int64, v []float64, offsets []int32, data []byte, out []float64, sums *[16]float64) int {
	n := 0
	v = v[:len(k)]
	offsets = offsets[:len(k)+1]
	for i, key := range k {
		from := offsets[i]
		if key > 100 && offsets[i+1]-from > 3 && data[from] < 'n' {
			y := v[i]*1.1 + float64(key)
			out[n] = y
			n++
			sums[key&15] += y
		}
	}
	return n
}
