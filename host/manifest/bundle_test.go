package manifest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
)

// load reads a product that has no problem.
func load(t testing.TB, fsys fs.FS) *manifest.Bundle {
	t.Helper()
	b, err := manifest.LoadProduct(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCompile compares the base product, which has every type, rule and setting, with testdata/base.json.
func TestCompile(t *testing.T) {
	b := load(t, base(t))
	p, err := b.Compile("acme")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(p); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/base.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the product compiles to\n%s", got.Bytes())
	}
}

// TestDigest: comments and order mean nothing, settings do.
func TestDigest(t *testing.T) {
	digest := func(edit func(fstest.MapFS)) host.Digest {
		t.Helper()
		fsys := base(t)
		edit(fsys)
		p, err := load(t, fsys).Compile(host.LocalTenant)
		if err != nil {
			t.Fatal(err)
		}
		d, err := manifest.Digest(p)
		if err != nil || !strings.HasPrefix(string(d), "sha256:") || len(d) != 71 {
			t.Fatal(d, err)
		}
		return d
	}
	replace := func(old, new string) func(fstest.MapFS) {
		return func(fsys fstest.MapFS) {
			f := fsys["product.yaml"]
			if !bytes.Contains(f.Data, []byte(old)) {
				t.Fatal("no", old)
			}
			f.Data = bytes.Replace(f.Data, []byte(old), []byte(new), 1)
		}
	}
	same := digest(func(fstest.MapFS) {})
	if d := digest(replace("# of the standard", "# said otherwise")); d != same {
		t.Error("a comment changes the digest")
	}
	if d := digest(replace(`{threshold: 5, unit: "km"}`, `{unit: km, threshold: "5"}`)); d != same {
		t.Error("order and quotes change the digest")
	}
	if d := digest(replace("threshold: 5", "threshold: 6")); d == same {
		t.Error("a setting does not change the digest")
	}
}

// TestFilesAreUntouched: what is only read is byte for byte what it was.
func TestFilesAreUntouched(t *testing.T) {
	fsys := base(t)
	fsys["adp.lock"] = &fstest.MapFile{Data: []byte("# mine\nversion:   1\n")}
	fsys["contracts/airports.yaml"].Data = bytes.ReplaceAll(fsys["contracts/airports.yaml"].Data, []byte("\n"), []byte("\r\n"))
	b := load(t, fsys)
	if _, err := b.Compile(host.LocalTenant); err != nil {
		t.Fatal(err)
	}
	if changed, err := b.Fill(func() string { t.Error("an id is made"); return "x" }); changed || err != nil {
		t.Error(changed, err)
	}
	files := b.Files()
	if got, want := slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(fsys)); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	for name, data := range files {
		if !bytes.Equal(data, fsys[name].Data) {
			t.Errorf("%s is changed", name)
		}
	}
}

func counter() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("id-%d", n) }
}

