package sandbox

import (
	"encoding/binary"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
)

// code appends instructions, flat or folded.
func (a *assembler) code(b []byte, l []any) []byte {
	for len(l) > 0 {
		if f, ok := l[0].([]any); ok {
			b, l = a.folded(b, f), l[1:]
			continue
		}
		b, l = a.plain(b, l[0].(string), l[1:])
	}
	return b
}

func (a *assembler) folded(b []byte, f []any) []byte {
	op := f[0].(string)
	switch op {
	case "block", "loop", "if":
		label, rest := "", f[1:]
		if s, ok := first(rest).(string); ok && strings.HasPrefix(s, "$") {
			label, rest = s, rest[1:]
		}
		kind := []byte{0x40}
		if r, ok := isList(first(rest), "result"); ok {
			kind, rest = []byte{valueCodes[r[0].(string)]}, rest[1:]
		}
		if op == "if" {
			for len(rest) > 0 {
				if _, ok := isList(rest[0], "then"); ok {
					break
				}
				b, rest = a.code(b, rest[:1]), rest[1:]
			}
		}
		b = append(append(b, opcodes()[op].code...), kind...)
		a.labels = append(a.labels, label)
		if op == "if" {
			then, _ := isList(rest[0], "then")
			b = a.code(b, then)
			if len(rest) > 1 {
				other, _ := isList(rest[1], "else")
				b = a.code(append(b, 0x05), other)
			}
		} else {
			b = a.code(b, rest)
		}
		a.labels = a.labels[:len(a.labels)-1]
		return append(b, 0x0b)
	}
	immediates := 1
	for immediates < len(f) {
		if l, ok := f[immediates].([]any); ok && l[0] != "type" {
			break
		}
		immediates++
	}
	b = a.code(b, f[immediates:])
	b, _ = a.plain(b, op, f[1:immediates])
	return b
}

// plain appends one instruction and gives what follows its immediates.
func (a *assembler) plain(b []byte, op string, l []any) ([]byte, []any) {
	o, ok := opcodes()[op]
	if !ok {
		panic("no instruction " + op)
	}
	b = append(b, o.code...)
	take := func() any { x := l[0]; l = l[1:]; return x }
	for _, imm := range strings.Split(o.immediates, ",") {
		switch {
		case imm == "-":
		case imm == "label":
			b = a.label(b, take())
		case imm == "labels":
			var all []any
			for len(l) > 0 {
				if s, ok := l[0].(string); !ok || s[0] != '$' && (s[0] < '0' || s[0] > '9') {
					break
				}
				all = append(all, take())
			}
			b = uleb(b, uint64(len(all)-1))
			for _, x := range all {
				b = a.label(b, x)
			}
		case imm == "local":
			x := take()
			if i, ok := a.locals[x.(string)]; ok {
				b = uleb(b, uint64(i))
			} else {
				b = uleb(b, uint64(number(x)))
			}
		case imm == "func" || imm == "global":
			b = uleb(b, a.index(imm, take()))
		case imm == "type":
			t, _ := isList(take(), "type")
			b = uleb(b, a.index("type", t[0]))
		case imm == "table" || imm == "memory" || imm == "mem":
			b = append(b, 0)
		case strings.HasPrefix(imm, "mem"):
			offset := uint64(0)
			if s, ok := first(l).(string); ok && strings.HasPrefix(s, "offset=") {
				offset = uint64(number(strings.TrimPrefix(take().(string), "offset=")))
			}
			b = uleb(uleb(b, uint64(imm[3]-'0')), offset)
		case imm == "elem" || imm == "data":
			b = uleb(b, uint64(number(take())))
		case imm == "reftype":
			b = append(b, valueCodes[take().(string)+"ref"])
		case imm == "v128":
			take() // i64x2
			for range 2 {
				b = binary.LittleEndian.AppendUint64(b, uint64(number(take())))
			}
		case imm == "i32":
			b = sleb(b, int64(int32(number(take()))))
		case imm == "i64":
			b = sleb(b, number(take()))
		case imm == "f32" || imm == "f64":
			v, err := strconv.ParseFloat(take().(string), 64)
			if err != nil {
				panic(err)
			}
			if imm == "f64" {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			} else {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
			}
		default:
			panic("immediate " + imm + " of " + op)
		}
	}
	return b, l
}

func (a *assembler) label(b []byte, x any) []byte {
	if s := x.(string); s[0] == '$' {
		for i := len(a.labels) - 1; i >= 0; i-- {
			if a.labels[i] == s {
				return uleb(b, uint64(len(a.labels)-1-i))
			}
		}
		panic("no label " + s)
	}
	return uleb(b, uint64(number(x)))
}

type opcode struct {
	code       []byte
	immediates string
}

// opcodes is the table of host/wasm: "op name immediates types fuel", op being one byte or a prefix and a number.
var opcodes = sync.OnceValue(func() map[string]opcode {
	b, err := os.ReadFile("../wasm/opcodes.txt")
	if err != nil {
		panic(err)
	}
	out := map[string]opcode{}
	for line := range strings.SplitSeq(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] == "#" {
			continue
		}
		code := []byte{byte(hexNumber(f[0]))}
		if f = f[1:]; code[0] == 0xfc || code[0] == 0xfd {
			code, f = uleb(code, hexNumber(f[0])), f[1:]
		}
		if _, ok := out[f[0]]; !ok { // of two forms the plain one comes first
			out[f[0]] = opcode{code, f[1]}
		}
	}
	return out
})

func hexNumber(s string) uint64 {
	v, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		panic(err)
	}
	return v
}
