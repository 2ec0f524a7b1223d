package cdata

import "golang.org/x/sys/cpu"

// step is how many bytes the wide scans take at a time.
const step = 128

// hasAVX2 says whether the processor has what the wide scans need.
var hasAVX2 = cpu.X86.HasAVX2

// nan64AVX2 tells whether one of the float64s of so many steps is a NaN.
//
//go:noescape
func nan64AVX2(p *byte, steps int) bool

// nan32AVX2 tells whether one of the float32s of so many steps is a NaN.
//
//go:noescape
func nan32AVX2(p *byte, steps int) bool

// falls32AVX2 tells whether an int32 of so many steps is greater than the one behind it. It reads one more.
//
//go:noescape
func falls32AVX2(p *byte, steps int) bool

// falls64AVX2 tells whether an int64 of so many steps is greater than the one behind it. It reads one more.
//
//go:noescape
func falls64AVX2(p *byte, steps int) bool

// highAVX2 tells whether a byte of so many steps has its highest bit set.
//
//go:noescape
func highAVX2(p *byte, steps int) bool

// The wide scans look at as many whole steps as there are, and return what they found and what is left for others.

func nan64Wide(b []byte) (found bool, rest []byte)   { return widely(b, 0, nan64AVX2) }
func nan32Wide(b []byte) (found bool, rest []byte)   { return widely(b, 0, nan32AVX2) }
func falls32Wide(b []byte) (found bool, rest []byte) { return widely(b, 4, falls32AVX2) }
func falls64Wide(b []byte) (found bool, rest []byte) { return widely(b, 8, falls64AVX2) }
func highWide(b []byte) (found bool, rest []byte)    { return widely(b, 0, highAVX2) }

// widely leaves at least so many bytes behind what the scan begins its last step with, since it may look at them too.
func widely(b []byte, behind int, scan func(p *byte, steps int) bool) (found bool, rest []byte) {
	steps := (len(b) - behind) / step
	if !hasAVX2 || steps <= 0 {
		return false, b
	}
	return scan(&b[0], steps), b[steps*step:]
}
