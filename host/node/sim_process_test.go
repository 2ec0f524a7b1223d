package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/cluster/clustertest"
	"github.com/adp-host/adp/host/policy"
	"github.com/adp-host/adp/host/run"
)

const simLease = 3 * time.Second

// simProcess is one life of a node: a real Node over parts of the simulated world.
type simProcess struct {
	w    *simWorld
	name string
	link *clustertest.Link
	node *Node

	mu     sync.Mutex
	paused time.Time     // until when nothing of the process moves
	out    time.Time     // until when what it sends is lost
	in     time.Time     // until when nothing reaches it
	clock  time.Duration // by which its wall clock is wrong
	sent   map[string]int
	heard  time.Time      // when the newest sign of life was sent that got an answer
	late   sync.WaitGroup // effects on their way to their target
}

var errKilled = errors.New("the process was killed")

func (p *simProcess) dead() bool { return p.link.Dead() }

// gate blocks while the process is paused.
func (p *simProcess) gate() {
	for !p.dead() {
		p.mu.Lock()
		rest := time.Until(p.paused)
		p.mu.Unlock()
		if rest <= 0 {
			return
		}
		time.Sleep(min(rest, time.Second))
	}
}

// wait is time that the process spends on something outside it.
func (p *simProcess) wait(ctx context.Context, d time.Duration) error {
	p.gate()
	nap(ctx, d)
	p.gate()
	if p.dead() {
		return errKilled
	}
	return ctx.Err()
}

func (p *simProcess) until(t *time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *t
}

// fate is the weather of one call to etcd.
func (p *simProcess) fate(verb, key string) clustertest.Fate {
	r := p.w.die(p.name, verb+key)
	f := clustertest.Fate{There: upTo(r, 2*time.Millisecond), Back: upTo(r, 2*time.Millisecond)}
	if p.w.isCalm() {
		return f
	}
	now := time.Now()
	switch x := r.Float64(); {
	case now.Before(p.until(&p.out)):
		f.Fault, f.Back = clustertest.LoseRequest, upTo(r, 300*time.Millisecond)
	case now.Before(p.until(&p.in)):
		f.Fault, f.Back = clustertest.LoseReply, upTo(r, 300*time.Millisecond)
	case x < 0.02:
		f.Fault = clustertest.LoseRequest
	case x < 0.04:
		f.Fault = clustertest.LoseReply
	case x < 0.06:
		f.Fault, f.Late = clustertest.ApplyLate, upTo(r, 8*time.Second)
	case x < 0.08:
		f.Fault, f.Late = clustertest.Duplicate, upTo(r, 8*time.Second)
	case x < 0.09: // a slow etcd
		f.There, f.Back = upTo(r, 2*time.Second), upTo(r, 2*time.Second)
	}
	return f
}

// rewrite is where mutants spoil what is compared.
func (p *simProcess) rewrite(cmps []clientv3.Cmp, then []clientv3.Op) []clientv3.Cmp {
	if len(then) == 0 || !then[0].IsPut() || !strings.HasPrefix(string(then[0].KeyBytes()), simRoot+"head/") {
		return cmps
	}
	strip := ""
	switch p.w.mutant {
	case "no epoch guard":
		strip = simRoot + "own/"
	case "no head guard":
		strip = simRoot + "head/"
	case "rebuilt compares":
		p.mu.Lock()
		p.sent[string(then[0].ValueBytes())]++
		again := p.sent[string(then[0].ValueBytes())] > 1
		p.mu.Unlock()
		if again {
			return p.rebuilt(cmps)
		}
	}
	var out []clientv3.Cmp
	for _, c := range cmps {
		if strip == "" || !strings.HasPrefix(string(c.GetCompare().Key), strip) {
			out = append(out, c)
		}
	}
	return out
}

