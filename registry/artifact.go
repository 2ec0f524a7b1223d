package registry

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/adp-host/adp/host"
)

// Media types of an artifact and its parts.
const (
	ArtifactType = "application/vnd.adp.product.v1"
	ConfigType   = "application/vnd.adp.product.config.v1+json" // host.Product as canonical JSON
	ModuleType   = "application/wasm"
	DocumentType = "application/vnd.adp.documents.v1.tar" // product.yaml, contracts/…, adp.lock
	TestType     = "application/vnd.adp.tests.v1.tar"     // testdata/…
)

// Limits of an artifact, in bytes, on reading and on writing.
const (
	MaxModule    = 64 << 20
	MaxDocuments = 16 << 20
	MaxTests     = 64 << 20
	MaxProduct   = 4 << 20
	maxManifest  = 1 << 20
	maxFiles     = 10_000 // documents or tests
)

// Artifact is a product as it was built: everything that is needed to run it elsewhere.
type Artifact struct {
	Product   *host.Product     // compiled from the documents
	Module    []byte            // Wasm
	Documents map[string][]byte // product.yaml, contracts/…, adp.lock: by slash-separated path
	Tests     map[string][]byte // testdata: by slash-separated path

	// Set by Pull.
	Digest       host.Digest // of the manifest: the artifact's identity
	ModuleDigest host.Digest
}

// Reference is the name under which a product's artifact is found: domain/name:version, with the tenant before it
// unless that is the local one.
func Reference(p *host.Product) string { return nameOf(p.ID) + ":" + p.Version }

func nameOf(id host.ProductID) string {
	if id.Tenant == host.LocalTenant {
		return id.Domain + "/" + id.Name
	}
	return id.String()
}

var reference = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){1,2}:[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)

// encoded is an artifact as blobs.
type encoded struct {
	manifest ocispec.Descriptor
	blobs    map[digest.Digest][]byte
	module   digest.Digest
}

func (e *encoded) add(mediaType string, b []byte) ocispec.Descriptor {
	d := digest.FromBytes(b)
	e.blobs[d] = b
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(b))}
}

// encode makes the blobs of an artifact. Nothing but the artifact's content goes into them: no time, no machine.
func encode(a Artifact) (*encoded, error) {
	if a.Product == nil || len(a.Module) == 0 {
		return nil, formatError("it has no compiled product, or no module")
	}
	ref := Reference(a.Product)
	if !reference.MatchString(ref) {
		return nil, formatError("%q is not domain/name:version", ref)
	}
	if err := within("module", len(a.Module), MaxModule); err != nil {
		return nil, err
	}
	product, err := host.CanonicalJSON(a.Product)
	if err != nil {
		return nil, fmt.Errorf("compiled product: %w", err)
	}
	if err := within("compiled product", len(product), MaxProduct); err != nil {
		return nil, err
	}
	documents, err := pack("documents", a.Documents, MaxDocuments)
	if err != nil {
		return nil, err
	}
	e := &encoded{blobs: map[digest.Digest][]byte{}}
	m := ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: ArtifactType,
		Config:       e.add(ConfigType, product),
		Layers:       []ocispec.Descriptor{e.add(ModuleType, a.Module), e.add(DocumentType, documents)},
		Annotations: map[string]string{
			ocispec.AnnotationTitle:   a.Product.ID.Domain + "/" + a.Product.ID.Name,
			ocispec.AnnotationVersion: a.Product.Version,
		},
	}
	e.module = m.Layers[0].Digest
	if len(a.Tests) > 0 {
		tests, err := pack("tests", a.Tests, MaxTests)
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, e.add(TestType, tests))
	}
	b, err := host.CanonicalJSON(m)
	if err != nil {
		return nil, err
	}
	e.manifest = e.add(ocispec.MediaTypeImageManifest, b)
	e.manifest.ArtifactType = ArtifactType
	return e, nil
}

// fetch gives the bytes of a blob, checked against the descriptor.
type fetch func(d ocispec.Descriptor) ([]byte, error)

