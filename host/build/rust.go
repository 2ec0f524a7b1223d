package build

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// rustTarget needs no WASI: a product has no files, clocks or network of its own.
const rustTarget = "wasm32-unknown-unknown"

// rustCrate is the name under which products require the SDK; a Cargo patch puts ours in its place.
const rustCrate = "adp"

// compileRust compiles a cdylib crate, in its folder but with Cargo's own files elsewhere. All products share one target
// folder: what does not belong to a product is compiled once. Dependencies beside the SDK come from crates.io as
// Cargo.lock pins them.
func (b *Builder) compileRust(ctx context.Context, dir string) ([]byte, error) {
	if b.RustSDK == nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "this adp carries no Rust SDK")
	}
	cargo, err := b.tool("cargo", rustHint)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(abs, "Cargo.toml")); err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "%s is no Rust crate: %w", dir, err).WithHint("adp new shows a whole product")
	}
	rust, err := b.findRust(ctx)
	if err != nil {
		return nil, err
	}
	sdk, err := b.unpack("rust", b.RustSDK)
	if err != nil {
		return nil, err
	}
	if rust.crates != "" {
		return b.compileVendored(ctx, rust, cargo, sdk, abs)
	}
	args, env, err := b.cargo(rust, sdk, b.rustOut())
	if err != nil {
		return nil, err
	}
	said, err := b.run(ctx, abs, env, cargo, append(slices.Clip(args), "--offline")...)
	if err != nil && ctx.Err() == nil && !strings.Contains(said, `"level":"error"`) {
		said, err = b.run(ctx, abs, env, cargo, args...) // a dependency that is not in Cargo's own cache yet
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return builtModule(ctx, abs, said, err)
}

// compileVendored compiles a crate where the crates that the standard library is made of lie in a folder: Cargo takes crates from one place
// only, so that those of a product that has some go there too. Products with the same crates share them, and Cargo's output.
func (b *Builder) compileVendored(ctx context.Context, rust rustTool, cargo, sdk, dir string) ([]byte, error) {
	out, crates, err := b.cratesOf(dir, rust)
	if err != nil {
		return nil, err
	}
	for fetched := false; ; fetched = true {
		if fetched || !isDir(crates) {
			if said, err := b.run(ctx, dir, nil, cargo, "fetch", "--quiet", "--config", patched(sdk)); err != nil {
				return nil, fetchError(ctx, dir, said)
			}
			if out, crates, err = b.cratesOf(dir, rust); err != nil {
				return nil, err
			}
			if err := b.vendor(ctx, rust, dir, crates, dir, sdk); err != nil {
				return nil, err
			}
		}
		args, env, err := b.cargo(rust, sdk, out)
		if err != nil {
			return nil, err
		}
		said, err := b.run(ctx, dir, env, cargo, append(append(args, from(crates)...), "--offline")...)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// Else Cargo.toml asks for what its lock file does not have yet.
		if err == nil || fetched || strings.Contains(said, `"level":"error"`) || !strings.Contains(said, "directory source") {
			return builtModule(ctx, dir, said, err)
		}
	}
}

// cratesOf are the folders for Cargo's output and for the crates of the product in dir, which are its own where its lock file has some.
func (b *Builder) cratesOf(dir string, rust rustTool) (out, crates string, err error) {
	out = b.rustOut()
	set, err := crateSet(dir)
	if err != nil || set == "" {
		return out, rust.crates, err
	}
	out += "-" + set
	return out, filepath.Join(out, "crates"), nil
}

// rustOut is the folder for what Cargo writes of products.
func (b *Builder) rustOut() string { return filepath.Join(b.Cache, "rust") }

// cargo gives the arguments and the environment that a crate is compiled with. They are the same for all, paths included, so that
// what does not belong to a product is compiled once. Cargo writes to out, one at a time. flags are for rustc.
func (b *Builder) cargo(rust rustTool, sdk, out string, flags ...string) (args, env []string, err error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, nil, cacheError(err)
	}
	if std, _ := filepath.Glob(filepath.Join(out, rustTarget, "release", "deps", "libstd-*.rlib")); rust.library && len(std) == 0 {
		b.talk("Rust's standard library is compiled too: a minute or two, once")
	}
	args = append([]string{"build", "--lib", "--release", "--target", rustTarget, "--target-dir", out,
		"--message-format", "json,json-diagnostic-short", "--config", patched(sdk)}, rust.args...)
	env = append([]string{
		"CARGO_ENCODED_RUSTFLAGS=" + strings.Join(append([]string{"-Cstrip=symbols", "--remap-path-prefix=" + sdk + "=/adp", "--remap-path-prefix=" + out + "=/target"}, flags...), "\x1f"),
		"CARGO_TERM_COLOR=never", "CARGO_INCREMENTAL=0",
	}, rust.env...)
	return args, env, nil
}

