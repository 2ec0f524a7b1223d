// Command main is a guest in Go for differential runs and overhead: the kernels of kernel.c and some ordinary Go.
package main

import (
	"fmt"
	"sort"
	"strings"
	"unsafe"
)

var kept = map[uint32][]byte{}

//go:wasmexport alloc
func alloc(n uint32) uint32 {
	b := make([]byte, n+64)
	p := (uint32(uintptr(unsafe.Pointer(&b[0]))) + 63) &^ 63
	kept[p] = b
	return p
}

//go:wasmexport spin
func spin(n uint32) uint32 {
	x := n | 1
	for i := uint32(0); i < n; i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
	}
	return x
}

func slice[T any](p, n uint32) []T { return unsafe.Slice((*T)(unsafe.Pointer(uintptr(p))), n) }

//go:wasmexport kernel
func kernel(n, k, v, off, data, out, sums uint32) uint32 {
	o := slice[int32](off, n+1)
	return rows(slice[int64](k, n), slice[float64](v, n), o, slice[byte](data, uint32(o[n])), slice[float64](out, n), (*[16]float64)(unsafe.Pointer(uintptr(sums))))
}

func rows(k []int64, v []float64, off []int32, data []byte, out []float64, sums *[16]float64) uint32 {
	var c uint32
	v = v[:len(k)]
	off = off[:len(k)+1]
	for i, kk := range k {
		o := off[i]
		l := off[i+1] - o
		if kk > 100 && l > 3 && data[o] < 'n' {
			y := v[i]*1.1 + float64(kk)
			out[c] = y
			c++
			sums[kk&15] += y
		}
	}
	return c
}

//go:wasmexport dense
func dense(n, v, w, out uint32) float64 {
	return columns(slice[float64](v, n), slice[float64](w, n), slice[float64](out, n))
}

func columns(v, w, out []float64) float64 {
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

//go:wasmexport bytesum
func bytesum(n, p uint32) uint32 {
	var s uint32
	for _, b := range slice[byte](p, n) {
		if b < 'n' {
			s++
		}
	}
	return s
}

// ordinary is what guests do most: maps, strings, sorting, formatting, a panic that is recovered.
//
//go:wasmexport ordinary
func ordinary(n uint32) uint32 {
	words := make(map[string]int)
	for i := range int(n) {
		words[fmt.Sprintf("w%d", (i*7919)%101)] += i
	}
	keys := make([]string, 0, len(words))
	for k := range words {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%s=%d;", strings.ToUpper(k), words[k])
	}
	h := uint32(len(recovered(b.String())))
	for _, c := range []byte(b.String()) {
		h = h*31 + uint32(c)
	}
	return h
}

func recovered(s string) (out string) {
	defer func() { out = fmt.Sprint(recover()) }()
	return s[len(s)+len(kept):]
}

//go:wasmexport fib
func fib(n uint32) uint32 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func main() {}
