package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/placement"
)

// fleetNode is how a node of the bench's mesh is set up; children get it as JSON.
type fleetNode struct {
	Name, Data, Shared, Etcd, Listen string
	Certs                            cluster.Certs
}

const fleetLease = 5 * time.Second

func (f fleetNode) config() (node.Config, error) {
	cfg := node.Config{Data: f.Data, Name: f.Name, Fleet: node.Fleet{Shared: f.Shared, URL: "http://" + f.Listen, LeaseTTL: fleetLease},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))}
	if f.Etcd == "" {
		return cfg, nil
	}
	tls, err := f.Certs.Client()
	cfg.Fleet.Endpoints, cfg.Fleet.TLS = []string{f.Etcd}, tls
	return cfg, err
}

// fleetChild is a node process: it runs until it is killed.
func fleetChild(ctx context.Context, settings string) error {
	var f fleetNode
	if err := json.Unmarshal([]byte(settings), &f); err != nil {
		return err
	}
	cfg, err := f.config()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.Listen)
	if err != nil {
		return err
	}
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(n.Serve(ctx, l, "bench"), n.Close())
}

// fleet is three nodes: the first in this process, with the etcd, the others in children that can be killed.
type fleet struct {
	first    *node.Node
	children map[string]*exec.Cmd
	stop     context.CancelFunc
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (b *bench) fleet(ctx context.Context) (*fleet, error) {
	shared, err := os.MkdirTemp(b.work, "fleet-*")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	f := &fleet{children: map[string]*exec.Cmd{}, stop: stop}
	ports := make([]string, 5)
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return f, err
		}
	}
	first := fleetNode{Name: "n1", Data: shared, Shared: shared, Listen: ports[0]}
	cfg, err := first.config()
	if err != nil {
		return f, err
	}
	certs, err := node.Certify(first.Data, first.Name, []string{"127.0.0.1"})
	if err != nil {
		return f, err
	}
	cfg.Fleet.Member = &cluster.Member{Name: "n1", Peer: "https://" + ports[1], Client: "https://" + ports[2], Certs: certs}
	l, err := net.Listen("tcp", first.Listen)
	if err != nil {
		return f, err
	}
	if f.first, err = node.Open(ctx, cfg); err != nil {
		return f, err
	}
	go func() { _ = f.first.Serve(ctx, l, "bench") }()
	for i, name := range []string{"n2", "n3"} {
		// One certificate does for all here: it says who may speak to etcd, not who is who.
		child := fleetNode{Name: name, Data: filepath.Join(shared, name), Shared: shared, Etcd: "https://" + ports[2], Listen: ports[3+i], Certs: certs}
		if err := f.child(ctx, child, f.first.Token()); err != nil {
			return f, err
		}
	}
	return f, f.until(ctx, "three nodes", func(st host.FleetStatus) bool { return len(st.Nodes) == 3 })
}

func (f *fleet) child(ctx context.Context, n fleetNode, token string) error {
	if err := errors.Join(os.MkdirAll(n.Data, 0o755), os.WriteFile(filepath.Join(n.Data, "token"), []byte(token), 0o600)); err != nil {
		return err
	}
	settings, err := json.Marshal(n)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-fleet", string(settings))
	cmd.Stderr = os.Stderr
	f.children[n.Name] = cmd
	return cmd.Start()
}

func (f *fleet) close() {
	for _, cmd := range f.children {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	f.stop()
	if f.first != nil {
		_ = f.first.Close()
	}
}

func (f *fleet) until(ctx context.Context, what string, ok func(host.FleetStatus) bool) error {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		st, err := f.first.Fleet(ctx)
		if err != nil {
			return err
		}
		if ok(st) {
			return nil
		}
	}
	return fmt.Errorf("never: %s", what)
}

