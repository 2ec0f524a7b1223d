// Package fleet runs a mesh of three nodes on one machine, two of them in processes of their own that can be stopped and
// killed: for tests and benchmarks of what several nodes do.
package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/node"
)

// ChildVariable is set in the environment of a process that is to be a node; its value is for Child.
const ChildVariable = "ADP_FLEET_NODE"

// settings are how a node is set up; children get them as JSON.
type settings struct {
	Name, Data, Shared, Etcd, Listen string
	Lease                            time.Duration
	Certs                            cluster.Certs
	Kill                             string // name:nth of the failpoint at which the process kills itself
}

func (s settings) config(log io.Writer) (node.Config, error) {
	cfg := node.Config{Data: s.Data, Name: s.Name, Fleet: node.Fleet{Shared: s.Shared, URL: "http://" + s.Listen, LeaseTTL: s.Lease},
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	if s.Etcd == "" {
		return cfg, nil
	}
	cfg.Fleet.Endpoints = []string{s.Etcd}
	if s.Certs == (cluster.Certs{}) {
		return cfg, nil
	}
	tls, err := s.Certs.Client()
	cfg.Fleet.TLS = tls
	return cfg, err
}

// Child is a node process: it serves until ctx ends.
func Child(ctx context.Context, value string) error {
	var s settings
	if err := json.Unmarshal([]byte(value), &s); err != nil {
		return err
	}
	if err := failpoint.Kill(s.Kill); err != nil {
		return err
	}
	cfg, err := s.config(os.Stderr)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			writeStacks(os.Stderr, s.Name)
		}
	}()
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(n.Serve(ctx, l, "fleet"), n.Close())
}

// Fleet is the mesh. First, n1, is in this process; n2 and n3 are children.
type Fleet struct {
	First    *node.Node
	Children map[string]*exec.Cmd

	ctx      context.Context
	stop     context.CancelFunc
	settings map[string]settings
	log      io.Writer
}

