package build

import (
	"context"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
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
	workspace := fmt.Sprintf("go %s\n\nuse %q\nuse %q\n", newerGo(goVersion(mod), goVersion(sdkMod)), abs, sdk)
	if b.GoArrow != nil && kitVersions(mod)[goSDKModule+"/arrow"] != nil {
		helper, err := b.unpack("go-arrow", b.GoArrow)
		if err != nil {
			return nil, err
		}
		if workspace, err = withArrow(workspace, mod, sdk, helper); err != nil {
			return nil, err
		}
	}
	work, err := os.MkdirTemp(b.Cache, "go-*") // there since the SDK is
	if err != nil {
		return nil, cacheError(err)
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "go.work"), []byte(workspace), 0o644); err != nil {
		return nil, cacheError(err)
	}
	out := filepath.Join(work, "product.wasm")
	env := []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=" + filepath.Join(work, "go.work"), "GOFLAGS=", "GOEXPERIMENT=", "GOWASM="}
	// Names of functions stay, for a fiftieth of the size: a trap is said by them.
	said, err := b.run(ctx, abs, env, gotool, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w -buildid=", "-o", out, ".")
	if err != nil {
		return nil, compilerError(ctx, abs, "go build", said, err)
	}
	return os.ReadFile(out)
}

const goSDKModule = "github.com/adp-host/adp/guest-sdk/go"

var kitRequired = regexp.MustCompile(`(?m)^\s*(?:require\s+)?(` + regexp.QuoteMeta(goSDKModule) + `(?:/arrow)?)\s+(v\S+)`)

// kitVersions are the versions of the kit's modules that a go.mod requires, by module.
func kitVersions(mod []byte) map[string][]string {
	versions := map[string][]string{}
	for _, m := range kitRequired.FindAllSubmatch(mod, -1) {
		versions[string(m[1])] = append(versions[string(m[1])], string(m[2]))
	}
	return versions
}

// withArrow joins the helper for Arrow to a workspace. Who does not ask for it needs none of what it brings, nor the network.
// Its libraries make Go read the whole graph of modules, where membership is not enough: each version of the kit that is
// required needs its replacement.
func withArrow(workspace string, mod []byte, sdk, helper string) (string, error) {
	helperMod, err := os.ReadFile(filepath.Join(helper, "go.mod"))
	if err != nil {
		return "", cacheError(err)
	}
	workspace += fmt.Sprintf("use %q\n", helper)
	for module, dir := range map[string]string{goSDKModule: sdk, goSDKModule + "/arrow": helper} {
		versions := append(kitVersions(mod)[module], kitVersions(helperMod)[module]...)
		slices.Sort(versions)
		for _, v := range slices.Compact(versions) {
			workspace += fmt.Sprintf("replace %s %s => %q\n", module, v, dir)
		}
	}
	return workspace, nil
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