// decode reads an artifact. It trusts nothing that a fetch gives but that it matches its descriptor.
func decode(manifest ocispec.Descriptor, get fetch) (Artifact, *ocispec.Manifest, error) {
	a := Artifact{Digest: host.Digest(manifest.Digest)}
	b, err := limited("manifest", manifest, maxManifest, get)
	if err != nil {
		return a, nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return a, nil, formatError("manifest: %w", err)
	}
	if m.MediaType != ocispec.MediaTypeImageManifest || m.ArtifactType != ArtifactType || m.Config.MediaType != ConfigType {
		return a, nil, formatError("%s is a %q of type %q, not an artifact of adp", manifest.Digest, m.MediaType, m.ArtifactType)
	}
	if b, err = limited("compiled product", m.Config, MaxProduct, get); err != nil {
		return a, nil, err
	}
	a.Product = &host.Product{}
	if err := json.Unmarshal(b, a.Product); err != nil {
		return a, nil, formatError("compiled product: %w", err)
	}
	if ref := Reference(a.Product); !reference.MatchString(ref) {
		return a, nil, formatError("%q is not domain/name:version", ref)
	}
	return a, &m, a.layers(m.Layers, get)
}

func (a *Artifact) layers(layers []ocispec.Descriptor, get fetch) error {
	seen := map[string]bool{}
	for _, l := range layers {
		if seen[l.MediaType] {
			return formatError("two layers of type %s", l.MediaType)
		}
		seen[l.MediaType] = true
		var err error
		switch l.MediaType {
		case ModuleType:
			a.Module, err = limited("module", l, MaxModule, get)
			a.ModuleDigest = host.Digest(l.Digest)
		case DocumentType:
			a.Documents, err = unpackLayer("documents", l, MaxDocuments, get)
		case TestType:
			a.Tests, err = unpackLayer("tests", l, MaxTests, get)
		default:
			err = formatError("a layer of type %q", l.MediaType)
		}
		if err != nil {
			return err
		}
	}
	if !seen[ModuleType] || !seen[DocumentType] {
		return formatError("the module or the documents are missing")
	}
	return nil
}

// limited fetches a part that may be so large, and no larger.
func limited(what string, d ocispec.Descriptor, most int64, get fetch) ([]byte, error) {
	if err := d.Digest.Validate(); err != nil || d.Digest.Algorithm() != digest.SHA256 {
		return nil, formatError("%s: %q is no sha256 digest", what, d.Digest)
	}
	if err := within(what, int(max(d.Size, 0)), int(most)); err != nil {
		return nil, err
	}
	return get(d)
}

func unpackLayer(what string, d ocispec.Descriptor, most int64, get fetch) (map[string][]byte, error) {
	b, err := limited(what, d, most, get)
	if err != nil {
		return nil, err
	}
	return unpack(what, b, most)
}

func within(what string, size, most int) error {
	if size > most {
		return formatError("%s: %d bytes, at most %d are allowed", what, size, most)
	}
	return nil
}

// pack writes files as a tar that depends on nothing but names and contents.
func pack(what string, files map[string][]byte, most int) ([]byte, error) {
	if len(files) > maxFiles {
		return nil, formatError("%s: %d files, at most %d are allowed", what, len(files), maxFiles)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !validName(name) {
			return nil, formatError("%s: %q is not a relative slash-separated path", what, name)
		}
		content := files[name]
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return nil, formatError("%s: %s: %w", what, name, err)
		}
		if _, err := w.Write(content); err != nil {
			return nil, formatError("%s: %s: %w", what, name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), within(what, b.Len(), most)
}

// unpack reads a tar of plain files in memory. What a file claims to be large is never more than most in all.
func unpack(what string, b []byte, most int64) (map[string][]byte, error) {
	files := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, formatError("%s: %w", what, err)
		}
		if h.Typeflag != tar.TypeReg || !validName(h.Name) {
			return nil, formatError("%s: %q is not a plain file with a relative path", what, h.Name)
		}
		if _, twice := files[h.Name]; twice || len(files) == maxFiles {
			return nil, formatError("%s: %q stands twice, or there are more than %d files", what, h.Name, maxFiles)
		}
		// A sparse entry may claim more than the tar holds.
		if most -= h.Size; h.Size < 0 || most < 0 {
			return nil, formatError("%s: the files are too large together", what)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			return nil, formatError("%s: %s: %w", what, h.Name, err)
		}
	}
}

// validName: what can be written below a folder on any system.
func validName(name string) bool {
	return fs.ValidPath(name) && name != "." && len(name) <= 512 && !strings.ContainsAny(name, "\\:\x00")
}

func formatError(format string, args ...any) *host.Error {
	return host.Errorf(host.CodeRegistryFormat, "artifact: "+format, args...)
}
