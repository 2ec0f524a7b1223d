package build

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/registry"
)

// Resolver gives the contract of an upstream port that no folder nearby declares, e.g. from a running mesh.
type Resolver func(ctx context.Context, u manifest.Upstream) ([]byte, error)

// testFolder holds a product's fixtures; it travels with the artifact.
const testFolder = "testdata"

// Product builds the artifact of a product's folder: documents checked and completed, upstream contracts copied in and
// pinned in adp.lock, code compiled and judged. What people would hate to write is written into the folder: ids and
// versions, drafts of the contracts of files, adp.lock. A folder that says all of that already is left as it is.
func (b *Builder) Product(ctx context.Context, dir string, resolve Resolver) (registry.Artifact, error) {
	bundle, p, err := b.Documents(ctx, dir, resolve)
	if err != nil {
		return registry.Artifact{}, err
	}
	module, err := b.module(ctx, dir, p)
	if err != nil {
		return registry.Artifact{}, err
	}
	tests, err := readTree(dir, testFolder)
	if err != nil {
		return registry.Artifact{}, err
	}
	return registry.Artifact{Product: p, Module: module, Documents: bundle.Files(), Tests: tests}, nil
}

// Documents checks, completes and compiles the documents of a product's folder without building its code.
func (b *Builder) Documents(ctx context.Context, dir string, resolve Resolver) (*manifest.Bundle, *host.Product, error) {
	bundle, err := manifest.LoadProduct(os.DirFS(dir))
	if err != nil {
		return nil, nil, within(dir, err)
	}
	drafted, err := b.draft(ctx, dir, bundle)
	if err != nil {
		return nil, nil, within(dir, err)
	}
	lock, err := bundle.Lock()
	if err != nil {
		return nil, nil, within(dir, err)
	}
	lock.Contracts = map[string]host.Digest{}
	for _, u := range bundle.Upstreams() {
		contract, err := neighbour(dir, u)
		if err == nil && contract == nil && resolve != nil {
			contract, err = resolve(ctx, u)
		}
		if err != nil {
			return nil, nil, err
		}
		if contract == nil {
			continue // Compile says so, unless a copy from an earlier build is there
		}
		if err := bundle.SetUpstream(u, contract); err != nil {
			return nil, nil, within(dir, err)
		}
	}
	changed, err := bundle.Fill(uuid.NewString)
	if err != nil {
		return nil, nil, err
	}
	p, err := bundle.Compile(host.LocalTenant)
	if err != nil {
		return nil, nil, within(dir, err)
	}
	for _, u := range bundle.Upstreams() {
		_, in := p.Input(u.Input)
		lock.Contracts[u.Input] = in.ContractDigest
	}
	if err := bundle.SetLock(lock); err != nil {
		return nil, nil, err
	}
	if err := writeBack(dir, bundle, changed || len(drafted) > 0); err != nil {
		return nil, nil, err
	}
	for _, line := range drafted {
		b.talk("%s", line)
	}
	return bundle, p, nil
}

// writeBack writes the documents that the build completed, and the lock, where they differ from what is there.
func writeBack(dir string, bundle *manifest.Bundle, changed bool) error {
	for name, b := range bundle.Files() {
		upstream := strings.HasPrefix(name, manifest.UpstreamDir+"/")
		if name != manifest.LockFile && (!changed || upstream) {
			continue // copies of upstream contracts travel in the artifact, the folder needs only their digests
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if old, err := os.ReadFile(path); err == nil && string(old) == string(b) {
			continue
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, b, 0o644)
		}
		if err != nil {
			return host.Errorf(host.CodeBuildCompile, "cannot complete %s: %w", path, err)
		}
	}
	return nil
}

// neighbour is the contract of an upstream port whose product lies in a folder around dir, nil when none does.
func neighbour(dir string, u manifest.Upstream) ([]byte, error) {
	bundle, err := Neighbour(dir, u)
	if bundle == nil || err != nil {
		return nil, err
	}
	return bundle.OutputContract(u.Port), nil
}

// Neighbour looks for the product of an upstream port in the folders around dir, as domain/product folders of one
// repository lie; nil when it is not there.
func Neighbour(dir string, u manifest.Upstream) (*manifest.Bundle, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, pattern := range []string{"../*", "../../*", "../../*/*"} {
		found, err := filepath.Glob(filepath.Join(escape(abs), pattern, manifest.ProductFile))
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			other := filepath.Dir(f)
			if other == abs {
				continue
			}
			bundle, err := manifest.LoadProduct(os.DirFS(other))
			if err != nil {
				continue // somebody else's unfinished work
			}
			if id := bundle.ID(host.LocalTenant); id.Domain == u.Domain && id.Name == u.Product {
				if bundle.OutputContract(u.Port) != nil {
					return bundle, nil
				}
			}
		}
	}
	return nil, nil
}

// escape keeps a path's own characters from meaning something to Glob.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// readTree reads the plain files below a folder of a product, named relative to the product.
func readTree(dir, sub string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "fixtures: %w", err)
	}
	return out, nil
}

// within names files of a product by their path from where the person stands.
func within(dir string, err error) error {
	var all manifest.Problems
	var one *host.Error
	switch {
	case errors.As(err, &all):
		err = all
	case errors.As(err, &one):
		all = manifest.Problems{one}
	}
	for _, e := range all {
		if e.At.File != "" {
			e.At.File = filepath.Join(dir, e.At.File)
		}
	}
	return err
}
