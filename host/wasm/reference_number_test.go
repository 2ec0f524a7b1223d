package wasm

import (
	"math"
	"math/bits"
)

func (x *refFrame) f32(f float32) {
	if f != f {
		x.NaNs = true
		x.push32(nanF32)
		return
	}
	x.pushF32(f)
}

func (x *refFrame) f64(f float64) {
	if f != f {
		x.NaNs = true
		x.push(nanF64)
		return
	}
	x.pushF64(f)
}

// numeric executes what takes and gives numbers, by the type in front of its name.
func (x *refFrame) numeric(i *refInstr) {
	ps := i.op.params
	var done bool
	switch {
	case i.op.name == "f32.copysign":
		b, a := x.pop32(), x.pop32()
		x.push32(a&^(1<<31) | b&(1<<31))
		return
	case i.op.name == "f64.copysign":
		b, a := x.pop(), x.pop()
		x.push(a&^(1<<63) | b&(1<<63))
		return
	case len(ps) == 2 && ps[0] == I32:
		done = x.i32(i.op.name)
	case len(ps) == 2 && ps[0] == I64:
		done = x.i64(i.op.name)
	case len(ps) == 2:
		done = x.floats(i.op.name, ps[0] == F32)
	case len(ps) == 1 && (ps[0] == I32 || ps[0] == I64):
		done = x.ofInteger(i.op.name)
	case len(ps) == 1:
		done = x.ofFloat(i.op.name)
	case i.op.name == "nop":
		return
	}
	if !done {
		panic("reference: " + i.op.name)
	}
}

func (x *refFrame) i32(name string) bool {
	b, a := x.pop32(), x.pop32()
	s, r := int32(a), int32(b)
	switch name[4:] {
	case "add":
		x.push32(a + b)
	case "sub":
		x.push32(a - b)
	case "mul":
		x.push32(a * b)
	case "div_s":
		x.must(b != 0, TrapDivide)
		x.must(s != math.MinInt32 || r != -1, TrapOverflow)
		x.push32(uint32(s / r))
	case "div_u":
		x.must(b != 0, TrapDivide)
		x.push32(a / b)
	case "rem_s":
		x.must(b != 0, TrapDivide)
		if r == -1 {
			r = 1
		}
		x.push32(uint32(s % r))
	case "rem_u":
		x.must(b != 0, TrapDivide)
		x.push32(a % b)
	case "and":
		x.push32(a & b)
	case "or":
		x.push32(a | b)
	case "xor":
		x.push32(a ^ b)
	case "shl":
		x.push32(a << (b & 31))
	case "shr_s":
		x.push32(uint32(s >> (b & 31)))
	case "shr_u":
		x.push32(a >> (b & 31))
	case "rotl":
		x.push32(bits.RotateLeft32(a, int(b&31)))
	case "rotr":
		x.push32(bits.RotateLeft32(a, -int(b&31)))
	default:
		return x.compare(name[4:], int64(s), int64(r), uint64(a), uint64(b))
	}
	return true
}

func (x *refFrame) i64(name string) bool {
	b, a := x.pop(), x.pop()
	s, r := int64(a), int64(b)
	switch name[4:] {
	case "add":
		x.push(a + b)
	case "sub":
		x.push(a - b)
	case "mul":
		x.push(a * b)
	case "div_s":
		x.must(b != 0, TrapDivide)
		x.must(s != math.MinInt64 || r != -1, TrapOverflow)
		x.push(uint64(s / r))
	case "div_u":
		x.must(b != 0, TrapDivide)
		x.push(a / b)
	case "rem_s":
		x.must(b != 0, TrapDivide)
		if r == -1 {
			r = 1
		}
		x.push(uint64(s % r))
	case "rem_u":
		x.must(b != 0, TrapDivide)
		x.push(a % b)
	case "and":
		x.push(a & b)
	case "or":
		x.push(a | b)
	case "xor":
		x.push(a ^ b)
	case "shl":
		x.push(a << (b & 63))
	case "shr_s":
		x.push(uint64(s >> (b & 63)))
	case "shr_u":
		x.push(a >> (b & 63))
	case "rotl":
		x.push(bits.RotateLeft64(a, int(b&63)))
	case "rotr":
		x.push(bits.RotateLeft64(a, -int(b&63)))
	default:
		return x.compare(name[4:], s, r, a, b)
	}
	return true
}

func (x *refFrame) compare(what string, s, r int64, a, b uint64) bool {
	switch what {
	case "eq":
		x.pushBool(a == b)
	case "ne":
		x.pushBool(a != b)
	case "lt_s":
		x.pushBool(s < r)
	case "lt_u":
		x.pushBool(a < b)
	case "gt_s":
		x.pushBool(s > r)
	case "gt_u":
		x.pushBool(a > b)
	case "le_s":
		x.pushBool(s <= r)
	case "le_u":
		x.pushBool(a <= b)
	case "ge_s":
		x.pushBool(s >= r)
	case "ge_u":
		x.pushBool(a >= b)
	default:
		return false
	}
	return true
}

