// Package buildtest compiles the SDKs' own guests for tests, by the recipe that products are built with.
package buildtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	csdk "github.com/adp-host/adp/guest-sdk/c"
	gosdk "github.com/adp-host/adp/guest-sdk/go"
	javascriptsdk "github.com/adp-host/adp/guest-sdk/javascript"
	pythonsdk "github.com/adp-host/adp/guest-sdk/python"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/wasm"
)

// Builder has all SDKs and the user's own cache, so that what takes minutes or a download is done once.
func Builder(t testing.TB) *build.Builder {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return &build.Builder{
		Cache: filepath.Join(cache, "adp"), GoSDK: gosdk.Source, RustSDK: rustsdk.Source, CSDK: csdk.Source, AssemblyScriptSDK: assemblyscriptsdk.Source,
		JavaScriptSDK: javascriptsdk.Source, PythonSDK: pythonsdk.Source, Embed: wasm.Embed,
		Env: os.Environ(), LookPath: exec.LookPath, MoreRust: []string{"/usr/bin/rustc"}, MoreC: []string{"/opt/wasi-sdk/bin/clang"}, Talk: t.Output(),
	}
}

// Needs skips the test, loudly, where products of that language cannot be built.
func Needs(t testing.TB, b *build.Builder, language string) {
	t.Helper()
	for _, tool := range b.Toolchains(t.Context()) {
		if tool.Language == language && tool.Err != nil {
			t.Skipf("NOT TESTED, since nothing here compiles %s to Wasm: %v", language, tool.Err)
		}
	}
}

// Guest is the module of a folder of guest-sdk/LANGUAGE, conform for one.
func Guest(t testing.TB, language, folder string) []byte {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("buildtest: this test does not know where its source is")
	}
	b := Builder(t)
	Needs(t, b, language)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "..", "guest-sdk", language)
	module, err := b.Compile(t.Context(), dir, host.Code{Language: language, Path: folder})
	if err != nil {
		t.Fatal(err)
	}
	return module
}