// readers registers so many products, each with a folder of its own, and returns the folders by product.
func (b *bench) readers(ctx context.Context, n *node.Node, document string, many int) (map[host.ProductID]string, error) {
	out := map[host.ProductID]string{}
	dir, err := b.folder("pulse", document, "reader")
	if err != nil {
		return nil, err
	}
	doc, err := os.ReadFile(filepath.Join(dir, "product.yaml"))
	if err != nil {
		return nil, err
	}
	sources := filepath.Join(dir, "sources")
	var rs []node.Registration
	flush := func() error {
		ids, err := n.Register(ctx, rs)
		for i, id := range ids {
			out[id] = strings.TrimPrefix(rs[i].Sources["files"], "file:")
		}
		rs = nil
		return err
	}
	for i := range many {
		name := fmt.Sprintf("reader%05d", i)
		named := bytes.Replace(doc, []byte("\nname: "), []byte("\nname: "+name+"-"), 1)
		named = bytes.Replace(named, []byte(name+"-reader\n"), []byte(name+"\n"), 1)
		named = bytes.Replace(named, []byte(name+"-pulse\n"), []byte(name+"\n"), 1)
		source := filepath.Join(sources, name)
		if err := errors.Join(os.MkdirAll(source, 0o755), os.WriteFile(filepath.Join(dir, "product.yaml"), named, 0o644)); err != nil {
			return nil, err
		}
		a, err := b.builder.Product(ctx, dir, nil)
		if err != nil {
			return nil, err
		}
		digest, err := n.Registry().Push(ctx, a)
		if err != nil {
			return nil, err
		}
		r := node.Registration{Artifact: digest}
		if len(a.Product.Inputs) > 0 {
			r.Sources = map[string]string{"files": "file:" + source}
		}
		if rs = append(rs, r); len(rs) == 500 || i == many-1 {
			if err := flush(); err != nil {
				return nil, err
			}
			b.talk("  %d products registered", i+1)
		}
	}
	return out, nil
}

