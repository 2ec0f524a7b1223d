package manifest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
)

// FuzzProduct reads any bytes as a product and its contract. Nothing panics; what is read without a problem is filled in
// once and is then still without one, and what has no problem compiles to something that has a digest.
func FuzzProduct(f *testing.F) {
	files := base(f)
	f.Add(files["product.yaml"].Data, files["contracts/risk.yaml"].Data)
	archives, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range txtar.Parse(src).Files {
			f.Add(section.Data, section.Data)
		}
	}
	f.Add([]byte("a: &a {b: *a}"), []byte("<<: {<<: &x [*x]}\n? [a]\n: b"))
	f.Add([]byte("{apiVersion: v1.0.0, kind: DataProduct, name: a, domain: b, status: c, outputPorts: [{name: risk, customProperties: [{property: contract, value: contracts/risk.yaml}]}], customProperties: [{property: adp, value: {code: {language: go}, outputs: {risk: {mode: replace}}}}]}"),
		[]byte("{apiVersion: v3.1.0, kind: DataContract, status: d, schema: [{name: x, properties: [{name: y, logicalType: time, logicalTypeOptions: {minimum: \"10:00\"}}]}]}"))
	f.Fuzz(func(t *testing.T, product, contract []byte) {
		fsys := fstest.MapFS{}
		for name, file := range files {
			fsys[name] = file
		}
		fsys["product.yaml"] = &fstest.MapFile{Data: product}
		fsys["contracts/risk.yaml"] = &fstest.MapFile{Data: contract}
		b, err := manifest.LoadProduct(fsys)
		if err != nil {
			if code := host.CodeOf(err); len(code) < 5 || code[:5] != "ADP-M" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if !bytes.Equal(b.Files()["product.yaml"], product) {
			t.Fatal("reading changes the document")
		}
		if _, err := b.Fill(func() string { return "id" }); err != nil {
			return // the document is written so that nothing can be put into it; people are told
		}
		if changed, err := b.Fill(func() string { return "id" }); changed || err != nil {
			t.Fatalf("filled twice: %v", err)
		}
		after := fstest.MapFS{}
		for name, data := range b.Files() {
			after[name] = &fstest.MapFile{Data: data}
		}
		again, err := manifest.LoadProduct(fs.FS(after))
		if err != nil {
			t.Fatalf("filled in, the document has a problem: %v\n%s", err, b.Files()["product.yaml"])
		}
		p, err := again.Compile(host.LocalTenant)
		if err != nil {
			return
		}
		if _, err := manifest.Digest(p); err != nil {
			t.Fatal(err)
		}
	})
}
