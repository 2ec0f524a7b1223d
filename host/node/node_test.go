package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdkgo "github.com/adp-host/adp/guest-sdk/go"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest"
	"github.com/adp-host/adp/registry"
)

// misbehaving is a product that does what its setting "how" says: one module, many products.
const misbehaving = `package main

import adp "github.com/adp-host/adp/guest-sdk/go"

type Row struct{ ID int64 ` + "`adp:\"id\"`" + ` }

func init() { adp.Register(product) }

func main() {}

var sink [][]byte

func recurse(n int) int { return recurse(n+1) + n }

func product(p *adp.Product) error {
	out := adp.Output[Row](p, "rows")
	how := adp.Setting(p, "how", "well")
	var told *adp.RowWriter[Row]
	if how == "tell" {
		told = adp.Output[Row](p, "told")
	}
	adp.OnRow(p, "rows", func(r *Row) error {
		out.Emit(*r)
		switch how {
		case "tell":
			told.Emit(*r)
		case "spin":
			for {
			}
		case "recurse":
			recurse(0)
		case "grow":
			for {
				sink = append(sink, make([]byte, 1<<20))
			}
		case "trap":
			panic("on purpose")
		case "flood":
			for {
				p.Info("the same words over and over again, to fill what the host keeps of logs")
			}
		}
		return nil
	})
	return nil
}
`

const productYAML = `apiVersion: v1.0.0
kind: DataProduct
id: 5af8a513-b393-585d-941b-832fc2a959bb
name: %s
version: 1.0.0
status: active
domain: test
inputPorts:
- {name: rows, version: 1.0.0, contractId: c, customProperties: [{property: contract, value: rows.yaml}]}
outputPorts:
- {name: rows, version: 1.0.0, contractId: c, customProperties: [{property: contract, value: rows.yaml}]}
customProperties:
- property: adp
  value:
    code: {language: go, path: .}
    inputs: {rows: {from: "%s", mode: incremental}}
    outputs: {rows: {mode: append}}
    limits: {memory: 32MiB, deadline: 500ms, logs: 64KiB}
    config: {how: "%s"}
`

const rowsYAML = `apiVersion: v3.1.0
kind: DataContract
id: c
name: rows
version: 1.0.0
status: active
schema:
- name: rows
  properties:
  - {name: id, logicalType: integer, required: true}
`

// workshop builds variants of the misbehaving product; its code is compiled once.
type workshop struct {
	dir    string
	build  *build.Builder
	module []byte
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	w := &workshop{dir: t.TempDir(), build: &build.Builder{Cache: filepath.Join(cache, "adp-test"), GoSDK: sdkgo.Source, Env: os.Environ(), LookPath: exec.LookPath}}
	w.write(t, "main.go", misbehaving)
	w.write(t, "go.mod", "module misbehaving\n\ngo 1.24\n\nrequire github.com/adp-host/adp/guest-sdk/go v0.1.0\n")
	w.write(t, "rows.yaml", rowsYAML)
	w.write(t, filepath.Join("in", "1.csv"), "id\n1\n2\n3\n")
	if w.module, err = w.build.Compile(t.Context(), w.dir, host.Code{Language: "go", Path: "."}); err != nil {
		t.Fatal(err)
	}
	return w
}

// write puts a file in place with a time in the past, so that it is complete at once.
func (w *workshop) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	past := time.Now().Add(-time.Hour)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, past, past)); err != nil {
		t.Fatal(err)
	}
}

// artifact is a product of the given name that does something, reading the folder in.
func (w *workshop) artifact(t *testing.T, name, how string) registry.Artifact {
	t.Helper()
	return w.reader(t, name, how, "file:"+filepath.Join(w.dir, "in"))
}

// reader is such a product that reads from somewhere.
func (w *workshop) reader(t *testing.T, name, how, from string) registry.Artifact {
	t.Helper()
	return w.document(t, fmt.Sprintf(productYAML, name, from, how))
}