// Start starts three nodes with a lease of so long, whose data lie below dir; the first carries the etcd. Children run this
// program again with ChildVariable set, and what they warn of goes to log.
func Start(ctx context.Context, dir string, lease time.Duration, log io.Writer) (*Fleet, error) {
	f := newFleet(ctx, log)
	if err := f.start(f.ctx, dir, lease); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// StartOver is Start for two nodes over an etcd that is there already, at a plain address.
func StartOver(ctx context.Context, etcd, dir string, lease time.Duration, log io.Writer) (*Fleet, error) {
	f := newFleet(ctx, log)
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	for i, name := range []string{"n1", "n2"} {
		f.settings[name] = settings{Name: name, Data: filepath.Join(dir, name), Shared: dir, Etcd: etcd, Listen: ports[i], Lease: lease}
	}
	if err = f.OpenFirst(); err == nil {
		err = f.StartChild("n2", "")
	}
	if err == nil {
		err = f.Until(f.ctx, "two nodes", func(st host.FleetStatus) bool { return len(st.Nodes) == 2 })
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func newFleet(ctx context.Context, log io.Writer) *Fleet {
	ctx, stop := context.WithCancel(ctx)
	return &Fleet{Children: map[string]*exec.Cmd{}, ctx: ctx, stop: stop, settings: map[string]settings{}, log: log}
}

// OpenFirst opens the first node, again when it was closed. It serves nobody.
func (f *Fleet) OpenFirst() error {
	cfg, err := f.settings["n1"].config(f.log)
	if err != nil {
		return err
	}
	f.First, err = node.Open(f.ctx, cfg)
	return err
}

func (f *Fleet) start(ctx context.Context, dir string, lease time.Duration) error {
	ports, err := freePorts(5)
	if err != nil {
		return err
	}
	first := settings{Name: "n1", Data: dir, Shared: dir, Listen: ports[0], Lease: lease}
	cfg, err := first.config(f.log)
	if err != nil {
		return err
	}
	certs, err := node.Certify(first.Data, first.Name, []string{"127.0.0.1"})
	if err != nil {
		return err
	}
	cfg.Fleet.Member = &cluster.Member{Name: "n1", Peer: "https://" + ports[1], Client: "https://" + ports[2], Certs: certs}
	l, err := net.Listen("tcp", first.Listen)
	if err != nil {
		return err
	}
	if f.First, err = node.Open(ctx, cfg); err != nil {
		return err
	}
	go func() { _ = f.First.Serve(ctx, l, "fleet") }()
	for i, name := range []string{"n2", "n3"} {
		// One certificate does for all here: it says who may speak to etcd, not who is who.
		f.settings[name] = settings{Name: name, Data: filepath.Join(dir, name), Shared: dir, Etcd: "https://" + ports[2], Listen: ports[3+i], Lease: lease, Certs: certs}
		if err := f.StartChild(name, ""); err != nil {
			return err
		}
	}
	return f.Until(ctx, "three nodes", func(st host.FleetStatus) bool { return len(st.Nodes) == 3 })
}

// Etcd is where the mesh's etcd is, for whoever watches what nodes write, and what it is to be shown.
func (f *Fleet) Etcd() ([]string, *tls.Config, error) {
	cfg, err := f.settings["n2"].config(f.log)
	return cfg.Fleet.Endpoints, cfg.Fleet.TLS, err
}

// StartChild starts n2 or n3, again when it has ended. At the failpoint kill, "name:nth", its process kills itself.
func (f *Fleet) StartChild(name, kill string) error {
	s := f.settings[name]
	s.Kill = kill
	if err := errors.Join(os.MkdirAll(s.Data, 0o755), os.WriteFile(filepath.Join(s.Data, "token"), []byte(f.First.Token()), 0o600)); err != nil {
		return err
	}
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(f.ctx, self)
	cmd.Env = append(os.Environ(), ChildVariable+"="+string(value))
	cmd.Stderr = f.log
	f.Children[s.Name] = cmd
	return cmd.Start()
}

// freePorts are addresses on loopback that nothing listens on.
func freePorts(n int) (out []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at once, so that they differ
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// Close kills the children and closes the first node.
func (f *Fleet) Close() error {
	for _, cmd := range f.Children {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	f.stop()
	if f.First == nil {
		return nil
	}
	return f.First.Close()
}

// patience bounds what is waited for; it is reached only when something is broken.
const patience = 2 * time.Minute

// Until waits for a state of the nodes, as the first one tells it.
func (f *Fleet) Until(ctx context.Context, what string, ok func(host.FleetStatus) bool) error {
	var st host.FleetStatus
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if st, err = f.First.Fleet(ctx); err != nil {
			return err
		}
		if ok(st) {
			return nil
		}
	}
	var nodes []string
	for _, n := range st.Nodes {
		nodes = append(nodes, fmt.Sprintf("%s is %s with %d products, leader %t", n.Node, n.State, n.Products, n.Leader))
	}
	f.stacks()
	return fmt.Errorf("never: %s (%s)", what, strings.Join(nodes, "; "))
}

// stacks has all nodes write to the log what their goroutines wait for.
func (f *Fleet) stacks() {
	writeStacks(f.log, "n1")
	for _, cmd := range f.Children {
		_ = cmd.Process.Signal(syscall.SIGUSR1)
		time.Sleep(time.Second) // until it has
	}
}

func writeStacks(w io.Writer, node string) {
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "goroutines of %s: ", node)
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	_, _ = w.Write(b.Bytes())
}

// headsEvery is how late UntilHeads may notice a commit. Asking for a thousand heads takes some milliseconds of a processor,
// which the nodes would miss.
const headsEvery = 50 * time.Millisecond

// UntilHeads calls committed for each product, at most headsEvery after it stands at the snapshot.
func (f *Fleet) UntilHeads(ctx context.Context, ids []host.ProductID, seq host.Seq, committed func(host.ProductID)) error {
	waiting := map[host.ProductID]bool{}
	for _, id := range ids {
		waiting[id] = true
	}
	for end := time.Now().Add(patience); len(waiting) > 0 && time.Now().Before(end); time.Sleep(headsEvery) {
		now, err := f.First.Heads(ctx)
		if err != nil {
			return err
		}
		for id := range waiting {
			if now[id].Seq >= seq {
				committed(id)
				delete(waiting, id)
			}
		}
	}
	if len(waiting) > 0 {
		return fmt.Errorf("%d of %d products have not committed", len(waiting), len(ids))
	}
	return nil
}

// Owned are the products that a node owns.
func (f *Fleet) Owned(ctx context.Context, name string) ([]host.ProductID, error) {
	st, err := f.First.NodeDetail(ctx, name)
	if err != nil {
		return nil, err
	}
	var out []host.ProductID
	for _, p := range st.Owns {
		a, err := host.ParseAddress(p.Product)
		if err != nil {
			return nil, err
		}
		out = append(out, host.ProductID{Tenant: host.LocalTenant, Domain: a.Domain, Name: a.Product})
	}
	return out, nil
}
