package build

import (
	"context"
	"os"
	"strings"

	"github.com/adp-host/adp/host"
)

// Toolchain is a compiler as `adp doctor` finds it.
type Toolchain struct {
	Language string
	Found    string // its own words: go1.26.8, cargo 1.95.0 (…)
	Err      error  // why products of that language cannot be built here; nil when they can
}

// Toolchains looks at the compilers of all Languages.
func (b *Builder) Toolchains(ctx context.Context) []Toolchain {
	out := []Toolchain{{Language: "go"}, {Language: "rust"}}
	out[0].Found, out[0].Err = b.says(ctx, "go", goHint, "env", "GOVERSION")
	out[1].Found, out[1].Err = b.says(ctx, "cargo", rustHint, "--version")
	if out[1].Err == nil {
		out[1].Err = b.rustTargetInstalled(ctx)
	}
	return out
}

func (b *Builder) rustTargetInstalled(ctx context.Context) error {
	dir, err := b.says(ctx, "rustc", rustHint, "--print", "target-libdir", "--target", rustTarget)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return host.Errorf(host.CodeBuildToolchain, "Rust's target %s is not installed", rustTarget).WithHint("%s", rustHint)
	}
	return nil
}

// says is the first line that a tool answers.
func (b *Builder) says(ctx context.Context, name, hint string, args ...string) (string, error) {
	path, err := b.tool(name, hint)
	if err != nil {
		return "", err
	}
	quiet := *b
	quiet.Talk = nil
	said, err := quiet.run(ctx, "", nil, path, args...)
	if err != nil {
		return "", host.Errorf(host.CodeBuildToolchain, "%s does not run: %w", path, err).WithHint("%s", hint)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return line, nil
}
