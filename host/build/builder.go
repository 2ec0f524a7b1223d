package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Builder compiles the code of products. The zero value of a field is as its comment says; Cache and LookPath are required.
type Builder struct {
	// Cache keeps unpacked SDKs and what compilers want to find again. It may be deleted at any time.
	Cache string
	// The sources of the SDKs, named relative to their roots; nil: that language cannot be built.
	GoSDK, RustSDK, CSDK, AssemblyScriptSDK, JavaScriptSDK, PythonSDK fs.FS
	// GoArrow is the Go SDK's helper for Arrow, a module of its own; nil: products do without.
	GoArrow fs.FS
	// Env is the environment of the compilers; nil: empty, which hardly any compiler likes.
	Env []string
	// LookPath finds the compilers, as exec.LookPath does.
	LookPath func(name string) (string, error)
	// MoreRust are paths of further Rust compilers to look at when the one on the PATH cannot compile to Wasm.
	MoreRust []string
	// MoreC are paths of further C compilers, looked at before those on the PATH.
	MoreC []string
	// Talk gets a line now and then for a person who waits; nil: nobody.
	Talk io.Writer
	// Check has the module judged by the sandbox that will run it; nil: whoever runs it will.
	Check func(ctx context.Context, module []byte, code host.Code) error
	// Embed lays content into a module, where the function of that name says; nil: products in script languages cannot be built.
	Embed func(module []byte, export string, content []byte) ([]byte, error)
	// Load initialises a module as a run does and gives the errors that it logs; nil: a script shows its errors in its first run.
	Load func(ctx context.Context, module []byte) (complaints []string, err error)
	// Infer drafts a schema from files, for inputs whose contract is not written yet; nil: it must be.
	Infer func(ctx context.Context, uri string, options map[string]string) (*arrow.Schema, error)
	// Compute answers statements, for products in SQL; nil: they cannot be built.
	Compute drivers.Compute
	// Again says that somebody edits a product and waits for each module: compilers that are slow at first stay until Close,
	// and those that optimise slowly do not.
	Again bool
	// Ready says that nobody waits for minutes: a script whose interpreter was not compiled on this machine yet counts as one that nothing
	// here compiles.
	Ready bool

	asc *resident
}

// module makes the Wasm module of a product and has it checked.
func (b *Builder) module(ctx context.Context, dir string, p *host.Product) ([]byte, error) {
	if p.Code.Language != sqlLanguage || filepath.Ext(p.Code.Path) == ".wasm" {
		return b.Compile(ctx, dir, p.Code)
	}
	module, err := b.compileSQL(ctx, filepath.Join(dir, filepath.FromSlash(p.Code.Path)), p)
	if err == nil && b.Check != nil {
		err = b.Check(ctx, module, p.Code)
	}
	return module, err
}

// Compile makes the Wasm module of a folder of source, of any language but SQL, and has it checked.
func (b *Builder) Compile(ctx context.Context, dir string, code host.Code) ([]byte, error) {
	path := filepath.Join(dir, filepath.FromSlash(code.Path))
	module, err := b.compile(ctx, path, code.Language)
	if err != nil {
		return nil, err
	}
	if b.Check != nil {
		if err := b.Check(ctx, module, code); err != nil {
			return nil, err
		}
	}
	return module, nil
}

func (b *Builder) compile(ctx context.Context, path, language string) ([]byte, error) {
	if filepath.Ext(path) == ".wasm" {
		module, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, host.Errorf(host.CodeBuildModule, "there is no module %s", path).
				WithHint("code.path names a folder of source, or a .wasm file that is there")
		}
		return module, err
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil, host.Errorf(host.CodeBuildCompile, "there is no source folder %s", path).
			WithHint("code.path in product.yaml names it, relative to that file")
	}
	if l := languageOf(language); l != nil && l.compile != nil {
		return l.compile(b, ctx, path)
	}
	return nil, host.Errorf(host.CodeBuildToolchain, "adp build cannot compile %s", language).
		WithHint("it compiles %s; name the .wasm file that your compiler makes in code.path", strings.Join(Languages, ", "))
}

// tool finds a compiler.
func (b *Builder) tool(name, hint string) (string, error) {
	path, err := b.LookPath(name)
	if err != nil {
		return "", host.Errorf(host.CodeBuildToolchain, "%s is needed and not there: %w", name, err).WithHint("%s", hint)
	}
	return path, nil
}

// run executes a compiler in dir and gives what it said, the last 16 MiB of it.
func (b *Builder) run(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(append([]string{}, b.Env...), env...) // of two settings the last counts
	said := &tail{limit: 16 << 20}
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	if ctx.Err() != nil {
		return said.String(), ctx.Err()
	}
	return said.String(), err
}

// talk tells a person who waits why.
func (b *Builder) talk(format string, args ...any) {
	if b.Talk != nil {
		fmt.Fprintf(b.Talk, format+"\n", args...)
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - t.limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string { return string(t.kept) }
