package main

import (
	"os"
	"strings"
	"testing"
)

// TestNative compares the native kernel with the guest's: they must stay the same code.
func TestNative(t *testing.T) {
	body := func(file, from string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, text, found := strings.Cut(string(b), from)
		text, _, ended := strings.Cut(text, "\n}\n")
		if !found || !ended {
			t.Fatalf("%s has no %q", file, from)
		}
		return text
	}
	native, guest := body("native.go", "func kernel("), body("../../guest-sdk/go/kernel/kernel.go", "func Kernel(")
	if native != guest {
		t.Errorf("native:\n%s\nguest:\n%s", native, guest)
	}
}

// TestFigures pins the lines: what falls short is short, and what only looks like its aim does too.
func TestFigures(t *testing.T) {
	for _, c := range []struct {
		f    figure
		want string
	}{
		{figure{"a", 1.2344, "x", "peer", 2, 0}, "a\t1.23\tx\tpeer\t≤ 2\tok"},
		{figure{"a", 2.0001, "x", "peer", 2, 0}, "a\t2\tx\tpeer\t≤ 2\tshort"},
		{figure{"a", 0.2, "x", "floor", 0, 0.25}, "a\t0.2\tx\tfloor\t≥ 0.25\tshort"},
		{figure{"a", 16123.4, "1/s", "-", 0, 0}, "a\t16123\t1/s\t-\t-\tok"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
