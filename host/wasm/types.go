package wasm

import (
	"fmt"
	"strings"
)

// ValueType is the type of a value, in its binary encoding.
type ValueType byte

// Value types of WebAssembly 2.0.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f

	anyType ValueType = 0 // of operands in code that cannot be reached
)

func (t ValueType) valid() bool { return t >= V128 && t <= I32 || t.ref() }
func (t ValueType) ref() bool   { return t == FuncRef || t == ExternRef }

func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return "any"
}

// FuncType is the signature of a function.
type FuncType struct {
	Params, Results []ValueType
}

// Equal reports whether both take and return the same types.
func (t FuncType) Equal(u FuncType) bool {
	return sameTypes(t.Params, u.Params) && sameTypes(t.Results, u.Results)
}

// String is the signature as "(i32, i64) -> (i32)".
func (t FuncType) String() string { return typeList(t.Params) + " -> " + typeList(t.Results) }

func typeList(ts []ValueType) string {
	s := make([]string, len(ts))
	for i, t := range ts {
		s[i] = t.String()
	}
	return "(" + strings.Join(s, ", ") + ")"
}

func sameTypes(a, b []ValueType) bool { return string(asBytes(a)) == string(asBytes(b)) }

// MustFuncType reads "(i32, i64) -> (i32)", with or without the punctuation, and panics on anything else. It is for
// tables of known signatures.
func MustFuncType(s string) FuncType {
	left, right, ok := strings.Cut(s, "->")
	if !ok {
		panic("wasm: no -> in signature " + s)
	}
	return FuncType{mustTypes(left), mustTypes(right)}
}

func mustTypes(s string) []ValueType {
	var ts []ValueType
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("(), ", r) }) {
		t := anyType
		for _, c := range []ValueType{I32, I64, F32, F64, V128, FuncRef, ExternRef} {
			if c.String() == w {
				t = c
			}
		}
		if t == anyType {
			panic("wasm: no value type " + w)
		}
		ts = append(ts, t)
	}
	return ts
}

// Kind says what an import or export is.
type Kind byte

// Kinds of imports and exports, in their binary encoding.
const (
	KindFunc Kind = iota
	KindTable
	KindMemory
	KindGlobal
)

func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "function"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Bounds are the least and the greatest size of a table (entries) or memory (pages of 64 KiB).
type Bounds struct {
	Min, Max uint32
	HasMax   bool
}

type tableType struct {
	elem ValueType
	size Bounds
}

type globalType struct {
	value   ValueType
	mutable bool
}