// rebuilt compares with what is there now.
func (p *simProcess) rebuilt(cmps []clientv3.Cmp) (out []clientv3.Cmp) {
	for _, c := range cmps {
		key := string(c.GetCompare().Key)
		res, err := p.w.now().Get(context.Background(), key)
		switch {
		case err != nil || len(res.Kvs) == 0:
			out = append(out, clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
		default:
			out = append(out, clientv3.Compare(clientv3.ModRevision(key), "=", res.Kvs[0].ModRevision))
		}
	}
	return out
}

// start begins a life. It fails when the weather does not let the node in, and may be tried again.
func (w *simWorld) start(ctx context.Context, name string) (*simProcess, error) {
	p := &simProcess{w: w, name: name, sent: map[string]int{}}
	p.link = (&clustertest.Link{Etcd: w.now(), Fate: p.fate, Gate: p.gate, Rewrite: p.rewrite,
		Deaf: func() bool { return !w.isCalm() && time.Now().Before(p.until(&p.in)) }}).Open()
	cfg := Config{Data: os.DevNull, Name: name, Slots: 8} // nothing can be written below it
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, 2*simLease)
	defer cancel()
	c, err := cluster.Over(opening, cluster.Config{Node: name, Self: cluster.NodeInfo{Identity: name, Slots: cfg.Slots}, LeaseTTL: simLease},
		cluster.Parts{KV: p.link, Watcher: p.link, Lease: signs{p.link, p}})
	if err != nil {
		p.link.Cut()
		w.ended.Go(p.link.Wait)
		return nil, err
	}
	n := newNode(context.Background(), cfg)
	n.log, n.cluster = slog.New(slog.DiscardHandler), c
	n.store, n.tables, n.artifacts = simStore{w.disk, p}, simTables{simStore{w.disk, p}}, simArtifacts{}
	n.drivers = map[string]any{"log": simSource{p}, "mem": simSink{p}}
	n.policy = policy.Local(policy.Options{})
	n.heads = newHeadCache(n.store)
	n.runner = &run.Runner{Guests: simGuests{p}, Tables: simTables{simStore{w.disk, p}}, Heads: c, Inputs: simInputs{inputs{n}, p}, Store: n.store,
		Decider: decider{n}, Sources: bindings{n}, Sinks: bindings{n}, Outboxes: c, Node: name,
		Engine: func() host.Engine { return host.Engine{Name: "go"} }, Clock: p.wall}
	if w.mutant == "rebased commit" {
		n.runner.Heads = rebasing{c, p}
	}
	n.runner.Heads = &starts{Heads: n.runner.Heads, p: p, refused: map[host.ProductID]bool{}}
	p.node = n
	if err := n.follow(opening); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

func (p *simProcess) wall() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.clock)
}

// kill is SIGKILL: from now on nothing of the process has any effect, beside what is on its way.
func (p *simProcess) kill() {
	p.link.Cut()
	p.w.disk.crash(p)
	p.w.ended.Go(p.close)
}

// close ends the node and returns when all that it has sent has arrived.
func (p *simProcess) close() {
	_ = p.node.Close()
	p.link.Wait()
	p.late.Wait()
}

// live lets a node live and die again until ctx ends, and leaves it running.
func (w *simWorld) live(ctx context.Context, name string) *simProcess {
	var p *simProcess
	for {
		r := w.die(name, "life")
		switch {
		case p == nil && ctx.Err() != nil:
			if p, _ = w.start(context.Background(), name); p != nil {
				return p
			}
			time.Sleep(time.Second)
		case p == nil:
			p, _ = w.start(ctx, name)
			continue
		case ctx.Err() != nil:
			return p
		}
		nap(ctx, upTo(r, 5*time.Second))
		if ctx.Err() == nil && p != nil && p.suffer(ctx) {
			p.kill()
			w.mu.Lock()
			w.kills++
			w.mu.Unlock()
			p = nil
			nap(ctx, upTo(r, 4*time.Second))
		}
	}
}

