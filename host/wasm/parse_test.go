package wasm_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/adp-host/adp/host/wasm"
)

// TestParseIsBounded: what is small on the wire and large in memory is refused before it is large, and dense code is
// validated with memory in proportion to its size.
func TestParseIsBounded(t *testing.T) {
	wide := "func wide (" + strings.Repeat("i32 ", 255) + ") -> (" + strings.Repeat("i32 ", 255) + ")\n  unreachable\n"
	for name, b := range map[string][]byte{
		"types":          section(1, 1<<20, "\x60\x00\x00"),
		"functions":      append(append(section(1, 1, "\x60\x00\x00"), section(3, 1<<20, "\x00")[8:]...), section(10, 1<<20, "\x02\x00\x0b")[8:]...),
		"globals":        section(6, 1<<20, "\x7f\x00\x41\x00\x0b"),
		"a count":        append([]byte("\x00asm\x01\x00\x00\x00\x01\x05"), "\xff\xff\xff\xff\x0f"...),
		"a length":       append([]byte("\x00asm\x01\x00\x00\x00\x01"), "\xff\xff\xff\xff\x0f"...),
		"locals":         wasm.Assemble("func f () -> ()\n  local" + strings.Repeat(" i32", 60_000)),
		"nesting":        wasm.Assemble("func f () -> ()\n" + strings.Repeat("block\n", 200_000)),
		"operands":       wasm.Assemble(wide + "func f () -> ()\n" + strings.Repeat("unreachable\ncall $wide\n", 10_000)),
		"operands, live": wasm.Assemble("func many () -> (" + strings.Repeat("i32 ", 255) + ")\n  unreachable\nfunc f () -> ()\n" + strings.Repeat("call $many\n", 10_000)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := wasm.Parse(b)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, wasm.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%s: %d bytes allocated for %d", name, took, len(b))
		}
	}
}

// section is a module with one vector section of n equal entries.
func section(id byte, n int, entry string) []byte {
	leb := func(v int) (out []byte) {
		for ; v >= 0x80; v >>= 7 {
			out = append(out, byte(v)|0x80)
		}
		return append(out, byte(v))
	}
	content := append(leb(n), strings.Repeat(entry, n)...)
	return append(append([]byte("\x00asm\x01\x00\x00\x00"), append([]byte{id}, leb(len(content))...)...), content...)
}

// TestErrorsSayWhere: an error names the function and the byte.
func TestErrorsSayWhere(t *testing.T) {
	_, err := wasm.Parse(wasm.Assemble("func f () -> ()\nfunc g () -> (i32)\n  i64.const 1"))
	var e *wasm.Error
	if !errors.As(err, &e) || e.Func != "$1" || e.Offset <= 8 || !strings.Contains(e.Error(), "operand is i64, want i32") {
		t.Errorf("%v", err)
	}
}
