package abitest

import (
	"math"
	"math/big"
	"math/rand/v2"
)

var texts = []string{"", "a", "Seattle", "naïve", "日本語", "🦅 strike", "quote \" and \\", "line\nbreak", "tab\t", "\u0000"}

// randomValue draws a value of a column; extremes come often.
func randomValue(r *rand.Rand, f Field, density float64) any {
	if f.Nullable && r.Float64() < density {
		return nil
	}
	switch f.Format {
	case "b":
		return r.IntN(2) == 1
	case "i":
		return pick(r, int32(r.Uint32()), 0, -1, math.MaxInt32, math.MinInt32)
	case "l":
		return pick(r, int64(r.Uint64()), 0, -1, math.MaxInt64, math.MinInt64)
	case "f":
		return pick(r, float32(r.NormFloat64()), 0, float32(math.Copysign(0, -1)), math.MaxFloat32, float32(math.Inf(1)), float32(math.NaN()))
	case "g":
		return pick(r, r.NormFloat64(), 0, math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(-1), math.NaN())
	case "tdD":
		return pick(r, r.Int32N(40_000), 0, -1, -719_162, 2_932_896) // years 1 to 9999
	case "ttu":
		return pick(r, r.Int64N(86_400_000_000), 0, 86_399_999_999)
	case "tsu:", "tsu:UTC":
		return pick(r, r.Int64N(2e15), 0, -1, -62_135_596_800_000_000, 253_402_300_799_999_999)
	case "u":
		s := pick(r, texts...)
		for range r.IntN(3) {
			s += pick(r, texts...)
		}
		return s
	case "z":
		b := make([]byte, r.IntN(20))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case "+l":
		out := make([]any, r.IntN(5))
		for i := range out {
			out[i] = randomValue(r, f.Children[0], density)
		}
		return out
	case "+s":
		out := make([]any, len(f.Children))
		for i, c := range f.Children {
			out[i] = randomValue(r, c, density)
		}
		return out
	}
	return randomDecimal(r, f.Format)
}

func pick[T any](r *rand.Rand, v ...T) T { return v[r.IntN(len(v))] }

// randomDecimal draws from the whole precision of a format d:p,s.
func randomDecimal(r *rand.Rand, format string) Decimal {
	precision := int64(0)
	for _, c := range format[2:] {
		if c == ',' {
			break
		}
		precision = precision*10 + int64(c-'0')
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(precision), nil)
	n := new(big.Int).SetUint64(r.Uint64())
	n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(r.Uint64())).Mod(n, limit)
	switch r.IntN(5) {
	case 0:
		n.Neg(n)
	case 1:
		n.Sub(limit, big.NewInt(1))
	case 2:
		n.Sub(big.NewInt(1), limit)
	case 3:
		n.SetInt64(0)
	}
	lo := new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	return Decimal{lo, new(big.Int).Rsh(n, 64).Int64()}
}
