package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/adp-host/adp/host"
)

// Store keeps artifacts in a folder with the OCI image layout. It is safe for concurrent use, and a killed writer leaves
// at worst blobs that nothing refers to.
//
// The blobs are those of oras; the index is written here, because it has to be replaced in one step.
type Store struct {
	root  string
	blobs *oci.Storage
	mu    sync.Mutex // index
}

// Open opens the store in a folder, which is made when missing.
func Open(root string) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(root, "blobs", "sha256"), 0o755); err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "registry: %w", err)
	}
	blobs, err := oci.NewStorage(root)
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "registry: %w", err)
	}
	s := &Store{root: root, blobs: blobs}
	layout := filepath.Join(root, ocispec.ImageLayoutFile)
	if _, err := os.Stat(layout); errors.Is(err, os.ErrNotExist) {
		b, _ := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}) // a string always encodes
		if err := replaceFile(layout, b); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Push stores an artifact and tags it domain/name:version. The same artifact always has the same digest.
func (s *Store) Push(ctx context.Context, a Artifact) (host.Digest, error) {
	if a.Product == nil || len(a.Module) == 0 {
		return "", host.Errorf(host.CodeRegistryFormat, "an artifact has a compiled product and a module")
	}
	config, err := encodeConfig(a.Product)
	if err != nil {
		return "", err
	}
	documents, err := packFiles(a.Documents)
	if err != nil {
		return "", err
	}
	tests, err := packFiles(a.Tests)
	if err != nil {
		return "", err
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactType,
		Annotations: map[string]string{ocispec.AnnotationTitle: tagOf(a.Product), ocispec.AnnotationVersion: a.Product.Version}}
	if m.Config, err = s.put(ctx, ConfigType, config); err != nil {
		return "", err
	}
	for _, l := range []struct {
		media string
		bytes []byte
	}{{ModuleType, a.Module}, {DocumentType, documents}, {TestType, tests}} {
		d, err := s.put(ctx, l.media, l.bytes)
		if err != nil {
			return "", err
		}
		m.Layers = append(m.Layers, d)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	desc, err := s.put(ctx, m.MediaType, b)
	if err != nil {
		return "", err
	}
	desc.ArtifactType = ArtifactType
	return host.Digest(desc.Digest), s.tag(desc, tagOf(a.Product))
}

func tagOf(p *host.Product) string { return p.ID.Domain + "/" + p.ID.Name + ":" + p.Version }

// put stores bytes durably under their digest; what is there already is left.
func (s *Store) put(ctx context.Context, media string, b []byte) (ocispec.Descriptor, error) {
	d := ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
	err := s.blobs.Push(ctx, d, bytes.NewReader(b))
	if errors.Is(err, errdef.ErrAlreadyExists) {
		// It may be what a torn write left behind: believe only bytes that match.
		if _, err := s.read(ctx, host.Digest(d.Digest), d.Size); err == nil {
			return d, nil
		}
		if err := os.Remove(s.blobPath(d.Digest)); err != nil {
			return d, storeError(err)
		}
		err = s.blobs.Push(ctx, d, bytes.NewReader(b))
	}
	if err != nil {
		return d, storeError(err)
	}
	return d, storeError(syncFile(s.blobPath(d.Digest)))
}

func (s *Store) blobPath(d digest.Digest) string {
	return filepath.Join(s.root, "blobs", "sha256", d.Encoded())
}

// read returns a blob of at most limit bytes, verified.
func (s *Store) read(_ context.Context, d host.Digest, limit int64) ([]byte, error) {
	dg := digest.Digest(d)
	if dg.Validate() != nil || dg.Algorithm() != digest.SHA256 {
		return nil, host.Errorf(host.CodeRegistryUnknown, "%q is not a sha256 digest", d)
	}
	f, err := os.Open(s.blobPath(dg))
	if errors.Is(err, os.ErrNotExist) {
		return nil, host.Errorf(host.CodeRegistryUnknown, "nothing with digest %s in the registry", d)
	}
	if err != nil {
		return nil, storeError(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, storeError(err)
	}
	if int64(len(b)) > limit {
		return nil, host.Errorf(host.CodeRegistryFormat, "%s is larger than %d bytes", d, limit)
	}
	if digest.FromBytes(b) != dg {
		return nil, host.Errorf(host.CodeRegistryDigest, "the registry's bytes of %s are damaged", d).
			WithHint("build and run the product again")
	}
	return b, nil
}

// Pull returns an artifact by the digest of its manifest, all bytes verified.
func (s *Store) Pull(ctx context.Context, d host.Digest) (Artifact, error) {
	m, err := s.manifest(ctx, d)
	if err != nil {
		return Artifact{}, err
	}
	var a Artifact
	b, err := s.read(ctx, host.Digest(m.Config.Digest), maxConfig)
	if err != nil {
		return Artifact{}, err
	}
	if err := json.Unmarshal(b, &a.Product); err != nil || a.Product == nil {
		return Artifact{}, host.Errorf(host.CodeRegistryFormat, "the compiled product of %s cannot be read: %v", d, err)
	}
	for _, l := range m.Layers {
		if err := s.layer(ctx, &a, l); err != nil {
			return Artifact{}, err
		}
	}
	if a.ModuleDigest == "" {
		return Artifact{}, host.Errorf(host.CodeRegistryFormat, "artifact %s has no module", d)
	}
	return a, nil
}

func (s *Store) layer(ctx context.Context, a *Artifact, l ocispec.Descriptor) error {
	limit := int64(maxModule)
	switch l.MediaType {
	case DocumentType:
		limit = maxDocuments
	case TestType:
		limit = maxTests
	}
	b, err := s.read(ctx, host.Digest(l.Digest), limit)
	if err != nil {
		return err
	}
	switch l.MediaType {
	case ModuleType:
		a.Module, a.ModuleDigest = b, host.Digest(l.Digest)
	case DocumentType:
		a.Documents, err = unpackFiles(b)
	case TestType:
		a.Tests, err = unpackFiles(b)
	default:
		err = host.Errorf(host.CodeRegistryFormat, "artifacts have no part of type %q", l.MediaType)
	}
	return err
}

func (s *Store) manifest(ctx context.Context, d host.Digest) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	b, err := s.read(ctx, d, maxManifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil || m.ArtifactType != ArtifactType || m.Config.MediaType != ConfigType {
		return m, host.Errorf(host.CodeRegistryFormat, "%s is not an artifact of adp", d)
	}
	return m, nil
}

// Module returns a module by its own digest, verified.
func (s *Store) Module(ctx context.Context, d host.Digest) ([]byte, error) {
	return s.read(ctx, d, maxModule)
}

// Resolve returns the digest of a tag, domain/name:version.
func (s *Store) Resolve(_ context.Context, tag string) (host.Digest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix, err := s.index()
	if err != nil {
		return "", err
	}
	for _, m := range ix.Manifests {
		if m.Annotations[ocispec.AnnotationRefName] == tag {
			return host.Digest(m.Digest), nil
		}
	}
	return "", host.Errorf(host.CodeRegistryUnknown, "no artifact %s", tag)
}

// Versions lists the tagged versions of a product with their digests, oldest tag first.
func (s *Store) Versions(_ context.Context, id host.ProductID) ([]Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix, err := s.index()
	if err != nil {
		return nil, err
	}
	var out []Version
	for _, m := range ix.Manifests {
		if v, ok := strings.CutPrefix(m.Annotations[ocispec.AnnotationRefName], id.Domain+"/"+id.Name+":"); ok {
			out = append(out, Version{Version: v, Artifact: host.Digest(m.Digest)})
		}
	}
	return out, nil
}

// Version is one tagged artifact of a product.
type Version struct {
	Version  string      `json:"version"`
	Artifact host.Digest `json:"artifact"`
}

func (s *Store) index() (ocispec.Index, error) {
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	b, err := os.ReadFile(filepath.Join(s.root, ocispec.ImageIndexFile))
	if errors.Is(err, os.ErrNotExist) {
		return ix, nil
	}
	if err != nil {
		return ix, storeError(err)
	}
	if err := json.Unmarshal(b, &ix); err != nil {
		return ix, host.Errorf(host.CodeRegistryFormat, "the registry's index.json is damaged: %w", err)
	}
	return ix, nil
}

// tag lets a name refer to a manifest; an older manifest of that name stays under its digest.
func (s *Store) tag(desc ocispec.Descriptor, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix, err := s.index()
	if err != nil {
		return err
	}
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	kept := ix.Manifests[:0]
	for _, m := range ix.Manifests {
		if m.Annotations[ocispec.AnnotationRefName] != name {
			kept = append(kept, m)
		}
	}
	ix.Manifests = append(kept, desc)
	b, err := json.Marshal(ix)
	if err != nil {
		return err
	}
	return storeError(replaceFile(filepath.Join(s.root, ocispec.ImageIndexFile), b))
}

func storeError(err error) error {
	if err == nil {
		return nil
	}
	return host.Errorf(host.CodeRunStore, "registry: %w", err)
}

// replaceFile writes a file in one step: after a crash it is the old one or the new one.
func replaceFile(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFile(filepath.Dir(name))
}

// syncFile makes a file, or the names in a folder, durable.
func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
