package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/policy"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/table"
	"github.com/adp-host/adp/registry"
)

// Config is a node's settings. Zero values are usable except Data.
type Config struct {
	Data string // folder of everything the node keeps; made when missing
	Name string // of the node; default "local"
	Mesh string // name of the mesh; default "local"
	// AnonymousRead lets loopback read without a token. For public sample data only; it never allows control.
	AnonymousRead bool
	Slots         int          // runs at once; 0: as many as cores
	Log           *slog.Logger // nil: discarded
}

// Validate fills defaults and refuses what cannot work.
func (c *Config) Validate() error {
	if c.Data == "" {
		return host.Errorf(host.CodeNodeSetup, "no data directory").WithHint("give --data DIR or set ADP_DATA")
	}
	abs, err := filepath.Abs(c.Data)
	if err != nil {
		return host.Errorf(host.CodeNodeSetup, "data directory %s: %w", c.Data, err)
	}
	c.Data = abs
	if c.Name == "" {
		c.Name = "local"
	}
	if c.Mesh == "" {
		c.Mesh = "local"
	}
	if c.Slots < 0 {
		return host.Errorf(host.CodeNodeSetup, "%d run slots", c.Slots).WithHint("0 takes as many as there are cores")
	}
	if c.Slots == 0 {
		c.Slots = runtime.GOMAXPROCS(0)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Node is a running node.
type Node struct {
	cfg         Config
	log         *slog.Logger
	token       string
	started     time.Time
	store       *file.Store
	registry    *registry.Store
	cluster     *cluster.Cluster
	engine      *sandbox.Engine
	tables      *table.Tables
	policy      *policy.Policy
	drivers     map[string]any // by URI scheme
	runner      *run.Runner
	heads       *headCache
	slots       slots
	failures    *failures
	applying    sync.Mutex // a product is taken up once
	registering sync.Mutex // one registration at a time: cycles are judged against what is there
	metrics     *metrics

	ctx    context.Context // ends when the node closes
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.RWMutex
	owners  map[host.ProductID]*owner
	readers map[host.ProductID]map[*owner]bool // who is woken by a product's commits
}

// Open starts a node on its data directory: etcd, engine, tables, and the products registered there.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, log: cfg.Log, started: time.Now(), slots: newSlots(cfg.Slots),
		owners: map[host.ProductID]*owner{}, readers: map[host.ProductID]map[*owner]bool{}, metrics: newMetrics(),
		failures: &failures{dir: filepath.Join(cfg.Data, "failures")}}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) open(ctx context.Context) error {
	if err := os.MkdirAll(n.cfg.Data, 0o755); err != nil {
		return host.Errorf(host.CodeNodeSetup, "data directory: %w", err)
	}
	var err error
	if n.token, err = readToken(filepath.Join(n.cfg.Data, "token")); err != nil {
		return err
	}
	if n.store, err = file.NewStore(filepath.Join(n.cfg.Data, "store")); err != nil {
		return host.Errorf(host.CodeNodeSetup, "store: %w", err)
	}
	if n.registry, err = registry.Open(filepath.Join(n.cfg.Data, "registry")); err != nil {
		return err
	}
	ledger := filepath.Join(n.cfg.Data, "ledger")
	fileDriver, err := file.New(file.Config{Ledger: ledger})
	if err != nil {
		return host.Errorf(host.CodeNodeSetup, "file driver: %w", err)
	}
	n.drivers = map[string]any{"file": fileDriver}
	if n.engine, err = sandbox.New(sandbox.Config{CacheDir: filepath.Join(n.cfg.Data, "cache", "compiled")}); err != nil {
		return err
	}
	n.tables = table.New(n.store, table.Options{})
	n.policy = policy.Local(policy.Options{AnonymousRead: n.cfg.AnonymousRead})
	if n.cluster, err = cluster.Open(ctx, cluster.Config{Dir: filepath.Join(n.cfg.Data, "etcd"), Node: n.cfg.Name, Log: n.log}); err != nil {
		return err
	}
	n.heads = newHeadCache(n.store)
	n.runner = &run.Runner{
		Guests: guests{n.engine, n.running}, Tables: stages{n.tables}, Heads: n.cluster, Inputs: inputs{n}, Store: n.store,
		Decider: decider{n}, Sources: bindings{n}, Node: n.cfg.Name, Engine: n.engine.Identity,
	}
	return n.follow(ctx)
}

