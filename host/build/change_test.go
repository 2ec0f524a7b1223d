package build

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

func TestComparePorts(t *testing.T) {
	whole, text := host.Type{Kind: host.Int64}, host.Type{Kind: host.String}
	published := []host.PortStatus{
		{Name: "same", Mode: "append", Fields: []host.Field{{Name: "a", Type: whole, Required: true}}},
		{Name: "wider", Mode: "append", Fields: []host.Field{{Name: "a", Type: whole}}},
		{Name: "loose", Mode: "append", Fields: []host.Field{{Name: "a", Type: whole, Required: true}}},
		{Name: "strict", Mode: "append", Fields: []host.Field{{Name: "a", Type: whole}}},
		{Name: "other", Mode: "append", Fields: []host.Field{{Name: "a", Type: whole}, {Name: "b", Type: whole}}},
		{Name: "kept", Mode: "append", Fields: nil},
		{Name: "gone", Mode: "append"},
	}
	port := func(name string, mode host.OutputMode, fields ...host.Field) host.Output {
		return host.Output{Name: name, Mode: mode, Schema: host.Schema{Fields: fields}}
	}
	p := &host.Product{Outputs: []host.Output{
		port("same", host.Append, host.Field{Name: "a", Type: whole, Required: true, Description: "other words"}),
		port("wider", host.Append, host.Field{Name: "a", Type: whole}, host.Field{Name: "b", Type: text}),
		port("loose", host.Append, host.Field{Name: "a", Type: whole}),
		port("strict", host.Append, host.Field{Name: "a", Type: whole, Required: true}),
		port("other", host.Append, host.Field{Name: "a", Type: text}),
		port("kept", host.Upsert),
		port("new", host.Append),
	}}
	got := map[string]PortChange{}
	for _, c := range ComparePorts(published, p) {
		got[c.Port] = c
	}
	for name, want := range map[string]PortChange{
		"wider":  {State: "changed", Columns: []string{"+ b string"}},
		"loose":  {State: "changed", Columns: []string{"a int64, was a int64, required"}, Breaking: true},
		"strict": {State: "changed", Columns: []string{"a int64, required, was a int64"}},
		"other":  {State: "changed", Columns: []string{"a string, was a int64", "- b int64"}, Breaking: true},
		"kept":   {State: "changed", Columns: []string{"mode upsert, was append"}, Breaking: true},
		"gone":   {State: "gone", Breaking: true},
		"new":    {State: "new"},
	} {
		if c := got[name]; c.State != want.State || c.Breaking != want.Breaking || !slices.Equal(c.Columns, want.Columns) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d ports differ", len(got))
	}
}

// TestAwaitEdit: what a person writes is seen, once it has come to rest; what a build writes is not.
func TestAwaitEdit(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("main.go", "a")
	was := Watched(dir)
	for _, name := range []string{"build/x.adp", "target/y", "node_modules/z", ".git/index", "adp.lock", "main.go~", ".main.go.swp"} {
		write(name, "x")
	}
	if Watched(dir) != was {
		t.Error("what a build or an editor writes is taken for an edit")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*watchEvery)
	defer cancel()
	if err := AwaitEdit(ctx, dir, was); err == nil {
		t.Error("an edit was seen where none was")
	}
	write("contracts/x.yaml", "b")
	if err := AwaitEdit(t.Context(), dir, was); err != nil {
		t.Error(err)
	}
	was = Watched(dir)
	if err := os.Chtimes(filepath.Join(dir, "main.go"), time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := AwaitEdit(t.Context(), dir, was); err != nil {
		t.Error(err)
	}
}
