package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/adp-host/adp/host"
)

const nodeHint = "install Node.js 20 or newer with npm: https://nodejs.org; on Debian 13: apt-get install nodejs npm"

// minNode is the oldest Node.js that the compiler runs on.
const minNode = 20

// compileAssemblyScript compiles assembly/index.ts of a folder with the compiler that the kit's lock file pins.
func (b *Builder) compileAssemblyScript(ctx context.Context, dir string) ([]byte, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(abs, "assembly", "index.ts")); err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "%s is no AssemblyScript product: %w", dir, err).WithHint("adp new NAME --lang assemblyscript shows a whole one")
	}
	tool, err := b.findNode(ctx)
	if err != nil {
		return nil, err
	}
	sdk, err := b.unpack("assemblyscript", b.AssemblyScriptSDK)
	if err != nil {
		return nil, err
	}
	modules, err := b.fetchModules(ctx, tool)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(b.Cache, "asc-*") // there since the kit is
	if err != nil {
		return nil, cacheError(err)
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, "product.wasm")
	var said string
	env, script := []string{"NODE_OPTIONS="}, filepath.Join(sdk, "bin", "build.mjs")
	if b.Again {
		said, err = b.ask(ctx, &b.asc, job{abs, out}, env, tool.node, script, "--stay", modules)
	} else {
		said, err = b.run(ctx, abs, env, tool.node, script, abs, out, modules)
	}
	if err != nil {
		return nil, compilerError(ctx, abs, "asc", said, err)
	}
	if said = strings.TrimSpace(said); said != "" {
		b.talk("%s", said) // warnings
	}
	return os.ReadFile(out)
}

// nodeTool is how this machine runs the AssemblyScript compiler.
type nodeTool struct {
	node, npm string
	modules   string // the folder that npm fills, or has filled
	words     string // for doctor
}

func (t nodeTool) says() string { return t.words }

// findNode looks for Node.js and npm. The compiler itself comes with the first build.
func (b *Builder) findNode(ctx context.Context) (t nodeTool, err error) {
	if b.AssemblyScriptSDK == nil {
		return t, host.Errorf(host.CodeBuildToolchain, "this adp carries no AssemblyScript kit")
	}
	if t.node, err = b.tool("node", nodeHint); err != nil {
		return t, err
	}
	version, err := b.says(ctx, t.node, nodeHint, "--version")
	if err != nil {
		return t, err
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < minNode {
		return t, host.Errorf(host.CodeBuildToolchain, "%s is Node.js %s, %w: AssemblyScript needs %d", t.node, version, errOld, minNode).WithHint("%s", nodeHint)
	}
	asc, digest, err := pinned(b.AssemblyScriptSDK)
	if err != nil {
		return t, err
	}
	t.modules = filepath.Join(b.Cache, "npm-"+digest[:16], "node_modules")
	t.words = fmt.Sprintf("node %s, asc %s", version, asc)
	if isDir(t.modules) {
		return t, nil
	}
	t.words += " (npm fetches it at the first build)"
	t.npm, err = b.tool("npm", nodeHint)
	return t, err
}

// pinned reads the compiler's version, and names what npm makes of the kit's package files by their digest.
func pinned(sdk fs.FS) (asc, digest string, err error) {
	sum := sha256.New()
	var p struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := fs.ReadFile(sdk, name)
		if err != nil {
			return "", "", fmt.Errorf("sources of the AssemblyScript kit: %w", err)
		}
		sum.Write(text)
		if name == "package.json" {
			if err := json.Unmarshal(text, &p); err != nil {
				return "", "", fmt.Errorf("sources of the AssemblyScript kit: %w", err)
			}
		}
	}
	return p.Dependencies["assemblyscript"], hex.EncodeToString(sum.Sum(nil)), nil
}

// fetchModules has npm fill a folder of the cache with what the kit's lock file pins, by its checksums, and runs none of it.
func (b *Builder) fetchModules(ctx context.Context, t nodeTool) (string, error) {
	if isDir(t.modules) {
		return t.modules, nil
	}
	b.talk("fetching the AssemblyScript compiler from the npm registry, once")
	work, err := os.MkdirTemp(b.Cache, ".npm-*")
	if err != nil {
		return "", cacheError(err)
	}
	defer os.RemoveAll(work)
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := fs.ReadFile(b.AssemblyScriptSDK, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(work, name), text, 0o644)
		}
		if err != nil {
			return "", cacheError(err)
		}
	}
	said, err := b.run(ctx, work, nil, t.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error")
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", host.Errorf(host.CodeBuildToolchain, "npm could not fetch the AssemblyScript compiler: %s", lastLines(strings.TrimSpace(said), 5)).
			WithHint("the first build needs the npm registry; after it the compiler lies in the build cache")
	}
	err = os.Rename(work, filepath.Dir(t.modules))
	if isDir(t.modules) {
		err = nil // another build was faster
	}
	return t.modules, cacheError(err)
}