// follow claims the registered products and keeps following what the mesh says.
func (n *Node) follow(ctx context.Context) error {
	specs, err := n.cluster.Specs(ctx)
	if err != nil {
		return err
	}
	for _, s := range specs {
		if err := n.apply(ctx, s); err != nil {
			n.log.Error("cannot take up product", "product", s.Product.URL(), "error", err)
		}
	}
	n.wg.Go(func() {
		err := n.cluster.Watch(n.ctx, func(e cluster.Event) { n.onEvent(e) })
		if err != nil && n.ctx.Err() == nil {
			n.log.Error("watch ended", "error", err)
		}
	})
	n.wakeAll()
	return nil
}

func (n *Node) onEvent(e cluster.Event) {
	switch e.Kind {
	case cluster.SpecChanged:
		if err := n.apply(n.ctx, e.Spec); err != nil {
			n.log.Error("cannot take up product", "product", e.Product.URL(), "error", err)
		}
	case cluster.HeadChanged:
		n.mu.RLock()
		for o := range n.readers[e.Product] {
			o.wake()
		}
		n.mu.RUnlock()
	}
}

// Close stops runs, releases products and ends etcd. Runs that have not committed leave no trace.
func (n *Node) Close() error {
	n.cancel()
	n.mu.Lock()
	owners := n.owners
	n.owners = map[host.ProductID]*owner{}
	n.mu.Unlock()
	for _, o := range owners {
		<-o.done
	}
	n.wg.Wait()
	var errs []error
	if n.cluster != nil {
		for _, o := range owners {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			errs = append(errs, n.cluster.Release(ctx, o.own))
			cancel()
		}
		errs = append(errs, n.cluster.Close())
	}
	if n.engine != nil {
		errs = append(errs, n.engine.Close(context.Background()))
	}
	return errors.Join(errs...)
}

// Token is the owner's secret, also in the file "token" of the data directory with mode 0600.
func (n *Node) Token() string { return n.token }

// Data is the node's data directory, absolute.
func (n *Node) Data() string { return n.cfg.Data }

func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) >= 32 {
		return string(b), nil
	}
	if err != nil && !os.IsNotExist(err) {
		return "", host.Errorf(host.CodeNodeSetup, "token: %w", err)
	}
	raw := make([]byte, 32)
	rand.Read(raw) // never fails since Go 1.24
	token := hex.EncodeToString(raw)
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		return "", host.Errorf(host.CodeNodeSetup, "token: %w", err)
	}
	return token, nil
}

func (n *Node) wakeAll() {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, o := range n.owners {
		o.wake()
	}
}

// Settle returns when no product has anything left to do: nothing runs, and a fresh look at every input finds nothing
// pending. Products that are held, failed or paused count as settled.
func (n *Node) Settle(ctx context.Context) error {
	for {
		if err := n.quiet(ctx); err != nil {
			return err
		}
		before, err := n.cluster.Heads(ctx)
		if err != nil {
			return err
		}
		n.wakeAll()
		if err := n.quiet(ctx); err != nil {
			return err
		}
		after, err := n.cluster.Heads(ctx)
		if err != nil {
			return err
		}
		if fmt.Sprint(before) == fmt.Sprint(after) {
			return nil
		}
	}
}

// quiet waits until no owner is busy.
func (n *Node) quiet(ctx context.Context) error {
	for {
		busy := false
		n.mu.RLock()
		for _, o := range n.owners {
			o.mu.Lock()
			busy = busy || o.busy
			o.mu.Unlock()
		}
		n.mu.RUnlock()
		if !busy {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
