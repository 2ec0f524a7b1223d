package build

import (
	"context"
	"path/filepath"
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
	out := []Toolchain{{Language: "go"}, {Language: "rust"}, {Language: "c"}, {Language: "assemblyscript"}}
	out[0].Found, out[0].Err = b.says(ctx, "go", goHint, "env", "GOVERSION")
	if _, out[1].Err = b.tool("cargo", rustHint); out[1].Err == nil {
		var rust rustTool
		rust, out[1].Err = b.findRust(ctx)
		out[1].Found = rust.words
	}
	var c cTool
	c, out[2].Err = b.findC(ctx)
	out[2].Found = c.words
	var node nodeTool
	node, out[3].Err = b.findNode(ctx)
	out[3].Found = node.words
	return out
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
