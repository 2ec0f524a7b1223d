package build

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	rustsdk "github.com/adp-host/adp/guest-sdk/rust"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
)

func newProduct(t *testing.T, name, language string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if _, err := Scaffold(dir, Scaffolding{Name: name, Domain: "demo", Language: language}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rustBuilder compiles Rust, with the user's own cache: without the target's standard library that takes minutes, once.
func rustBuilder(t *testing.T) *Builder {
	t.Helper()
	b := builder(t)
	b.RustSDK, b.MoreRust = rustsdk.Source, []string{"/usr/bin/rustc"}
	cache, err := os.UserCacheDir()
	if err == nil {
		b.Cache = filepath.Join(cache, "adp")
	}
	if _, err := b.findRust(t.Context()); err != nil {
		t.Skipf("NOT TESTED, since nothing here compiles Rust to Wasm: %v", err)
	}
	return b
}

// TestScaffoldBuilds: what adp new writes is a whole product: it builds, and a second build changes nothing.
func TestScaffoldBuilds(t *testing.T) {
	for _, language := range Languages {
		t.Run(language, func(t *testing.T) {
			dir, b := newProduct(t, "hello-world", language), builder(t)
			switch language {
			case "rust":
				b = rustBuilder(t)
			case "c":
				b = cBuilder(t)
			case "assemblyscript":
				b = assemblyScriptBuilder(t)
			case "javascript":
				b = javaScriptBuilder(t)
			case "python":
				b = pythonBuilder(t)
			case "sql":
				b = sqlBuilder(t)
			}
			a, err := b.Product(t.Context(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			p := a.Product
			if p.ID != (host.ProductID{Tenant: "local", Domain: "demo", Name: "hello-world"}) || p.Version != "0.1.0" || len(p.Inputs) != 1 || len(p.Outputs) != 1 ||
				p.Code.Language != language || len(p.Outputs[0].Rules) != 1 {
				t.Errorf("%+v", p)
			}
			if got := slices.Sorted(maps.Keys(a.Tests)); strings.Join(got, " ") != "testdata/in/people.csv testdata/out/greetings.csv" {
				t.Errorf("tests %v", got)
			}
			before, err := treeDigest(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			again, err := b.Product(t.Context(), dir, nil)
			if err != nil || string(again.Module) != string(a.Module) {
				t.Errorf("the second build differs: %v", err)
			}
			if after, err := treeDigest(os.DirFS(dir)); err != nil || after != before {
				t.Errorf("the second build changed the folder: %v", err)
			}
		})
	}
}

func TestScaffoldRefuses(t *testing.T) {
	full := lay(t, map[string]string{"something": ""})
	for _, c := range []struct {
		dir  string
		s    Scaffolding
		want host.ErrorCode
	}{
		{"x", Scaffolding{Name: "Hello", Domain: "demo", Language: "go"}, host.CodeManifestType},
		{"x", Scaffolding{Name: "a_b", Domain: "demo", Language: "go"}, host.CodeManifestType},
		{"x", Scaffolding{Name: "changes", Domain: "demo", Language: "go"}, host.CodeManifestType},
		{"x", Scaffolding{Name: "hello", Domain: "", Language: "go"}, host.CodeManifestType},
		{"x", Scaffolding{Name: "hello", Domain: "demo", Language: "cobol"}, host.CodeBuildToolchain},
		{full, Scaffolding{Name: "hello", Domain: "demo", Language: "go"}, host.CodeBuildCompile},
	} {
		if _, err := Scaffold(c.dir, c.s); host.CodeOf(err) != c.want {
			t.Errorf("%+v: %v", c.s, err)
		}
	}
}

// TestRustErrors: a compiler error of Rust has its place, too.
// TestRustCrates: a product may use crates from crates.io, also where the standard library is compiled along.
func TestRustCrates(t *testing.T) {
	dir, b := newProduct(t, "hello", "rust"), rustBuilder(t)
	for file, edit := range map[string][2]string{
		"Cargo.toml": {"[dependencies]\n", "[dependencies]\nfnv = \"=1.0.7\"\n"},
		"src/lib.rs": {"adp::product!", "#[no_mangle]\npub extern \"C\" fn hashed() -> u64 {\n    use std::hash::Hasher;\n    fnv::FnvHasher::default().finish()\n}\n\nadp::product!"},
	} {
		path := filepath.Join(dir, file)
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(old), edit[0], edit[1], 1)
		if text == string(old) {
			t.Fatalf("%s has no %q:\n%s", file, edit[0], old)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var modules [2][]byte
	for i := range modules {
		var err error
		if modules[i], err = b.Compile(t.Context(), dir, host.Code{Language: "rust", Path: "."}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(modules[0], modules[1]) {
		t.Error("two builds of the same source differ")
	}
	lock, err := os.ReadFile(filepath.Join(dir, "Cargo.lock"))
	if err != nil || !strings.Contains(string(lock), `name = "fnv"`) {
		t.Errorf("Cargo.lock does not pin it: %v\n%s", err, lock)
	}
	if err := os.WriteFile(filepath.Join(dir, "Cargo.toml"), []byte("[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nadp-there-is-no-such-crate = \"1\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Compile(t.Context(), dir, host.Code{Language: "rust", Path: "."}); err == nil || !strings.Contains(err.Error(), "adp-there-is-no-such-crate") {
		t.Errorf("a crate that is nowhere: %v", err)
	}
}

func TestRustErrors(t *testing.T) {
	dir, b := newProduct(t, "hello", "rust"), rustBuilder(t)
	path := filepath.Join(dir, "src", "lib.rs")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "who.name.chars()", "who.nam.chars()", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = b.Product(t.Context(), dir, nil)
	var e *host.Error
	if !errors.As(err, &e) || e.Code != host.CodeBuildCompile || e.At.File != path || e.At.Line == 0 || !strings.Contains(e.Excerpt, "who.nam.chars()") ||
		!strings.Contains(e.Message, "E0609") {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestDraft: a file input of whose contract nothing is said gets one from its data, once, and the product names it.
func TestDraft(t *testing.T) {
	dir := newProduct(t, "hello", "go")
	doc, contract := filepath.Join(dir, "product.yaml"), filepath.Join(dir, "contracts", "people.yaml")
	named := readText(t, doc)
	id := regexp.MustCompile(`  contractId: .*\n`).FindString(named)
	path := "  customProperties:\n  - property: contract\n    value: contracts/people.yaml\n"
	unnamed := strings.Replace(strings.Replace(named, id, "", 1), path, "", 1)
	writeText(t, doc, unnamed)
	if err := os.Remove(contract); err != nil {
		t.Fatal(err)
	}
	b := builder(t)
	asked := ""
	people := func(_ context.Context, uri string, _ map[string]string) (*arrow.Schema, error) {
		asked += uri
		return arrow.NewSchema([]arrow.Field{{Name: "name", Type: arrow.BinaryTypes.String}, {Name: "town", Type: arrow.BinaryTypes.String, Nullable: true}}, nil), nil
	}
	broken := errors.New("no such data")
	b.Infer = func(context.Context, string, map[string]string) (*arrow.Schema, error) { return nil, broken }
	if _, _, err := b.Documents(t.Context(), dir, nil); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), doc+":") {
		t.Errorf("data that cannot be read: %v", err)
	}
	b.Infer = nil
	if _, _, err := b.Documents(t.Context(), dir, nil); host.CodeOf(err) != host.CodeManifestContract {
		t.Errorf("without anybody to infer: %v", err)
	}
	if readText(t, doc) != unnamed {
		t.Errorf("a build that failed wrote:\n%s", readText(t, doc))
	}
	b.Infer = people
	_, p, err := b.Documents(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if asked != "file:"+filepath.Join(dir, "data") || len(p.Inputs[0].Schema.Fields) != 2 || !p.Inputs[0].Schema.Fields[0].Required {
		t.Errorf("asked %s, %+v", asked, p.Inputs[0].Schema)
	}
	if text := readText(t, doc); !strings.Contains(text, `people: {contract: contracts/people.yaml, from: "file:data"`) || !strings.Contains(text, p.Inputs[0].ContractID) {
		t.Errorf("the product says\n%s", text)
	}
	if _, _, err := b.Documents(t.Context(), dir, nil); err != nil || asked != "file:"+filepath.Join(dir, "data") {
		t.Errorf("asked again: %s, %v", asked, err)
	}
	// One that is there and that the product does not name is not written over.
	writeText(t, doc, unnamed)
	if _, _, err := b.Documents(t.Context(), dir, nil); host.CodeOf(err) != host.CodeManifestContract {
		t.Errorf("somebody's contract: %v", err)
	}
	// A contract that is named, by path or by id, is not drafted.
	if err := os.Remove(contract); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"path and id": named, "path": strings.Replace(named, id, "", 1), "id": strings.Replace(named, path, "", 1)} {
		writeText(t, doc, text)
		_, _, err := b.Documents(t.Context(), dir, nil)
		var e *host.Error
		if !errors.As(err, &e) || e.Code != host.CodeManifestContract || e.At.File != doc || e.At.Line == 0 || !strings.Contains(e.Hint, "adp build drafts one") {
			t.Errorf("%s: %+v", what, err)
		}
		if _, err := os.Stat(contract); err == nil {
			t.Fatalf("%s: drafted all the same", what)
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestUpstreams: contracts of upstream ports come from folders around the product, then from the mesh; the lock pins them.
func TestUpstreams(t *testing.T) {
	root := t.TempDir()
	up := filepath.Join(root, "demo", "hello")
	if _, err := Scaffold(up, Scaffolding{Name: "hello", Domain: "demo", Language: "go"}); err != nil {
		t.Fatal(err)
	}
	down := filepath.Join(root, "other", "shout")
	if _, err := Scaffold(down, Scaffolding{Name: "shout", Domain: "other", Language: "go"}); err != nil {
		t.Fatal(err)
	}
	doc := filepath.Join(down, "product.yaml")
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), `from: "file:data"`, `from: "adp://./demo/hello/greetings"`, 1)
	edited = strings.Replace(edited, "  - property: contract\n    value: contracts/people.yaml\n", "", 1)
	edited = strings.Replace(edited, "  customProperties:\noutputPorts", "outputPorts", 1)
	if err := os.WriteFile(doc, []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	b := builder(t)
	never := func(context.Context, manifest.Upstream) ([]byte, error) {
		t.Error("the mesh was asked though the product lies beside")
		return nil, nil
	}
	bundle, p, err := b.Documents(t.Context(), down, never)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := bundle.Lock()
	if err != nil || len(p.Inputs[0].Schema.Fields) != 3 || lock.Contracts["people"] == "" || lock.Contracts["people"] != p.Inputs[0].ContractDigest {
		t.Errorf("%+v %+v %v", p.Inputs[0], lock, err)
	}
	contract, err := os.ReadFile(filepath.Join(up, "contracts", "greetings.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(up); err != nil {
		t.Fatal(err)
	}
	asked := ""
	_, p, err = b.Documents(t.Context(), down, func(_ context.Context, u manifest.Upstream) ([]byte, error) {
		asked = u.Domain + "/" + u.Product + "/" + u.Port
		return contract, nil
	})
	if err != nil || asked != "demo/hello/greetings" || p.Inputs[0].ContractDigest != lock.Contracts["people"] {
		t.Errorf("asked %s: %v", asked, err)
	}
	if _, _, err := b.Documents(t.Context(), down, nil); host.CodeOf(err) != host.CodeManifestContract {
		t.Errorf("nobody knows the contract: %v", err)
	}
}

// TestDocumentErrors: errors of documents name the file from where the person stands.
func TestDocumentErrors(t *testing.T) {
	dir := newProduct(t, "hello", "go")
	doc := filepath.Join(dir, "product.yaml")
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(doc, []byte(strings.Replace(string(text), "inputPorts:", "inputPort:", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = builder(t).Product(t.Context(), dir, nil)
	var e *host.Error
	if !errors.As(err, &e) || e.Code != host.CodeManifestField || e.At.File != doc || e.At.Line == 0 || !strings.Contains(e.Hint, "inputPorts") || e.Excerpt == "" {
		t.Errorf("%+v", err)
	}
}

func TestFileURI(t *testing.T) {
	for _, c := range []struct{ dir, from, want string }{
		{"/a/b", "file:data", "file:/a/b/data"}, {"/a/b", "file:../x.csv", "file:/a/x.csv"}, {"/a/b", "file:/abs/x", "file:/abs/x"},
		{"/a/b", "adp://./x/y/z", ""},
	} {
		got, ok := FileURI(c.dir, c.from)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s in %s: %q %v", c.from, c.dir, got, ok)
		}
	}
}
