package wasm

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed opcodes.txt
var opcodeText string

// immediate is what follows an opcode.
type immediate byte

const (
	immNone   immediate = iota
	immBlock            // block type
	immLabel            // depth
	immLabels           // vector of depths and a default
	immFunc
	immType // of call_indirect
	immLocal
	immGlobal
	immTable
	immElem
	immData
	immMemory // a zero byte
	immMem    // alignment and offset; opcode.arg is the greatest alignment exponent
	immLane   // opcode.lanes is the number of lanes
	immI32
	immI64
	immF32
	immF64
	immV128
	immShuffle
	immRef   // reference type
	immTypes // vector of value types
)

// opcode is one line of opcodes.txt.
type opcode struct {
	code     uint16 // first byte; fc and fd in the high byte with their second number
	name     string
	imm      [2]immediate
	align    byte // immMem
	lanes    byte // immLane
	typed    bool // params and results are the whole rule
	params   []ValueType
	results  []ValueType
	cost     int64 // fuel, without the part that follows a length
	dynamic  bool  // the topmost operand is a length that is charged as well:
	unitBits int8  // length<<unitBits, or length>>-unitBits
	nans     nans  // the result may be a NaN of the engine's choice
}

const (
	prefixMisc   = 0xfc
	prefixVector = 0xfd
)

// opcodeTable finds an opcode by its bytes.
type opcodeTable struct {
	core   [256]*opcode
	misc   [18]*opcode
	vector [256]*opcode
}

// opcodes is the table of opcodes.txt. The text is ours: a mistake in it is a bug, and panics in any test.
var opcodes = sync.OnceValue(func() *opcodeTable {
	t := new(opcodeTable)
	for line := range strings.Lines(opcodeText) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		op := parseOpcode(line)
		switch op.code >> 8 {
		case prefixMisc:
			t.misc[op.code&0xff] = op
		case prefixVector:
			t.vector[op.code&0xff] = op
		default:
			t.core[op.code] = op
		}
	}
	return t
})

func parseOpcode(line string) *opcode {
	f := strings.Fields(line)
	op := new(opcode)
	if f[0] == "fc" || f[0] == "fd" {
		op.code = uint16(hexByte(f[0]))<<8 | uint16(hexByte(f[1]))
		f = f[1:]
	} else {
		op.code = uint16(hexByte(f[0]))
	}
	if len(f) != 5 {
		panic("opcodes.txt: " + line)
	}
	op.name, op.nans = f[1], nansOf(f[1])
	op.parseImmediates(f[2])
	if params, results, ok := strings.Cut(f[3], ":"); ok {
		op.typed, op.params, op.results = true, letters(params), letters(results)
	}
	op.parseCost(f[4])
	return op
}

func hexByte(s string) byte {
	v, err := strconv.ParseUint(s, 16, 8)
	if err != nil {
		panic("opcodes.txt: " + s)
	}
	return byte(v)
}

var immediateNames = map[string]immediate{
	"-": immNone, "block": immBlock, "label": immLabel, "labels": immLabels, "func": immFunc, "type": immType,
	"local": immLocal, "global": immGlobal, "table": immTable, "elem": immElem, "data": immData, "memory": immMemory,
	"i32": immI32, "i64": immI64, "f32": immF32, "f64": immF64, "v128": immV128, "shuffle": immShuffle,
	"reftype": immRef, "types": immTypes,
}

func (op *opcode) parseImmediates(s string) {
	for i, w := range strings.Split(s, ",") {
		if n, ok := strings.CutPrefix(w, "lane"); ok {
			op.imm[i], op.lanes = immLane, number(n)
		} else if n, ok := strings.CutPrefix(w, "mem"); ok && len(n) == 1 {
			op.imm[i], op.align = immMem, number(n)
		} else if k, ok := immediateNames[w]; ok {
			op.imm[i] = k
		} else {
			panic("opcodes.txt: immediate " + s)
		}
	}
}

func (op *opcode) parseCost(s string) {
	base, unit, ok := strings.Cut(s, "+len")
	if ok {
		op.dynamic = true
		op.unitBits = int8(number(unit[2:]))
		if unit[:2] == ">>" {
			op.unitBits = -op.unitBits
		}
	}
	c, err := strconv.ParseInt(base, 10, 32)
	if err != nil {
		panic("opcodes.txt: cost " + s)
	}
	op.cost = c
}

func number(s string) byte {
	v, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		panic("opcodes.txt: number " + s)
	}
	return byte(v)
}

func letters(s string) []ValueType {
	types := map[rune]ValueType{'i': I32, 'l': I64, 'f': F32, 'd': F64, 'v': V128}
	var ts []ValueType
	for _, c := range s {
		t, ok := types[c]
		if !ok {
			panic("opcodes.txt: types " + s)
		}
		ts = append(ts, t)
	}
	return ts
}

// Prices that belong to no instruction.
const (
	entryCost      = 5 // of a call of a defined function, in the callee
	localsPerUnit  = 8 // parameters and locals whose setting up costs one more
	costTableNotes = "entry %d + locals/%d"
)

// CostHash is the hash of the cost table, which is part of the identity of a metered module.
func CostHash() string { return costHash() }

// costHash hashes once: the record of every run names it.
var costHash = sync.OnceValue(func() string {
	h := sha256.New()
	h.Write([]byte(opcodeText))
	fmt.Fprintf(h, costTableNotes, entryCost, localsPerUnit)
	return hex.EncodeToString(h.Sum(nil)[:16])
})
