package manifest

import (
	"bytes"
	"errors"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// Lock pins what a build used beside the product's own files, in the file adp.lock: two builds with equal
// locks and equal sources are equal.
type Lock struct {
	Version int `yaml:"version"` // of this form: 1
	// Contracts are the digests of the upstream contracts that inputs were built against, by input.
	Contracts map[string]host.Digest `yaml:"contracts,omitempty"`
	// Toolchain is what compiled the module, in the toolchain's own words.
	Toolchain string      `yaml:"toolchain,omitempty"`
	SDK       string      `yaml:"sdk,omitempty"` // digest of the guest SDK's sources
	Module    host.Digest `yaml:"module,omitempty"`
}

const lockHeader = "# Written by adp build: what the last build used. Commit it.\n"

// Lock reads the bundle's lock; the zero Lock when there is none.
func (b *Bundle) Lock() (Lock, error) {
	var l Lock
	if len(b.lock) == 0 {
		return Lock{Version: 1}, nil
	}
	d := yaml.NewDecoder(bytes.NewReader(b.lock))
	d.KnownFields(true)
	if err := d.Decode(&l); err != nil || l.Version != 1 {
		e := host.Errorf(host.CodeManifestSyntax, "%s cannot be read: %w", LockFile, errors.Join(err)).WithHint("delete it, the next build writes it anew")
		e.At.File = LockFile
		return l, e
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
