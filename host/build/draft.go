package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/manifest"
)

// draft gives file inputs of whose contract the product says nothing one that is made from what the files hold, and
// returns what there is to tell. A path that is written or a contractId says that there is a contract: then one that is
// missing is an error, since a draft in its place would know neither its meaning nor its rules. Nothing is written yet.
func (b *Builder) draft(ctx context.Context, dir string, bundle *manifest.Bundle) (told []string, err error) {
	if b.Infer == nil {
		return nil, nil
	}
	for _, u := range bundle.Undrafted() {
		path := filepath.Join(dir, filepath.FromSlash(u.Path))
		if _, err := os.Lstat(path); err == nil {
			continue // somebody's contract, of which the product says nothing: Compile asks for the word
		}
		uri, _ := FileURI(dir, u.From)
		text, err := b.draftContract(ctx, u, uri)
		if err != nil {
			return nil, undrafted(bundle, u, err)
		}
		if err := bundle.SetDraft(u, text); err != nil {
			return nil, bundle.AtInput(host.Errorf(host.CodeManifestContract, "the contract drafted for input %s has no place: %w", u.Input, err), u.Input)
		}
		told = append(told, "drafted "+path+" from "+uri+": read it, it is yours now")
	}
	return told, nil
}

func (b *Builder) draftContract(ctx context.Context, u manifest.Undrafted, uri string) ([]byte, error) {
	s, err := b.Infer(ctx, uri, u.Options)
	if err != nil {
		return nil, err
	}
	schema, err := columnar.HostSchema(s)
	if err != nil {
		return nil, err
	}
	return manifest.DraftContract(u.Input, uuid.NewString(), "Drafted from the data; say here what the rows mean", schema)
}

// undrafted says of which input there is no draft, and what to do.
func undrafted(bundle *manifest.Bundle, u manifest.Undrafted, err error) error {
	code := host.CodeOf(err)
	switch {
	case errors.Is(err, drivers.ErrFormat), errors.Is(err, drivers.ErrRequest):
		code = host.CodeDriverFormat
	case code == "":
		code = host.CodeDriverOpen
	}
	e := host.Errorf(code, "no contract can be drafted for input %s: %w", u.Input, err).WithHint("write one, and name its path in the port's customProperties: {property: contract, value: %s}", u.Path)
	var d *drivers.Error
	if errors.As(err, &d) && d.Hint != "" {
		e.Hint = d.Hint
	}
	return bundle.AtInput(e, u.Input)
}

// FileURI makes the place that a file input names absolute; it is relative to the product's folder. ok is false for
// inputs that are no files.
func FileURI(dir, from string) (uri string, ok bool) {
	path, ok := strings.CutPrefix(from, "file:")
	if !ok {
		return "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, filepath.FromSlash(path))
	}
	abs, err := filepath.Abs(path)
	return "file:" + abs, err == nil
}

// Sources are the absolute places of a product's file inputs and drivers, by name: what a node needs to be told that runs the
// artifact of a folder on the same machine.
func Sources(dir string, p *host.Product) map[string]string {
	out := map[string]string{}
	for _, in := range p.Inputs {
		if uri, ok := FileURI(dir, in.From); ok {
			out[in.Name] = uri
		}
	}
	for _, b := range p.Bindings {
		if uri, ok := FileURI(dir, b.URI); ok {
			out[b.Name] = uri
		}
	}
	return out
}