// floats executes operations on two floats. Every double holds every single and the product, quotient, sum and
// difference of two of them closely enough that rounding twice is rounding once.
func (x *refFrame) floats(name string, single bool) bool {
	var a, b float64
	if single {
		b, a = float64(x.popF32()), float64(x.popF32())
	} else {
		b, a = x.popF64(), x.popF64()
	}
	give := func(f float64) bool {
		if single {
			x.f32(float32(f))
		} else {
			x.f64(f)
		}
		return true
	}
	switch name[4:] {
	case "add":
		return give(a + b)
	case "sub":
		return give(a - b)
	case "mul":
		return give(a * b)
	case "div":
		return give(a / b)
	case "min", "max":
		switch { // Go's own prefer an infinity to a NaN
		case a != a || b != b:
			return give(math.NaN())
		case name[4:] == "min":
			return give(math.Min(a, b))
		}
		return give(math.Max(a, b))
	case "eq":
		x.pushBool(a == b)
	case "ne":
		x.pushBool(a != b)
	case "lt":
		x.pushBool(a < b)
	case "gt":
		x.pushBool(a > b)
	case "le":
		x.pushBool(a <= b)
	case "ge":
		x.pushBool(a >= b)
	default:
		return false
	}
	return true
}

// ofInteger executes operations on one integer.
func (x *refFrame) ofInteger(name string) bool {
	v := x.pop()
	w := uint32(v)
	switch name {
	case "i32.eqz":
		x.pushBool(w == 0)
	case "i64.eqz":
		x.pushBool(v == 0)
	case "i32.clz":
		x.push(uint64(bits.LeadingZeros32(w)))
	case "i32.ctz":
		x.push(uint64(bits.TrailingZeros32(w)))
	case "i32.popcnt":
		x.push(uint64(bits.OnesCount32(w)))
	case "i64.clz":
		x.push(uint64(bits.LeadingZeros64(v)))
	case "i64.ctz":
		x.push(uint64(bits.TrailingZeros64(v)))
	case "i64.popcnt":
		x.push(uint64(bits.OnesCount64(v)))
	case "i32.wrap_i64", "i64.extend_i32_u", "f32.reinterpret_i32":
		x.push32(w)
	case "i64.extend_i32_s", "i64.extend32_s":
		x.push(uint64(int32(w)))
	case "i32.extend8_s":
		x.push32(uint32(int8(w)))
	case "i32.extend16_s":
		x.push32(uint32(int16(w)))
	case "i64.extend8_s":
		x.push(uint64(int8(v)))
	case "i64.extend16_s":
		x.push(uint64(int16(v)))
	case "f64.reinterpret_i64":
		x.push(v)
	case "f32.convert_i32_s":
		x.pushF32(float32(int32(w)))
	case "f32.convert_i32_u":
		x.pushF32(float32(w))
	case "f32.convert_i64_s":
		x.pushF32(float32(int64(v)))
	case "f32.convert_i64_u":
		x.pushF32(float32(v))
	case "f64.convert_i32_s":
		x.pushF64(float64(int32(w)))
	case "f64.convert_i32_u":
		x.pushF64(float64(w))
	case "f64.convert_i64_s":
		x.pushF64(float64(int64(v)))
	case "f64.convert_i64_u":
		x.pushF64(float64(v))
	default:
		return false
	}
	return true
}

// ofFloat executes operations on one float.
func (x *refFrame) ofFloat(name string) bool {
	v := x.pop()
	f32 := math.Float32frombits(uint32(v))
	f64 := math.Float64frombits(v)
	switch name {
	case "f32.abs":
		x.push32(uint32(v) &^ (1 << 31))
	case "f32.neg":
		x.push32(uint32(v) ^ 1<<31)
	case "f64.abs":
		x.push(v &^ (1 << 63))
	case "f64.neg":
		x.push(v ^ 1<<63)
	case "f32.ceil":
		x.f32(float32(math.Ceil(float64(f32))))
	case "f32.floor":
		x.f32(float32(math.Floor(float64(f32))))
	case "f32.trunc":
		x.f32(float32(math.Trunc(float64(f32))))
	case "f32.nearest":
		x.f32(float32(math.RoundToEven(float64(f32))))
	case "f32.sqrt":
		x.f32(float32(math.Sqrt(float64(f32))))
	case "f64.ceil":
		x.f64(math.Ceil(f64))
	case "f64.floor":
		x.f64(math.Floor(f64))
	case "f64.trunc":
		x.f64(math.Trunc(f64))
	case "f64.nearest":
		x.f64(math.RoundToEven(f64))
	case "f64.sqrt":
		x.f64(math.Sqrt(f64))
	case "f32.demote_f64":
		x.f32(float32(f64))
	case "f64.promote_f32":
		x.f64(float64(f32))
	case "i32.reinterpret_f32", "i64.reinterpret_f64":
		x.push(v)
	default:
		return x.toInteger(name, float64(f32), f64)
	}
	return true
}

