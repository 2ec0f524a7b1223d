package wasm

import (
	"cmp"
	"slices"
)

// wazero 1.12's compiler for amd64 may lose the second operand of a select of floats or vectors: its register allocator is told that
// the conditional move writes the register that holds it, not that it reads it (xmmCMov in its table of uses), and may use that
// register for something else in between: guests were given what the host had left in a register. Its interpreter is right, and so will be its
// next release (wazero's pull request 2535). So floats are chosen as the integers of their bits, and vectors by a
// mask. TestChosenFloats says when that is no longer needed.

// choice is a select without a type of its own, of floats or vectors.
type choice struct {
	at  uint32 // where it begins in the module
	typ ValueType
}

// choice is the type of a select of floats or vectors; ok is false for everything else.
func (b *body) choice(in *instr) (t ValueType, ok bool) {
	switch in.op.code {
	case opSelectTyped:
		t = in.types[0]
	case opSelect:
		i, found := slices.BinarySearchFunc(b.choices, in.start, func(c choice, at int) int { return cmp.Compare(int(c.at), at) })
		if !found {
			return 0, false
		}
		t = b.choices[i].typ
	}
	return t, t.chosenByBits()
}

func (t ValueType) chosenByBits() bool { return t == F32 || t == F64 || t == V128 }

// chooser are the locals in which the operands of a select wait: its condition, and the bits of its second operand.
type chooser struct{ condition, bits32, bits64 uint32 }

// choose writes a select of floats or vectors.
func (w *bodyRewriter) choose(t ValueType) {
	switch t {
	case F32:
		w.code.index(opLocalSet, w.chooser.condition)
		w.code.op(opI32ReinterpretF32)
		w.code.index(opLocalSet, w.chooser.bits32)
		w.code.op(opI32ReinterpretF32)
		w.code.index(opLocalGet, w.chooser.bits32)
		w.code.index(opLocalGet, w.chooser.condition)
		w.code.op(opSelect, opF32ReinterpretI32)
	case F64:
		w.code.index(opLocalSet, w.chooser.condition)
		w.code.op(opI64ReinterpretF64)
		w.code.index(opLocalSet, w.chooser.bits64)
		w.code.op(opI64ReinterpretF64)
		w.code.index(opLocalGet, w.chooser.bits64)
		w.code.index(opLocalGet, w.chooser.condition)
		w.code.op(opSelect, opF64ReinterpretI64)
	case V128: // all ones for the first, all zeros for the second
		w.code.op(opI32Eqz, opI64ExtendU)
		w.code.i64(1)
		w.code.op(opI64Sub, prefixVector, opI64x2Splat, prefixVector, opBitselect)
	}
}

// chooserLocals are the types of the locals that selects of these types need.
func chooserLocals(f32, f64 bool) (ts []ValueType) {
	if f32 || f64 {
		ts = append(ts, I32)
	}
	if f32 {
		ts = append(ts, I32)
	}
	if f64 {
		ts = append(ts, I64)
	}
	return ts
}

// keep gives the chooser its locals, the first of which has an index.
func (c *chooser) keep(first uint32, f32, f64 bool) {
	c.condition, c.bits32, c.bits64 = first, first+1, first+1
	if f32 && f64 {
		c.bits64++
	}
}
