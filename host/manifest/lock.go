package manifest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// Lock pins what a build used beside the product's own files, in the file adp.lock: two builds with equal locks and equal
// sources are equal. It is YAML:
//
//	version: 1                          # of this form
//	contracts:                          # upstream contracts that inputs were built against, by input
//	  strikes: sha256:9f2c…
//	toolchain: go1.26.8 wasip1/wasm     # what compiled the module, in its own words
//	sdk: sha256:41aa…                   # sources of the guest SDK
//	module: sha256:77d0…                # the module that came out
type Lock struct {
	Version   int                    `yaml:"version"`
	Contracts map[string]host.Digest `yaml:"contracts,omitempty"`
	Toolchain string                 `yaml:"toolchain,omitempty"`
	SDK       string                 `yaml:"sdk,omitempty"`
	Module    host.Digest            `yaml:"module,omitempty"`
}

const lockHeader = "# Written by adp build: what the last build used. Commit it.\n"

// Lock reads the bundle's lock; the zero Lock, of version 1, when there is none.
func (b *Bundle) Lock() (Lock, error) {
	l := Lock{Version: 1}
	if len(b.lock) == 0 {
		return l, nil
	}
	l.Version = 0
	d := yaml.NewDecoder(bytes.NewReader(b.lock))
	d.KnownFields(true)
	err := d.Decode(&l)
	if err == nil && l.Version != 1 {
		err = errors.New("it is of another version of adp")
	}
	if err != nil && !errors.Is(err, io.EOF) || l.Version != 1 {
		e := host.Errorf(host.CodeManifestSyntax, "%s cannot be read: %w", LockFile, err).WithHint("delete it, the next build writes it anew")
		e.At.File = LockFile
		return Lock{Version: 1}, e
	}
	return l, nil
}

// SetLock replaces the bundle's lock.
func (b *Bundle) SetLock(l Lock) error {
	l.Version = 1
	var out bytes.Buffer
	out.WriteString(lockHeader)
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(l), e.Close()); err != nil {
		return err
	}
	b.lock = out.Bytes()
	return nil
}

// Moved are the inputs of a compiled product whose upstream contract is not the one that the lock pins, in order. Inputs
// that the lock does not know have not moved.
func (l Lock) Moved(p *host.Product) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l.Contracts)) {
		if _, in := p.Input(name); in != nil && in.ContractDigest != l.Contracts[name] {
			out = append(out, name)
		}
	}
	return out
}