// toInteger executes the conversions to integers, trapping and saturating.
func (x *refFrame) toInteger(name string, f32, f64 float64) bool {
	for _, c := range []struct {
		to       string
		min, max float64 // outermost values that are too small, and too large
		convert  func(float64) uint64
		least    uint64
		most     uint64
	}{
		{"i32_s", -1<<31 - 1, 1 << 31, func(f float64) uint64 { return uint64(uint32(int32(f))) }, 1 << 31, 1<<31 - 1},
		{"i32_u", -1, 1 << 32, func(f float64) uint64 { return uint64(uint32(f)) }, 0, 1<<32 - 1},
		{"i64_s", -1 << 63, 1 << 63, func(f float64) uint64 { return uint64(int64(f)) }, 1 << 63, 1<<63 - 1},
		{"i64_u", -1, 1 << 64, func(f float64) uint64 { return uint64(f) }, 0, 1<<64 - 1},
	} {
		for _, from := range []string{"f32", "f64"} {
			f := f64
			if from == "f32" {
				f = f32
			}
			small := f <= c.min && !(c.to == "i64_s" && f == c.min)
			switch name {
			case c.to[:3] + ".trunc_" + from + c.to[3:]:
				x.must(f == f, TrapConversion)
				x.must(!small && f < c.max, TrapOverflow)
				x.push(c.convert(math.Trunc(f)))
				return true
			case c.to[:3] + ".trunc_sat_" + from + c.to[3:]:
				switch {
				case f != f:
					x.push(0)
				case small:
					x.push(c.least)
				case f >= c.max:
					x.push(c.most)
				default:
					x.push(c.convert(math.Trunc(f)))
				}
				return true
			}
		}
	}
	return false
}

// lanes views a vector in pieces of width bits.
func lanes(w Word, width int) []uint64 {
	var out []uint64
	for at := 0; at < 128; at += width {
		v := w.Lo
		if at >= 64 {
			v = w.Hi
		}
		out = append(out, v>>(at%64)&(1<<width-1))
	}
	return out
}

func fromLanes(ls []uint64, width int) (w Word) {
	for n, l := range ls {
		if at := n * width; at < 64 {
			w.Lo |= l & (1<<width - 1) << at
		} else {
			w.Hi |= l & (1<<width - 1) << (at - 64)
		}
	}
	return w
}

// vector executes some operations on vectors: the specification's suite has all of them.
func (x *refFrame) vector(i *refInstr) {
	each := func(width int, f func(a, b uint64) uint64) {
		b, a := lanes(x.popWord(), width), lanes(x.popWord(), width)
		for n := range a {
			a[n] = f(a[n], b[n])
		}
		x.pushWord(fromLanes(a, width))
	}
	// Arithmetic goes through the scalar ones, which know about NaNs.
	via := func(width int, scalar string) {
		each(width, func(a, b uint64) uint64 {
			x.push(a)
			x.push(b)
			x.floats(scalar, width == 32)
			return x.pop()
		})
	}
	switch i.op.name {
	case "v128.not":
		w := x.popWord()
		x.pushWord(Word{^w.Lo, ^w.Hi})
	case "v128.and":
		each(64, func(a, b uint64) uint64 { return a & b })
	case "v128.or":
		each(64, func(a, b uint64) uint64 { return a | b })
	case "v128.xor":
		each(64, func(a, b uint64) uint64 { return a ^ b })
	case "v128.bitselect":
		c, b, a := x.popWord(), x.popWord(), x.popWord()
		x.pushWord(Word{a.Lo&c.Lo | b.Lo&^c.Lo, a.Hi&c.Hi | b.Hi&^c.Hi})
	case "v128.any_true":
		w := x.popWord()
		x.pushBool(w.Lo|w.Hi != 0)
	case "i8x16.add":
		each(8, func(a, b uint64) uint64 { return a + b })
	case "i32x4.add":
		each(32, func(a, b uint64) uint64 { return a + b })
	case "i32x4.mul":
		each(32, func(a, b uint64) uint64 { return a * b })
	case "i64x2.sub":
		each(64, func(a, b uint64) uint64 { return a - b })
	case "f32x4.add", "f32x4.mul", "f32x4.div", "f32x4.min":
		via(32, "f32."+i.op.name[6:])
	case "f64x2.sub", "f64x2.div", "f64x2.max":
		via(64, "f64."+i.op.name[6:])
	case "i32x4.splat", "f32x4.splat":
		v := x.pop()
		x.pushWord(fromLanes([]uint64{v, v, v, v}, 32))
	case "i64x2.splat", "f64x2.splat":
		v := x.pop()
		x.pushWord(Word{v, v})
	case "i32x4.extract_lane", "f32x4.extract_lane":
		x.push(lanes(x.popWord(), 32)[i.x])
	case "i64x2.extract_lane", "f64x2.extract_lane":
		x.push(lanes(x.popWord(), 64)[i.x])
	case "i8x16.shuffle":
		b, a := lanes(x.popWord(), 8), lanes(x.popWord(), 8)
		both, pick := append(a, b...), lanes(i.c, 8)
		for n := range pick {
			pick[n] = both[pick[n]]
		}
		x.pushWord(fromLanes(pick, 8))
	default:
		panic("reference: " + i.op.name)
	}
}
