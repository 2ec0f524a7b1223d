package wasm

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
	"unsafe"
)

// reader walks over a section or body. The first error sticks: later reads return zeros and do not move, so a caller
// checks err at the end of each bounded step, and every loop must be bounded by vec or stop on err.
type reader struct {
	b   []byte // the whole module, so that positions are offsets in it
	pos int
	end int
	err error
}

func (r *reader) failAt(pos int, format string, a ...any) {
	if r.err == nil {
		r.err = &Error{Kind: ErrInvalid, Offset: pos, Detail: fmt.Sprintf(format, a...)}
		r.pos = r.end
	}
}

func (r *reader) fail(format string, a ...any) { r.failAt(r.pos, format, a...) }

func (r *reader) more() bool { return r.pos < r.end }

func (r *reader) u8() byte {
	if r.pos >= r.end {
		r.fail("unexpected end")
		return 0
	}
	x := r.b[r.pos]
	r.pos++
	return x
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() uint32 {
	if r.pos < r.end && r.b[r.pos] < 0x80 { // by far the most common
		r.pos++
		return uint32(r.b[r.pos-1])
	}
	start, v := r.pos, uint32(0)
	for shift := 0; ; shift += 7 {
		x := r.u8()
		if shift == 28 && x > 0x0f {
			r.failAt(start, "integer too large")
			return 0
		}
		v |= uint32(x&0x7f) << shift
		if x < 0x80 {
			return v
		}
	}
}

// signed reads a signed LEB128 of at most bits bits.
func (r *reader) signed(bits int) int64 {
	start, v := r.pos, int64(0)
	for shift := 0; ; shift += 7 {
		x := r.u8()
		v |= int64(x&0x7f) << shift
		if left := bits - shift; left <= 7 {
			// The last byte: no continuation, and what lies above the sign bit repeats it.
			top := int8(x<<1) >> left // sign-extended 7-bit payload, its value bits shifted out but for the sign
			if x >= 0x80 || top != 0 && top != -1 {
				r.failAt(start, "integer too large")
				return 0
			}
		}
		if x < 0x80 {
			if s := shift + 7; s < 64 {
				v = v << (64 - s) >> (64 - s)
			}
			return v
		}
	}
}

// bytes returns the next n bytes, shared with the module.
func (r *reader) bytes(n int) []byte {
	if n < 0 || n > r.end-r.pos {
		r.fail("length out of bounds")
		return nil
	}
	r.pos += n
	return r.b[r.pos-n : r.pos : r.pos]
}

// vec reads the length of a vector whose entries take at least least bytes each, which bounds what it may allocate.
func (r *reader) vec(least int) int {
	start := r.pos
	n := r.u32()
	if uint64(n)*uint64(least) > uint64(r.end-r.pos) {
		r.failAt(start, "length out of bounds")
		return 0
	}
	return int(n)
}

func (r *reader) name() string {
	start := r.pos
	b := r.bytes(r.vec(1))
	if !utf8.Valid(b) {
		r.failAt(start, "name is not UTF-8")
		return ""
	}
	return string(b)
}

func (r *reader) valueType() ValueType {
	t := ValueType(r.u8())
	if !t.valid() {
		r.failAt(r.pos-1, "no value type %#x", byte(t))
	}
	return t
}

func (r *reader) refType() ValueType {
	t := ValueType(r.u8())
	if !t.ref() {
		r.failAt(r.pos-1, "no reference type %#x", byte(t))
	}
	return t
}

// asBytes views value types as the bytes they are.
func asBytes(ts []ValueType) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(ts))), len(ts))
}

// asTypes views bytes, checked already, as value types.
func asTypes(b []byte) []ValueType {
	return unsafe.Slice((*ValueType)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

// appendU is the unsigned LEB128 of v.
func appendU(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// appendS is the signed LEB128 of v.
func appendS(b []byte, v int64) []byte {
	for {
		x := byte(v & 0x7f)
		v >>= 7
		if v == 0 && x&0x40 == 0 || v == -1 && x&0x40 != 0 {
			return append(b, x)
		}
		b = append(b, x|0x80)
	}
}

func appendName(b []byte, s string) []byte { return append(appendU(b, uint32(len(s))), s...) }
