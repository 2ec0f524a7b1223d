package build

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	"github.com/adp-host/adp/host"
)

// tools gives a builder on a machine that has only these programs: shell scripts, by name.
func tools(t *testing.T, scripts map[string]string) *Builder {
	t.Helper()
	files := map[string]string{}
	for name, script := range scripts {
		files[name] = "#!/bin/sh\n" + script + "\n"
	}
	bin := lay(t, files)
	b := builder(t)
	b.AssemblyScriptSDK, b.MoreRust, b.MoreC = assemblyscriptsdk.Source, nil, nil
	b.LookPath = func(name string) (string, error) {
		path := filepath.Join(bin, name)
		if _, err := os.Stat(path); err != nil {
			return "", fs.ErrNotExist
		}
		return path, os.Chmod(path, 0o755)
	}
	return b
}

// TestToolchains: for each language, what is missing and the command that gets it on this machine.
func TestToolchains(t *testing.T) {
	rustc := "case \"$*\" in *sysroot*) dirname \"$0\";; *libdir*) dirname \"$0\";; *) echo rustc 1.95.0;; esac"
	for _, c := range []struct {
		name             string
		have             map[string]string
		language         string
		want, hint, gets string // "" of want: it can be built
	}{
		{"nothing", nil, "go", "go is needed", "https://go.dev/dl", ""},
		{"nothing", nil, "rust", "cargo is needed", "https://rustup.rs", ""},
		{"nothing", nil, "c", "there is no clang", "wasi-sdk", ""},
		{"nothing", nil, "assemblyscript", "node is needed", "https://nodejs.org", ""},
		{"Debian", map[string]string{"apt-get": ""}, "go", "go is needed", "", "apt-get install golang-go"},
		{"Debian", map[string]string{"apt-get": ""}, "rust", "cargo is needed", "", "apt-get install cargo-web rustc-web rust-web-src lld-19"},
		{"Debian", map[string]string{"apt-get": ""}, "c", "there is no clang", "", "apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32"},
		{"Debian", map[string]string{"apt-get": ""}, "assemblyscript", "node is needed", "", "apt-get install nodejs npm"},
		{"rustup", map[string]string{"apt-get": "", "rustup": "", "cargo": "", "rustc": "exit 1"}, "rust", "has the target", "", "rustup target add wasm32-unknown-unknown"},
		{"the library's source", map[string]string{"cargo": "", "rustc": rustc, "lib/rustlib/src/rust/library/std.rs": ""}, "rust", "lacks a linker (lld)", "lld-19", ""},
		{"and a linker", map[string]string{"cargo": "", "rustc": rustc, "lib/rustlib/src/rust/library/std.rs": "", "wasm-ld-19": ""}, "rust", "", "", ""},
		{"an old Go", map[string]string{"apt-get": "", "go": "echo go1.19.8"}, "go", "go1.19.8, which is too old: products need go1.24", "https://go.dev/dl", ""},
		{"a new Go", map[string]string{"go": "echo go1.26.1"}, "go", "", "", ""},
		{"a Go from its repository", map[string]string{"go": "echo devel go1.28-abc"}, "go", "", "", ""},
		{"an old Node.js", map[string]string{"apt-get": "", "node": "echo v18.19.0"}, "assemblyscript", "v18.19.0, which is too old", "https://nodejs.org", ""},
		{"no npm", map[string]string{"apt-get": "", "node": "echo v20.1.0"}, "assemblyscript", "npm is needed", "", "apt-get install nodejs npm"},
	} {
		all := tools(t, c.have).Toolchains(t.Context())
		if len(all) != len(Languages) {
			t.Fatalf("%d toolchains for %v", len(all), Languages)
		}
		got := all[slices.Index(Languages, c.language)]
		if c.want == "" {
			if got.Err != nil || got.Found == "" || got.Get != "" {
				t.Errorf("%s, %s: %+v", c.name, c.language, got)
			}
			continue
		}
		e, _ := got.Err.(*host.Error)
		if e == nil || e.Code != host.CodeBuildToolchain || !strings.Contains(e.Error(), c.want) || !strings.Contains(e.Hint, c.hint) || got.Get != c.gets {
			t.Errorf("%s, %s: got %+v, want %q, %q, %q", c.name, c.language, got, c.want, c.hint, c.gets)
		}
	}
}

// TestLanguages: each has a template whose main file is there, and says what it compiles where it cannot.
func TestLanguages(t *testing.T) {
	for _, l := range languages {
		if _, err := fs.Stat(templates, "templates/"+l.name+"/"+l.main+".tmpl"); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		if _, err := l.compile(tools(t, nil), context.Background(), t.TempDir()); err == nil {
			t.Errorf("%s: compiled nothing", l.name)
		}
	}
}
