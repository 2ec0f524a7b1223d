package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	csdk "github.com/adp-host/adp/guest-sdk/c"
	gosdk "github.com/adp-host/adp/guest-sdk/go"
	javascriptsdk "github.com/adp-host/adp/guest-sdk/javascript"
	pythonsdk "github.com/adp-host/adp/guest-sdk/python"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/wasm"
)

// products are the folders of the products that are measured.
//
//go:embed flights pulse everything statements
var products embed.FS

// bench is what figures need: a builder, a folder that ends with the run, and one that outlives it.
type bench struct {
	short   bool
	work    string // in the working directory's own file system, where a product's data would lie: /tmp may be memory
	cache   string
	builder *build.Builder
	engine  *sandbox.Engine // judges modules, runs the kernels
}

func newBench(short bool) (*bench, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	b := &bench{short: short, cache: filepath.Join(cache, "adp-bench")}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return nil, err
	}
	if b.work, err = os.MkdirTemp(b.cache, "run-*"); err != nil {
		return nil, err
	}
	if b.engine, err = sandbox.New(sandbox.Config{CacheDir: filepath.Join(b.cache, "compiled")}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.work))
	}
	b.builder = &build.Builder{Cache: filepath.Join(cache, "adp"), GoSDK: gosdk.Source, RustSDK: rustsdk.Source, CSDK: csdk.Source,
		AssemblyScriptSDK: assemblyscriptsdk.Source, JavaScriptSDK: javascriptsdk.Source, PythonSDK: pythonsdk.Source, MoreRust: []string{"/usr/bin/rustc"}, MoreC: []string{"/opt/wasi-sdk/bin/clang"},
		Env: os.Environ(), LookPath: exec.LookPath, Check: b.engine.Check, Embed: wasm.Embed, Load: b.engine.Load, Talk: os.Stderr}
	return b, nil
}

func (b *bench) close() { _ = errors.Join(b.engine.Close(context.Background()), os.RemoveAll(b.work)) }

// node starts one on an empty data folder, with everything as a user has it: fsync on, etcd inside.
func (b *bench) node(ctx context.Context) (*node.Node, error) {
	dir, err := os.MkdirTemp(b.work, "node-*")
	if err != nil {
		return nil, err
	}
	return node.Open(ctx, node.Config{Data: dir})
}

// folder copies a product's folder; a document other than product.yaml may take its place, and the product another name.
func (b *bench) folder(product, document, name string) (string, error) {
	dir, err := os.MkdirTemp(b.work, name+"-*")
	if err != nil {
		return "", err
	}
	sub, err := fs.Sub(products, product)
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, sub); err != nil {
		return "", err
	}
	doc, err := fs.ReadFile(sub, document)
	if err != nil {
		return "", err
	}
	doc = []byte(strings.Replace(string(doc), "\nname: "+strings.TrimSuffix(product, "/"), "\nname: "+name, 1))
	return dir, os.WriteFile(filepath.Join(dir, "product.yaml"), doc, 0o644)
}

// register builds folders and registers them together.
func (b *bench) register(ctx context.Context, n *node.Node, sources map[string]string, dirs ...string) ([]host.ProductID, error) {
	contracts := func(ctx context.Context, u manifest.Upstream) ([]byte, error) {
		return n.Contract(ctx, host.ProductID{Tenant: host.LocalTenant, Domain: u.Domain, Name: u.Product}, u.Port)
	}
	var rs []node.Registration
	for _, dir := range dirs {
		a, err := b.builder.Product(ctx, dir, contracts)
		if err != nil {
			return nil, err
		}
		digest, err := n.Registry().Push(ctx, a)
		if err != nil {
			return nil, err
		}
		rs = append(rs, node.Registration{Artifact: digest, Sources: sources})
	}
	return n.Register(ctx, rs)
}

// sourceRoot is the project's own folder: some guests that are measured are part of it.
func sourceRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/adp-host/adp").Output()
	if err != nil {
		return "", fmt.Errorf("the bench runs in a checkout, with Go: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
