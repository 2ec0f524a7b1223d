package abi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi"
)

// TestSpec: SPEC.md says of names, signatures, codes, offsets and limits what the constants say.
func TestSpec(t *testing.T) {
	b, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	spec := string(b)
	says := func(form string, args ...any) {
		t.Helper()
		if line := fmt.Sprintf(form, args...); !strings.Contains(spec, line) {
			t.Errorf("SPEC.md does not say %q", line)
		}
	}
	for name, f := range functions(t) {
		if strings.HasPrefix(name, "adp_") {
			says("| `%s` | `%s", name, f)
		} else {
			says("| `%s` | `%s` |", name, strings.TrimSuffix(f, " i32"))
		}
	}
	for code, name := range []string{"OK", "Failed", "NotFound", "OutOfBounds", "Misaligned", "BadArray", "BadArgument", "LimitExceeded",
		"Denied", "NotNow", "TooLarge", "DriverError"} {
		says("| %d | `%s` |", code, name)
	}
	if abi.DriverError != 11 {
		t.Error("a status code moved, or one was added that this test does not know")
	}
	for field, at := range map[string]int{"i64 | length": abi.ArrayLength, "i64 | null_count": abi.ArrayNullCount, "i64 | offset": abi.ArrayOffset,
		"i64 | n_buffers": abi.ArrayNBuffers, "u32 | buffers →": abi.ArrayBuffers, "u32 | children → u32[n_children] → `ArrowArray`": abi.ArrayChildren,
		"u32 | dictionary → `ArrowArray` of the values": abi.ArrayDictionary, "u32 | dictionary → `ArrowSchema` of the values": abi.SchemaDictionary, "u32 | release: ignored": abi.ArrayRelease,
		"u32 | format →": abi.SchemaFormat, "u32 | name →": abi.SchemaName, "u32 | metadata": abi.SchemaMetadata, "i64 | flags: 2 nullable; 1 a dictionary": abi.SchemaFlags,
		"u32 | children → u32[n_children] → `ArrowSchema`": abi.SchemaChildren, "u32 | private_data: 0": abi.SchemaPrivate,
		"u32 | `OpenVersion`": abi.OpenVersion, "u32 | `OpenNInputs`": abi.OpenNInputs, "u32 | `OpenInputs`": abi.OpenInputs,
		"u32 | `OpenNOutputs`": abi.OpenNOutputs, "u32 | `OpenOutputs`": abi.OpenOutputs, "u32 | `OpenNBindings`": abi.OpenNBindings,
		"u32 | `OpenBindings`": abi.OpenBindings, "u32 | `OpenFlags`": abi.OpenFlags, "u32 | `PortName`": abi.PortName,
		"u32 | `PortNameLen`": abi.PortNameLen, "u32 | `PortMode`": abi.PortMode, "u32 | `PortSchema`": abi.PortSchema} {
		says("| %d | %s", at, field)
	}
	says("`ArraySize` = %d bytes", abi.ArraySize)
	says("`SchemaSize` = %d bytes", abi.SchemaSize)
	says("`PortSize` = %d bytes", abi.PortSize)
	says("inputs %d incremental, %d snapshot; outputs %d append, %d upsert, %d replace; bindings %d read, %d write",
		abi.ModeIncremental, abi.ModeSnapshot, abi.ModeAppend, abi.ModeUpsert, abi.ModeReplace, abi.ModeRead, abi.ModeWrite)
	for name, limit := range map[string]int{"MaxKey": abi.MaxKey, "MaxValue": abi.MaxValue, "MaxLogMessage": abi.MaxLogMessage,
		"MaxName": abi.MaxName, "MaxRandom": abi.MaxRandom, "MaxRequest": abi.MaxRequest} {
		says("(`%s`) | %s |", name, size(limit))
	}
	for _, name := range append(abi.WASIOffered[:], abi.WASIClosed[:]...) {
		says("`%s`", name)
	}
	says("multiple of %d (`Alignment`)", abi.Alignment)
	says("levels %d debug, %d info, %d warn, %d error", abi.LogDebug, abi.LogInfo, abi.LogWarn, abi.LogError)
}

func size(n int) string {
	switch {
	case n >= 1<<20:
		return strconv.Itoa(n>>20) + " MiB"
	case n >= 1<<10:
		return strconv.Itoa(n>>10) + " KiB"
	}
	return strconv.Itoa(n) + " B"
}

// functions are the exports and imports of abi.go with the signatures in their comments.
func functions(t *testing.T) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "abi.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	signature := regexp.MustCompile(`^\(.*?\)( -> (status i32|i32|i64))?`)
	out := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Comment == nil || len(v.Values) == 0 {
			return true
		}
		lit, ok := v.Values[0].(*ast.BasicLit)
		if s := signature.FindString(strings.TrimSpace(v.Comment.Text())); ok && s != "" {
			name, _ := strconv.Unquote(lit.Value)
			out[name] = s
		}
		return true
	})
	if len(out) < 20 {
		t.Fatalf("only %d functions were found", len(out))
	}
	return out
}
