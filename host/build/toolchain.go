package build

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/host"
)

// Toolchain is a compiler as `adp doctor` finds it.
type Toolchain struct {
	Language string
	Found    string // its own words: go1.26.8, cargo 1.95.0 (…)
	Err      error  // why products of that language cannot be built here; nil when they can
	Get      string // the command that gets what is missing, where this machine has one; the hint of Err says more
}

// errOld is why a compiler that is there does not do; what installed it has no newer one.
var errOld = errors.New("which is too old")

// Toolchains looks at the compilers of all Languages.
func (b *Builder) Toolchains(ctx context.Context) (all []Toolchain) {
	for _, l := range languages {
		t := Toolchain{Language: l.name}
		if t.Found, t.Err = l.find(b, ctx); t.Err != nil && !errors.Is(t.Err, errOld) {
			t.Get = b.get(l)
		}
		all = append(all, t)
	}
	return all
}

// get is the command that gets a language's compiler on this machine; "" when it has no tool that could.
func (b *Builder) get(l language) string {
	if _, err := b.LookPath("rustup"); err == nil && l.name == "rust" {
		return "rustup target add " + rustTarget
	}
	if _, err := b.LookPath("apt-get"); err == nil && l.packages != "" {
		return "apt-get install " + l.packages
	}
	return ""
}

// says is the first line that a tool answers.
func (b *Builder) says(ctx context.Context, name, hint string, args ...string) (string, error) {
	path := name
	if !filepath.IsAbs(name) {
		var err error
		if path, err = b.tool(name, hint); err != nil {
			return "", err
		}
	}
	said, err := b.run(ctx, "", nil, path, args...)
	if err != nil {
		return "", host.Errorf(host.CodeBuildToolchain, "%s does not run: %w", path, err).WithHint("%s", hint)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return line, nil
}
