package build

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gosdk "github.com/adp-host/adp/guest-sdk/go"
	goarrow "github.com/adp-host/adp/guest-sdk/go/arrow"
	"github.com/adp-host/adp/host"
)

// builder has its own SDK cache; compilers keep theirs.
func builder(t *testing.T) *Builder {
	return &Builder{Cache: t.TempDir(), GoSDK: gosdk.Source, Env: os.Environ(), LookPath: exec.LookPath}
}

// lay writes files into a fresh folder.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const goMain = `package main

import adp "github.com/adp-host/adp/guest-sdk/go"

type row struct{ Name string }

func init() { adp.Register(product) }

func main() {}

func product(p *adp.Product) error {
	out := adp.Output[row](p, "out")
	adp.OnRow(p, "in", func(r *row) error { out.Emit(*r); return nil })
	return nil
}
`

func goProduct(t *testing.T) string {
	return lay(t, map[string]string{"go.mod": "module hello\n\ngo 1.24\n\nrequire github.com/adp-host/adp/guest-sdk/go v0.1.0\n", "main.go": goMain})
}

// TestGoIsReproducible: the same sources give the same module in any folder and any cache, and nothing is left behind.
func TestGoIsReproducible(t *testing.T) {
	var modules [][]byte
	for range 2 {
		dir, b := goProduct(t), builder(t)
		checked := 0
		b.Check = func(_ context.Context, module []byte, _ host.Code) error { checked++; return nil }
		m, err := b.Compile(t.Context(), dir, host.Code{Language: "go", Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		if checked != 1 || !bytes.HasPrefix(m, []byte("\x00asm")) || bytes.Contains(m, []byte(dir)) || bytes.Contains(m, []byte(b.Cache)) {
			t.Errorf("checked %d times, %d bytes", checked, len(m))
		}
		modules = append(modules, m)
		if entries, _ := os.ReadDir(dir); len(entries) != 2 {
			t.Errorf("left in the product's folder: %v", entries)
		}
		if entries, _ := os.ReadDir(b.Cache); len(entries) != 1 {
			t.Errorf("left in the cache: %v", entries)
		}
	}
	if !bytes.Equal(modules[0], modules[1]) {
		t.Error("two builds differ")
	}
}

func TestCompilerErrors(t *testing.T) {
	dir := goProduct(t)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.Replace(goMain, "out.Emit(*r)", "out.Emitt(*r)", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := builder(t).Compile(t.Context(), dir, host.Code{Language: "go", Path: "."})
	var e *host.Error
	if !errors.As(err, &e) || e.Code != host.CodeBuildCompile {
		t.Fatal(err)
	}
	want := "13 | \tadp.OnRow(p, \"in\", func(r *row) error { out.Emitt(*r); return nil })\n   | \t"
	if e.At.File != filepath.Join(dir, "main.go") || e.At.Line != 13 || e.At.Column != 46 || !strings.HasPrefix(e.Excerpt, want) ||
		!strings.HasSuffix(e.Excerpt, "^") || !strings.Contains(e.Message, "Emitt") {
		t.Errorf("%+v", e)
	}
}

func TestCompileRefusals(t *testing.T) {
	dir := lay(t, map[string]string{"src/main.go": goMain, "made.wasm": "\x00asm...."})
	refuse := errors.New("refused")
	for _, c := range []struct {
		name string
		code host.Code
		edit func(*Builder)
		want host.ErrorCode
	}{
		{"no such folder", host.Code{Language: "go", Path: "none"}, nil, host.CodeBuildCompile},
		{"no module", host.Code{Language: "go", Path: "src"}, nil, host.CodeBuildCompile},
		{"no crate", host.Code{Language: "rust", Path: "src"}, func(b *Builder) { b.RustSDK = os.DirFS(dir) }, host.CodeBuildCompile},
		{"another language", host.Code{Language: "cobol", Path: "src"}, nil, host.CodeBuildToolchain},
		{"no such wasm", host.Code{Language: "c", Path: "none.wasm"}, nil, host.CodeBuildModule},
		{"no compiler", host.Code{Language: "go", Path: "src"}, func(b *Builder) {
			b.LookPath = func(string) (string, error) { return "", fs.ErrNotExist }
		}, host.CodeBuildToolchain},
		{"no SDK", host.Code{Language: "go", Path: "src"}, func(b *Builder) { b.GoSDK = nil }, host.CodeBuildToolchain},
	} {
		b := builder(t)
		if c.edit != nil {
			c.edit(b)
		}
		_, err := b.Compile(t.Context(), dir, c.code)
		var e *host.Error
		if !errors.As(err, &e) || e.Code != c.want || e.Hint == "" && c.name != "no SDK" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	b := builder(t)
	if m, err := b.Compile(t.Context(), dir, host.Code{Language: "c", Path: "made.wasm"}); err != nil || string(m) != "\x00asm...." {
		t.Errorf("a module that is there: %q %v", m, err)
	}
	b.Check = func(context.Context, []byte, host.Code) error { return refuse }
	if _, err := b.Compile(t.Context(), dir, host.Code{Language: "c", Path: "made.wasm"}); !errors.Is(err, refuse) {
		t.Errorf("the sandbox refused: %v", err)
	}
}

// TestUnpackHeals: an SDK in the cache that somebody changed is laid down anew.
func TestUnpackHeals(t *testing.T) {
	b := builder(t)
	dir, err := b.unpack("go", b.GoSDK)
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "product.go"), []byte("package evil"), 0o644) },
		func() error { return os.WriteFile(filepath.Join(dir, "more.go"), []byte("package evil"), 0o644) },
		func() error { return os.Remove(filepath.Join(dir, "go.mod")) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		again, err := b.unpack("go", b.GoSDK)
		if err != nil || again != dir {
			t.Fatal(again, err)
		}
		want, _ := treeDigest(b.GoSDK)
		if got, err := treeDigest(os.DirFS(dir)); err != nil || got != want {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
	}
}

func TestExcerpt(t *testing.T) {
	dir := lay(t, map[string]string{"x": "one\n\ttwo three\r\n"})
	for _, c := range []struct {
		line, column int
		want         string
	}{
		{1, 2, "1 | one\n  |  ^"}, {2, 6, "2 | \ttwo three\n  | \t    ^"}, {1, 99, "1 | one\n  |    ^"}, {1, 0, "1 | one\n  | ^"}, {9, 1, ""}, {0, 1, ""},
	} {
		if got := excerpt(filepath.Join(dir, "x"), c.line, c.column); got != c.want {
			t.Errorf("%d:%d: %q, want %q", c.line, c.column, got, c.want)
		}
	}
}

// TestGoArrow: a product that requires the helper for Arrow gets it, and all that it needs in the versions that its lock file pins.
func TestGoArrow(t *testing.T) {
	b := builder(t)
	b.GoArrow = goarrow.Source
	const main = `package main

import (
	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/arrow/adparrow"
	"github.com/apache/arrow/go/v17/arrow"
)

func init() { adp.Register(product) }
func main() {}

func product(p *adp.Product) error {
	out := p.Writer("out")
	adparrow.OnRecord(p, "in", func(rec arrow.Record) error { return adparrow.Emit(out, rec) })
	return nil
}
`
	dir := lay(t, map[string]string{"main.go": main, "go.mod": `module example.com/p

go 1.24

require github.com/adp-host/adp/guest-sdk/go v0.1.0
require github.com/adp-host/adp/guest-sdk/go/arrow v0.1.0
`})
	m, err := b.Compile(t.Context(), dir, host.Code{Language: "go", Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(m, []byte("\x00asm")) || bytes.Contains(m, []byte(dir)) || bytes.Contains(m, []byte(b.Cache)) {
		t.Errorf("%d bytes with paths of this machine", len(m))
	}
}
