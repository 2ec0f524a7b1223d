package host

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 63)
	for s, want := range map[string][2]bool{ // node, mesh
		"local": {true, true}, "n1": {true, true}, "N": {true, true}, "host-1.example.org": {true, true}, long: {true, true},
		"127.0.0.1:7070": {false, true}, "mesh:": {false, false}, "mesh:123456": {false, false},
		"": {}, "a/b": {}, "a b": {}, "a\n": {}, "a\nb": {}, "a=b": {}, "a,b": {}, "-a": {}, "a.": {}, ".": {}, "é": {}, long + "a": {}, "a\x00": {},
	} {
		if got := [2]bool{ValidNode(s), ValidMesh(s)}; got != want {
			t.Errorf("%q: node, mesh %v, want %v", s, got, want)
		}
	}
}
