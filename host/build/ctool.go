package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/host"
)

const cHint = "on Debian: apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32; elsewhere unpack wasi-sdk in /opt/wasi-sdk"

// cTool is how this machine compiles C to Wasm.
type cTool struct {
	clang string
	args  []string // target and C library
	words string   // for doctor
}

func (t cTool) says() string { return t.words }

// findC looks for a clang that has all that a module needs: the target's C library, its part of compiler-rt, and a linker. That of
// wasi-sdk brings them along; Debian has them in packages beside each of its clangs.
func (b *Builder) findC(ctx context.Context) (cTool, error) {
	var missing []string
	for _, clang := range b.clangs() {
		t, lacks := b.examineC(ctx, clang)
		if lacks == "" {
			return t, nil
		}
		missing = append(missing, clang+" lacks "+lacks)
	}
	if len(missing) == 0 {
		missing = []string{"there is no clang"}
	}
	return cTool{}, host.Errorf(host.CodeBuildToolchain, "nothing here compiles C to Wasm: %s", strings.Join(missing, "; ")).WithHint("%s", cHint)
}

// clangs are those that are here.
func (b *Builder) clangs() (found []string) {
	for _, path := range b.MoreC {
		if _, err := os.Stat(path); err == nil {
			found = append(found, path)
		}
	}
	for _, name := range []string{"clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16"} {
		if path, err := b.LookPath(name); err == nil {
			found = append(found, path)
		}
	}
	return found
}

// examineC says what a clang lacks, or how to call it.
func (b *Builder) examineC(ctx context.Context, clang string) (t cTool, lacks string) {
	t = cTool{clang: clang, args: []string{"--target=wasm32-wasi"}}
	own := filepath.Join(filepath.Dir(filepath.Dir(clang)), "share", "wasi-sysroot")
	switch {
	case isDir(own):
		t.args = append(t.args, "--sysroot="+own)
	case isDir("/usr/include/wasm32-wasi"): // Debian's wasi-libc
		t.args = append(t.args, "--sysroot=/usr", "-isystem", "/usr/include/wasm32-wasi")
	default:
		return t, "a C library for the target (wasi-libc)"
	}
	for what, flag := range map[string]string{"compiler-rt for wasm32": "--print-libgcc-file-name", "a linker (lld)": "--print-prog-name=wasm-ld"} {
		path, err := b.says(ctx, clang, cHint, append(t.args[:len(t.args):len(t.args)], flag)...)
		if err != nil {
			return t, "the target wasm32-wasi: " + err.Error()
		}
		if _, err := os.Stat(path); err != nil {
			if _, err := b.LookPath(path); err != nil {
				return t, what
			}
		}
	}
	version, err := b.says(ctx, clang, cHint, "--version")
	if err != nil {
		return t, err.Error()
	}
	t.words = fmt.Sprintf("%s (%s)", version, clang)
	return t, ""
}
