package wasm

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// NaNCase is an instruction that makes NaNs: f(i) gives it the i-th input in all operands and returns the two halves of the
// result's bits.
type NaNCase struct {
	Name   string
	Module []byte
	Inputs []Word
	Want   [][2]uint64 // by the reference
}

// NaNCases are all of them.
func NaNCases() (cases []NaNCase) {
	t := opcodes()
	for _, op := range slices.Concat(t.core[:], t.misc[:], t.vector[:]) {
		if op != nil && op.nans != noNaNs {
			cases = append(cases, nanCase(op))
		}
	}
	return cases
}

// nanInputs are vectors whose lanes, as singles and as doubles, are NaNs with odd bits, infinities and numbers.
var nanInputs = []Word{
	{0x7ff8000000000001, 0xfff8000000000000}, // doubles: quiet, with bits; with a sign
	{0x7ff0000000000001, 0xfff7ffffffffffff}, // signalling
	{0x7fc000017fa00000, 0xffc00000ff800001}, // singles: quiet, signalling, signed
	{0x7ff0000000000000, 0xbff0000000000000}, // infinity, -1
	{0x7f800000ff800000, 0xbf8000003f800000},
	{0x3ff8000000000000, 0x4004000000000000}, // numbers
}

func nanCase(op *opcode) NaNCase {
	c := NaNCase{Name: op.name, Inputs: nanInputs}
	for _, in := range nanInputs {
		c.Want = append(c.Want, op.ofNaNs(in))
	}
	g := &generator{types: map[string]int{}}
	f := code{1, 1, byte(V128)}
	// One input after another: local 1 holds that of the argument.
	for i, in := range nanInputs {
		f.index(opLocalGet, 0)
		f.i32(int32(i))
		f.op(0x46, opIf, 0x40) // i32.eq
		f.op(prefixVector, opV128Const)
		f = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(f, in.Lo), in.Hi)
		f.index(opLocalSet, 1)
		f.op(opEnd)
	}
	vectors := op.params[0] == V128
	for range op.params {
		f.index(opLocalGet, 1)
		switch op.params[0] {
		case F32:
			f.op(prefixVector, 0x1f, 0) // f32x4.extract_lane
		case F64:
			f.op(prefixVector, 0x21, 0)
		}
	}
	f.opcode(op)
	if !vectors {
		if op.results[0] == F32 {
			f.op(0xbc, 0xad) // i32.reinterpret_f32, i64.extend_i32_u
		} else {
			f.op(0xbd)
		}
		f.i64(0)
	} else {
		f.index(opLocalSet, 1)
		for lane := range byte(2) {
			f.index(opLocalGet, 1)
			f = append(appendU(append(f, prefixVector), 0x1d), lane) // i64x2.extract_lane
		}
	}
	f.op(opEnd)
	g.sections[secFunction] = [][]byte{appendU(nil, uint32(g.typ(FuncType{[]ValueType{I32}, []ValueType{I64, I64}})))}
	g.sections[secExport] = [][]byte{append(appendName(nil, "f"), byte(KindFunc), 0)}
	g.sections[secCode] = [][]byte{append(appendU(nil, uint32(len(f))), f...)}
	w := &sectionWriter{out: slices.Clone(magic)}
	w.section(secType, append([]byte{1}, g.typeSec[0]...))
	for _, id := range []byte{secFunction, secExport, secCode} {
		w.section(id, append([]byte{1}, g.sections[id][0]...))
	}
	c.Module = w.out
	return c
}

// ofNaNs is what an instruction makes of an input, by the scalar instructions of the reference.
func (op *opcode) ofNaNs(in Word) [2]uint64 {
	x := &refFrame{Reference: &Reference{}}
	scalar := func(name string, single bool, v uint64) uint64 {
		for range op.params {
			x.push(v)
		}
		if len(op.params) == 2 {
			x.floats(name, single)
		} else if !x.ofFloat(name) {
			panic(fmt.Sprintf("reference: %s", name))
		}
		return x.pop()
	}
	width := map[nans]int{nansF32x4: 32, nansF64x2: 64}[op.nans]
	switch {
	case op.params[0] != V128:
		v := in.Lo
		if op.params[0] == F32 {
			v = uint64(uint32(v))
		}
		return [2]uint64{scalar(op.name, op.params[0] == F32, v), 0}
	case op.name == "f32x4.demote_f64x2_zero":
		return [2]uint64{scalar("f32.demote_f64", false, in.Lo) | scalar("f32.demote_f64", false, in.Hi)<<32, 0}
	case op.name == "f64x2.promote_low_f32x4":
		return [2]uint64{scalar("f64.promote_f32", true, in.Lo&(1<<32-1)), scalar("f64.promote_f32", true, in.Lo>>32)}
	}
	ls := lanes(in, width)
	for i := range ls {
		ls[i] = scalar(map[int]string{32: "f32.", 64: "f64."}[width]+op.name[6:], width == 32, ls[i])
	}
	w := fromLanes(ls, width)
	return [2]uint64{w.Lo, w.Hi}
}
