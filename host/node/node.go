package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/failpoint"
	"github.com/adp-host/adp/host/placement"
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
	Slots         int // guests that compute at once; 0: as many as cores
	// Shares gives what the runs of a tenant, and of a product of it named "domain/name", may have; nil: nobody has limits.
	Shares func(tenant, product string) (ofTenant, ofProduct sandbox.Share)
	// Compile compiles a module in another process, as in sandbox.Config. nil: modules are compiled in this one.
	Compile func(ctx context.Context, dir string) error
	// CleanEvery is about how often a product that has committed since is cleaned up. 0: every hour.
	CleanEvery time.Duration
	Log        *slog.Logger // nil: discarded
	// Drivers are more drivers than that of files, by the scheme of the URIs that they serve; each is a drivers.Source, a
	// drivers.Sink or whatever else it can do.
	Drivers map[string]any
	// Policy is asked about everything that the node's own rules allow, and can deny it. Without a module the rules decide alone.
	Policy PolicyPlugin

	// Fleet is how the node lives with others; the zero Fleet is a node alone.
	Fleet Fleet
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
	if c.Fleet.Shared == "" {
		c.Fleet.Shared = c.Data
	}
	if c.Name == "" {
		c.Name = "local"
	}
	if c.Mesh == "" {
		c.Mesh = "local"
	}
	if c.Slots < 0 {
		return host.Errorf(host.CodeNodeSetup, "%d run slots", c.Slots).WithHint("0 takes as many as there are cores")
	}
	if c.CleanEvery <= 0 {
		c.CleanEvery = time.Hour
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
	identity    string   // random, lasts as long as the data directory
	unlock      []func() // of the data directory and the store
	started     time.Time
	store       drivers.Store
	registry    *registry.Store
	cluster     *cluster.Cluster
	engine      *sandbox.Engine
	tables      scanner
	artifacts   artifacts
	policy      *policy.Policy
	judge       *judge         // nil: there is none
	drivers     map[string]any // by URI scheme
	runner      *run.Runner
	heads       *headCache
	told        *lastTold
	attempts    slots
	failures    *failures
	applying    sync.Mutex // registrations are taken in one after another
	registering sync.Mutex // one registration at a time: cycles are judged against what is there
	metrics     *metrics
	turnover    *turnover
	planning    chan struct{} // capacity 1: somebody asks for a plan

	glancing sync.Mutex
	seen     struct {
		at    time.Time
		state placement.State
		tally *placement.Tally
	}

	ctx    context.Context // ends when the node closes
	cancel context.CancelFunc
	wg     sync.WaitGroup

	carryOnce sync.Once
	carrying  bool // of carry alone

	mu        sync.RWMutex
	catalogue map[host.ProductID]listing         // every product of the mesh
	owners    map[host.ProductID]*owner          // of the products that run here
	readers   map[host.ProductID]map[*owner]bool // who is woken by a product's commits
	fleet     cluster.Fleet
	down      map[string]time.Time // members of etcd that do not answer, by peer address, since when; the scheduler's own
	asked     time.Time            // when the members were asked; likewise
}

// Open starts a node on its data directory: etcd, engine, tables, and the products registered there. It fails with N003 when
// another process has the data directory.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := newNode(ctx, cfg)
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// newNode is a node without its rooms.
func newNode(ctx context.Context, cfg Config) *Node {
	n := &Node{cfg: cfg, log: cfg.Log, started: time.Now(), attempts: newSlots(attemptsPerSlot * cfg.Slots), planning: make(chan struct{}, 1),
		catalogue: map[host.ProductID]listing{}, owners: map[host.ProductID]*owner{}, readers: map[host.ProductID]map[*owner]bool{},
		metrics: newMetrics(), failures: &failures{dir: filepath.Join(cfg.Data, "failures")}}
	n.turnover = newTurnover(n)
	n.told = &lastTold{n: n, at: map[host.ProductID]host.Pointer{}}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return n
}

