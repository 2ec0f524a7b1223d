package registry

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/adp-host/adp/host"
)

const (
	// MaxTransfer bounds the bytes of an exported artifact, and with it the memory of an import.
	MaxTransfer = MaxModule + MaxDocuments + MaxTests + MaxProduct + 2*maxManifest
	// maxEntries bounds the entries of an exported artifact: a layout of one has eight.
	maxEntries = 64
)

// Export writes one artifact as the tar of an OCI layout that holds nothing else. The bytes depend on nothing but the
// artifact. The file is called name-version.adp.tar by convention.
func (s *Store) Export(ctx context.Context, d host.Digest, w io.Writer) error {
	a, m, err := s.pull(ctx, d) // an artifact that is damaged does not travel
	if err != nil {
		return err
	}
	top, err := s.stat(d)
	if err != nil {
		return err
	}
	top.Annotations = map[string]string{ocispec.AnnotationRefName: Reference(a.Product)}
	files := map[string][]byte{}
	if files[ocispec.ImageLayoutFile], err = json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}); err != nil {
		return err
	}
	if files[ocispec.ImageIndexFile], err = json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{top}}); err != nil {
		return err
	}
	for _, b := range append([]ocispec.Descriptor{top, m.Config}, m.Layers...) {
		if files[blobName(b.Digest)], err = s.blob(ctx, b); err != nil {
			return err
		}
	}
	return writeTar(w, files)
}

func writeTar(w io.Writer, files map[string][]byte) error {
	t := tar.NewWriter(w)
	// blobs/ sorts before index.json and oci-layout; readers of a stream want to know first what it is.
	names := slices.SortedFunc(maps.Keys(files), func(a, b string) int { return strings.Compare(b, a) })
	for _, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(files[name]); err != nil {
			return err
		}
	}
	return t.Close()
}

// Import stores the artifact of a tar that Export wrote, or somebody else, and gives its digest. Everything is checked
// before anything is stored: each blob against its digest, the parts against their limits and types.
func (s *Store) Import(ctx context.Context, r io.Reader) (host.Digest, error) {
	l, err := readLayout(ctx, r)
	if err != nil {
		return "", err
	}
	top, err := l.single()
	if err != nil {
		return "", err
	}
	a, m, err := decode(top, l.blob)
	if err != nil {
		return "", err
	}
	e := &encoded{manifest: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactType, Digest: top.Digest, Size: top.Size},
		blobs: map[digest.Digest][]byte{}}
	for _, d := range append([]ocispec.Descriptor{top, m.Config}, m.Layers...) { // and no blob that came along
		e.blobs[d.Digest] = l.blobs[d.Digest]
	}
	return a.Digest, s.put(ctx, e, Reference(a.Product))
}

// layout is a tar of an OCI layout in memory.
type layout struct {
	version bool // oci-layout was there, of a version that is known
	index   []byte
	blobs   map[digest.Digest][]byte // each matches its digest
}

// single is the one manifest of the layout.
func (l *layout) single() (ocispec.Descriptor, error) {
	var ix ocispec.Index
	if l.index == nil || !l.version {
		return ocispec.Descriptor{}, formatError("the file has no %s or no %s of version %s", ocispec.ImageIndexFile, ocispec.ImageLayoutFile, ocispec.ImageLayoutVersion)
	}
	if err := json.Unmarshal(l.index, &ix); err != nil {
		return ocispec.Descriptor{}, formatError("%s: %w", ocispec.ImageIndexFile, err)
	}
	if len(ix.Manifests) != 1 {
		return ocispec.Descriptor{}, formatError("the file holds %d artifacts, not one", len(ix.Manifests))
	}
	return ix.Manifests[0], nil
}

func (l *layout) blob(d ocispec.Descriptor) ([]byte, error) {
	b, ok := l.blobs[d.Digest]
	if !ok {
		return nil, formatError("the file lacks its part %s", d.Digest)
	}
	if int64(len(b)) != d.Size {
		return nil, formatError("%s has %d bytes where %d are announced", d.Digest, len(b), d.Size)
	}
	return b, nil
}

// readLayout reads a tar and keeps nothing that a layout of one artifact does not have.
func readLayout(ctx context.Context, r io.Reader) (*layout, error) {
	l := &layout{blobs: map[digest.Digest][]byte{}}
	left := int64(MaxTransfer)
	t := tar.NewReader(r)
	for entries := 0; ; entries++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := t.Next()
		if err == io.EOF {
			return l, nil
		}
		if err == nil && entries == maxEntries {
			err = fmt.Errorf("more than %d entries", maxEntries)
		}
		if err != nil {
			return nil, formatError("not an artifact file: %w", err)
		}
		if h.Typeflag == tar.TypeDir && validName(strings.TrimSuffix(h.Name, "/")) {
			continue
		}
		// A sparse entry may claim more than the tar holds.
		if left -= h.Size; h.Typeflag != tar.TypeReg || h.Size < 0 || left < 0 {
			return nil, formatError("not an artifact file: %q is no plain file, or too large", h.Name)
		}
		b, err := readAll(t, h.Size)
		if err == nil {
			err = l.add(strings.TrimPrefix(h.Name, "./"), b)
		}
		if err != nil {
			return nil, err
		}
	}
}

// readAll reads an entry of the announced size; memory grows with what is there, not with what is announced.
func readAll(r io.Reader, size int64) ([]byte, error) {
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, size))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, formatError("not an artifact file: %w", err)
	}
	return b.Bytes(), nil
}

func (l *layout) add(name string, b []byte) error {
	encoded, isBlob := strings.CutPrefix(name, blobDir+"/")
	switch {
	case name == ocispec.ImageLayoutFile && !l.version:
		var v ocispec.ImageLayout
		if err := json.Unmarshal(b, &v); err != nil {
			return formatError("%s: %w", name, err)
		}
		l.version = v.Version == ocispec.ImageLayoutVersion
	case name == ocispec.ImageIndexFile && l.index == nil:
		l.index = b
	case isBlob:
		d := digest.NewDigestFromEncoded(digest.SHA256, encoded)
		if err := d.Validate(); err != nil {
			return formatError("%q is no blob: %w", name, err)
		}
		if digest.FromBytes(b) != d {
			return host.Errorf(host.CodeRegistryDigest, "artifact: %s does not match its digest", name).
				WithHint("the file was damaged or changed on its way; build it again")
		}
		l.blobs[d] = b
	default:
		return formatError("not an artifact file: %q does not belong in it, or stands twice", name)
	}
	return nil
}
