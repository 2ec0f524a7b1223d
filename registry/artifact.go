package registry

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// Media types of an artifact's parts.
const (
	ArtifactType = "application/vnd.adp.product.v1"
	ConfigType   = "application/vnd.adp.product.config.v1+json" // host.Product as canonical JSON
	ModuleType   = "application/wasm"
	DocumentType = "application/vnd.adp.documents.v1.tar" // product.yaml, contracts/…, adp.lock
	TestType     = "application/vnd.adp.tests.v1.tar"     // testdata/…
)

// Limits of an artifact: what is larger is refused before it is read.
const (
	maxModule    = 64 << 20 // the sandbox refuses more than it admits, with a reason
	maxDocuments = 8 << 20
	maxTests     = 64 << 20
	maxConfig    = 4 << 20
	maxManifest  = 256 << 10
	maxFiles     = 4096
)

// Artifact is a product ready to run.
type Artifact struct {
	Product      *host.Product // as compiled from the documents
	Module       []byte        // Wasm
	ModuleDigest host.Digest   // of Module; filled by Pull
	Documents    map[string][]byte
	Tests        map[string][]byte
}

// packFiles writes files as a tar in which nothing but names and bytes varies: equal files give equal bytes.
func packFiles(files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !safeName(name) {
			return nil, host.Errorf(host.CodeRegistryFormat, "%q is no name for a file of an artifact", name)
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Close()
}

// unpackFiles reads what packFiles wrote, or what a stranger claims to be it.
func unpackFiles(b []byte) (map[string][]byte, error) {
	out := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, host.Errorf(host.CodeRegistryFormat, "damaged archive in artifact: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !safeName(h.Name) || len(out) >= maxFiles {
			return nil, host.Errorf(host.CodeRegistryFormat, "%q does not belong in an artifact", h.Name)
		}
		if _, twice := out[h.Name]; twice {
			return nil, host.Errorf(host.CodeRegistryFormat, "%q is there twice", h.Name)
		}
		if h.Size > int64(len(b)) { // sparse and lying headers
			return nil, host.Errorf(host.CodeRegistryFormat, "%q is larger than its archive", h.Name)
		}
		data, err := io.ReadAll(io.LimitReader(r, int64(len(b))))
		if err != nil {
			return nil, host.Errorf(host.CodeRegistryFormat, "%q: %w", h.Name, err)
		}
		out[h.Name] = data
	}
}

// safeName reports whether a name stays below the folder it is unpacked in, on every system.
func safeName(name string) bool {
	return name != "" && len(name) <= 512 && name != "." && !strings.ContainsAny(name, "\\:\x00") && !path.IsAbs(name) &&
		path.Clean(name) == name && name != ".." && !strings.HasPrefix(name, "../")
}

// encodeConfig is the compiled product as JSON with sorted keys: equal products give equal bytes.
func encodeConfig(p *host.Product) ([]byte, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