func (n *Node) open(ctx context.Context) error {
	if err := os.MkdirAll(n.cfg.Data, 0o755); err != nil {
		return host.Errorf(host.CodeNodeSetup, "data directory: %w", err)
	}
	var err error
	if n.identity, err = keptText(filepath.Join(n.cfg.Data, "identity"), rand.Text); err != nil {
		return err
	}
	if err = n.lock(); err != nil {
		return err
	}
	if err = n.takeToken(); err != nil {
		return err
	}
	if n.store, err = file.NewStore(filepath.Join(n.cfg.Fleet.Shared, "store")); err != nil {
		return host.Errorf(host.CodeNodeSetup, "store: %w", err)
	}
	if n.registry, err = registry.Open(filepath.Join(n.cfg.Fleet.Shared, "registry")); err != nil {
		return err
	}
	n.artifacts = n.registry
	ledger := filepath.Join(n.cfg.Fleet.Shared, "ledger")
	fileDriver, err := file.New(file.Config{Ledger: ledger})
	if err != nil {
		return host.Errorf(host.CodeNodeSetup, "file driver: %w", err)
	}
	n.drivers = map[string]any{"file": fileDriver}
	maps.Copy(n.drivers, n.cfg.Drivers)
	if n.engine, err = sandbox.New(sandbox.Config{CacheDir: filepath.Join(n.cfg.Data, "cache", "compiled"), Compile: n.cfg.Compile, Rows: file.ReadRows,
		Slots: n.cfg.Slots, Guests: guestsPerSlot * n.cfg.Slots, Shares: n.cfg.Shares, Started: n.running, Differs: n.differs}); err != nil {
		return err
	}
	n.metrics.ofGuests(n.engine.Stats)
	tables := table.New(n.store, table.Options{})
	n.tables = tables
	rules := policy.Options{AnonymousRead: n.cfg.AnonymousRead}
	if n.cfg.Policy.Module != nil {
		if n.judge, err = newJudge(ctx, &n.cfg); err != nil {
			return err
		}
		rules.Judge = n.judge
	}
	n.policy = policy.Local(rules)
	if n.cluster, err = n.joinCluster(ctx); err != nil {
		return err
	}
	n.heads = newHeadCache(n.store)
	n.runner = &run.Runner{
		Guests: guests{n.engine}, Tables: stages{tables}, Heads: n.cluster, Inputs: inputs{n}, Store: n.store,
		Decider: decider{n}, Sources: bindings{n}, Computes: bindings{n}, Sinks: bindings{n}, Outboxes: n.cluster,
		Keeping: n.cluster, References: tables, Node: n.cfg.Name, Engine: n.engine.Identity,
	}
	if err := n.follow(ctx); err != nil {
		return err
	}
	n.wg.Go(n.collectNowAndThen)
	return nil
}

// follow takes in what is registered, claims what is to run here, and keeps following what the mesh says.
func (n *Node) follow(ctx context.Context) error {
	if err := n.know(ctx); err != nil {
		return err
	}
	for range takers {
		n.wg.Go(n.turnover.work)
	}
	n.wg.Go(func() {
		err := n.cluster.Watch(n.ctx, n.onEvent)
		if err != nil && n.ctx.Err() == nil {
			n.log.Error("watch ended", "error", err)
		}
	})
	n.carrying = len(n.cfg.Fleet.Endpoints) > 0 && cluster.Carries(n.etcdDir())
	n.wg.Go(func() { n.cluster.WatchNodes(n.ctx, n.onFleet) })
	n.wg.Go(func() { n.cluster.Lead(n.ctx, n.schedule) })
	n.wg.Go(func() { n.lookAfter(n.ctx) })
	for _, l := range n.listings() {
		n.turnover.look(l.product.ID)
	}
	return nil
}

