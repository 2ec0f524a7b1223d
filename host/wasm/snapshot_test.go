package wasm

import (
	"reflect"
	"strings"
	"testing"
)

// Pieces are joined only where that writes the same memory.
func TestJoinedData(t *testing.T) {
	d := func(offset uint32, s string) Data { return Data{offset, []byte(s)} }
	for name, c := range map[string]struct{ in, want []Data }{
		"none":        {nil, nil},
		"far":         {[]Data{d(0, "a"), d(1000, "b")}, []Data{d(0, "a"), d(1000, "b")}},
		"adjacent":    {[]Data{d(8, "ab"), d(10, "c")}, []Data{d(8, "abc")}},
		"a gap":       {[]Data{d(8, "a"), d(11, "b"), d(12, "c")}, []Data{d(8, "a\x00\x00bc")}},
		"overwriting": {[]Data{d(8, "abc"), d(9, "x")}, []Data{d(8, "abc"), d(9, "x")}},
		"back again":  {[]Data{d(100, "abc"), d(8, "x"), d(110, "y")}, []Data{d(100, "abc"), d(8, "x"), d(110, "y")}},
		"empty":       {[]Data{d(8, ""), d(8, "x")}, []Data{d(8, "x")}},
		"at the end":  {[]Data{d(1<<32-1, "x")}, []Data{d(1<<32-1, "x")}},
	} {
		if got := joinedData(c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestStartCost: what happens before any code runs has the price of the instructions that would do it.
func TestStartCost(t *testing.T) {
	cost := func(text string) int64 {
		t.Helper()
		m, err := Parse(Assemble(text + "\nfunc f () -> ()\n"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := Meter(m, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return out.Instantiable().Start
	}
	least := cost("") // a function, and what metering adds
	if want := int64(functionCost + importCost + 2*globalCost); least < want || least > want+2*functionCost {
		t.Errorf("a module with one function costs %d, want %d", least, want)
	}
	for _, c := range []struct {
		text string
		want int64
	}{
		{"func g () -> ()\nfunc h () -> ()", 2 * functionCost}, {"global i32 7\nglobal i64 mut 7", 2 * globalCost}, {"import a.b ()->()", importCost},
		{"memory 1", 8192}, {"memory 100 200", 819_200}, {"table funcref 1000 2000", 4000},
		{"table funcref 1000\nelem 0 $f $f", 4000 + 8 + 2*8}, // a vector of one, kind, offset and end, length, two functions
		{"memory 1\ndata " + strings.Repeat("x", 8000), 8192 + 8 + 8004/8},
	} {
		if got := cost(c.text) - least; got != c.want {
			t.Errorf("%.40q costs %d, want %d", c.text, got, c.want)
		}
	}
}
