package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/adp-host/adp/drivers/duckdb"
	"github.com/adp-host/adp/drivers/duckdb/duckdbtest"
	assemblyscriptsdk "github.com/adp-host/adp/guest-sdk/assemblyscript"
	javascriptsdk "github.com/adp-host/adp/guest-sdk/javascript"
	pythonsdk "github.com/adp-host/adp/guest-sdk/python"
	rustsdk "github.com/adp-host/adp/guest-sdk/rust"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/build/buildtest"
	"github.com/adp-host/adp/host/node"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"adp": main})
}

// TestScripts runs testdata/script: a script for each verb, with its exit codes. The programs are real, the node too.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

func runScripts(t *testing.T, dir string) {
	samples, err := filepath.Abs("../../samples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			for name, value := range toolEnvironment(t) {
				e.Setenv(name, value)
			}
			e.Setenv("ADP_DATA", filepath.Join(e.WorkDir, "node"))
			e.Setenv("ADP_LISTEN", "127.0.0.1:0")
			e.Setenv("SAMPLES", samples)
			e.Setenv("REPO", filepath.Dir(samples))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"ready":  ready,
			"grows":  grows,
			"json":   isJSON,
			"serves": serves,
			"member": memberAddress,
			"old":    oldEtcd,
			"plugin": func(ts *testscript.TestScript, neg bool, args []string) { plugin(t, ts, neg, args) },
		},
		Condition: func(cond string) (bool, error) {
			if slices.Contains(build.Languages, cond) {
				return compiles(t, cond), nil
			}
			return false, errors.New("unknown condition")
		},
	})
}

// compiles reports whether this machine compiles a language to Wasm, and says so loudly when it does not.
func compiles(t *testing.T, language string) bool {
	b := build.Builder{Env: os.Environ(), LookPath: exec.LookPath, MoreRust: moreRust, MoreC: moreC, AssemblyScriptSDK: assemblyscriptsdk.Source,
		RustSDK: rustsdk.Source, JavaScriptSDK: javascriptsdk.Source, PythonSDK: pythonsdk.Source}
	if path, err := duckdbtest.Build(); err == nil {
		b.Compute = &duckdb.Process{Path: path}
	}
	for _, tool := range b.Toolchains(context.Background()) {
		if tool.Language == language && tool.Err != nil {
			t.Logf("NOT TESTED: %v", tool.Err)
			return false
		}
	}
	return true
}

// toolEnvironment lets compilers find what they keep; scripts have a home of their own.
func toolEnvironment(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"} {
		b, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b[:len(b)-1])
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"} {
		if out[name] = os.Getenv(name); out[name] == "" {
			out[name] = filepath.Join(home, dir)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	out["ADP_CACHE"] = filepath.Join(cache, "adp")
	switch out["ADP_DUCKDB"], err = duckdbtest.Build(); {
	case errors.Is(err, exec.ErrNotFound):
		t.Logf("NOT TESTED: products in SQL: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	return out
}

// exits CODE PROGRAM ARGS… runs a program that must end with exactly that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// serves URL FILE says that a node answers a GET of anybody with what is in a file.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serves URL FILE")
	}
	res, err := http.Get(args[0])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || string(body) != ts.ReadFile(args[1]) {
		ts.Fatalf("%s: %d bytes, %v", res.Status, len(body), err)
	}
}

// isJSON FILE says that a file, or stdout, is one JSON document and nothing else.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: json FILE")
	}
	if !json.Valid([]byte(ts.ReadFile(args[0]))) {
		ts.Fatalf("%s is not one JSON document:\n%s", args[0], ts.ReadFile(args[0]))
	}
}

// patience bounds what scripts wait for; it is reached only when something is broken.
const patience = 2 * time.Minute

// ready waits for the node of ADP_DATA.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	path := filepath.Join(ts.Getenv("ADP_DATA"), node.EndpointFile)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var e node.Endpoint
		b, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(b, &e) != nil {
			continue
		}
		res, err := http.Get(e.URL + "/readyz")
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			ts.Setenv("URL", e.URL)
			return
		}
	}
	ts.Fatalf("no node is ready")
}

// plugin LANGUAGE FILE compiles the plug-in of samples/extism.
func plugin(t *testing.T, ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: plugin LANGUAGE FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), buildtest.Plugin(t, args[0]), 0o644))
}

// grows TEXT PROGRAM ARGS… repeats a program until its output holds a text.
func grows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: grows TEXT PROGRAM ARGS…")
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec(args[1], args[2:]...); err != nil {
			continue
		}
		if out := ts.ReadFile("stdout"); strings.Contains(out, args[0]) {
			return
		}
	}
	ts.Fatalf("%q never came", args[0])
}

// memberAddress VARIABLE FILE waits for a member of etcd to write down where it listens, and keeps that in a variable.
func memberAddress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: member VARIABLE FILE")
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var m struct{ Client string }
		b, err := os.ReadFile(ts.MkAbs(args[1]))
		if err == nil && json.Unmarshal(b, &m) == nil && m.Client != "" {
			ts.Setenv(args[0], m.Client)
			return
		}
	}
	ts.Fatalf("no member of etcd writes %s", args[1])
}

// oldEtcd VARIABLE VERSION serves what tells an etcd's version, and keeps its address in a variable.
func oldEtcd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: old VARIABLE VERSION")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	s := grpc.NewServer()
	etcdserverpb.RegisterMaintenanceServer(s, ofVersion{version: args[1]})
	go func() { _ = s.Serve(l) }()
	ts.Defer(s.Stop)
	ts.Setenv(args[0], "http://"+l.Addr().String())
}

// ofVersion is an etcd of which nothing is known but its version.
type ofVersion struct {
	etcdserverpb.UnimplementedMaintenanceServer
	version string
}

func (e ofVersion) Status(context.Context, *etcdserverpb.StatusRequest) (*etcdserverpb.StatusResponse, error) {
	return &etcdserverpb.StatusResponse{Header: &etcdserverpb.ResponseHeader{}, Version: e.version}, nil
}