// TestFill: what is missing is inserted, and nothing else changes. Lines with + are what Fill adds.
func TestFill(t *testing.T) {
	contract := "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 3.1.4\nstatus: draft\nschema: [{name: out, properties: [{name: a, logicalType: string}]}]\n"
	const block = "customProperties:\n- property: adp\n  value: {code: {language: go}}\n"
	const port = "  customProperties: [{property: contract, value: c.yaml}]\n"
	for name, c := range map[string]struct{ product, want string }{
		"lines": {
			"apiVersion: v1.0.0\nkind: DataProduct # of ours\n\nname: x   # the name\ndomain: d\nstatus: draft\noutputPorts:\n- name: out\n  # why\n" + port + block,
			"apiVersion: v1.0.0\nkind: DataProduct # of ours\nid: id-1\n\nname: x   # the name\nversion: 0.1.0\ndomain: d\nstatus: draft\noutputPorts:\n- name: out\n  version: 3.1.4\n  contractId: c\n  # why\n" + port + block,
		},
		"braces": {
			"apiVersion: v1.0.0\nkind: DataProduct\nid: i\nversion: 1.0.0\nname: x\ndomain: d\nstatus: draft\noutputPorts: [{name: out, customProperties: [{property: contract, value: c.yaml}]}]\n" + block,
			"apiVersion: v1.0.0\nkind: DataProduct\nid: i\nversion: 1.0.0\nname: x\ndomain: d\nstatus: draft\noutputPorts: [{contractId: c, version: 3.1.4, name: out, customProperties: [{property: contract, value: c.yaml}]}]\n" + block,
		},
		"windows, no end of line": {
			strings.ReplaceAll("apiVersion: v1.0.0\nname: x\ndomain: d\nstatus: draft\noutputPorts:\n- name: out\n"+port+block+"kind: DataProduct", "\n", "\r\n"),
			strings.ReplaceAll("apiVersion: v1.0.0\nname: x\nversion: 0.1.0\ndomain: d\nstatus: draft\noutputPorts:\n- name: out\n  version: 3.1.4\n  contractId: c\n"+port+block+"kind: DataProduct\nid: id-1\n", "\n", "\r\n"),
		},
		"texts of several lines": {
			"apiVersion: v1.0.0\nkind:\n  DataProduct\nname: >-\n  x\ndomain: d\nstatus: draft\noutputPorts:\n- customProperties: [{property: contract, value: c.yaml}]\n  name: \"out\"\n" + block,
			"apiVersion: v1.0.0\nid: id-1\nkind:\n  DataProduct\nversion: 0.1.0\nname: >-\n  x\ndomain: d\nstatus: draft\noutputPorts:\n- customProperties: [{property: contract, value: c.yaml}]\n  name: \"out\"\n  version: 3.1.4\n  contractId: c\n" + block,
		},
		"json": {
			`{"apiVersion": "v1.0.0", "kind": "DataProduct", "name": "x", "domain": "d", "status": "draft", "outputPorts": [{"name": "out", "customProperties": [{"property": "contract", "value": "c.yaml"}]}], "customProperties": [{"property": "adp", "value": {"code": {"language": "go"}}}]}`,
			`{"apiVersion": "v1.0.0", "id": "id-1", "kind": "DataProduct", "version": "0.1.0", "name": "x", "domain": "d", "status": "draft", "outputPorts": [{"contractId": "c", "version": "3.1.4", "name": "out", "customProperties": [{"property": "contract", "value": "c.yaml"}]}], "customProperties": [{"property": "adp", "value": {"code": {"language": "go"}}}]}`,
		},
		"characters of several bytes": {
			"apiVersion: v1.0.0\nkind: DataProduct\nid: i\nversion: 1.0.0\nname: x\ndomain: d\nstatus: draft\noutputPorts: [{description: Größe, name: out, customProperties: [{property: contract, value: c.yaml}]}]\n" + block,
			"apiVersion: v1.0.0\nkind: DataProduct\nid: i\nversion: 1.0.0\nname: x\ndomain: d\nstatus: draft\noutputPorts: [{description: Größe, contractId: c, version: 3.1.4, name: out, customProperties: [{property: contract, value: c.yaml}]}]\n" + block,
		},
	} {
		b := load(t, fstest.MapFS{"product.yaml": {Data: []byte(c.product)}, "c.yaml": {Data: []byte(contract)}})
		changed, err := b.Fill(counter())
		if err != nil || !changed {
			t.Errorf("%s: %v %v", name, changed, err)
			continue
		}
		if got := string(b.Files()["product.yaml"]); got != c.want {
			t.Errorf("%s: filled\n%s\nwant\n%s", name, got, c.want)
		}
		if strings.HasPrefix(c.want, "{") && !json.Valid(b.Files()["product.yaml"]) {
			t.Errorf("%s: JSON is no more", name)
		}
		again, err := b.Fill(func() string { t.Errorf("%s: a second time", name); return "" })
		if again || err != nil {
			t.Errorf("%s: %v %v", name, again, err)
		}
		p, err := b.Compile(host.LocalTenant)
		if err != nil || p.Outputs[0].ContractID != "c" || p.Outputs[0].Version != "3.1.4" || p.UUID == "" {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
}

// TestFillContracts: contracts get ids and versions too, in the order of their paths; copies of others' never do.
func TestFillContracts(t *testing.T) {
	fsys := base(t)
	for _, name := range []string{"contracts/risk.yaml", "contracts/airports.yaml", "upstream/safety~birdstrikes~strikes.yaml"} {
		var lines []string
		for line := range strings.Lines(string(fsys[name].Data)) {
			if !strings.HasPrefix(line, "id:") && !strings.HasPrefix(line, "version:") {
				lines = append(lines, line)
			}
		}
		fsys[name].Data = []byte(strings.Join(lines, ""))
	}
	b := load(t, fsys)
	if changed, err := b.Fill(counter()); !changed || err != nil {
		t.Fatal(changed, err)
	}
	files := b.Files()
	for name, want := range map[string]string{"contracts/airports.yaml": "\nid: id-1\nversion: 1.0.0\n", "contracts/risk.yaml": "\nid: id-2\nversion: 1.0.0\n"} {
		if !strings.Contains(string(files[name]), want) {
			t.Errorf("%s is\n%s", name, files[name])
		}
	}
	if up := "upstream/safety~birdstrikes~strikes.yaml"; !bytes.Equal(files[up], fsys[up].Data) {
		t.Error("the copy of an upstream's contract was changed")
	}
}

// TestUpstreams: what an input reads of another product comes from that product's contract, once somebody has found it.
func TestUpstreams(t *testing.T) {
	fsys := base(t)
	const path = "upstream/safety~birdstrikes~strikes.yaml"
	contract := fsys[path].Data
	delete(fsys, path)
	b := load(t, fsys)
	ups := b.Upstreams()
	if want := []manifest.Upstream{{Input: "strikes", Domain: "safety", Product: "birdstrikes", Port: "strikes"}}; !slices.Equal(ups, want) || ups[0].Path() != path {
		t.Fatalf("%+v", ups)
	}
	if _, err := b.Compile(host.LocalTenant); host.CodeOf(err) != host.CodeManifestContract {
		t.Error(err)
	}
	if err := b.SetUpstream(ups[0], []byte("kind: nothing")); host.CodeOf(err) != host.CodeManifestMissing {
		t.Error(err)
	}
	if err := b.SetUpstream(ups[0], contract); err != nil {
		t.Fatal(err)
	}
	p, err := b.Compile(host.LocalTenant)
	if err != nil || len(p.Inputs[0].Schema.Fields) != 2 {
		t.Fatal(p, err)
	}
	alone := fstest.MapFS{} // what an artifact carries is enough
	for name, data := range b.Files() {
		alone[name] = &fstest.MapFile{Data: data}
	}
	if q, err := load(t, alone).Compile(host.LocalTenant); err != nil || q.Inputs[0].ContractDigest != p.Inputs[0].ContractDigest {
		t.Error(err)
	}
	if got := b.OutputContract("risk"); !bytes.Equal(got, fsys["contracts/risk.yaml"].Data) || b.OutputContract("nope") != nil {
		t.Errorf("%s", got)
	}
}

func TestLock(t *testing.T) {
	b := load(t, base(t))
	l, err := b.Lock()
	if err != nil || l.Version != 1 || l.Contracts != nil || b.Files()[manifest.LockFile] != nil {
		t.Fatal(l, err)
	}
	p, err := b.Compile(host.LocalTenant)
	if err != nil {
		t.Fatal(err)
	}
	l = manifest.Lock{Contracts: map[string]host.Digest{"strikes": p.Inputs[0].ContractDigest}, Toolchain: "go1.26.8", SDK: "sha256:1", Module: "sha256:2"}
	if err := b.SetLock(l); err != nil {
		t.Fatal(err)
	}
	const form = "# Written by adp build: what the last build used. Commit it.\nversion: 1\ncontracts:\n  strikes: %s\ntoolchain: go1.26.8\nsdk: sha256:1\nmodule: sha256:2\n"
	if got, want := string(b.Files()[manifest.LockFile]), fmt.Sprintf(form, p.Inputs[0].ContractDigest); got != want {
		t.Errorf("the lock is\n%s", got)
	}
	back, err := b.Lock()
	if err != nil || back.Version != 1 || back.Module != "sha256:2" || len(back.Moved(p)) != 0 {
		t.Error(back, err)
	}
	back.Contracts["strikes"], back.Contracts["gone"] = "sha256:other", "sha256:3"
	if moved := back.Moved(p); !slices.Equal(moved, []string{"strikes"}) {
		t.Error(moved)
	}
	for _, bad := range []string{"version: 2\n", "modul: x\n", "version: [", "# nothing\n"} {
		fsys := base(t)
		fsys["adp.lock"] = &fstest.MapFile{Data: []byte(bad)}
		_, err := load(t, fsys).Lock()
		var e *host.Error
		if !errors.As(err, &e) || e.Code != host.CodeManifestSyntax || e.At.File != "adp.lock" || e.Hint == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestLarge: documents are bounded before they are read, and characters that are none have a place.
func TestLarge(t *testing.T) {
	fsys := base(t)
	fsys["contracts/airports.yaml"].Data = append(fsys["contracts/airports.yaml"].Data, bytes.Repeat([]byte("#"), manifest.MaxDocument)...)
	fsys["contracts/alerts.yaml"].Data = append(fsys["contracts/alerts.yaml"].Data, "# caf\xe9\n"...)
	_, err := manifest.LoadProduct(fsys)
	var all manifest.Problems
	if !errors.As(err, &all) || len(all) != 2 || all[0].At.File != "contracts/airports.yaml" || all[0].Code != host.CodeManifestSyntax ||
		all[1].At != (host.Position{File: "contracts/alerts.yaml", Line: 10, Column: 6}) {
		t.Errorf("%v", err)
	}
	if _, err := manifest.LoadProduct(fstest.MapFS{}); host.CodeOf(err) != host.CodeManifestRef || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestDraftContract: a draft reads back to the columns that it was made of.
func TestDraftContract(t *testing.T) {
	p, err := load(t, base(t)).Compile(host.LocalTenant)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Outputs[0].Schema
	s.Fields = append(s.Fields, host.Field{Name: "on: [off] #1", Type: host.Type{Kind: host.Bool}, Description: "line\none: two\tthree \"four\" " + strings.Repeat(" long", 40)},
		host.Field{Name: "null", Type: host.Type{Kind: host.Decimal, Precision: 38, Scale: 38}, Tags: []string{"5", "- x"}})
	text, err := manifest.DraftContract("risk", "12e3", "Says: what?", s)
	if err != nil {
		t.Fatal(err)
	}
	fsys := base(t)
	fsys["contracts/risk.yaml"].Data = bytes.Replace(text, []byte("version: 1.0.0"), []byte("version: 2.0.0"), 1)
	q, err := load(t, fsys).Compile(host.LocalTenant)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if a, b := fmt.Sprintf("%+v", s), fmt.Sprintf("%+v", q.Outputs[0].Schema); a != b || q.Outputs[0].ContractID != "12e3" {
		t.Errorf("%s\nwas drafted as\n%s\nand read as\n%s", a, text, b)
	}
	s.Fields = append(s.Fields, host.Field{Name: "x", Type: host.Type{Kind: "map"}})
	if _, err := manifest.DraftContract("risk", "i", "", s); host.CodeOf(err) != host.CodeTableType {
		t.Error(err)
	}
}

// TestStackOfInterpreters: products in script languages have the stack that they need, unless they say themselves what they want.
func TestStackOfInterpreters(t *testing.T) {
	for _, c := range []struct {
		code, limits string
		want         int64
	}{
		{"language: go", "deadline: 20s", 0}, // the default
		{"language: javascript", "deadline: 20s", 64 << 20},
		{"language: javascript", "stack: 1MiB", 1 << 20},
		{"language: python", "deadline: 20s", 64 << 20},
	} {
		files := base(t)
		text := strings.Replace(string(files["product.yaml"].Data), "language: go", c.code, 1)
		files["product.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(text, "deadline: 20s", c.limits, 1))}
		p, err := load(t, files).Compile("acme")
		if err != nil || p.Limits.Stack != c.want {
			t.Errorf("%s, %s: %v, want %d (%v)", c.code, c.limits, p, c.want, err)
		}
	}
}
