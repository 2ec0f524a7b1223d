package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
)

// Plugin prepares the folder of an Extism plug-in, a .wasm file, to be built as a product, and gives it. Where documents lie beside the
// plug-in they must name it; where there are none, those of a small product are written: its input, contracts and fixtures are an example
// to go on with. function is what the plug-in exports for batches, encoding how it reads and writes them; "": as the documents say, or the
// defaults.
func Plugin(module, domain, function, encoding string) (dir string, written []string, err error) {
	if info, err := os.Stat(module); err != nil || !info.Mode().IsRegular() || filepath.Ext(module) != ".wasm" {
		return "", nil, host.Errorf(host.CodeBuildModule, "%s is no .wasm file", module).WithHint("name the module that an Extism PDK has made")
	}
	abs, err := filepath.Abs(module)
	if err != nil {
		return "", nil, host.Errorf(host.CodeBuildModule, "%w", err)
	}
	dir = filepath.Dir(module)
	bundle, err := manifest.LoadProduct(os.DirFS(dir))
	switch {
	case err == nil:
		return dir, nil, named(bundle, module, function, encoding)
	case !errors.Is(err, fs.ErrNotExist) && exists(filepath.Join(dir, manifest.ProductFile)):
		return "", nil, within(dir, err)
	}
	name := strings.TrimSuffix(filepath.Base(abs), ".wasm")
	if name == "plugin" {
		name = filepath.Base(filepath.Dir(abs))
	}
	p := &scaffold{Scaffolding: Scaffolding{Name: name, Domain: domain, Language: host.Extism}, Main: filepath.Base(abs), Code: codeOf(filepath.Base(abs), function, encoding)}
	if err := p.validate(); err != nil {
		return "", nil, err
	}
	if written, err = p.write(dir, "templates/common"); err != nil {
		return "", nil, err
	}
	slices.Sort(written)
	return dir, written, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// codeOf is what product.yaml says of a plug-in.
func codeOf(file, function, encoding string) string {
	code := fmt.Sprintf("{language: %s, path: %q", host.Extism, file)
	if function != "" {
		code += fmt.Sprintf(", function: %q", function)
	}
	if encoding != "" {
		code += ", encoding: " + encoding
	}
	return code + "}"
}

// named fails when the documents beside a plug-in are about other code.
func named(bundle *manifest.Bundle, module, function, encoding string) error {
	file := filepath.Base(module)
	code := bundle.Code()
	if code.Language == host.Extism && filepath.Clean(code.Path) == file && (function == "" || function == code.Function) && (encoding == "" || encoding == code.Encoding) {
		return nil
	}
	return host.Errorf(host.CodeBuildModule, "%s beside %s is about other code", manifest.ProductFile, module).
		WithHint("write code: %s there, and build the folder", codeOf(file, function, encoding))
}
