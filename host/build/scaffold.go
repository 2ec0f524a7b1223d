package build

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/google/uuid"

	"github.com/adp-host/adp/host"
)

//go:embed templates
var templates embed.FS

// Scaffolding says what product to begin with.
type Scaffolding struct {
	Name     string
	Domain   string
	Language string // one of Languages
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// reserved names collide with paths of a node.
var reserved = []string{"changes"}

// Scaffold writes a small working product into dir, which must not hold anything yet, and returns the names of its files.
func Scaffold(dir string, s Scaffolding) ([]string, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	language := languageOf(s.Language)
	if language == nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "there is no template in %q", s.Language).WithHint("languages: %s", strings.Join(Languages, ", "))
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, host.Errorf(host.CodeBuildCompile, "%s is not empty", dir).WithHint("name a new folder")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, host.Errorf(host.CodeBuildCompile, "%s: %w", dir, err)
	}
	p := &scaffold{Scaffolding: s, Main: language.main, Code: "{language: " + s.Language + ", path: .}"}
	var written []string
	for _, root := range []string{"templates/common", "templates/" + s.Language} {
		files, err := p.write(dir, root)
		if err != nil {
			return nil, err
		}
		written = append(written, files...)
	}
	slices.Sort(written)
	return written, nil
}

// validate fails for names that no product can have.
func (s Scaffolding) validate() error {
	for what, name := range map[string]string{"name": s.Name, "domain": s.Domain} {
		if !validName.MatchString(name) || len(name) > 63 || slices.Contains(reserved, name) {
			return host.Errorf(host.CodeManifestType, "%q cannot be the %s of a product", name, what).
				WithHint("small letters, digits and single dashes, beginning with a letter, at most 63: strike-risk")
		}
	}
	return nil
}

// scaffold is what the templates see.
type scaffold struct {
	Scaffolding
	Main string
	Code string // of product.yaml
	ids  []string
}

// UUID is the nth id of this product: the same one wherever a template names n.
func (p *scaffold) UUID(n int) string {
	for len(p.ids) <= n {
		p.ids = append(p.ids, uuid.NewString())
	}
	return p.ids[n]
}

// Crate is the name as Rust writes it.
func (p *scaffold) Crate() string { return strings.ReplaceAll(p.Name, "-", "_") }

func (p *scaffold) write(dir, root string) (written []string, err error) {
	err = fs.WalkDir(templates, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templates.ReadFile(name)
		if err != nil {
			return err
		}
		t, err := template.New(path.Base(name)).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return err
		}
		rel := strings.TrimSuffix(strings.TrimPrefix(name, root+"/"), ".tmpl")
		if rel == "gitignore" { // embedding skips names that begin with a dot
			rel = ".gitignore"
		}
		to := filepath.Join(dir, filepath.FromSlash(rel))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		written = append(written, rel)
		return os.WriteFile(to, b.Bytes(), 0o644)
	})
	if err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "writing %s: %w", dir, err)
	}
	return written, nil
}
