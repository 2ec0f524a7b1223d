package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	csdk "github.com/adp-host/adp/guest-sdk/c"
	gosdk "github.com/adp-host/adp/guest-sdk/go"
	goarrow "github.com/adp-host/adp/guest-sdk/go/arrow"
	javascriptsdk "github.com/adp-host/adp/guest-sdk/javascript"
	pythonsdk "github.com/adp-host/adp/guest-sdk/python"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/wasm"
	"github.com/adp-host/adp/registry"
)

// cacheFolder keeps SDKs, what compilers want to find again, and compiled modules: ADP_CACHE, else the user's own.
func cacheFolder() (string, error) {
	if dir := os.Getenv("ADP_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", host.Errorf(host.CodeBuildToolchain, "no cache folder: %w", err).WithHint("set ADP_CACHE")
	}
	return filepath.Join(dir, "adp"), nil
}

// moreRust are compilers beside the one on the PATH: Debian's has the source of the standard library.
var moreRust = []string{"/usr/bin/rustc"}

// moreC are compilers beside those on the PATH: where wasi-sdk says to unpack it.
var moreC = []string{"/opt/wasi-sdk/bin/clang"}

// workshop is what turns folders into artifacts.
type workshop struct {
	*build.Builder
	engine *sandbox.Engine
	store  *registry.Store
	app    *app
}

// workshop opens the build cache.
func (a *app) workshop() (*workshop, error) {
	cache, err := cacheFolder()
	if err != nil {
		return nil, err
	}
	compile, err := compileInChild()
	if err != nil {
		return nil, err
	}
	engine, err := sandbox.New(sandbox.Config{CacheDir: filepath.Join(cache, "compiled"), Compile: compile, Rows: file.ReadRows})
	if err != nil {
		return nil, err
	}
	store, err := registry.Open(filepath.Join(cache, "artifacts"))
	if err != nil {
		return nil, err
	}
	files, err := file.New(file.Config{})
	if err != nil {
		return nil, err
	}
	w := &workshop{engine: engine, store: store, app: a, Builder: &build.Builder{
		Cache: cache, GoSDK: gosdk.Source, GoArrow: goarrow.Source, RustSDK: rustsdk.Source, CSDK: csdk.Source, AssemblyScriptSDK: assemblyscriptsdk.Source,
		JavaScriptSDK: javascriptsdk.Source, PythonSDK: pythonsdk.Source,
		Env: os.Environ(), LookPath: exec.LookPath, MoreRust: moreRust, MoreC: moreC, Talk: a.err,
		Check: engine.Check, Embed: wasm.Embed, Load: engine.Load, Infer: files.Infer,
	}}
	if c := findDuckDB(); c != nil {
		w.Compute = c
	}
	return w, nil
}

func (w *workshop) close() error {
	w.Close()
	return w.engine.Close(context.Background())
}

// artifact builds a folder and gives the artifact as a file to hand around, and its digest.
func (w *workshop) artifact(ctx context.Context, dir string) (built registry.Artifact, digest host.Digest, tar []byte, err error) {
	if built, err = w.Product(ctx, dir, w.contract); err != nil {
		return built, "", nil, err
	}
	if digest, err = w.store.Push(ctx, built); err != nil {
		return built, "", nil, err
	}
	var b bytes.Buffer
	err = w.store.Export(ctx, digest, &b)
	return built, digest, b.Bytes(), err
}

// contract asks the node for the contract of a port, if there is a node.
func (w *workshop) contract(ctx context.Context, u manifest.Upstream) ([]byte, error) {
	c, err := w.app.connect()
	if err != nil {
		return nil, nil // no node to ask; the build says what is missing
	}
	doc, err := c.Contract(ctx, host.Address{Mesh: ".", Domain: u.Domain, Product: u.Product, Port: u.Port})
	if errors.Is(err, &host.Error{Code: host.CodeNodeUnreachable}) {
		return nil, nil
	}
	return doc, err
}
