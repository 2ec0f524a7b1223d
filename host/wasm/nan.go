package wasm

import (
	"encoding/binary"
	"slices"
	"strings"
)

// The bits of a NaN that arithmetic gives are the engine's choice: a compiler and an interpreter differ. With
// Options.CanonicalNaNs every result of such an instruction goes through "x == x ? x : NaN", so that a guest which looks at the
// bits sees the same everywhere. Signs and copies (neg, abs, copysign, pmin, pmax, loads) are exact without that.

// nans says where the result of an instruction may be a NaN of the engine's choice.
type nans byte

const (
	noNaNs nans = iota
	nansF32
	nansF64
	nansF32x4
	nansF64x2
)

// Canonical NaNs.
const (
	nanF32 uint32 = 0x7fc00000
	nanF64 uint64 = 0x7ff8000000000000
)

// arithmetic gives NaNs of the engine's choice; in every float type.
var arithmetic = strings.Fields("add sub mul div sqrt min max ceil floor trunc nearest demote_f64 promote_f32 demote_f64x2_zero promote_low_f32x4")

func nansOf(name string) nans {
	typ, what, _ := strings.Cut(name, ".")
	n := map[string]nans{"f32": nansF32, "f64": nansF64, "f32x4": nansF32x4, "f64x2": nansF64x2}[typ]
	if !slices.Contains(arithmetic, what) {
		return noNaNs
	}
	return n
}

// local is the type of the local that the result waits in.
func (n nans) local() ValueType {
	return [...]ValueType{nansF32: F32, nansF64: F64, nansF32x4: V128, nansF64x2: V128}[n]
}

// canonicalise makes a NaN on top of the stack the canonical one.
func (w *bodyRewriter) canonicalise(n nans) {
	if n == noNaNs || !w.options.CanonicalNaNs {
		return
	}
	local := w.nanLocals[n.local()]
	w.code.index(opLocalTee, local)
	switch n { // floats are chosen as bits: see choice.go
	case nansF32:
		w.code.op(opI32ReinterpretF32)
	case nansF64:
		w.code.op(opI64ReinterpretF64)
	}
	w.code.nan(n)
	w.code.index(opLocalGet, local)
	w.code.index(opLocalGet, local)
	switch n {
	case nansF32:
		w.code.op(opF32Eq, opSelect, opF32ReinterpretI32)
	case nansF64:
		w.code.op(opF64Eq, opSelect, opF64ReinterpretI64)
	case nansF32x4:
		w.code.op(prefixVector, opF32x4Eq, prefixVector, opBitselect)
	case nansF64x2:
		w.code.op(prefixVector, opF64x2Eq, prefixVector, opBitselect)
	}
}

// nan pushes the canonical NaN; scalars as the integers of their bits.
func (c *code) nan(n nans) {
	le := binary.LittleEndian
	switch n {
	case nansF32:
		c.i32(int32(nanF32))
	case nansF64:
		c.i64(int64(nanF64))
	case nansF32x4:
		const twice = uint64(nanF32)<<32 | uint64(nanF32)
		*c = le.AppendUint64(le.AppendUint64(append(*c, prefixVector, opV128Const), twice), twice)
	case nansF64x2:
		*c = le.AppendUint64(le.AppendUint64(append(*c, prefixVector, opV128Const), nanF64), nanF64)
	}
}
