package build

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// scriptExport is the function of an engine that gives the address of the scripts laid into it. What lies there is, for each file,
// the length of its name as a u32, little endian, the name, the length of its text, and the text; the product's main file is the first.
const scriptExport = "script"

// errScripts is what an engine's complaints are about.
var errScripts = errors.New("the scripts do not load")

// compileScripts lays the scripts of a folder into a copy of the engine, and has it load them: an engine that cannot says why in its log,
// as FILE:LINE:COLUMN: MESSAGE.
func (b *Builder) compileScripts(ctx context.Context, dir string, e engine, main string) ([]byte, error) {
	if _, err := os.Stat(filepath.Join(dir, main)); err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "%s is no %s product: %w", dir, e.name, err).WithHint("adp new NAME --lang %s shows a whole one", e.language())
	}
	scripts, err := packScripts(dir, main)
	if err != nil {
		return nil, err
	}
	if b.Embed == nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "this adp lays no scripts into modules")
	}
	module, err := b.engineModule(ctx, e)
	if err != nil {
		return nil, err
	}
	if module, err = b.Embed(module, scriptExport, scripts); err != nil {
		return nil, host.Errorf(host.CodeBuildModule, "%d bytes of scripts: %w", len(scripts), err)
	}
	if b.Load == nil {
		return module, nil
	}
	complaints, err := b.Load(ctx, module)
	if err != nil {
		return nil, err
	}
	if len(complaints) > 0 {
		return nil, compilerError(ctx, dir, e.name, strings.Join(complaints, "\n"), errScripts)
	}
	return module, nil
}

// packScripts gives the files of a folder, and of those below it, that have the extension of main. Those of tests and of tools are left
// out.
func packScripts(dir, main string) ([]byte, error) {
	extension := filepath.Ext(main)
	names := []string{main}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() && path != dir && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "__") || slices.Contains([]string{testFolder, "build", "tests", "node_modules"}, name)) {
			return fs.SkipDir
		}
		if e.IsDir() || filepath.Ext(name) != extension || isScriptTest(strings.TrimSuffix(name, extension)) {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if rel = filepath.ToSlash(rel); rel != main {
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "%w", err)
	}
	slices.Sort(names[1:])
	var out []byte
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, host.Errorf(host.CodeBuildCompile, "%w", err)
		}
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(name))), name...)
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(text))), text...)
	}
	return out, nil
}

// isScriptTest tells tests by their names, as node and pytest do; name is without its extension.
func isScriptTest(name string) bool {
	return strings.HasSuffix(name, ".test") || strings.HasSuffix(name, "_test") || strings.HasPrefix(name, "test_")
}
