package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/manifest"
)

// declared is the little of product.yaml that says which file inputs name a contract.
type declared struct {
	InputPorts []struct {
		Name   string   `yaml:"name"`
		Custom []custom `yaml:"customProperties"`
	} `yaml:"inputPorts"`
	Custom []custom `yaml:"customProperties"`
}

type custom struct {
	Property string    `yaml:"property"`
	Value    yaml.Node `yaml:"value"`
}

// inputSettings is an entry of adp.inputs.
type inputSettings struct {
	From     string            `yaml:"from"`
	Contract string            `yaml:"contract"`
	Options  map[string]string `yaml:"options"`
}

// draft writes the contracts that file inputs name and that are not there, from what the files hold. Anything odd about
// the document is left to those who check it.
func (b *Builder) draft(ctx context.Context, dir string) error {
	if b.Infer == nil {
		return nil
	}
	src, err := os.ReadFile(filepath.Join(dir, manifest.ProductFile))
	if err != nil {
		return nil
	}
	var doc declared
	if yaml.Unmarshal(src, &doc) != nil {
		return nil
	}
	inputs := doc.inputs()
	for _, p := range doc.InputPorts {
		in, ok := inputs[p.Name]
		uri, isFile := FileURI(dir, in.From)
		path := in.Contract
		for _, c := range p.Custom {
			if c.Property == "contract" {
				path = c.Value.Value
			}
		}
		if !ok || !isFile || !filepath.IsLocal(path) {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, path)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := b.draftInput(ctx, p.Name, uri, in.Options, filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	return nil
}

func (d *declared) inputs() map[string]inputSettings {
	for _, c := range d.Custom {
		var block struct {
			Inputs map[string]inputSettings `yaml:"inputs"`
		}
		if c.Property == "adp" && c.Value.Decode(&block) == nil {
			return block.Inputs
		}
	}
	return nil
}

func (b *Builder) draftInput(ctx context.Context, name, uri string, options map[string]string, path string) error {
	s, err := b.Infer(ctx, uri, options)
	if err != nil {
		return fmt.Errorf("drafting the contract of input %s: %w", name, err)
	}
	schema, err := columnar.HostSchema(s)
	if err != nil {
		return fmt.Errorf("drafting the contract of input %s: %w", name, err)
	}
	text, err := manifest.DraftContract(name, uuid.NewString(), "Drafted from the data; say here what the rows mean", schema)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return host.Errorf(host.CodeBuildCompile, "%w", err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return host.Errorf(host.CodeBuildCompile, "%w", err)
	}
	b.talk("drafted %s from %s: read it, it is yours now", path, uri)
	return nil
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

// Sources are the absolute places of a product's file inputs, by input name: what a node needs to be told that runs the
// artifact of a folder on the same machine.
func Sources(dir string, p *host.Product) map[string]string {
	out := map[string]string{}
	for _, in := range p.Inputs {
		if uri, ok := FileURI(dir, in.From); ok {
			out[in.Name] = uri
		}
	}
	return out
}
