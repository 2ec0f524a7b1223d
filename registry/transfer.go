package registry

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/adp-host/adp/host"
)

// maxTransfer bounds what an imported archive may hold in all.
const maxTransfer = maxModule + maxDocuments + maxTests + maxConfig + maxManifest

// Export writes one artifact as a tar of an OCI layout: a file to hand around, or to upload.
func (s *Store) Export(ctx context.Context, d host.Digest, w io.Writer) error {
	m, err := s.manifest(ctx, d)
	if err != nil {
		return err
	}
	raw, err := s.read(ctx, d, maxManifest)
	if err != nil {
		return err
	}
	top := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactType, Digest: digest.Digest(d), Size: int64(len(raw)),
		Annotations: map[string]string{ocispec.AnnotationRefName: m.Annotations[ocispec.AnnotationTitle]}}
	index, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []ocispec.Descriptor{top}})
	if err != nil {
		return err
	}
	layout, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	put := func(name string, b []byte) error {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(b)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err := t.Write(b)
		return err
	}
	if err := errors.Join(put(ocispec.ImageLayoutFile, layout), put(ocispec.ImageIndexFile, index), put(blobName(top.Digest), raw)); err != nil {
		return err
	}
	written := map[digest.Digest]bool{}
	for _, l := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		if written[l.Digest] {
			continue
		}
		written[l.Digest] = true
		b, err := s.read(ctx, host.Digest(l.Digest), maxTransfer)
		if err != nil {
			return err
		}
		if err := put(blobName(l.Digest), b); err != nil {
			return err
		}
	}
	return t.Close()
}

func blobName(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() }

// Import stores the one artifact of a tar that Export, or a stranger, wrote, and returns its digest. Nothing is tagged
// unless every byte matches its digest and the artifact can be read back.
func (s *Store) Import(ctx context.Context, r io.Reader) (host.Digest, error) {
	index, blobs, err := readLayout(r)
	if err != nil {
		return "", err
	}
	var ix ocispec.Index
	if err := json.Unmarshal(index, &ix); err != nil || len(ix.Manifests) != 1 {
		return "", host.Errorf(host.CodeRegistryFormat, "an artifact file has an index.json with one manifest")
	}
	top := ix.Manifests[0]
	raw, ok := blobs[top.Digest]
	var m ocispec.Manifest
	if !ok || json.Unmarshal(raw, &m) != nil || m.ArtifactType != ArtifactType {
		return "", host.Errorf(host.CodeRegistryFormat, "the file holds no artifact of adp")
	}
	for _, l := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		b, ok := blobs[l.Digest]
		if !ok {
			return "", host.Errorf(host.CodeRegistryFormat, "the file lacks its part %s", l.Digest)
		}
		if _, err := s.put(ctx, l.MediaType, b); err != nil {
			return "", err
		}
	}
	desc, err := s.put(ctx, ocispec.MediaTypeImageManifest, raw)
	if err != nil {
		return "", err
	}
	a, err := s.Pull(ctx, host.Digest(desc.Digest))
	if err != nil {
		return "", err
	}
	desc.ArtifactType = ArtifactType
	return host.Digest(desc.Digest), s.tag(desc, tagOf(a.Product))
}

// readLayout reads a tar of an OCI layout into memory: the index, and the blobs whose bytes match their names.
func readLayout(r io.Reader) (index []byte, blobs map[digest.Digest][]byte, err error) {
	blobs = map[digest.Digest][]byte{}
	left := int64(maxTransfer)
	bad := func(format string, args ...any) ([]byte, map[digest.Digest][]byte, error) {
		return nil, nil, host.Errorf(host.CodeRegistryFormat, "not an artifact file: %w", fmt.Errorf(format, args...))
	}
	t := tar.NewReader(r)
	for files := 0; ; files++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			if index == nil {
				return bad("no index.json in it")
			}
			return index, blobs, nil
		}
		switch {
		case err != nil:
			return bad("%w", err)
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg:
			return bad("%q is not a plain file", h.Name)
		case files > 64:
			return bad("too many files")
		case h.Size < 0 || h.Size > left:
			return bad("larger than %d bytes", int64(maxTransfer))
		}
		var b bytes.Buffer
		n, err := io.Copy(&b, io.LimitReader(t, left+1))
		if err != nil {
			return bad("%w", err)
		}
		if left -= n; left < 0 {
			return bad("larger than %d bytes", int64(maxTransfer))
		}
		name := strings.TrimPrefix(h.Name, "./")
		switch hex, isBlob := strings.CutPrefix(name, "blobs/sha256/"); {
		case name == ocispec.ImageLayoutFile:
		case name == ocispec.ImageIndexFile:
			index = b.Bytes()
		case isBlob:
			d := digest.NewDigestFromEncoded(digest.SHA256, hex)
			if d.Validate() != nil || digest.FromBytes(b.Bytes()) != d {
				return nil, nil, host.Errorf(host.CodeRegistryDigest, "%s does not match its digest", name).
					WithHint("the file was damaged or changed on its way; build it again")
			}
			blobs[d] = b.Bytes()
		default:
			return bad("%q does not belong in it", h.Name)
		}
	}
}