// document is the product of a document.
func (w *workshop) document(t *testing.T, yaml string) registry.Artifact {
	t.Helper()
	w.write(t, "product.yaml", yaml)
	bundle, p, err := w.build.Documents(t.Context(), w.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return registry.Artifact{Product: p, Module: w.module, Documents: bundle.Files()}
}

func open(t *testing.T, data string) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Data: data, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func register(ctx context.Context, n *node.Node, as ...registry.Artifact) error {
	var rs []node.Registration
	for _, a := range as {
		d, err := n.Registry().Push(ctx, a)
		if err != nil {
			return err
		}
		rs = append(rs, node.Registration{Artifact: d})
	}
	_, err := n.Register(ctx, rs)
	return err
}

func id(name string) host.ProductID {
	return host.ProductID{Tenant: host.LocalTenant, Domain: "test", Name: name}
}

// TestHostileProducts runs products that misbehave beside one that does not: each is ended within its limits with the reason
// named, nothing of it is published, and its neighbour goes on.
func TestHostileProducts(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	w := newWorkshop(t)
	n := open(t, t.TempDir())
	defer n.Close()
	want := map[string]host.ErrorCode{
		"spin": host.CodeGuestDeadline, "recurse": host.CodeGuestStack, "grow": host.CodeGuestMemory,
		"trap": host.CodeGuestStatus, "flood": host.CodeGuestLogs,
	}
	artifacts := []registry.Artifact{w.artifact(t, "good", "well")}
	for how := range want {
		artifacts = append(artifacts, w.artifact(t, how, how))
	}
	if err := register(ctx, n, artifacts...); err != nil {
		t.Fatal(err)
	}
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	for how, code := range want {
		p, err := n.Product(ctx, id(how))
		if err != nil {
			t.Fatal(err)
		}
		runs, err := n.Runs(ctx, id(how), 1)
		if err != nil || len(runs) == 0 {
			t.Fatalf("%s: no runs, %v", how, err)
		}
		t.Logf("%s: %s after %s", how, runs[0].Error, runs[0].Duration)
		// A Go runtime that finds no memory or stack may end by a trap of its own making.
		if c := runs[0].Code; c != code && c != host.CodeGuestTrap {
			t.Errorf("%s: code %s, want %s", how, c, code)
		}
		if p.State != host.StateFailed || p.Rows != 0 || p.Snapshot != 0 || p.Reason == "" {
			t.Errorf("%s is %s with %d rows: %s", how, p.State, p.Rows, p.Reason)
		}
	}
	w.write(t, filepath.Join("in", "2.csv"), "id\n4\n")
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	good, err := n.Product(ctx, id("good"))
	if err != nil || good.State != host.StateReady || good.Rows != 4 {
		t.Errorf("the neighbour is %s with %d rows, %v", good.State, good.Rows, err)
	}
}

// TestNothingIsHalfRegistered registers sets of products of which one cannot be: none is there afterwards.
func TestNothingIsHalfRegistered(t *testing.T) {
	ctx := t.Context()
	w := newWorkshop(t)
	n := open(t, t.TempDir())
	defer n.Close()
	good := w.artifact(t, "good", "well")
	notWasm := w.artifact(t, "other", "well")
	notWasm.Module = []byte("MZ this is no module")
	liar := w.artifact(t, "liar", "well")
	liar.Product.Limits.Deadline = time.Hour
	reader := func(name, from string) registry.Artifact { return w.reader(t, name, "well", from) }
	const from = "product.yaml:16:27" // where an input says where it comes from
	for name, c := range map[string]struct {
		set  []registry.Artifact
		code host.ErrorCode
		at   string
	}{
		"not Wasm":         {[]registry.Artifact{good, notWasm}, host.CodeModuleInvalid, ""},
		"not as declared":  {[]registry.Artifact{good, liar}, host.CodeRegistryFormat, ""},
		"a cycle":          {[]registry.Artifact{good, reader("a", "adp://./test/b/rows"), reader("b", "adp://./test/a/rows")}, host.CodeNodeCycle, from},
		"missing upstream": {[]registry.Artifact{good, reader("a", "adp://./test/nobody/rows")}, host.CodeAccessUnknown, from},
		"missing port":     {[]registry.Artifact{good, reader("a", "adp://./test/good/nothing")}, host.CodeAccessUnknown, from},
		"relative path":    {[]registry.Artifact{good, reader("a", "file:somewhere")}, host.CodeManifestRef, from},
		"missing folder":   {[]registry.Artifact{good, reader("a", "file:/nowhere/at/all")}, host.CodeDriverOpen, from},
	} {
		err := register(ctx, n, c.set...)
		var e *host.Error
		if !errors.As(err, &e) || e.Code != c.code || e.At.String() != c.at || (c.at == "") != (e.Excerpt == "") {
			t.Errorf("%s: %v, want %s at %q", name, err, c.code, c.at)
		}
		if ps, err := n.Products(ctx); err != nil || len(ps) != 0 {
			t.Errorf("%s left %d products, %v", name, len(ps), err)
		}
	}
	if err := register(ctx, n, good, reader("a", "adp://./test/good/rows")); err != nil {
		t.Errorf("a set that is right: %v", err)
	}
	// The input that closes a cycle with what is there: not the one that was there before.
	err := register(ctx, n, reader("b", "adp://./test/a/rows"), reader("good", "adp://./test/b/rows"))
	if host.CodeOf(err) != host.CodeNodeCycle || !strings.Contains(err.Error(), from) {
		t.Errorf("a cycle with what is there: %v", err)
	}
	if p, err := n.Product(ctx, id("good")); err != nil || strings.HasPrefix(p.Inputs[0].From, "adp:") {
		t.Errorf("a refused registration changed what was there: %+v, %v", p.Inputs, err)
	}
}

// TestPause holds a paused product to what it promises: nothing runs until it is resumed, whoever asks, and a new
// registration is taken up asleep.
func TestPause(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w := newWorkshop(t)
	n := open(t, t.TempDir())
	defer n.Close()
	good := w.artifact(t, "good", "well")
	if err := errors.Join(register(ctx, n, good), n.Settle(ctx), n.Pause(ctx, id("good"))); err != nil {
		t.Fatal(err)
	}
	w.write(t, filepath.Join("in", "2.csv"), "id\n4\n")
	for verb, command := range map[string]func() (host.RunStatus, error){
		"trigger": func() (host.RunStatus, error) { return n.Trigger(ctx, id("good"), false) },
		"rebuild": func() (host.RunStatus, error) { return n.Trigger(ctx, id("good"), true) },
		"release": func() (host.RunStatus, error) { return n.Release(ctx, id("good")) },
		"skip":    func() (host.RunStatus, error) { return n.Skip(ctx, id("good")) },
	} {
		if _, err := command(); host.CodeOf(err) != host.CodeRunPaused || !strings.Contains(host.HintOf(err), "adp://./test/good resume") {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if err := errors.Join(register(ctx, n, good), n.Settle(ctx)); err != nil {
		t.Fatal(err)
	}
	runs, err := n.Runs(ctx, id("good"), 10)
	if p, e := n.Product(ctx, id("good")); err != nil || e != nil || p.State != host.StatePaused || p.Rows != 3 || len(runs) != 1 {
		t.Errorf("%s with %d rows after %d runs, %v, %v", p.State, p.Rows, len(runs), err, e)
	}
	if err := errors.Join(n.Resume(ctx, id("good")), n.Settle(ctx)); err != nil {
		t.Fatal(err)
	}
	// A rollback to what is not there is a mistake of who asked: the product neither pauses nor fails.
	if _, err := n.Rollback(ctx, id("good"), 99); host.CodeOf(err) != host.CodeTableSnapshot {
		t.Errorf("rollback: %v", err)
	}
	if p, err := n.Product(ctx, id("good")); err != nil || p.State != host.StateReady || p.Rows != 4 {
		t.Errorf("%s with %d rows, %v", p.State, p.Rows, err)
	}
}

// TestMistakenCommands releases and skips what is not held: the product has not failed, and nothing has run.
func TestMistakenCommands(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w := newWorkshop(t)
	n := open(t, t.TempDir())
	defer n.Close()
	if err := errors.Join(register(ctx, n, w.artifact(t, "good", "well")), n.Settle(ctx)); err != nil {
		t.Fatal(err)
	}
	for _, command := range []func(context.Context, host.ProductID) (host.RunStatus, error){n.Release, n.Skip} {
		if _, err := command(ctx, id("good")); host.CodeOf(err) != host.CodeRunNotHeld {
			t.Fatal(err)
		}
	}
	runs, err := n.Runs(ctx, id("good"), 10)
	if err != nil || len(runs) != 1 || runs[0].State != host.RunCommitted {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

// TestRestart closes a node and opens another on its data: products, snapshots and history are there, and go on.
func TestRestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w := newWorkshop(t)
	data := t.TempDir()
	n := open(t, data)
	if err := register(ctx, n, w.artifact(t, "good", "well")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.Settle(ctx), n.Close()); err != nil {
		t.Fatal(err)
	}
	w.write(t, filepath.Join("in", "2.csv"), "id\n4\nnot a number\n")
	n = open(t, data)
	defer n.Close()
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	p, err := n.Product(ctx, id("good"))
	if err != nil || p.Rows != 4 || p.Snapshot != 2 {
		t.Fatalf("%d rows in snapshot %d, %v", p.Rows, p.Snapshot, err)
	}
	rejected, total, err := n.Rejected(ctx, id("good"), 0, 10)
	if err != nil || total != 1 || len(rejected) != 1 || rejected[0].Line != 3 || !strings.HasSuffix(rejected[0].Origin, "2.csv") {
		t.Errorf("rejected %+v, %v", rejected, err)
	}
	if runs, err := n.Runs(ctx, id("good"), 1); err != nil || len(runs) != 1 || rejected[0].Run != runs[0].ID || rejected[0].Seq != 2 {
		t.Errorf("rejected by run %s at %d, the newest run is %+v, %v", rejected[0].Run, rejected[0].Seq, runs, err)
	}
	old, err := n.Ports().Open(ctx, id("good"), "rows", rest.At{Seq: 1})
	if err != nil || old.Info().Rows != 3 {
		t.Errorf("snapshot 1: %v", err)
	}
	if _, err := n.Ports().Open(ctx, id("good"), "rows", rest.At{Seq: 9}); host.CodeOf(err) != host.CodeTableSnapshot {
		t.Errorf("snapshot 9: %v", err)
	}
	if _, err := n.Rollback(ctx, id("good"), 1); err != nil {
		t.Fatal(err)
	}
	if p, err = n.Product(ctx, id("good")); err != nil || p.Rows != 3 || p.State != host.StatePaused {
		t.Errorf("after the rollback %d rows, %s, %v", p.Rows, p.State, err)
	}
	if err := errors.Join(n.Resume(ctx, id("good")), n.Settle(ctx)); err != nil {
		t.Fatal(err)
	}
	if p, err = n.Product(ctx, id("good")); err != nil || p.Rows != 4 || p.State != host.StateReady {
		t.Errorf("resumed with %d rows, %s, %v", p.Rows, p.State, err)
	}
}
