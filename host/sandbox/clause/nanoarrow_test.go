package clause_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build/buildtest"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/sandbox/clause"
)

// The release of nanoarrow that is tested, as PyPI has it, by its digest.
const (
	nanoarrow       = "nanoarrow-0.9.0"
	nanoarrowPinned = "nanoarrow==0.9.0 --hash=sha256:1ce15bbed8532839347faa78824c5dbd3769bff60661003e34c6fba5dd881bd3\n"
	nanoarrowSource = nanoarrow + "/subprojects/arrow-nanoarrow/src/nanoarrow/"
)

// noBackend stands for the build system of a package that is downloaded: pip wants to hear a name and a version from it, and nothing is
// to be built.
const noBackend = `import os
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    name = "` + nanoarrow + `.dist-info"
    os.mkdir(os.path.join(directory, name))
    with open(os.path.join(directory, name, "METADATA"), "w") as f:
        f.write("Metadata-Version: 2.1\nName: nanoarrow\nVersion: 0.9.0\n")
    return name
`

// fetchNanoarrow gives the package's archive: from an earlier test, or by pip.
func fetchNanoarrow(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(abitest.Root(t), "build", "nanoarrow")
	archive := filepath.Join(dir, nanoarrow+".tar.gz")
	if _, err := os.Stat(archive); err == nil {
		return archive
	}
	work := t.TempDir()
	for name, text := range map[string]string{"pinned.txt": nanoarrowPinned, "mesonpy.py": noBackend} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	pip := exec.CommandContext(ctx, "pip3", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-binary", "nanoarrow",
		"--require-hashes", "--requirement", filepath.Join(work, "pinned.txt"), "--dest", dir)
	pip.Env = append(os.Environ(), "PYTHONPATH="+work)
	if text, err := pip.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: nanoarrow cannot be had from PyPI by pip here: %v\n%s", err, text)
	}
	return archive
}

// layNanoarrow writes the library's core into a product's folder, with the configuration that its own build would write.
func layNanoarrow(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(fetchNanoarrow(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"nanoarrow_config.h": "#define NANOARROW_VERSION_MAJOR 0\n#define NANOARROW_VERSION_MINOR 9\n#define NANOARROW_VERSION_PATCH 0\n" +
		"#define NANOARROW_VERSION \"0.9.0\"\n#define NANOARROW_VERSION_INT 900\n"}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, nanoarrowSource)
		if ok && (name == "nanoarrow.h" || path.Dir(name) == "common") && (path.Ext(name) == ".c" || path.Ext(name) == ".h") {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(b)
		}
	}
	for name, text := range files {
		to := filepath.Join(dir, "nanoarrow", filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNanoarrow: the library takes the kit's schemas and arrays as they are, and what it builds is what the ABI asks for, whatever a host
// does that is left to it.
func TestNanoarrow(t *testing.T) {
	b := buildtest.Builder(t)
	buildtest.Needs(t, b, "c")
	dir := t.TempDir()
	layNanoarrow(t, dir)
	source, err := os.ReadFile(filepath.Join(abitest.Root(t), "guest-sdk", "c", "nanoarrow", "product.c"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"product.c": string(source), "compile_flags.txt": "-I.\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	module, err := b.Compile(t.Context(), dir, host.Code{Language: "c", Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t, sandbox.Config{})
	in := clause.Harness{Engine: e, Module: module}.Start(t, clause.Standard())
	defer in.Close()
	for _, err := range []error{in.Open(), in.Process(0, []abitest.Row{{int64(1), "ä", 1.5}, {int64(-2), nil, nil}}), in.Flush()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := abitest.Text(in.Result().Emitted["out"]); got != "1, \"ä\", f4008000000000000\n-2, null, null\n" {
		t.Errorf("got\n%s", got)
	}
	list, err := clause.Check(t.Context(), e, clause.Subject{Module: module})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Result == clause.Fail {
			t.Errorf("§%s %s: %s", f.Section, f.Clause, f.Seen)
		}
	}
}
