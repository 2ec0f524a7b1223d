package build

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestReadmeShowsTheScaffold: the product in the README is what adp new writes, but for comments and empty lines.
func TestReadmeShowsTheScaffold(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "```go\n")
	shown, _, _ = strings.Cut(shown, "```\n")
	written, err := templates.ReadFile("templates/go/main.go.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := plain(t, shown), plain(t, string(written)); a != b {
		t.Errorf("the README shows\n%s\nadp new writes\n%s", a, b)
	}
}

// plain is a program without comments and layout.
func plain(t *testing.T, code string) string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls { // names that share a type count as one each
		ast.Inspect(d, func(n ast.Node) bool {
			if list, ok := n.(*ast.FieldList); ok {
				var apart []*ast.Field
				for _, field := range list.List {
					for _, name := range field.Names {
						apart = append(apart, &ast.Field{Names: []*ast.Ident{name}, Type: field.Type})
					}
					if len(field.Names) == 0 {
						apart = append(apart, field)
					}
				}
				list.List = apart
			}
			return true
		})
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), f); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