// builtModule reads what Cargo said of the crate in dir: its module, or what is wrong with it.
func builtModule(ctx context.Context, dir, said string, err error) ([]byte, error) {
	result := readCargo(dir, said)
	switch {
	case len(result.errors) > 0:
		return nil, errors.Join(result.errors...)
	case err != nil:
		return nil, compilerError(ctx, dir, "cargo build", result.rest, err)
	case len(result.modules) != 1:
		return nil, host.Errorf(host.CodeBuildModule, "the crate makes %d modules, a product is one", len(result.modules)).
			WithHint(`in Cargo.toml: [lib] crate-type = ["cdylib"]`)
	}
	return os.ReadFile(result.modules[0])
}

// cargoResult is what Cargo's messages come to.
type cargoResult struct {
	modules []string // .wasm files of the product's own crate
	errors  []error
	rest    string // what was no message
}

// cargoMessage is the part of a message that matters here.
type cargoMessage struct {
	Reason       string   `json:"reason"`
	ManifestPath string   `json:"manifest_path"`
	Filenames    []string `json:"filenames"`
	Message      struct {
		Level   string `json:"level"`
		Message string `json:"message"`
		Code    *struct {
			Code string `json:"code"`
		} `json:"code"`
		Spans []rustSpan `json:"spans"`
	} `json:"message"`
}

type rustSpan struct {
	File    string `json:"file_name"`
	Line    int    `json:"line_start"`
	Column  int    `json:"column_start"`
	Primary bool   `json:"is_primary"`
	Label   string `json:"label"`
}

// readCargo reads messages, one JSON object a line, between lines for people.
func readCargo(dir, said string) cargoResult {
	var out cargoResult
	var rest []string
	manifest := filepath.Join(dir, "Cargo.toml")
	lines := bufio.NewScanner(strings.NewReader(said))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var m cargoMessage
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.Reason == "" {
			rest = append(rest, lines.Text())
			continue
		}
		switch {
		case m.Reason == "compiler-artifact" && sameFile(m.ManifestPath, manifest):
			for _, f := range m.Filenames {
				if filepath.Ext(f) == ".wasm" {
					out.modules = append(out.modules, f)
				}
			}
		case m.Reason == "compiler-message" && m.Message.Level == "error" && len(out.errors) < maxComplaints:
			if err := m.complaint(dir); err != nil {
				out.errors = append(out.errors, err)
			}
		}
	}
	out.rest = strings.Join(rest, "\n")
	return out
}

// complaint is a compiler's error with its place; nil for the summary that ends a list of them.
func (m *cargoMessage) complaint(dir string) error {
	at := slices.IndexFunc(m.Message.Spans, func(s rustSpan) bool { return s.Primary })
	if at < 0 {
		if strings.HasPrefix(m.Message.Message, "aborting due to") {
			return nil
		}
		return host.Errorf(host.CodeBuildCompile, "%s", m.Message.Message)
	}
	s := m.Message.Spans[at]
	text := m.Message.Message
	if s.Label != "" && s.Label != text {
		text += ": " + s.Label
	}
	if m.Message.Code != nil {
		text = fmt.Sprintf("%s (%s)", text, m.Message.Code.Code)
	}
	file := s.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	e := host.Errorf(host.CodeBuildCompile, "%s", text)
	e.At, e.Excerpt = host.Position{File: file, Line: s.Line, Column: s.Column}, excerpt(file, s.Line, s.Column)
	return e
}

// sameFile compares paths that may go through links.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	ia, err := os.Stat(a)
	if err != nil {
		return false
	}
	ib, err := os.Stat(b)
	return err == nil && os.SameFile(ia, ib)
}