// takeover kills a node that owns a third of the products, just after each of its products got new input, and measures how
// long until each has committed it.
func (b *bench) takeover(ctx context.Context) error {
	many := 1000
	if b.short {
		many = 150
	}
	f, err := b.fleet(ctx)
	if f != nil {
		defer f.close()
	}
	if err != nil {
		return err
	}
	folders, err := b.readers(ctx, f.first, "reader.yaml", many)
	if err != nil {
		return err
	}
	if err := f.until(ctx, "each node owns its share", func(st host.FleetStatus) bool {
		return !slices.ContainsFunc(st.Nodes, func(n host.NodeStatus) bool { return n.Products < many/3-1 })
	}); err != nil {
		return err
	}
	victim, err := f.first.NodeDetail(ctx, "n2")
	if err != nil {
		return err
	}
	var owned []host.ProductID
	for _, p := range victim.Owns {
		_, name, _ := strings.Cut(strings.TrimPrefix(p.Product, "adp://./"), "/")
		owned = append(owned, host.ProductID{Tenant: host.LocalTenant, Domain: "bench", Name: name})
	}
	heads := f.first.Heads
	for id, folder := range folders {
		if err := dropRow(folder, 0); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	if err := untilHeads(ctx, heads, slices.Collect(maps.Keys(folders)), 1, func(time.Duration) {}); err != nil {
		return err
	}
	b.talk("  n2 is killed, which owns %d of %d products", len(owned), many)
	killed := time.Now()
	if err := f.children["n2"].Process.Kill(); err != nil {
		return err
	}
	for _, id := range owned {
		if err := dropRow(folders[id], 1); err != nil {
			return err
		}
	}
	var took []time.Duration
	if err := untilHeads(ctx, heads, owned, 2, func(time.Duration) { took = append(took, time.Since(killed)) }); err != nil {
		return err
	}
	slices.Sort(took)
	b.talk("  first commit after %.2f s, middle %.2f s, last %.2f s", took[0].Seconds(), median(took).Seconds(), took[len(took)-1].Seconds())
	b.print(figure{name: "takeover", value: took[(len(took)*99+99)/100-1].Seconds(), unit: "s p99", against: "a lease of 5 s", atMost: 6.5})
	return nil
}

// dropRow renames a file of one row into a folder: it is never read half.
func dropRow(folder string, n int) error {
	file := filepath.Join(folder, fmt.Sprint(n, ".csv"))
	return errors.Join(os.WriteFile(file+".tmp", fmt.Appendf(nil, "at\n%d\n", n), 0o644), os.Rename(file+".tmp", file))
}

// untilHeads calls committed for each product as soon as it stands at the snapshot.
func untilHeads(ctx context.Context, heads func(context.Context) (map[host.ProductID]host.Pointer, error), ids []host.ProductID,
	seq host.Seq, committed func(time.Duration)) error {
	start := time.Now()
	waiting := map[host.ProductID]bool{}
	for _, id := range ids {
		waiting[id] = true
	}
	for len(waiting) > 0 && time.Since(start) < 2*time.Minute {
		now, err := heads(ctx)
		if err != nil {
			return err
		}
		for id := range waiting {
			if now[id].Seq >= seq {
				committed(time.Since(start))
				delete(waiting, id)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	if len(waiting) > 0 {
		return fmt.Errorf("%d of %d products have not committed", len(waiting), len(ids))
	}
	return nil
}

// parallel measures commits of 32 products at a time, against four new files fsynced one after another.
func (b *bench) parallel(ctx context.Context) error {
	const products = 32
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	folders, err := b.readers(ctx, n, "product.yaml", products)
	if err != nil {
		return err
	}
	if err := n.Settle(ctx); err != nil {
		return err
	}
	all := func() (time.Duration, error) {
		return timed(func() error {
			var wg sync.WaitGroup
			errs := make(chan error, products)
			for id := range folders {
				wg.Go(func() {
					st, err := n.Trigger(ctx, id, false)
					if err == nil && st.State != host.RunCommitted {
						err = fmt.Errorf("the run is %s", st.State)
					}
					errs <- err
				})
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	next := 0
	floor := func() (time.Duration, error) {
		return timed(func() error {
			for range products {
				next++
				if err := commitFloor(filepath.Join(b.work, fmt.Sprint("parallel-floor-", next))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	took, err := inTurn(b.rounds(40), all, floor)
	if err != nil {
		return err
	}
	rate := func(ds []time.Duration) float64 { return products * float64(time.Second) / float64(median(ds)) }
	b.print(figure{name: "parallel", value: rate(took[0]) / rate(took[1]), unit: "times", against: "four files fsynced", atLeast: 0.6})
	b.print(figure{name: "parallel-rate", value: rate(took[0]), unit: "1/s", against: "-"})
	return nil
}

// crowd measures what products cost that do nothing: in etcd, in memory, in processor time, and to plan.
func (b *bench) crowd(ctx context.Context) error {
	many := 10_000
	if b.short {
		many = 1000
	}
	n, err := b.node(ctx)
	if err != nil {
		return err
	}
	defer n.Close()
	before := resident()
	if _, err := b.readers(ctx, n, "product.yaml", many); err != nil {
		return err
	}
	if err := n.Settle(ctx); err != nil {
		return err
	}
	after := resident()
	b.print(figure{name: "crowd-memory", value: float64(after-before) / float64(many) / 1000, unit: "kB a product", against: "-", atMost: 20})
	size, err := n.EtcdBytes(ctx)
	if err != nil {
		return err
	}
	b.print(figure{name: "crowd-etcd", value: float64(size) / float64(many) / 1000, unit: "kB a product", against: "-", atMost: 2})
	used := processorTime()
	span := 20 * time.Second
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(span):
	}
	b.print(figure{name: "crowd-idle", value: 100 * float64(processorTime()-used) / float64(span), unit: "% of a core", against: "-", atMost: 2})
	state := crowdState(many)
	took, err := inTurn(b.rounds(20), func() (time.Duration, error) {
		return timed(func() error { placement.Plan(state); return nil })
	})
	if err != nil {
		return err
	}
	b.print(figure{name: "crowd-plan", value: median(took[0]).Seconds(), unit: "s", against: "-", atMost: 1})
	return nil
}

// crowdState is a mesh of three nodes, of which one has just died.
func crowdState(products int) placement.State {
	s := placement.State{Nodes: []placement.Node{{ID: "n1", Alive: true}, {ID: "n2", Alive: true}, {ID: "n3"}}}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range products {
		at := s.Nodes[rng.IntN(3)].ID
		s.Products = append(s.Products, placement.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: fmt.Sprint("p", i)}, Owner: at, Wish: at, Epoch: 1})
	}
	return s
}

// resident is the memory of the process, what can be given back given back.
func resident() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	_, _ = fmt.Sscan(string(b), &size, &pages)
	return pages * int64(os.Getpagesize())
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
