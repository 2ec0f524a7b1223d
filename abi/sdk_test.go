package abi_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write the constants of the SDKs anew")

// TestGoSDK: the Go SDK, which depends on nothing, carries a copy of abi.go.
func TestGoSDK(t *testing.T) {
	src, err := os.ReadFile("abi.go")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "../guest-sdk/go/internal/abi/abi.go", append([]byte("// Code generated from abi/abi.go of the project by go test ./abi -update. DO NOT EDIT.\n\n"), src...))
}

const generated = "// Generated from abi/abi.go of the project by go test ./abi -update. Do not edit.\n"

// TestRustSDK: the Rust SDK's constants are those of abi.go, in Rust's names: ArrayNBuffers becomes ARRAY_N_BUFFERS.
func TestRustSDK(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(generated + "#![allow(dead_code)]\n\n")
	for _, c := range constants(t) {
		fmt.Fprintf(&b, "pub const %s: %s = %s;\n", upperName(c.Name()), rustType(c), c.Val().ExactString())
	}
	compare(t, "../guest-sdk/rust/src/abi.rs", b.Bytes())
}

// TestCSDK: the C kit's constants are those of abi.go: ArrayNBuffers becomes ADP_ABI_ARRAY_N_BUFFERS.
func TestCSDK(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(generated + "#ifndef ADP_ABI_H\n#define ADP_ABI_H\n\n")
	for _, c := range constants(t) {
		fmt.Fprintf(&b, "#define ADP_ABI_%s %s\n", upperName(c.Name()), c.Val().ExactString())
	}
	b.WriteString("\n#endif\n")
	compare(t, "../guest-sdk/c/include/adp/abi.h", b.Bytes())
}

// TestAssemblyScriptSDK: the AssemblyScript kit's constants are those of abi.go: ArrayNBuffers becomes ARRAY_N_BUFFERS.
func TestAssemblyScriptSDK(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(generated + "\n")
	for _, c := range constants(t) {
		fmt.Fprintf(&b, "export const %s: %s = %s;\n", upperName(c.Name()), scriptType(c), c.Val().ExactString())
	}
	compare(t, "../guest-sdk/assemblyscript/assembly/abi.ts", b.Bytes())
}

// scriptType: as rustType, but limits are i32, the type of lengths there.
func scriptType(c *types.Const) string {
	switch t := rustType(c); {
	case t == "&str":
		return "string"
	case strings.HasPrefix(c.Name(), "Max"):
		return "i32"
	default:
		return t
	}
}

// constants are those of abi.go, in their order.
func constants(t *testing.T) (all []*types.Const) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "abi.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := (&types.Config{Importer: importer.Default()}).Check("abi", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, spec := range d.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				all = append(all, pkg.Scope().Lookup(name.Name).(*types.Const))
			}
		}
	}
	return all
}

func compare(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not that of abi.go: run go test ./abi -update", path)
	}
}

// upperName turns MaxLogMessage into MAX_LOG_MESSAGE.
func upperName(s string) string {
	var b strings.Builder
	r := []rune(s)
	for i, c := range r {
		if i > 0 && unicode.IsUpper(c) && (!unicode.IsUpper(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(c))
	}
	return b.String()
}

// rustType: sizes and offsets are usize, statuses and what crosses as i32 are i32, modes and flags of the open block u32.
func rustType(c *types.Const) string {
	name := c.Name()
	switch {
	case c.Val().Kind() == constant.String:
		return "&str"
	case strings.HasPrefix(name, "Mode") || name == "OpenRebuild":
		return "u32"
	case strings.HasPrefix(name, "Flag"):
		return "i64"
	case c.Type().String() == "abi.Status", c.Type().String() == "int32", name == "Version", strings.HasPrefix(name, "Log"):
		return "i32"
	}
	return "usize"
}
