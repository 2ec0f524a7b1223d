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

// dense is v × 1.1 + w into out, and its sum, four rows at a time.
func dense(v, w, out []float64) float64 {
	var s0, s1, s2, s3 float64
	n := len(v)
	w, out = w[:n], out[:n]
	i := 0
	for ; i+4 <= n; i += 4 {
		vv, ww, oo := v[i:i+4:i+4], w[i:i+4:i+4], out[i:i+4:i+4]
		a, b, c, d := vv[0]*1.1+ww[0], vv[1]*1.1+ww[1], vv[2]*1.1+ww[2], vv[3]*1.1+ww[3]
		oo[0], oo[1], oo[2], oo[3] = a, b, c, d
		s0, s1, s2, s3 = s0+a, s1+b, s2+c, s3+d
	}
	for ; i < n; i++ {
		a := v[i]*1.1 + w[i]
		out[i] = a
		s0 += a
	}
	return s0 + s1 + s2 + s3
}

// byteLoop counts the bytes before 'n'.
func byteLoop(p []byte) uint32 {
	var s uint32
	for _, b := range p {
		if b < 'n' {
			s++
		}
	}
	return s
}
