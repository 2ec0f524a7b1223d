package adp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// crashMatrix is each step of a product's life at which a process can end, the failpoints there, and the test that kills a
// real process at each of them: its folder and its name. What happens between a process and its etcd has a wire instead of
// points.
var crashMatrix = []struct {
	step   string
	points []string
	folder string
	test   string
}{
	{"reading", []string{"run.after-plan", "run.after-open", "run.after-batch", "run.after-read"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"guest", []string{"run.after-guest"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"each write", []string{"store.after-create", "store.after-write", "table.data-written", "table.metadata-written"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"each fsync", []string{"run.before-sync", "store.before-file-sync", "store.after-file-sync", "store.after-folder-sync", "run.after-sync"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"checks", []string{"run.before-checks", "run.after-checks", "run.after-stage"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"state", []string{"run.after-state-write"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"head", []string{"run.before-head-write", "run.after-head-write"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"before send", []string{"run.before-commit"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"applied without reply", []string{"cluster.committed"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"applied without reply, by an etcd elsewhere", nil, "samples/fleet", "TestKilledWithACommitOnItsWay"},
	{"late apply", nil, "samples/fleet", "TestKilledWithACommitOnItsWay"},
	{"acknowledge", []string{"run.after-commit", "run.after-settle", "run.after-acknowledge"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"outbox", []string{"run.before-delivery", "sink.after-fence", "sink.after-draft", "sink.after-rename", "sink.after-folder-sync", "sink.after-mark",
		"run.after-delivery", "run.after-delivery-acknowledge"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"notify", []string{"node.before-notify", "node.after-notify"}, "samples/mesh", "TestKilledAtFailpoints"},
	{"clean-up", []string{"clean.after-walk", "clean.after-mark", "clean.after-expiry", "clean.after-oldest-head", "clean.before-remove", "clean.after-remove"},
		"host/node", "TestCleanKilled"},
	{"claim", []string{"node.before-claim", "node.after-claim"}, "samples/fleet", "TestKilledWhileProductsMove"},
	{"drain", []string{"node.before-give-up", "node.before-release", "node.after-release"}, "samples/fleet", "TestKilledWhileProductsMove"},
	{"placing", []string{"node.before-plan", "node.after-plan", "node.after-place"}, "samples/fleet", "TestKilledWhileItPlans"},
}

// TestCrashMatrix keeps the matrix whole: a failpoint that is hit anywhere is in a list of its room, in a row of the matrix,
// and its test goes through that list; what a row names is hit somewhere.
func TestCrashMatrix(t *testing.T) {
	hits, lists := failpoints(t)
	tested := map[string]bool{}
	for _, row := range crashMatrix {
		uses := listsUsedBy(t, row.folder, row.test)
		for _, p := range row.points {
			tested[p] = true
			list := lists[p]
			switch {
			case hits[p] == "":
				t.Errorf("%s: nothing hits %s", row.step, p)
			case list == "":
				t.Errorf("%s: %s, hit in %s, is in no list of failpoints", row.step, p, hits[p])
			case !slices.Contains(uses, list):
				t.Errorf("%s: %s of %s does not go through %s, where %s is", row.step, row.test, row.folder, list, p)
			}
		}
	}
	for p, file := range hits {
		if !tested[p] {
			t.Errorf("%s hits %s, which is in no row of the matrix", file, p)
		}
	}
	for p, list := range lists {
		if hits[p] == "" {
			t.Errorf("%s has %s, which nothing hits", list, p)
		}
	}
}

// failpoints reads from the source which points are hit, with the file, and which list of its package each is in, a list
// being a variable whose name ends in Failpoints.
func failpoints(t *testing.T) (hits, lists map[string]string) {
	hits, lists = map[string]string{}, map[string]string{}
	eachFile(t, ".", func(path string, f *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if !isSelector(n.Fun, "failpoint", "Hit") {
					break
				}
				if names := texts(n.Args); len(names) == 1 {
					hits[names[0]] = path
				} else {
					t.Errorf("%s: a failpoint has a name that only its run tells", path)
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if !strings.HasSuffix(name.Name, "Failpoints") || i >= len(n.Values) {
						continue
					}
					if list, ok := n.Values[i].(*ast.CompositeLit); ok {
						for _, p := range texts(list.Elts) {
							lists[p] = f.Name.Name + "." + name.Name
						}
					}
				}
			}
			return true
		})
	})
	return hits, lists
}

// listsUsedBy are the lists of failpoints that the files of a folder's tests name where its test is declared.
func listsUsedBy(t *testing.T, folder, test string) (lists []string) {
	found := false
	eachFile(t, folder, func(path string, f *ast.File) {
		if !strings.HasSuffix(path, "_test.go") || !declares(f, test) {
			return
		}
		found = true
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && strings.HasSuffix(s.Sel.Name, "Failpoints") {
				if room, ok := s.X.(*ast.Ident); ok {
					lists = append(lists, room.Name+"."+s.Sel.Name)
				}
			}
			return true
		})
	})
	if !found {
		t.Errorf("there is no test %s in %s", test, folder)
	}
	return lists
}

func declares(f *ast.File, function string) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Name.Name == function
	})
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// texts are the expressions that are texts themselves.
func texts(es []ast.Expr) (out []string) {
	for _, e := range es {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			s, _ := strconv.Unquote(l.Value)
			out = append(out, s)
		}
	}
	return out
}

// eachFile parses the Go files below a folder.
func eachFile(t *testing.T, folder string, do func(path string, f *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || name == "node_modules" || name == "target" || strings.HasPrefix(name, ".") && path != "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err == nil {
			do(path, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
