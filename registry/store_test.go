package registry

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/content/oci"

	"github.com/adp-host/adp/host"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func product(name, version string) *host.Product {
	return &host.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "safety", Name: name}, Version: version}
}

func sample(name, version string) Artifact {
	return Artifact{Product: product(name, version), Module: []byte("\x00asm\x01\x00\x00\x00" + name + version),
		Documents: map[string][]byte{"product.yaml": []byte("name: " + name), "contracts/a.yaml": nil}}
}

func mustPush(t *testing.T, s *Store, a Artifact) host.Digest {
	t.Helper()
	d, err := s.Push(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Equal artifacts have equal digests on any machine and at any time. The bytes of a layer are written down here: if
// they change, artifacts that exist get another identity.
func TestDigestIsReproducible(t *testing.T) {
	files := map[string][]byte{"in/b.csv": []byte("b\n"), "in/a.csv": []byte("a\n"), strings.Repeat("long/", 40) + "name.csv": []byte("x")}
	layer, err := pack("tests", files, MaxTests)
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:c260e5d8752945451265b94e2fce515bd8006390261b494a979e3559acf2d612"
	if got := digest.FromBytes(layer).String(); got != want {
		t.Errorf("layer %s, want %s", got, want)
	}
	var first digest.Digest
	for range 20 { // maps are walked in another order each time
		a := sample("risk", "1.0.0")
		a.Tests = files
		a.Product.Config = map[string]string{"a": "1", "b": "2", "c": "3"}
		e, err := encode(a)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = e.manifest.Digest
		}
		if e.manifest.Digest != first {
			t.Fatalf("digests %s and %s", first, e.manifest.Digest)
		}
	}
}

// Other tools of the OCI world read the folder: oras resolves the name and copies the artifact, checking all digests.
func TestLayoutIsOCI(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	d := mustPush(t, s, sample("risk", "1.0.0"))
	src, err := oci.NewFromFS(t.Context(), os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	dst := memory.New()
	got, err := oras.Copy(t.Context(), src, "safety/risk:1.0.0", dst, "copy", oras.DefaultCopyOptions)
	if err != nil {
		t.Fatal(err)
	}
	if host.Digest(got.Digest) != d {
		t.Errorf("oras copied %s, want %s", got.Digest, d)
	}
	// And the other way: a layout that oras has written is a registry.
	other := t.TempDir()
	written, err := oci.New(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oras.Copy(t.Context(), dst, "copy", written, "safety/risk:1.0.0", oras.DefaultCopyOptions); err != nil {
		t.Fatal(err)
	}
	back := openStore(t, other)
	if r, err := back.Resolve(t.Context(), "safety/risk:1.0.0"); err != nil || r != d {
		t.Errorf("resolve: %s, %v", r, err)
	}
	if a, err := back.Pull(t.Context(), d); err != nil || a.Product.ID.Name != "risk" || a.Digest != d {
		t.Errorf("pull: %+v, %v", a.Product, err)
	}
}

func TestResolve(t *testing.T) {
	s := openStore(t, t.TempDir())
	one, two := mustPush(t, s, sample("risk", "1.0.0")), mustPush(t, s, sample("risk", "1.1.0"))
	foreign := sample("risk", "1.0.0")
	foreign.Product.ID.Tenant = "acme"
	three := mustPush(t, s, foreign)
	for ref, want := range map[string]host.Digest{
		"safety/risk:1.0.0": one, "safety/risk:1.1.0": two, "safety/risk": two, string(one): one, "acme/safety/risk:1.0.0": three, "acme/safety/risk": three,
	} {
		if got, err := s.Resolve(t.Context(), ref); err != nil || got != want {
			t.Errorf("Resolve(%q) = %s, %v; want %s", ref, got, err, want)
		}
	}
	for _, ref := range []string{"", "risk", "safety/risk:2.0.0", "safety/ris", "sha256:" + strings.Repeat("0", 64)} {
		if _, err := s.Resolve(t.Context(), ref); host.CodeOf(err) != host.CodeRegistryUnknown {
			t.Errorf("Resolve(%q): %v", ref, err)
		}
	}
	v, err := s.Versions(t.Context(), host.ProductID{Tenant: "acme", Domain: "safety", Name: "risk"})
	if err != nil || len(v) != 1 || v[0].Artifact != three || v[0].Stored.IsZero() {
		t.Errorf("versions of another tenant: %+v, %v", v, err)
	}
}

// Each operation of the disk fails once, at its first, second, … call: the push says so, what was stored before stays
// whole, and pushing again works.
func TestPushFailsAtEveryStep(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	old := mustPush(t, s, sample("risk", "1.0.0"))
	boom := errors.New("the disk is full")
	steps := 0
	for n := 0; ; n++ {
		a := sample("risk", "1.0.0") // the same name, each time another content
		a.Module = append(a.Module, byte(n))
		calls := 0
		s.disk.fail = func(op, name string) error {
			if op == "read" {
				return nil
			}
			if calls++; calls == n+1 {
				return boom
			}
			return nil
		}
		d, err := s.Push(t.Context(), a)
		s.disk.fail = nil
		if calls <= n {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		steps++
		if !errors.Is(err, boom) || host.CodeOf(err) != host.CodeRunStore {
			t.Fatalf("step %d: %v", n, err)
		}
		again := openStore(t, dir)
		named, err := again.Resolve(t.Context(), "safety/risk:1.0.0")
		if err != nil || named != old && named != d {
			t.Fatalf("step %d: the name is %s, %v", n, named, err)
		}
		if err := again.Check(t.Context()); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		if old, err = s.Push(t.Context(), a); err != nil {
			t.Fatalf("step %d, again: %v", n, err)
		}
		if got, err := again.Pull(t.Context(), old); err != nil || !bytes.Equal(got.Module, a.Module) {
			t.Fatalf("step %d: %v", n, err)
		}
	}
	if steps < 15 {
		t.Errorf("only %d steps were seen to fail", steps)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, ingestDir)); len(left) > 0 {
		t.Errorf("litter: %v", left)
	}
}

// A process that is killed while it pushes leaves a registry that opens, whose artifacts are whole, and that has every
// artifact whose push returned.
func TestKilledWriter(t *testing.T) {
	if dir := os.Getenv("ADP_TEST_REGISTRY"); dir != "" {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i++ {
			a := sample("risk", fmt.Sprintf("1.%d.%d", os.Getpid(), i))
			a.Module = append(a.Module, bytes.Repeat([]byte("x"), 1<<20)...)
			if _, err := s.Push(context.Background(), a); err != nil {
				t.Fatal(err)
			}
			fmt.Printf("pushed %s\n", Reference(a.Product))
		}
	}
	dir := t.TempDir()
	for round := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$", "-test.v")
		cmd.Env = append(os.Environ(), "ADP_TEST_REGISTRY="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(40+37*round)*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		said, _ := io.ReadAll(out)
		_ = cmd.Wait()
		timer.Stop()
		s := openStore(t, dir)
		if err := s.Check(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for line := range strings.Lines(string(said)) {
			ref, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "pushed ")
			if !ok || !strings.HasSuffix(line, "\n") {
				continue
			}
			if _, err := s.Resolve(t.Context(), ref); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
	}
}

// Two processes have one folder open, as a node and a build do.
func TestTwoStoresOneFolder(t *testing.T) {
	dir := t.TempDir()
	a, b := openStore(t, dir), openStore(t, dir)
	done := make(chan error, 2)
	for i, s := range []*Store{a, b} {
		go func() {
			for j := range 10 {
				if _, err := s.Push(context.Background(), sample(fmt.Sprintf("p%d", i), fmt.Sprintf("1.0.%d", j))); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		v, err := a.Versions(t.Context(), product(fmt.Sprintf("p%d", i), "").ID)
		if err != nil || len(v) != 10 {
			t.Errorf("p%d has %d versions, %v", i, len(v), err)
		}
	}
}

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	var moved []host.Digest
	for i := range 3 { // the same version is built three times
		a := sample("risk", "1.0.0")
		a.Module = append(a.Module, byte(i))
		moved = append(moved, mustPush(t, s, a))
	}
	other := mustPush(t, s, sample("other", "1.0.0"))
	if n, err := s.Collect(t.Context(), []host.Digest{moved[1]}); err != nil || n != 2 {
		t.Errorf("collected %d blobs, %v; want the manifest and the module of the first build", n, err)
	}
	for d, want := range map[host.Digest]host.ErrorCode{moved[0]: host.CodeRegistryUnknown, moved[1]: "", moved[2]: "", other: ""} {
		if _, err := s.Pull(t.Context(), d); host.CodeOf(err) != want {
			t.Errorf("%s: %v", d, err)
		}
	}
	// What a manifest names that cannot be read is not known: nothing is removed.
	name := filepath.Join(dir, blobName(s.mustIndex(t).Manifests[0].Digest))
	if err := os.Truncate(name, 10); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Collect(t.Context(), moved[1:2]); err == nil || n != 0 {
		t.Errorf("collected %d blobs beside a damaged manifest, %v", n, err)
	}
	if err := s.Check(t.Context()); host.CodeOf(err) != host.CodeRegistryDigest {
		t.Errorf("Check: %v", err)
	}
}

func (s *Store) mustIndex(t *testing.T) *ocispec.Index {
	t.Helper()
	ix, err := s.index()
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestIndexDamaged(t *testing.T) {
	dir := t.TempDir()
	mustPush(t, openStore(t, dir), sample("risk", "1.0.0"))
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); host.CodeOf(err) != host.CodeRegistryFormat {
		t.Errorf("open with a damaged index: %v", err)
	}
}

func TestOpenRefusesOtherFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"9.0.0"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); host.CodeOf(err) != host.CodeRegistryFormat {
		t.Errorf("a layout of another version: %v", err)
	}
	file := filepath.Join(dir, "oci-layout", "sub")
	if _, err := Open(file); err == nil {
		t.Error("opened below a file")
	}
}

func TestPushRefuses(t *testing.T) {
	s := openStore(t, t.TempDir())
	for what, change := range map[string]func(*Artifact){
		"no product":        func(a *Artifact) { a.Product = nil },
		"no module":         func(a *Artifact) { a.Module = nil },
		"module too large":  func(a *Artifact) { a.Module = make([]byte, MaxModule+1) },
		"documents, ditto":  func(a *Artifact) { a.Documents["x"] = make([]byte, MaxDocuments) },
		"a name with blank": func(a *Artifact) { a.Product.ID.Name = "a b" },
		"a name that rises": func(a *Artifact) { a.Product.ID.Name = ".." },
		"no version":        func(a *Artifact) { a.Product.Version = "" },
		"too many files": func(a *Artifact) {
			for i := range maxFiles + 1 {
				a.Documents[fmt.Sprint(i)] = nil
			}
		},
	} {
		a := sample("risk", "1.0.0")
		change(&a)
		if _, err := s.Push(t.Context(), a); host.CodeOf(err) != host.CodeRegistryFormat {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Push(ctx, sample("risk", "1.0.0")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// sparse is a tar with an entry that claims size bytes and has none.
func sparse(t *testing.T, name string, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// The PAX form of a sparse file: its map says that all of it is a hole.
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: 512, Format: tar.FormatPAX,
		PAXRecords: map[string]string{"ADP.sparse.major": "1", "ADP.sparse.minor": "0", "ADP.sparse.realsize": fmt.Sprint(size)}}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 512)
	copy(body, "1\n"+fmt.Sprint(size)+"\n0\n") // one piece at the very end, empty
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	// archive/tar refuses to write these records itself: put them over a record of the same length.
	raw := b.Bytes()
	if bytes.Count(raw, []byte("ADP.sparse.")) != 3 {
		t.Fatal("the PAX records are not where they were")
	}
	return bytes.ReplaceAll(raw, []byte("ADP.sparse."), []byte("GNU.sparse."))
}

func TestUnpackIsBounded(t *testing.T) {
	if _, err := unpack("documents", sparse(t, "bomb", 1<<40), MaxDocuments); host.CodeOf(err) != host.CodeRegistryFormat {
		t.Errorf("a file of a terabyte of nothing: %v", err)
	}
	l := openStore(t, t.TempDir())
	if _, err := l.Import(t.Context(), bytes.NewReader(sparse(t, "index.json", 1<<40))); host.CodeOf(err) != host.CodeRegistryFormat {
		t.Errorf("an index of a terabyte of nothing: %v", err)
	}
	endless := io.MultiReader(bytes.NewReader(header(t, "index.json", MaxTransfer+1)), zeros{})
	if _, err := l.Import(t.Context(), endless); host.CodeOf(err) != host.CodeRegistryFormat {
		t.Errorf("an endless index: %v", err)
	}
	many := []byte{}
	for i := range maxEntries + 1 {
		many = append(many, header(t, fmt.Sprintf("d%d/", i), 0)...)
	}
	if _, err := l.Import(t.Context(), bytes.NewReader(many)); host.CodeOf(err) != host.CodeRegistryFormat {
		t.Errorf("many entries: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func header(t *testing.T, name string, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}
	if strings.HasSuffix(name, "/") {
		h.Typeflag = tar.TypeDir
	}
	if err := tar.NewWriter(&b).WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func exported(t *testing.T, a Artifact) (host.Digest, []byte) {
	t.Helper()
	s := openStore(t, t.TempDir())
	d := mustPush(t, s, a)
	var b, again bytes.Buffer
	if err := errors.Join(s.Export(t.Context(), d, &b), s.Export(t.Context(), d, &again)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("two exports of one artifact differ")
	}
	return d, b.Bytes()
}

func FuzzImport(f *testing.F) {
	dir, err := os.MkdirTemp("", "fuzz-registry")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	d, err := s.Push(context.Background(), sample("risk", "1.0.0"))
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Export(context.Background(), d, &b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:1500])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := readLayout(context.Background(), bytes.NewReader(raw))
		if err != nil {
			return
		}
		top, err := l.single()
		if err != nil {
			return
		}
		a, _, err := decode(top, l.blob)
		if err == nil && (a.Product == nil || len(a.Module) > MaxModule) {
			t.Errorf("accepted %+v", a.Product)
		}
	})
}

// An artifact that is damaged in this registry does not travel.
func TestExportVerifies(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	d := mustPush(t, s, sample("risk", "1.0.0"))
	a, err := s.Pull(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, blobDir, strings.TrimPrefix(string(a.ModuleDigest), "sha256:"))
	if err := os.WriteFile(name, []byte("other bytes"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Export(t.Context(), d, io.Discard); host.CodeOf(err) != host.CodeRegistryDigest {
		t.Errorf("export: %v", err)
	}
	if _, err := s.Module(t.Context(), a.ModuleDigest); host.CodeOf(err) != host.CodeRegistryDigest {
		t.Errorf("module: %v", err)
	}
}

func TestImportStoresNothingElse(t *testing.T) {
	d, raw := exported(t, sample("risk", "1.0.0"))
	// A blob that nobody names rides along.
	stray := []byte("stray")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	r := tar.NewReader(bytes.NewReader(raw))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r)
		_ = w.WriteHeader(h)
		_, _ = w.Write(body)
	}
	sum := digest.FromBytes(stray)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: blobName(sum), Size: int64(len(stray))})
	_, _ = w.Write(stray)
	_ = w.Close()
	dir := t.TempDir()
	s := openStore(t, dir)
	if got, err := s.Import(t.Context(), &b); err != nil || got != d {
		t.Fatalf("import: %s, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, blobName(sum))); err == nil {
		t.Error("a blob that no artifact names was stored")
	}
	ix := s.mustIndex(t)
	if len(ix.Manifests) != 1 || !slices.ContainsFunc(ix.Manifests, func(m ocispec.Descriptor) bool { return host.Digest(m.Digest) == d }) {
		t.Errorf("index: %+v", ix.Manifests)
	}
}
