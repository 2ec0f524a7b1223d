package wasm

import (
	"reflect"
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