// know reads what there is before anything is followed: what runs here is claimed without waiting for a scheduler.
func (n *Node) know(ctx context.Context) error {
	specs, err := n.cluster.Specs(ctx)
	if err != nil {
		return err
	}
	for _, s := range specs {
		if err := n.apply(ctx, s); err != nil {
			n.log.Error("cannot take in product", "product", s.Product.URL(), "error", err)
		}
	}
	places, err := n.cluster.Placements(ctx)
	if err != nil {
		return err
	}
	owners, err := n.cluster.Owners(ctx)
	if err != nil {
		return err
	}
	for id, p := range places {
		n.change(id, func(l *listing) { l.place = p })
	}
	for id, o := range owners {
		n.change(id, func(l *listing) { l.belongs(o) })
	}
	return nil
}

func (n *Node) onEvent(e cluster.Event) {
	switch e.Kind {
	case cluster.SpecChanged:
		if err := n.apply(n.ctx, e.Spec); err != nil {
			n.log.Error("cannot take in product", "product", e.Product.URL(), "error", err)
		}
	case cluster.PlaceChanged:
		n.change(e.Product, func(l *listing) { l.place = e.Placement })
		n.turnover.look(e.Product)
	case cluster.OwnerChanged:
		n.change(e.Product, func(l *listing) { l.belongs(e.Owner) })
		n.turnover.look(e.Product)
		n.replan()
	case cluster.HeadChanged:
		n.told.note(e.Product, e.Pointer)
		failpoint.Hit("node.before-notify")
		n.mu.RLock()
		for o := range n.readers[e.Product] {
			o.wake()
		}
		n.mu.RUnlock()
		failpoint.Hit("node.after-notify")
	}
}

// onFleet learns which nodes there are. What a node that went had may be claimed now.
func (n *Node) onFleet(f cluster.Fleet) {
	n.mu.Lock()
	n.fleet = f
	n.mu.Unlock()
	n.replan()
	if n.cfg.Fleet.Member != nil && len(n.cfg.Fleet.Endpoints) > 0 && configOf(f, n.cfg.Name).Member {
		n.carryOnce.Do(func() { n.wg.Go(n.carry) })
	}
	for _, l := range n.listings() {
		if l.place.Node == n.cfg.Name && l.own.Node != n.cfg.Name {
			n.turnover.look(l.product.ID)
		}
	}
}

// Close stops runs, releases products and ends etcd. Runs that have not committed leave no trace.
func (n *Node) Close() error {
	n.cancel()
	owners := n.owned()
	for _, o := range owners {
		<-o.done
	}
	n.wg.Wait()
	var errs []error
	if n.cluster != nil {
		n.leave(n.owned())
		errs = append(errs, n.cluster.Close())
	}
	if n.engine != nil {
		errs = append(errs, n.engine.Close(context.Background()))
	}
	if n.judge != nil {
		errs = append(errs, n.judge.close())
	}
	for _, unlock := range n.unlock {
		unlock()
	}
	return errors.Join(errs...)
}

// leaving is how many products are released at a time when a node closes.
const leaving = 16

// leave releases products, so that nobody needs to wait for the end of the lease. An etcd that does not answer, as that of a mesh
// whose nodes are all stopped, is asked no further after the first second: the lease ends by itself.
func (n *Node) leave(owners []*owner) {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	var all errgroup.Group
	all.SetLimit(leaving)
	var left atomic.Int64
	for _, o := range owners {
		<-o.done
		all.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if err := n.cluster.Release(ctx, o.ownership()); err != nil {
				left.Add(1)
				stop(err)
			}
			return nil
		})
	}
	_ = all.Wait()
	if k := left.Load(); k > 0 {
		n.log.Warn("products are not released and wait for the end of the node's lease", "products", k, "error", context.Cause(ctx))
	}
}

// Token is the owner's secret, also in the file "token" of the data directory with mode 0600.
func (n *Node) Token() string { return n.token }

func newToken() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails since Go 1.24
	return hex.EncodeToString(raw)
}

// Data is the node's data directory, absolute.
func (n *Node) Data() string { return n.cfg.Data }

func (n *Node) wakeAll() {
	for _, o := range n.owned() {
		o.wake()
	}
}

// Settle returns when no product has anything left to do: nothing runs or is delivered, and a fresh look at every input
// finds nothing pending. Products that are held, failed or paused count as settled, and so do effects whose target fails.
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
