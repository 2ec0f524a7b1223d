package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/serve/rest/client"
)

// running is a node of this process with the port that it serves.
type running struct {
	*node.Node
	listener net.Listener
}

// URL is where the node answers.
func (r *running) URL() string { return "http://" + r.listener.Addr().String() }

// start opens the node of the data folder and its port. Nothing is served yet.
func (a *app) start(ctx context.Context, anonymousRead bool) (*running, error) {
	// For tests that prove what survives the end of a process.
	if err := failpoint.Kill(os.Getenv("ADP_FAILPOINTS")); err != nil {
		return nil, &usageError{fmt.Sprintf("ADP_FAILPOINTS: %s", err), ""}
	}
	log, err := a.logger()
	if err != nil {
		return nil, err
	}
	a.spareProcessor()
	compile, err := compileInChild()
	if err != nil {
		return nil, err
	}
	policy, err := a.policy()
	if err != nil {
		return nil, err
	}
	l, err := listen(a.settings.Listen)
	if err != nil {
		return nil, err
	}
	fleet, err := a.fleetOf(ctx, "http://"+l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	n, err := node.Open(ctx, node.Config{
		Data: a.settings.Data, Name: a.settings.Name, Mesh: a.settings.Mesh, Slots: a.settings.Slots, Shares: a.settings.Shares.Of,
		AnonymousRead: anonymousRead, Log: log, Fleet: fleet, Compile: compile, Drivers: a.drivers(), Policy: policy,
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &running{n, l}, nil
}

// policy reads the plug-in that --policy names.
func (a *app) policy() (node.PolicyPlugin, error) {
	if a.settings.Policy == "" {
		return node.PolicyPlugin{}, nil
	}
	module, err := os.ReadFile(a.settings.Policy)
	if err != nil {
		return node.PolicyPlugin{}, host.Errorf(host.CodeNodeSetup, "policy: %w", err).WithHint("--policy names the .wasm file that an Extism PDK has made")
	}
	return node.PolicyPlugin{Name: filepath.Base(a.settings.Policy), Module: module}, nil
}

// spareProcessor lets the node's own work run beside a guest where there is one processor: the guest keeps one of Go's until
// its next refill, and nobody would look at the network meanwhile. With two, the operating system decides between them; with
// more processors guests see to it (turns.Run.Look). Whoever sets GOMAXPROCS knows better.
func (a *app) spareProcessor() {
	if a.settings.Slots == 0 {
		a.settings.Slots = runtime.GOMAXPROCS(0)
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
}

// serve answers until ctx ends and closes the node.
func (r *running) serve(ctx context.Context) error {
	return errors.Join(r.Serve(ctx, r.listener, version().Version), r.Close())
}

// serveAnd is serve that calls ready once, when the node answers. It ends when ready fails.
func (r *running) serveAnd(ctx context.Context, ready func() error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.serve(ctx) }()
	answers := make(chan error, 1)
	go func() { answers <- r.answers(ctx) }()
	var err error
	select {
	case err := <-ended:
		return err
	case err = <-answers:
	}
	if err == nil {
		err = ready()
	}
	if ctx.Err() != nil { // an interrupt is how a node ends
		err = nil
	}
	if err != nil {
		stop()
	}
	return errors.Join(err, <-ended)
}

// answers waits until the node is ready: the port is open already, so the request waits in its queue.
func (r *running) answers(ctx context.Context) error {
	c, err := client.New(r.URL(), r.Token())
	if err != nil {
		return err
	}
	return c.Ready(ctx)
}

// listen opens a loopback port: nothing listens beyond it as long as there is no identity to tell callers apart.
func listen(address string) (net.Listener, error) {
	name, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return nil, &usageError{fmt.Sprintf("--listen %s: write it as 127.0.0.1:7070", address), "adp up"}
	}
	if ip := net.ParseIP(name); name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, host.Errorf(host.CodeNodeSetup, "%s is not a loopback address", address).
			WithHint("a node without an identity provider serves this machine only; tunnel to it, e.g. with ssh -L")
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, host.Errorf(host.CodeNodeInUse, "%s is in use", address).WithHint("is a node running already? else take any free port: --listen 127.0.0.1:0")
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "%w", err)
	}
	return l, nil
}

func (a *app) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.settings.Log)); err != nil {
		return nil, &usageError{fmt.Sprintf("--log %s: levels are debug, info, warn and error", a.settings.Log), ""}
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level})), nil
}
