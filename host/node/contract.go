package node

import (
	"context"
	"io/fs"
	"path"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
)

// Contract is the contract document of an output port, as the registered artifact carries it.
func (n *Node) Contract(ctx context.Context, id host.ProductID, port string) ([]byte, error) {
	l, err := n.listing(id)
	if err != nil {
		return nil, err
	}
	a, err := n.registry.Pull(ctx, l.spec.Artifact)
	if err != nil {
		return nil, err
	}
	bundle, err := manifest.LoadProduct(documents(a.Documents))
	if err != nil {
		return nil, err
	}
	if doc := bundle.OutputContract(port); doc != nil {
		return doc, nil
	}
	return nil, host.Errorf(host.CodeAccessUnknown, "%s has no output port %q", id.URL(), port)
}

// documents are the files of an artifact as manifest.LoadProduct reads them: whole, or by pattern.
type documents map[string][]byte

func (d documents) ReadFile(name string) ([]byte, error) {
	if b, ok := d[name]; ok {
		return b, nil
	}
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
}

func (d documents) Glob(pattern string) ([]string, error) {
	var out []string
	for name := range d {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// Open is what fs.FS asks for; nobody reads an artifact's documents piece by piece.
func (d documents) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
}
