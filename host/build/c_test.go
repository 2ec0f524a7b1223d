package build

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	csdk "github.com/adp-host/adp/guest-sdk/c"
	"github.com/adp-host/adp/host"
)

func cBuilder(t *testing.T) *Builder {
	t.Helper()
	b := builder(t)
	b.CSDK, b.MoreC = csdk.Source, []string{"/opt/wasi-sdk/bin/clang"}
	if _, err := b.findC(t.Context()); err != nil {
		t.Skipf("NOT TESTED, since nothing here compiles C to Wasm: %v", err)
	}
	return b
}

const cMain = `#include <adp.h>
#include "part.h"
static int begin(void) { adp_info("%s %d", __FILE__, part()); return 0; }
static int process(const adp_batch *batch) { (void)batch; return 0; }
ADP_PRODUCT(begin, process, NULL);
`

func cProduct(t *testing.T, main string) string {
	return lay(t, map[string]string{
		"main.c": main, "parts/part.c": "#include <adp.h>\n#include \"part.h\"\nint part(void) { return adp_run.n_inputs + PART; }\n", "parts/part.h": "int part(void);\n",
		"compile_flags.txt": "-Iparts\n-DPART=7\n\n", "main_test.c": "#error not a part of the product\n", "testdata/x.c": "#error nor this\n",
	})
}

// TestCIsReproducible: the same sources give the same module in any folder and any cache, and nothing is left behind.
func TestCIsReproducible(t *testing.T) {
	var modules [][]byte
	for range 2 {
		dir, b := cProduct(t, cMain), cBuilder(t)
		m, err := b.Compile(t.Context(), dir, host.Code{Language: "c", Path: "."})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(m, []byte("\x00asm")) || bytes.Contains(m, []byte(dir)) || bytes.Contains(m, []byte(b.Cache)) {
			t.Errorf("%d bytes with paths of this machine", len(m))
		}
		modules = append(modules, m)
		if entries, _ := os.ReadDir(dir); len(entries) != 5 {
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

// TestCErrors: what the compiler complains of has its place, and warnings are shown.
func TestCErrors(t *testing.T) {
	b := cBuilder(t)
	var talk bytes.Buffer
	b.Talk = &talk
	compile := func(main string) error {
		_, err := b.Compile(t.Context(), cProduct(t, main), host.Code{Language: "c", Path: "."})
		return err
	}
	for _, c := range []struct {
		name, old, new, want string
		line                 int
	}{
		{"a name", "part())", "prat())", "prat", 3},
		{"a header", `"part.h"`, `"prat.h"`, "'prat.h' file not found", 2},
		{"a type of a member", "static int begin", "struct r { char *name; }; ADP_ROW(r, name);\nstatic int begin", "not compatible with any generic association", 3},
	} {
		var e *host.Error
		err := compile(strings.Replace(cMain, c.old, c.new, 1))
		if !errors.As(err, &e) || e.Code != host.CodeBuildCompile || e.At.Line != c.line || filepath.Base(e.At.File) != "main.c" || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := compile(strings.Replace(cMain, "part())", "undefined_part())", 1) + "int undefined_part(void);"); err == nil {
		t.Error("a function that is declared too late was taken")
	}
	if err := compile("int undefined(void);\n" + strings.Replace(cMain, "part())", "undefined())", 1)); err == nil || !strings.Contains(err.Error(), "undefined symbol: undefined") {
		t.Errorf("the linker's complaint: %v", err)
	}
	if err := compile(cMain + "static int idle(void) { return 1; }\n"); err != nil || !strings.Contains(talk.String(), "unused function 'idle'") {
		t.Errorf("a warning: %v, said %q", err, talk.String())
	}
}

// TestCToolchain: what is missing is named.
func TestCToolchain(t *testing.T) {
	b := cBuilder(t)
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		t.Skip("NOT TESTED: the clang here is another")
	}
	b.MoreC = nil
	b.LookPath = func(string) (string, error) { return "", fs.ErrNotExist }
	if _, err := b.findC(t.Context()); host.CodeOf(err) != host.CodeBuildToolchain || !strings.Contains(err.Error(), "there is no clang") {
		t.Errorf("%v", err)
	}
	// A clang that finds neither its linker nor anything else beside it.
	fake := filepath.Join(lay(t, map[string]string{"clang": "#!/bin/sh\ncase \"$*\" in *prog-name*) echo wasm-ld;; *) echo " + clang + ";; esac\n"}), "clang")
	if err := os.Chmod(fake, 0o755); err != nil {
		t.Fatal(err)
	}
	b.MoreC = []string{fake}
	if _, err := b.findC(t.Context()); err == nil || !strings.Contains(err.Error(), fake+" lacks a linker") {
		t.Errorf("%v", err)
	}
	if _, err := b.compileC(t.Context(), t.TempDir()); host.CodeOf(err) != host.CodeBuildCompile {
		t.Errorf("a folder without sources: %v", err)
	}
}
