package registry_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/registry"
)

var ctx = context.Background()

func artifact(name, version string) registry.Artifact {
	return registry.Artifact{
		Product:   &host.Product{ID: host.ProductID{Tenant: "local", Domain: "safety", Name: name}, Version: version, Config: map[string]string{"b": "2", "a": "1"}},
		Module:    []byte("\x00asm\x01\x00\x00\x00" + name),
		Documents: map[string][]byte{"product.yaml": []byte("kind: DataProduct\n"), "contracts/risk.yaml": []byte("x")},
		Tests:     map[string][]byte{"testdata/in/a.csv": []byte("a\n1\n")},
	}
}

func open(t *testing.T) (*registry.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func push(t *testing.T, s *registry.Store, a registry.Artifact) host.Digest {
	t.Helper()
	d, err := s.Push(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPushAndPull(t *testing.T) {
	s, dir := open(t)
	a := artifact("risk", "1.0.0")
	d := push(t, s, a)
	if again := push(t, s, artifact("risk", "1.0.0")); again != d {
		t.Errorf("the same artifact has digests %s and %s", d, again)
	}
	s2, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s2.Pull(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Module, a.Module) || !reflect.DeepEqual(got.Documents, a.Documents) || !reflect.DeepEqual(got.Tests, a.Tests) || got.Product.ID != a.Product.ID {
		t.Errorf("pulled %+v", got)
	}
	if m, err := s2.Module(ctx, got.ModuleDigest); err != nil || !bytes.Equal(m, a.Module) {
		t.Errorf("module: %v", err)
	}
	if r, err := s2.Resolve(ctx, "safety/risk:1.0.0"); err != nil || r != d {
		t.Errorf("resolve: %s %v", r, err)
	}
}

func TestTagMovesAndVersionsStay(t *testing.T) {
	s, _ := open(t)
	d1 := push(t, s, artifact("risk", "1.0.0"))
	d2 := push(t, s, artifact("risk", "1.1.0"))
	changed := artifact("risk", "1.1.0")
	changed.Module = append(changed.Module, 1)
	d3 := push(t, s, changed)
	v, err := s.Versions(ctx, host.ProductID{Tenant: "local", Domain: "safety", Name: "risk"})
	if err != nil || len(v) != 2 || v[0].Artifact != d1 || v[1].Artifact != d3 {
		t.Errorf("versions %v, %v", v, err)
	}
	if _, err := s.Pull(ctx, d2); err != nil {
		t.Errorf("the artifact that lost its tag is gone: %v", err)
	}
}

func TestDamagedBytesAreRefused(t *testing.T) {
	s, dir := open(t)
	d := push(t, s, artifact("risk", "1.0.0"))
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	if err != nil || len(blobs) != 5 {
		t.Fatalf("%d blobs, %v", len(blobs), err)
	}
	for _, b := range blobs {
		good, err := os.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range [][]byte{append([]byte{good[0] ^ 1}, good[1:]...), good[:len(good)-1], append(good[:len(good):len(good)], 0)} {
			overwrite(t, b, bad)
			_, err := s.Pull(ctx, d)
			if c := host.CodeOf(err); c != host.CodeRegistryDigest && c != host.CodeRegistryFormat {
				t.Errorf("damaged %s: %v", filepath.Base(b), err)
			}
		}
		overwrite(t, b, good)
	}
	if _, err := s.Pull(ctx, d); err != nil {
		t.Fatal(err)
	}
	// A torn blob is replaced when the artifact is pushed again.
	overwrite(t, blobs[0], nil)
	push(t, s, artifact("risk", "1.0.0"))
	if _, err := s.Pull(ctx, d); err != nil {
		t.Errorf("after pushing again: %v", err)
	}
}

func overwrite(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestUnknownArtifact(t *testing.T) {
	s, _ := open(t)
	for _, d := range []host.Digest{"", "sha256:00", "sha512:" + host.Digest(strings.Repeat("0", 128)), "sha256:" + host.Digest(strings.Repeat("0", 64)), "sha256:../../../../etc/passwd"} {
		if _, err := s.Pull(ctx, d); host.CodeOf(err) != host.CodeRegistryUnknown {
			t.Errorf("%q: %v", d, err)
		}
	}
}

func TestExportAndImport(t *testing.T) {
	from, _ := open(t)
	d := push(t, from, artifact("risk", "1.0.0"))
	var file bytes.Buffer
	if err := from.Export(ctx, d, &file); err != nil {
		t.Fatal(err)
	}
	to, _ := open(t)
	got, err := to.Import(ctx, bytes.NewReader(file.Bytes()))
	if err != nil || got != d {
		t.Fatalf("imported %s, %v; want %s", got, err, d)
	}
	if r, err := to.Resolve(ctx, "safety/risk:1.0.0"); err != nil || r != d {
		t.Errorf("resolve: %s %v", r, err)
	}
	// Cut anywhere, or with any byte changed, it is refused or it is the same artifact; it never panics.
	raw := file.Bytes()
	for n := 0; n < len(raw); n += 97 {
		target, dir := open(t)
		if _, err := target.Import(ctx, bytes.NewReader(raw[:n])); err == nil {
			a, perr := target.Pull(ctx, d)
			if perr != nil || a.Product == nil {
				t.Errorf("cut at %d was accepted, but %v", n, perr)
			}
		} else if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
			t.Errorf("cut at %d was refused, but tagged", n)
		}
		bad := bytes.Clone(raw)
		bad[n] ^= 0x20
		if got, err := target.Import(ctx, bytes.NewReader(bad)); err == nil && got != d {
			t.Errorf("byte %d changed: became %s", n, got)
		}
	}
}

func TestHostileArchives(t *testing.T) {
	entry := func(h tar.Header, body string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		h.Size = int64(len(body))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil && h.Size > 0 && h.Typeflag == tar.TypeReg {
			t.Fatal(err)
		}
		w.Close()
		return b.Bytes()
	}
	for name, raw := range map[string][]byte{
		"not a tar":      []byte("hello"),
		"empty":          {},
		"up and out":     entry(tar.Header{Name: "../../etc/cron.d/x"}, "x"),
		"absolute":       entry(tar.Header{Name: "/etc/passwd"}, "x"),
		"symlink":        entry(tar.Header{Name: "index.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""),
		"wrong blob":     entry(tar.Header{Name: "blobs/sha256/" + strings.Repeat("0", 64)}, "x"),
		"index only":     entry(tar.Header{Name: "index.json"}, `{"manifests":[]}`),
		"index of lies":  entry(tar.Header{Name: "index.json"}, `{"manifests":[{"digest":"sha256:`+strings.Repeat("0", 64)+`"}]}`),
		"index not JSON": entry(tar.Header{Name: "index.json"}, `}`),
	} {
		s, dir := open(t)
		if _, err := s.Import(ctx, bytes.NewReader(raw)); host.CodeOf(err) != host.CodeRegistryFormat && host.CodeOf(err) != host.CodeRegistryDigest {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*")); len(left) != 0 {
			t.Errorf("%s left %v", name, left)
		}
	}
	s, _ := open(t)
	for _, name := range []string{"../x", "/x", "a/../../x", "a//b", "c:\\x", ".", ""} {
		a := artifact("risk", "1.0.0")
		a.Documents[name] = []byte("x")
		if _, err := s.Push(ctx, a); host.CodeOf(err) != host.CodeRegistryFormat {
			t.Errorf("document %q: %v", name, err)
		}
	}
}

func TestConcurrentPushesKeepTheIndex(t *testing.T) {
	s, dir := open(t)
	var wg sync.WaitGroup
	names := strings.Fields("a b c d e f g h")
	for _, n := range names {
		wg.Go(func() {
			if _, err := s.Push(ctx, artifact(n, "1.0.0")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	again, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if _, err := again.Resolve(ctx, "safety/"+n+":1.0.0"); err != nil {
			t.Error(err)
		}
	}
}

func TestFind(t *testing.T) {
	ps := []host.ProductStatus{
		{Domain: "aviation", Product: "airports", Description: "Airports with their place", Outputs: []host.PortStatus{{Name: "airports", Fields: []host.Field{{Name: "iata", Description: "Code of the airport"}}}}},
		{Domain: "safety", Product: "strike-risk", Description: "Bird strikes by airport", Tags: []string{"faa"}},
		{Domain: "safety", Product: "birdstrikes", Tags: []string{"wildlife"}},
	}
	for text, want := range map[string]string{
		"":            "airports strike-risk birdstrikes",
		"airport":     "airports strike-risk",
		"IATA":        "airports",
		"strike":      "strike-risk birdstrikes",
		"safety bird": "birdstrikes strike-risk",
		"wildlife":    "birdstrikes",
		"nothing":     "",
		"strike iata": "",
	} {
		var got []string
		for _, p := range registry.Find(ps, text) {
			got = append(got, p.Product)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("Find(%q) = %v, want %s", text, got, want)
		}
	}
}

func TestCycle(t *testing.T) {
	p := func(name string, from ...string) *host.Product {
		out := &host.Product{ID: host.ProductID{Tenant: "local", Domain: "d", Name: name}}
		for _, f := range from {
			out.Inputs = append(out.Inputs, host.Input{Name: f, From: "adp://./d/" + f + "/out"})
		}
		return out
	}
	if err := registry.Cycle([]*host.Product{p("a"), p("b", "a"), p("c", "a", "b"), p("x", "missing")}); err != nil {
		t.Error(err)
	}
	for _, ps := range [][]*host.Product{{p("a", "a")}, {p("a", "b"), p("b", "c"), p("c", "a"), p("d")}} {
		err := registry.Cycle(ps)
		if host.CodeOf(err) != host.CodeNodeCycle || !strings.Contains(err.Error(), "d/a") {
			t.Errorf("cycle: %v", err)
		}
	}
}
