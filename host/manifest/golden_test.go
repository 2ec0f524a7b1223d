package manifest_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
)

var update = flag.Bool("update", false, "write what the tests find into testdata")

// base is a product without a problem.
func base(t testing.TB) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	root := os.DirFS("testdata/base")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(root, name)
		out[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestProblems: each archive in testdata/problems changes the base product and says what people are told. A section
// FILE replaces a file, "delete FILE" removes one, and "edit FILE" has pairs of old and new text:
//
//	old
//	=>
//	new
//	---
//	old
//	…
func TestProblems(t *testing.T) {
	archives, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal(err, "no archives")
	}
	seen := map[host.ErrorCode]bool{}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fsys := base(t)
			want := -1
			for i, f := range a.Files {
				verb, file, ok := strings.Cut(f.Name, " ")
				switch {
				case f.Name == "want":
					want = i
				case ok && verb == "edit":
					fsys[file] = &fstest.MapFile{Data: edited(t, string(fsys[file].Data), string(f.Data))}
				case ok && verb == "delete":
					delete(fsys, file)
				default:
					fsys[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			got := told(t, fsys, seen)
			if *update {
				if want < 0 {
					a.Files = append(a.Files, txtar.File{Name: "want"})
					want = len(a.Files) - 1
				}
				a.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 || got != string(a.Files[want].Data) {
				t.Errorf("people are told\n%s", got)
			}
		})
	}
	for _, code := range []host.ErrorCode{host.CodeManifestSyntax, host.CodeManifestField, host.CodeManifestType, host.CodeManifestMissing,
		host.CodeManifestContract, host.CodeManifestColumn, host.CodeManifestRule, host.CodeManifestVersion, host.CodeManifestRef} {
		if !seen[code] {
			t.Errorf("no archive shows %s", code)
		}
	}
}

func edited(t *testing.T, src, edits string) []byte {
	t.Helper()
	for edit := range strings.SplitSeq(edits, "---\n") {
		old, new, ok := strings.Cut(edit, "\n=>\n")
		new = strings.TrimSuffix(new, "\n")
		if !ok || strings.Count(src, old) != 1 {
			t.Fatalf("%q is %d times in the file", old, strings.Count(src, old))
		}
		src = strings.Replace(src, old, new, 1)
	}
	return []byte(src)
}

// told is what a person sees: every problem with its line and hint, or that there is none.
func told(t *testing.T, fsys fs.FS, seen map[host.ErrorCode]bool) string {
	b, err := manifest.LoadProduct(fsys)
	if err == nil {
		_, err = b.Compile(host.LocalTenant)
	}
	if err == nil {
		return "no problem\n"
	}
	var one *host.Error
	if !errors.As(err, &one) || host.ExitCode(err) != host.ExitViolated {
		t.Errorf("%T %v gives exit code %d", err, err, host.ExitCode(err))
	}
	var all manifest.Problems
	if !errors.As(err, &all) {
		all = manifest.Problems{one}
	}
	var out strings.Builder
	for _, e := range all {
		seen[e.Code] = true
		fmt.Fprintln(&out, e)
		if e.Excerpt != "" {
			fmt.Fprintln(&out, e.Excerpt)
		}
		if e.Hint != "" {
			fmt.Fprintln(&out, "  "+e.Hint)
		}
	}
	return out.String()
}

func TestBaseHasNoProblem(t *testing.T) {
	if got := told(t, base(t), map[host.ErrorCode]bool{}); got != "no problem\n" {
		t.Error(got)
	}
}
