package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/adp-host/adp/host"
)

const (
	blobDir   = ocispec.ImageBlobsDir + "/sha256"
	ingestDir = "ingest" // as oras calls it: files on their way
	maxIndex  = 64 << 20
)

// Store is a folder of artifacts in the OCI image layout. Several processes may use one folder; writers wait for each
// other. A write that is cut off leaves at most litter in the folder ingest and blobs that nothing names.
type Store struct {
	disk disk
	mu   sync.Mutex // writers of this process
}

// Open opens the folder, which is made when missing.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{disk: disk{root: abs}}
	if err := s.init(); err != nil {
		return nil, fmt.Errorf("registry %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) init() error {
	if err := os.MkdirAll(s.disk.root, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{ingestDir, ocispec.ImageBlobsDir, blobDir} {
		if _, err := os.Stat(s.disk.path(dir)); err == nil {
			continue
		}
		if err := s.disk.mkdir(dir); err != nil {
			return err
		}
	}
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	b, err := s.disk.read(ocispec.ImageLayoutFile, maxManifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b, _ = json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
		if err := s.disk.write(ocispec.ImageLayoutFile, b); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		var l ocispec.ImageLayout
		if err := json.Unmarshal(b, &l); err != nil || l.Version != ocispec.ImageLayoutVersion {
			return host.Errorf(host.CodeRegistryFormat, "not an OCI layout of version %s", ocispec.ImageLayoutVersion)
		}
	}
	if _, err := s.index(); err != nil {
		return err
	}
	s.sweep()
	return nil
}

// sweep removes what writers that were killed left in ingest. The lock is held, so that no writer is at work.
func (s *Store) sweep() {
	left, _ := os.ReadDir(s.disk.path(ingestDir))
	for _, e := range left {
		_ = os.Remove(s.disk.path(ingestDir + "/" + e.Name()))
	}
}

// lock keeps other writers out, of this process and of others.
func (s *Store) lock() (unlock func(), err error) {
	s.mu.Lock()
	f, err := os.OpenFile(s.disk.path(ingestDir+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err == nil {
		if err = lockFile(f); err != nil {
			_ = f.Close()
		}
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	return func() { _ = f.Close(); s.mu.Unlock() }, nil
}

func blobName(d digest.Digest) string { return blobDir + "/" + d.Encoded() }

// index reads what the layout holds. A layout without an index is empty.
func (s *Store) index() (*ocispec.Index, error) {
	ix := &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	b, err := s.disk.read(ocispec.ImageIndexFile, maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return ix, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, ix); err != nil {
		return nil, host.Errorf(host.CodeRegistryFormat, "registry: %s is damaged: %w", ocispec.ImageIndexFile, err).
			WithHint("remove it and build or import the artifacts again; the blobs stay")
	}
	return ix, nil
}

func (s *Store) writeIndex(ix *ocispec.Index) error {
	if ix.Manifests == nil {
		ix.Manifests = []ocispec.Descriptor{} // the layout wants an array
	}
	b, err := json.Marshal(ix)
	if err == nil {
		err = s.disk.write(ocispec.ImageIndexFile, b)
	}
	if err == nil {
		err = s.disk.syncDir(".")
	}
	return err
}

// Push stores an artifact and names it by its Reference, which moves when it named another. Equal artifacts have equal
// digests. Everything is durable when it returns.
func (s *Store) Push(ctx context.Context, a Artifact) (host.Digest, error) {
	e, err := encode(a)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return host.Digest(e.manifest.Digest), s.put(ctx, e, Reference(a.Product))
}

// put stores blobs, the manifest last, and then the name.
func (s *Store) put(ctx context.Context, e *encoded, ref string) error {
	unlock, err := s.lock()
	if err != nil {
		return storeError(err)
	}
	defer unlock()
	ix, err := s.index()
	if err != nil {
		return storeError(err)
	}
	for d, b := range e.blobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if have, err := s.disk.read(blobName(d), int64(len(b))); err == nil && bytes.Equal(have, b) {
			continue // a blob that is damaged is written anew
		}
		if err := s.disk.write(blobName(d), b); err != nil {
			return storeError(err)
		}
	}
	if err := s.disk.syncDir(blobDir); err != nil {
		return storeError(err)
	}
	if !tag(ix, e.manifest, ref) {
		return nil
	}
	return storeError(s.writeIndex(ix))
}

// tag gives a manifest a name, and reports whether that changed the index. The manifest that had the name stays in the
// layout without one: products may still run it.
func tag(ix *ocispec.Index, manifest ocispec.Descriptor, ref string) bool {
	manifest.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
	for i := range ix.Manifests {
		m := &ix.Manifests[i]
		if m.Annotations[ocispec.AnnotationRefName] != ref {
			continue
		}
		if m.Digest == manifest.Digest {
			return false
		}
		m.Annotations = nil
	}
	// One entry a manifest: an entry without a name is superseded by one with.
	ix.Manifests = slices.DeleteFunc(ix.Manifests, func(m ocispec.Descriptor) bool {
		return m.Digest == manifest.Digest && m.Annotations[ocispec.AnnotationRefName] == ""
	})
	ix.Manifests = append(ix.Manifests, manifest)
	return true
}

func storeError(err error) error {
	if err == nil || host.CodeOf(err) != "" {
		return err
	}
	return host.Errorf(host.CodeRunStore, "registry: %w", err)
}

// Pull returns the artifact with the digest; every part has been checked against its own.
func (s *Store) Pull(ctx context.Context, d host.Digest) (Artifact, error) {
	a, _, err := s.pull(ctx, d)
	return a, err
}

func (s *Store) pull(ctx context.Context, d host.Digest) (Artifact, *ocispec.Manifest, error) {
	desc, err := s.stat(d)
	if err != nil {
		return Artifact{}, nil, err
	}
	return decode(desc, func(d ocispec.Descriptor) ([]byte, error) { return s.blob(ctx, d) })
}

// stat gives the descriptor of a manifest, from the digest and the blob's size.
func (s *Store) stat(d host.Digest) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactType, Digest: digest.Digest(d)}
	if err := desc.Digest.Validate(); err != nil || desc.Digest.Algorithm() != digest.SHA256 {
		return desc, unknown(fmt.Sprintf("%q (a digest is sha256: and 64 hexadecimal digits)", d))
	}
	st, err := os.Stat(s.disk.path(blobName(desc.Digest)))
	if errors.Is(err, fs.ErrNotExist) {
		return desc, unknown(d)
	}
	if err != nil {
		return desc, storeError(err)
	}
	desc.Size = st.Size()
	return desc, nil
}

func unknown(what any) error {
	return host.Errorf(host.CodeRegistryUnknown, "no artifact %s in this registry", what)
}

// blob reads and checks a blob.
func (s *Store) blob(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := s.disk.read(blobName(d.Digest), max(MaxModule, MaxTests, maxIndex))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, host.Errorf(host.CodeRegistryUnknown, "the registry lacks %s, a part of the artifact", d.Digest)
	case errors.Is(err, errTooLarge), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, mismatch(d.Digest, err)
	case err != nil:
		return nil, storeError(err)
	}
	if b, err = content.ReadAll(bytes.NewReader(b), d); err != nil {
		return nil, mismatch(d.Digest, err)
	}
	return b, nil
}

func mismatch(d digest.Digest, err error) error {
	return host.Errorf(host.CodeRegistryDigest, "the bytes stored as %s are not those: %w", d, err).
		WithHint("the disk or somebody changed them; build or import the artifact again, which repairs it")
}

// Module returns the bytes of a module, checked against the digest.
func (s *Store) Module(ctx context.Context, d host.Digest) ([]byte, error) {
	desc, err := s.stat(d)
	if err != nil {
		return nil, err
	}
	if err := within("module", int(desc.Size), MaxModule); err != nil {
		return nil, err
	}
	return s.blob(ctx, desc)
}

// Resolve finds a digest by a reference: a digest itself, domain/name:version, or domain/name for the version that was
// stored last. Products of other tenants have their tenant before the domain.
func (s *Store) Resolve(_ context.Context, ref string) (host.Digest, error) {
	if strings.HasPrefix(ref, "sha256:") {
		desc, err := s.stat(host.Digest(ref))
		return host.Digest(desc.Digest), err
	}
	ix, err := s.index()
	if err != nil {
		return "", storeError(err)
	}
	found := digest.Digest("")
	for _, m := range ix.Manifests {
		name := m.Annotations[ocispec.AnnotationRefName]
		if product, _, _ := strings.Cut(name, ":"); name != "" && (name == ref || product == ref) {
			found = m.Digest
		}
	}
	if found == "" {
		return "", unknown(ref)
	}
	return host.Digest(found), nil
}

// Version is one named artifact of a product.
type Version struct {
	Version  string      `json:"version"`
	Artifact host.Digest `json:"artifact"`
	Stored   time.Time   `json:"stored"` // when its manifest was written here
}

// Versions lists the named artifacts of a product in the order in which they were stored.
func (s *Store) Versions(_ context.Context, id host.ProductID) ([]Version, error) {
	ix, err := s.index()
	if err != nil {
		return nil, storeError(err)
	}
	var out []Version
	for _, m := range ix.Manifests {
		version, ok := strings.CutPrefix(m.Annotations[ocispec.AnnotationRefName], nameOf(id)+":")
		if !ok {
			continue
		}
		v := Version{Version: version, Artifact: host.Digest(m.Digest)}
		if st, err := os.Stat(s.disk.path(blobName(m.Digest))); err == nil {
			v.Stored = st.ModTime()
		}
		out = append(out, v)
	}
	return out, nil
}

// Products lists the products that have a named artifact.
func (s *Store) Products(_ context.Context) ([]host.ProductID, error) {
	ix, err := s.index()
	if err != nil {
		return nil, storeError(err)
	}
	var out []host.ProductID
	for _, m := range ix.Manifests {
		name, _, ok := strings.Cut(m.Annotations[ocispec.AnnotationRefName], ":")
		if ok && strings.Count(name, "/") == 1 {
			name = host.LocalTenant + "/" + name
		}
		if id, err := host.ParseProductID(name); err == nil && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// Check reads every artifact of the index as Pull does and joins what is wrong.
func (s *Store) Check(ctx context.Context) error {
	ix, err := s.index()
	if err != nil {
		return storeError(err)
	}
	var errs []error
	for _, m := range ix.Manifests {
		if _, err := s.Pull(ctx, host.Digest(m.Digest)); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", m.Annotations[ocispec.AnnotationRefName], m.Digest, err))
		}
	}
	return errors.Join(errs...)
}

// Collect removes artifacts that have no name and are not in keep, and blobs that no artifact needs. keep holds the
// digests of every artifact that a product or a retained head refers to. It returns how many blobs went.
func (s *Store) Collect(ctx context.Context, keep []host.Digest) (int, error) {
	unlock, err := s.lock()
	if err != nil {
		return 0, storeError(err)
	}
	defer unlock()
	ix, err := s.index()
	if err != nil {
		return 0, storeError(err)
	}
	before := len(ix.Manifests)
	ix.Manifests = slices.DeleteFunc(ix.Manifests, func(m ocispec.Descriptor) bool {
		return m.Annotations[ocispec.AnnotationRefName] == "" && !slices.Contains(keep, host.Digest(m.Digest))
	})
	needed := map[string]bool{}
	for _, m := range ix.Manifests {
		if err := s.needs(ctx, m.Digest, needed); err != nil {
			return 0, err
		}
	}
	for _, d := range keep { // also those that the index does not know: it may have been lost
		if err := s.needs(ctx, digest.Digest(d), needed); err != nil && host.CodeOf(err) != host.CodeRegistryUnknown {
			return 0, err
		}
	}
	if len(ix.Manifests) != before {
		if err := s.writeIndex(ix); err != nil { // first the names, then what they named
			return 0, storeError(err)
		}
	}
	return s.removeBut(needed)
}

// needs marks the blobs of an artifact. A manifest that cannot be read is an error: what it names must not be removed.
func (s *Store) needs(ctx context.Context, d digest.Digest, needed map[string]bool) error {
	desc, err := s.stat(host.Digest(d))
	if err != nil {
		return err
	}
	b, err := s.blob(ctx, desc)
	if err != nil {
		return err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return formatError("manifest %s: %w", d, err)
	}
	needed[d.Encoded()], needed[m.Config.Digest.Encoded()] = true, true
	for _, l := range m.Layers {
		needed[l.Digest.Encoded()] = true
	}
	return nil
}

func (s *Store) removeBut(needed map[string]bool) (int, error) {
	blobs, err := os.ReadDir(s.disk.path(blobDir))
	if err != nil {
		return 0, storeError(err)
	}
	removed := 0
	for _, b := range blobs {
		if needed[b.Name()] {
			continue
		}
		if err := s.disk.remove(blobDir + "/" + b.Name()); err != nil {
			return removed, storeError(err)
		}
		removed++
	}
	return removed, nil
}
