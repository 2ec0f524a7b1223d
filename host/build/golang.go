package build

import (
	"context"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/adp-host/adp/host"
)

const goHint = "install Go 1.24 or newer: https://go.dev/dl; on Debian 13: apt-get install golang-go"

// minGo is the oldest Go that makes modules with exports.
const minGo = "go1.24"

// findGo looks for a Go that is new enough, or that fetches one that is.
func (b *Builder) findGo(ctx context.Context) (words string, err error) {
	words, err = b.says(ctx, "go", goHint, "env", "GOVERSION")
	if err == nil && version.IsValid(words) && version.Compare(words, minGo) < 0 {
		err = host.Errorf(host.CodeBuildToolchain, "the Go here is %s, %w: products need %s", words, errOld, minGo).WithHint("%s", goHint)
	}
	return words, err
}

// compileGo compiles a Go module to a WASI reactor. The SDK joins by a workspace of its own, so that a requirement of any
// version of it, which no proxy has, is met.
func (b *Builder) compileGo(ctx context.Context, dir string) ([]byte, error) {
	if b.GoSDK == nil {
		return nil, host.Errorf(host.CodeBuildToolchain, "this adp carries no Go SDK")
	}
	gotool, err := b.tool("go", goHint)
	if err != nil {
		return nil, err
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, host.Errorf(host.CodeBuildCompile, "%s is no Go module: %w", dir, err).
			WithHint("go mod init NAME in that folder; adp new shows a whole product")
	}
	sdk, err := b.unpack("go", b.GoSDK)
	if err != nil {
		return nil, err
	}
	sdkMod, err := os.ReadFile(filepath.Join(sdk, "go.mod"))
	if err != nil {
		return nil, cacheError(err)
	}
	work, err := os.MkdirTemp(b.Cache, "go-*") // there since the SDK is
	if err != nil {
		return nil, cacheError(err)
	}
	defer os.RemoveAll(work)
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	workspace := fmt.Sprintf("go %s\n\nuse (\n\t%q\n\t%q\n)\n", newerGo(goVersion(mod), goVersion(sdkMod)), abs, sdk)
	if err := os.WriteFile(filepath.Join(work, "go.work"), []byte(workspace), 0o644); err != nil {
		return nil, cacheError(err)
	}
	out := filepath.Join(work, "product.wasm")
	env := []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=" + filepath.Join(work, "go.work"), "GOFLAGS=", "GOEXPERIMENT=", "GOWASM="}
	said, err := b.run(ctx, abs, env, gotool, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, ".")
	if err != nil {
		return nil, compilerError(ctx, abs, "go build", said, err)
	}
	return os.ReadFile(out)
}

var goDirective = regexp.MustCompile(`(?m)^go\s+(\S+)`)

// goVersion is the go directive of a go.mod; "" when there is none.
func goVersion(mod []byte) string {
	if m := goDirective.FindSubmatch(mod); m != nil {
		return string(m[1])
	}
	return ""
}

// newerGo is the newer of two go directives: a workspace may not be older than its modules.
func newerGo(a, b string) string {
	if a == "" || version.Compare("go"+a, "go"+b) < 0 {
		a = b
	}
	return strings.TrimSpace(a)
}
