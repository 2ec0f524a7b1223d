package build

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	javascriptsdk "github.com/adp-host/adp/guest-sdk/javascript"
	pythonsdk "github.com/adp-host/adp/guest-sdk/python"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
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
	b.JavaScriptSDK, b.PythonSDK, b.RustSDK, b.Embed = javascriptsdk.Source, pythonsdk.Source, rustsdk.Source, wasm.Embed
	b.LookPath = func(name string) (string, error) {
		path := filepath.Join(bin, name)
		if _, err := os.Stat(path); err != nil {
			return "", fs.ErrNotExist
		}
		return path, os.Chmod(path, 0o755)
	}
	return b
}

// rustScript is a Rust compiler beside which its library lies.
const rustScript = `case "$*" in *sysroot*) dirname "$0";; *libdir*) dirname "$0";; *) echo rustc 1.95.0;; esac`

// TestToolchains: for each language, what is missing and the command that gets it on this machine.
func TestToolchains(t *testing.T) {
	const rustc = rustScript
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
		{"nothing", nil, "javascript", "cargo is needed", "https://rustup.rs", ""},
		{"Debian", map[string]string{"apt-get": ""}, "javascript", "cargo is needed", "", "apt-get install cargo-web rustc-web rust-web-src lld-19 clang-19"},
		{"no clang", map[string]string{"cargo": "", "rustc": rustc, "lib/rustlib/src/rust/library/std.rs": "", "wasm-ld-19": ""}, "javascript", "no clang that compiles to Wasm", "clang-19", ""},
		{"a clang for other machines", map[string]string{"cargo": "", "rustc": rustc, "lib/rustlib/src/rust/library/std.rs": "", "wasm-ld-19": "", "clang": "echo x86-64"},
			"javascript", "no clang that compiles to Wasm", "clang-19", ""},
		{"and a clang", map[string]string{"cargo": "", "rustc": rustc, "lib/rustlib/src/rust/library/std.rs": "", "wasm-ld-19": "", "clang": "echo wasm32"}, "javascript", "", "", ""},
		{"nothing", nil, "python", "cargo is needed", "https://rustup.rs", ""},
		{"a linker", map[string]string{"cargo": "", "rustc": rustc, "lib/rustlib/src/rust/library/std.rs": "", "wasm-ld-19": ""}, "python", "", "", ""},
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
		p := &host.Product{Code: host.Code{Language: l.name, Path: "."}}
		if _, err := tools(t, nil).module(context.Background(), t.TempDir(), p); err == nil {
			t.Errorf("%s: compiled nothing", l.name)
		}
	}
}

// TestReady: who waits for no minutes is told that an interpreter is still to be compiled, and nothing compiles it.
func TestReady(t *testing.T) {
	b := tools(t, map[string]string{"cargo": "exit 1", "rustc": rustScript, "lib/rustlib/src/rust/library/std.rs": "", "wasm-ld-19": ""})
	b.Ready = true
	_, err := b.Compile(t.Context(), lay(t, map[string]string{"main.py": "import adp\n"}), host.Code{Language: "python", Path: "."})
	if host.CodeOf(err) != host.CodeBuildToolchain || !strings.Contains(err.Error(), "not compiled on this machine yet") {
		t.Errorf("ready: %v", err)
	}
	b.Ready = false
	if _, err = b.Compile(t.Context(), lay(t, map[string]string{"main.py": "import adp\n"}), host.Code{Language: "python", Path: "."}); err == nil || strings.Contains(err.Error(), "yet") {
		t.Errorf("else: %v", err)
	}
}

// TestTimeless: what compiles an engine asks git in vain, and is told always the same time.
func TestTimeless(t *testing.T) {
	b := builder(t)
	b.Env = []string{"PATH=nowhere", "PATH=/usr/bin:/bin"}
	env, err := b.timeless(filepath.Join(t.TempDir(), "bin"))
	if err != nil {
		t.Fatal(err)
	}
	for question, want := range map[string]string{"git log -1 --format=%ct": "0", "git describe --all || echo none": "none"} {
		c := exec.CommandContext(t.Context(), "/bin/sh", "-c", question)
		c.Env = env
		if said, err := c.Output(); err != nil || strings.TrimSpace(string(said)) != want {
			t.Errorf("%s: %q, %v", question, said, err)
		}
	}
}
