package main

// Kernel keeps the rows with k > 100 whose name is longer than 3 bytes and begins before 'n', computes v × 1.1 + k for each into out,
// and adds that up by the last four bits of k. It returns how many rows it kept.
func Kernel(k []int64, v []float64, offsets []int32, data []byte, out []float64, sums *[16]float64) int {
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

// Dense computes v × 1.1 + w into out and returns the sum, four values at a time.
func Dense(v, w, out []float64) float64 {
	var s0, s1, s2, s3 float64
	n := len(v)
	w, out = w[:n], out[:n]
	i := 0
	for ; i+4 <= n; i += 4 {
		v, w, out := v[i:i+4:i+4], w[i:i+4:i+4], out[i:i+4:i+4]
		a, b, c, d := v[0]*1.1+w[0], v[1]*1.1+w[1], v[2]*1.1+w[2], v[3]*1.1+w[3]
		out[0], out[1], out[2], out[3] = a, b, c, d
		s0, s1, s2, s3 = s0+a, s1+b, s2+c, s3+d
	}
	for ; i < n; i++ {
		a := v[i]*1.1 + w[i]
		out[i] = a
		s0 += a
	}
	return s0 + s1 + s2 + s3
}

// ByteSum counts the bytes before 'n'.
func ByteSum(p []byte) int {
	n := uint32(0)
	for _, b := range p {
		if b < 'n' {
			n++
		}
	}
	return int(n)
}
