package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/registry"
)

// An artifact is stored in one registry, travels as one file, and is the same in another.
func Example() {
	ctx := context.Background()
	base, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(base)
	open := func(name string) *registry.Store {
		s, err := registry.Open(filepath.Join(base, name))
		if err != nil {
			panic(err)
		}
		return s
	}
	here, there := open("here"), open("there")
	pushed, err := here.Push(ctx, registry.Artifact{
		Product:   &host.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "safety", Name: "strike-risk"}, Version: "1.2.0"},
		Module:    []byte("\x00asm\x01\x00\x00\x00"),
		Documents: map[string][]byte{"product.yaml": []byte("kind: DataProduct\n")},
	})
	if err != nil {
		panic(err)
	}
	var file bytes.Buffer
	if err := here.Export(ctx, pushed, &file); err != nil {
		panic(err)
	}
	imported, err := there.Import(ctx, &file)
	if err != nil {
		panic(err)
	}
	found, err := there.Resolve(ctx, "safety/strike-risk:1.2.0")
	fmt.Println(imported == pushed, found == pushed, err)
	// Output: true true <nil>
}
