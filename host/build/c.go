package build

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// compileC compiles the .c files of a folder and of those below it to a WASI reactor, with the kit's headers in the search
// path and the folder's own compile_flags.txt, which editors read too.
func (b *Builder) compileC(ctx context.Context, dir string) ([]byte, error) {
	if b.CSDK == nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "this adp carries no C kit")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	sources, err := cSources(abs)
	if err != nil {
		return nil, err
	}
	flags, err := compileFlags(abs)
	if err != nil {
		return nil, err
	}
	tool, err := b.findC(ctx)
	if err != nil {
		return nil, err
	}
	sdk, err := b.unpack("c", b.CSDK)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(b.Cache, "c-*") // there since the SDK is
	if err != nil {
		return nil, cacheError(err)
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, "product.wasm")
	args := slices.Concat(tool.args, []string{"-I", filepath.Join(sdk, "include"), "-std=gnu17", "-O2", "-Wall", "-fno-color-diagnostics",
		"-mbulk-memory", "-msign-ext", "-mnontrapping-fptoint", "-ffile-prefix-map=" + sdk + "=/adp", "-ffile-prefix-map=" + abs + "=."},
		flags, sources,
		// Names of functions stay, for stacks of traps; the stack lies below the data, so that too deep a recursion traps.
		[]string{"-mexec-model=reactor", "-Wl,--strip-debug", "-Wl,--stack-first", "-Wl,-z,stack-size=262144", "-o", out})
	said, err := b.run(ctx, abs, []string{"CPATH=", "C_INCLUDE_PATH=", "LIBRARY_PATH=", "SOURCE_DATE_EPOCH=0", "TMPDIR=" + work}, tool.clang, args...)
	if err != nil {
		return nil, compilerError(ctx, abs, "clang", said, err)
	}
	if said = strings.TrimSpace(said); said != "" {
		b.talk("%s", said) // warnings
	}
	return os.ReadFile(out)
}

// cSources are the files to compile, relative to dir. Those of tests, of tools and of fixtures are left out.
func cSources(dir string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() && path != dir && (strings.HasPrefix(name, ".") || slices.Contains([]string{testFolder, "build", "node_modules"}, name)) {
			return fs.SkipDir
		}
		if !e.IsDir() && filepath.Ext(name) == ".c" && !strings.HasSuffix(name, "_test.c") {
			rel, err := filepath.Rel(dir, path)
			all = append(all, "./"+filepath.ToSlash(rel)) // no name is taken for a flag
			return err
		}
		return nil
	})
	if err == nil && len(all) == 0 {
		return nil, host.Errorf(host.CodeBuildCompile, "%s holds no .c file", dir).WithHint("adp new NAME --lang c shows a whole product")
	}
	return all, err
}

// compileFlags are the lines of compile_flags.txt: one flag each.
func compileFlags(dir string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(dir, "compile_flags.txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "%w", err)
	}
	var flags []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			flags = append(flags, line)
		}
	}
	return flags, nil
}