// suffer is what happens to a process next; true: it dies.
func (p *simProcess) suffer(ctx context.Context) bool {
	p.checkPlan()
	r := p.w.die(p.name, "suffer")
	p.mu.Lock()
	defer p.mu.Unlock()
	until := time.Now().Add(upTo(r, 3*simLease))
	switch r.IntN(7) {
	case 0, 1:
		return true
	case 2:
		p.paused = until
	case 3:
		p.out = until
	case 4:
		p.in = until
	case 5:
		p.out, p.in = until, until
	case 6:
		p.clock = time.Duration(r.Int64N(int64(2*time.Hour))) - time.Hour
	}
	return false
}

// signs are a process's signs of life, seen from outside.
type signs struct {
	*clustertest.Link
	p *simProcess
}

func (s signs) answered(sent time.Time) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.heard = sent
}

func (s signs) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	sent := time.Now()
	res, err := s.Link.Grant(ctx, ttl)
	if err == nil {
		s.answered(sent)
	}
	return res, err
}

func (s signs) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	sent := time.Now()
	res, err := s.Link.KeepAliveOnce(ctx, id)
	switch {
	case err == nil && res.TTL > 0:
		s.answered(sent)
	case s.p.w.mutant == "runs late in a lease": // it does not wait for the answer
		return &clientv3.LeaseKeepAliveResponse{ID: id, TTL: 1}, nil
	}
	return res, err
}

// starts sees when runs start: they ask for the newest head first. What is asked for after a refused commit is no start, nor
// is what deliveries ask for, which come to it later: products with effects are left out.
type starts struct {
	run.Heads
	p       *simProcess
	mu      sync.Mutex
	refused map[host.ProductID]bool
}

func (s *starts) Commit(ctx context.Context, own host.Ownership, prev, next host.Pointer) error {
	err := s.Heads.Commit(ctx, own, prev, next)
	s.mu.Lock()
	s.refused[own.Product] = host.CodeOf(err) == host.CodeRunLostOwner
	s.mu.Unlock()
	return err
}

// Head checks I10: no run starts later in a lease than two thirds of it, counted from the last sign of life that was heard.
func (s *starts) Head(ctx context.Context, id host.ProductID) (host.Pointer, error) {
	s.mu.Lock()
	start := !s.refused[id]
	s.refused[id] = false
	s.mu.Unlock()
	if late := time.Since(s.p.until(&s.p.heard)); start && late > simLease*2/3 && id.Name != "alarms" {
		s.p.w.mu.Lock()
		s.p.w.violated("I10: %s starts a run of %s %v after its last sign of life", s.p.name, id.Name, late)
		s.p.w.mu.Unlock()
	}
	return s.Heads.Head(ctx, id)
}

// rebasing is the mutant that commits the same work again on top of a head that it read anew.
type rebasing struct {
	*cluster.Cluster
	p *simProcess
}

func (c rebasing) Commit(ctx context.Context, own host.Ownership, prev, next host.Pointer) error {
	short, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
	defer cancel()
	err := c.Cluster.Commit(short, own, prev, next)
	if !errors.Is(err, cluster.ErrUnknown) || ctx.Err() != nil {
		return err
	}
	now, err := c.Head(ctx, own.Product)
	if err != nil {
		return err
	}
	next, err = c.p.rewriteHead(ctx, now, next)
	if err != nil {
		return err
	}
	return c.Cluster.Commit(ctx, own, now, next)
}

// rewriteHead makes a head that follows another one.
func (p *simProcess) rewriteHead(ctx context.Context, now, next host.Pointer) (host.Pointer, error) {
	h, err := run.LoadHead(ctx, p.node.store, headRef(next))
	if err != nil {
		return next, err
	}
	h.Seq, h.Prev, h.Skips = now.Seq+1, nil, nil
	if now.Seq > 0 {
		ref := headRef(now)
		h.Prev = &ref
	}
	b, err := host.CanonicalJSON(h)
	if err != nil {
		return next, err
	}
	next.Seq, next.Hash, next.Location = h.Seq, digestOf(b), next.Location+"-rebased"
	return next, writeSynced(ctx, p.node.store, next.Location, b)
}

func writeSynced(ctx context.Context, s drivers.Store, name string, b []byte) error {
	f, err := s.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err != nil {
		return err
	}
	return s.Sync(ctx, name)
}
