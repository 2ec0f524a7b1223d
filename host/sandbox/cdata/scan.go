package cdata

import (
	"encoding/binary"
	"math"
)

// The scans of validation, without branches: they run over every byte that leaves a guest. Where the processor has wide
// registers they do most (scan_amd64.s), and words of 8 bytes the rest, or everything.

const (
	exponent32 = 0x7f80_0000
	nan64      = 0x7ff8_0000_0000_0000
	nan32      = 0x7fc0_0000
	signs      = 0x8080_8080_8080_8080 // of eight bytes
	signs32    = 0x8000_0000_8000_0000 // of two int32s
)

// mayHaveNaN64 tells whether the exponent of a float64 is all ones, as those of NaNs are, and of infinities: adding one to
// the exponent carries into the sign.
func mayHaveNaN64(b []byte) bool {
	found, b := nan64Wide(b)
	const one, magnitude = 1 << 52, 1<<63 - 1
	var x, y uint64 // two, so that one addition does not wait for the other
	for ; len(b) >= 64; b = b[64:] {
		v := (*[64]byte)(b)
		x |= binary.LittleEndian.Uint64(v[0:])&magnitude + one
		y |= binary.LittleEndian.Uint64(v[8:])&magnitude + one
		x |= binary.LittleEndian.Uint64(v[16:])&magnitude + one
		y |= binary.LittleEndian.Uint64(v[24:])&magnitude + one
		x |= binary.LittleEndian.Uint64(v[32:])&magnitude + one
		y |= binary.LittleEndian.Uint64(v[40:])&magnitude + one
		x |= binary.LittleEndian.Uint64(v[48:])&magnitude + one
		y |= binary.LittleEndian.Uint64(v[56:])&magnitude + one
	}
	for ; len(b) >= 8; b = b[8:] {
		x |= binary.LittleEndian.Uint64(b)&magnitude + one
	}
	return found || (x|y)>>63 == 1
}

// hasNaN32 tells whether a float32 is a NaN: its bits without the sign are greater than infinity's.
func hasNaN32(b []byte) bool {
	found, b := nan32Wide(b)
	const magnitude, exponents = 0x7fff_ffff_7fff_ffff, 0x7f80_0000_7f80_0000
	var acc uint64
	for ; len(b) >= 8; b = b[8:] {
		// With the sign bits set no lane borrows from the next; a NaN clears its lane's.
		acc |= ^((exponents | signs32) - binary.LittleEndian.Uint64(b)&magnitude)
	}
	if len(b) >= 4 {
		acc |= uint64(exponent32-binary.LittleEndian.Uint32(b)&^(1<<31)) & (1 << 31)
	}
	return found || acc&signs32 != 0
}

// canonical64 gives all NaNs one bit pattern: engines differ in theirs, and outputs must not.
func canonical64(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		if math.IsNaN(math.Float64frombits(binary.LittleEndian.Uint64(b))) {
			binary.LittleEndian.PutUint64(b, nan64)
		}
	}
}

// canonical32 is canonical64 for float32s.
func canonical32(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		if binary.LittleEndian.Uint32(b)&^(1<<31) > exponent32 {
			binary.LittleEndian.PutUint32(b, nan32)
		}
	}
}

// canonical16 is canonical64 for float16s.
func canonical16(b []byte) {
	const exponent16, nan16 = 0x7c00, 0x7e00
	for ; len(b) >= 2; b = b[2:] {
		if binary.LittleEndian.Uint16(b)&^(1<<15) > exponent16 {
			binary.LittleEndian.PutUint16(b, nan16)
		}
	}
}

// ascending tells whether offsets, 4 or 8 bytes wide, are not negative and never decrease.
func ascending(b []byte, width int) bool {
	if width == 8 {
		return ascending64(b)
	}
	return ascending32(b)
}

func ascending64(b []byte) bool {
	if len(b) < 8 || int64(binary.LittleEndian.Uint64(b)) < 0 {
		return len(b) < 8
	}
	falls, b := falls64Wide(b)
	last := int64(binary.LittleEndian.Uint64(b))
	for ; len(b) >= 8; b = b[8:] {
		o := int64(binary.LittleEndian.Uint64(b))
		if o < last {
			return false
		}
		last = o
	}
	return !falls
}

func ascending32(b []byte) bool {
	if len(b) < 4 || int32(binary.LittleEndian.Uint32(b)) < 0 {
		return len(b) < 4
	}
	falls, b := falls32Wide(b)
	var negative uint64
	rising := uint64(signs32)
	// Two steps at a time: (next | sign) − previous keeps the sign in each lane exactly when next ≥ previous, both ≥ 0.
	for ; len(b) >= 36; b = b[32:] {
		v := (*[36]byte)(b)
		a0, b0 := binary.LittleEndian.Uint64(v[0:]), binary.LittleEndian.Uint64(v[4:])
		a1, b1 := binary.LittleEndian.Uint64(v[8:]), binary.LittleEndian.Uint64(v[12:])
		a2, b2 := binary.LittleEndian.Uint64(v[16:]), binary.LittleEndian.Uint64(v[20:])
		a3, b3 := binary.LittleEndian.Uint64(v[24:]), binary.LittleEndian.Uint64(v[28:])
		negative |= a0 | a1 | a2 | a3
		rising &= ((b0 | signs32) - a0) & ((b1 | signs32) - a1) & ((b2 | signs32) - a2) & ((b3 | signs32) - a3)
	}
	last := int32(0)
	for ; len(b) >= 4; b = b[4:] {
		o := int32(binary.LittleEndian.Uint32(b))
		if o < last {
			return false
		}
		last = o
	}
	return !falls && negative&signs32 == 0 && rising&signs32 == signs32
}

// ascii tells whether no byte has its highest bit set.
func ascii(b []byte) bool {
	found, b := highWide(b)
	var acc uint64
	for ; len(b) >= 32; b = b[32:] {
		v := (*[32]byte)(b)
		acc |= binary.LittleEndian.Uint64(v[0:]) | binary.LittleEndian.Uint64(v[8:]) |
			binary.LittleEndian.Uint64(v[16:]) | binary.LittleEndian.Uint64(v[24:])
	}
	for ; len(b) >= 8; b = b[8:] {
		acc |= binary.LittleEndian.Uint64(b)
	}
	for _, c := range b {
		acc |= uint64(c)
	}
	return !found && acc&signs == 0
}

// fitDecimals tells whether all decimals are below 10^precision as far as that is seen at once: those of up to 18 digits
// are one word and its sign.
func fitDecimals(b []byte, precision int32) bool {
	if precision > 18 {
		return false
	}
	bound := uint64(1)
	for range precision {
		bound *= 10
	}
	wrong := uint64(0)
	for ; len(b) >= 16; b = b[16:] {
		lo, hi := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
		sign := lo >> 63
		magnitude := uint64((lo ^ sign) - sign)
		wrong |= uint64(hi^sign) | (bound-1-magnitude)>>63
	}
	return wrong == 0
}

// belowInt32 tells whether all int32s are from 0 to below most.
func belowInt32(b []byte, most int64) bool {
	largest := uint32(0)
	for ; len(b) >= 4; b = b[4:] {
		largest = max(largest, binary.LittleEndian.Uint32(b))
	}
	return int64(largest) < most && largest < 1<<31
}
