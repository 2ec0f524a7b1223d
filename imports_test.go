package adp_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/adp-host/adp/"

// rooms lists, for each room of the house, what it may import of this module and of the heavy third parties, with the
// reason. Longest prefix wins. Tests may import anything.
var rooms = []struct {
	room   string
	may    []string
	reason string
}{
	{"abi", nil, "the contract between host and guest knows nobody"},
	{"drivers", []string{"arrow"}, "contracts speak Arrow and nothing of the host"},
	{"drivers/drivertest", []string{"arrow", "drivers"}, "a suite that every driver passes"},
	{"drivers/arrowtext", []string{"arrow"}, "rows as text: what drivers write and wires answer"},
	{"drivers/file", []string{"arrow", "drivers", "drivers/", "host/failpoint"}, "one technology; no other driver; of the host only the steps at which tests end it"},
	{"drivers/duckdb", []string{"arrow", "duckdb", "drivers"}, "the only user of DuckDB; of nothing else, so that builds without a C compiler lack this room alone"},
	{"drivers/web", []string{"arrow", "drivers"}, "one technology; no other driver"},
	{"drivers/web/grant", nil, "which addresses a grant covers, and nothing that opens one: also for the rooms that read what is declared"},
	{"host", []string{"abi"}, "nouns know only the contract with guests"},
	{"host/failpoint", nil, "hit by every room, knows none"},
	{"host/columnar", []string{"abi", "arrow", "host"}, "leaf: the type table in Arrow"},
	{"host/quality", []string{"abi", "arrow", "host", "host/columnar"}, "leaf: pure judgement of batches"},
	{"host/synthetic", []string{"arrow", "host", "host/columnar", "host/quality"}, "rows that a contract allows, for tests"},
	{"host/policy", []string{"host"}, "pure decisions, no I/O"},
	{"host/placement", []string{"host"}, "pure: state to moves"},
	{"host/manifest", []string{"abi", "drivers/web/grant", "host"}, "documents, no I/O"},
	{"host/wasm", nil, "pure bytecode work"},
	{"host/sandbox", []string{"abi", "arrow", "wazero", "drivers", "drivers/arrowtext", "drivers/web/grant", "host", "host/columnar", "host/failpoint", "host/wasm"}, "the only user of wazero and Extism"},
	{"host/sandbox/clause", []string{"abi", "abi/abitest", "arrow", "drivers", "host", "host/columnar", "host/sandbox", "host/sandbox/", "host/wasm"}, "a part of the sandbox: holds guests against the SPEC, with the suite that SDKs pass"},
	{"host/run", []string{"abi", "arrow", "drivers", "host", "host/columnar", "host/failpoint", "host/quality"}, "one run; knows its rooms by interfaces of its own"},
	{"host/table", []string{"abi", "arrow", "iceberg", "drivers", "host", "host/columnar", "host/failpoint"}, "the only user of iceberg-go"},
	{"host/cluster", []string{"etcd", "host", "host/failpoint"}, "the only user of etcd"},
	{"host/build", []string{"abi", "arrow", "host", "host/columnar", "host/manifest", "drivers", "drivers/arrowtext", "guest-sdk/", "registry"}, "source to artifact: knows documents, SDK sources and the artifact"},
	{"host/build/buildtest", []string{"guest-sdk/", "host", "host/build", "host/wasm"}, "compiles the SDKs' guests for tests, assembled as cmd does it"},
	{"host/serve/rest", []string{"abi", "arrow", "echo", "drivers", "drivers/arrowtext", "host", "host/columnar", "host/policy"}, "one wire; asks node for data by interfaces of its own"},
	{"host/serve/rest/client", []string{"host"}, "the wire's other end"},
	{"host/node", []string{"abi", "arrow", "drivers", "drivers/", "host", "host/", "registry"}, "assembles the rooms"},
	{"registry", []string{"abi", "host", "host/manifest"}, "artifacts and catalogue; not echo, etcd, wazero"},
	{"guest-sdk/", nil, "guests know no host"},
	{"guest-sdk/go/arrow", []string{"arrow-v17", "guest-sdk/go"}, "a module of its own: v17 and the host's v18 do not meet in a program"},
	{"cmd/", []string{"*"}, "wires everything"},
	{"samples/", []string{"*"}, "products and benchmarks stand outside the house"},
}

// heavy third parties that belong to one room each.
var heavy = map[string]string{
	"github.com/tetratelabs/wazero":  "wazero",
	"github.com/extism/":             "wazero",
	"go.etcd.io/":                    "etcd",
	"github.com/labstack/echo":       "echo",
	"github.com/apache/iceberg-go":   "iceberg",
	"github.com/apache/arrow-go/v18": "arrow",
	"github.com/apache/arrow/go/":    "arrow-v17",
	"github.com/duckdb/":             "duckdb",
}

// TestImports keeps the arrows of the house.
func TestImports(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "testdata" || name == "node_modules" || name == "target" || strings.HasPrefix(name, ".") && path != ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		files++
		room := filepath.ToSlash(filepath.Dir(path))
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			p, _ := strconv.Unquote(imp.Path.Value)
			if why := forbidden(room, p); why != "" {
				t.Errorf("%s imports %s: %s", path, p, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("saw %d files; is the test run in the module's root?", files)
	}
}

func forbidden(room, path string) string {
	what := ""
	if rest, ok := strings.CutPrefix(path, module); ok {
		what = rest
	}
	for prefix, name := range heavy {
		if strings.HasPrefix(path, prefix) {
			what = name
		}
	}
	if what == "" {
		return ""
	}
	best, reason, allowed := -1, "no room of this name in the table", false
	for _, r := range rooms {
		own := strings.TrimSuffix(r.room, "/")
		shared := own == "host" || own == "drivers" // its folders are rooms of their own
		inside := room == own || !shared && strings.HasPrefix(room, own+"/")
		if !inside || len(own) < best {
			continue
		}
		best, reason, allowed = len(own), r.reason, what == own || !shared && strings.HasPrefix(what, own+"/")
		for _, m := range r.may {
			allowed = allowed || m == "*" || m == what || strings.HasSuffix(m, "/") && strings.HasPrefix(what, m)
		}
	}
	if allowed {
		return ""
	}
	return "not allowed here (" + reason + ")"
}
