package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

var simSeeds = flag.Int("seeds", 25, "seeds of the simulation")

// sim is a mesh of three nodes that run three products through bad weather: requests and replies are lost, requests
// arrive late, nodes freeze and crash. The protocol is the real one; only etcd and the runs are made up. A run reads a
// few rows from its product's cursor, writes a file, and commits.
type sim struct {
	kv       clientv3.KV
	mutant   string
	unit     time.Duration // one second of the story
	products []host.ProductID

	mu    sync.Mutex
	rng   *rand.Rand
	files map[string]simHead // of the store, by location
	gone  map[string]bool    // removed ones
	bad   []string
	runs  int
}

// simHead is a head as the store keeps it.
type simHead struct {
	host.Pointer
	Prev     string
	From, To int // rows it consumed
}

func (s *sim) roll() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Float64()
}

// span is a random part of so many seconds.
func (s *sim) span(seconds float64) time.Duration {
	return time.Duration(s.roll() * seconds * float64(s.unit))
}

func (s *sim) violated(format string, args ...any) {
	s.bad = append(s.bad, fmt.Sprintf(format, args...))
}

// check sees every move of a head: I1 and I2, and that its file is there (I4).
func (s *sim) check(events []*clientv3.Event, get func(string) []byte) {
	for _, e := range events {
		if tail, ok := strings.CutPrefix(string(e.Kv.Key), prefixHead); ok {
			s.checkHead(tail, e, get)
		}
	}
}

func (s *sim) checkHead(tail string, e *clientv3.Event, get func(string) []byte) {
	var next, prev host.Pointer
	var own owner
	_ = json.Unmarshal(e.Kv.Value, &next)
	if e.PrevKv != nil {
		_ = json.Unmarshal(e.PrevKv.Value, &prev)
	}
	_ = json.Unmarshal(get(prefixOwn+tail), &own)
	s.mu.Lock()
	defer s.mu.Unlock()
	if next.Epoch != own.Epoch {
		s.violated("I1: %s committed in epoch %d, the owner's is %d", tail, next.Epoch, own.Epoch)
	}
	if next.Seq != prev.Seq+1 {
		s.violated("I2: %s went from %d to %d", tail, prev.Seq, next.Seq)
	}
	if _, ok := s.files[next.Location]; !ok || s.gone[next.Location] {
		s.violated("I4: %s refers to a file that is gone", tail)
	}
}

// finish walks every product's chain: I3, the cursors tile from the first row on, and I4.
func (s *sim) finish(kv clientv3.KV) (commits int) {
	c := newCluster("reader", kv, nil, slog.New(slog.DiscardHandler))
	for _, id := range s.products {
		p, err := c.Head(context.Background(), id)
		if err != nil {
			s.violated("reading at the end: %v", err)
		}
		h := s.files[p.Location]
		for at := h.To; p.Seq != 0; h = s.files[h.Prev] {
			commits++
			if h.Pointer.Location == "" || s.gone[h.Location] {
				s.violated("I4: a head of %s is gone", id)
				break
			}
			if h.To != at {
				s.violated("I3: %s consumed up to %d, then from %d on", id, h.To, at)
			}
			if at = h.From; h.Prev == "" {
				if at != 0 {
					s.violated("I3: %s begins at row %d", id, at)
				}
				break
			}
		}
	}
	return commits
}

// simNode is one process of a node. freeze stops everything it does.
type simNode struct {
	s      *sim
	name   string
	c      *Cluster
	frozen time.Time
	deaf   time.Time // until when no reply comes back
}

func (n *simNode) freeze() {
	n.s.mu.Lock()
	now := time.Now()
	if now.After(n.frozen) && n.s.rng.Float64() < 0.02 {
		n.frozen = now.Add(time.Duration((2 + 10*n.s.rng.Float64()) * float64(n.s.unit)))
	}
	wait := n.frozen.Sub(now)
	n.s.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
}

// weather is what happens to one transaction of the node.
func (n *simNode) weather([]string) clustertest.Fault {
	n.freeze()
	time.Sleep(n.s.span(0.004))
	if n.s.roll() < 0.02 {
		n.deaf = time.Now().Add(n.s.span(2))
	}
	switch x := n.s.roll(); {
	case time.Now().Before(n.deaf):
		return clustertest.LoseReply
	case x < 0.04:
		return clustertest.LoseRequest
	case x < 0.08:
		return clustertest.LoseReply
	case x < 0.12:
		return clustertest.ApplyLate
	}
	return clustertest.None
}

// live is a node from its start to its crash.
func (s *sim) live(ctx context.Context, name string) {
	n := &simNode{s: s, name: name}
	f := &clustertest.Faulty{KV: s.kv, Plan: n.weather, Late: func() time.Duration { return s.span(8) }}
	if s.mutant == "no epoch guard" {
		f.Strip = func(c clientv3.Cmp) bool { return strings.HasPrefix(string(c.GetCompare().Key), prefixOwn) }
	}
	if s.mutant == "no head guard" {
		f.Strip = func(c clientv3.Cmp) bool { return strings.HasPrefix(string(c.GetCompare().Key), prefixHead) }
	}
	n.c = newCluster(name, f, nil, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	wg.Go(func() { n.breathe(ctx) })
	owned := map[host.ProductID]host.Ownership{}
	for ctx.Err() == nil {
		time.Sleep(s.span(0.2))
		n.freeze()
		for _, id := range s.products {
			if _, ok := owned[id]; !ok {
				own, err := n.c.Claim(ctx, id)
				if err != nil {
					continue
				}
				owned[id] = own
			}
			if !n.run(ctx, owned[id]) {
				delete(owned, id)
			}
		}
	}
	wg.Wait()
	f.Wait()
}

// breathe keeps the node's key as a lease of five seconds would.
func (n *simNode) breathe(ctx context.Context) {
	for ctx.Err() == nil {
		_, _ = n.s.kv.Put(ctx, nodeKey(n.name), "{}")
		last := time.Now()
		time.Sleep(n.s.unit)
		n.freeze()
		if time.Since(last) > 5*n.s.unit {
			continue
		}
	}
}

// expire deletes the keys of nodes that have not breathed for five seconds.
func (s *sim) expire(ctx context.Context) {
	seen := map[string]int64{}
	since := map[string]time.Time{}
	for ctx.Err() == nil {
		time.Sleep(s.unit / 4)
		res, err := s.kv.Get(ctx, prefixNode, clientv3.WithPrefix())
		if err != nil {
			continue
		}
		for _, kv := range res.Kvs {
			name := string(kv.Key)
			if seen[name] != kv.ModRevision {
				seen[name], since[name] = kv.ModRevision, time.Now()
			} else if time.Since(since[name]) > 5*s.unit {
				_, _ = s.kv.Delete(ctx, name)
			}
		}
	}
}

// run makes one attempt, as host/run does it; false when the ownership is over.
func (n *simNode) run(ctx context.Context, own host.Ownership) bool {
	s := n.s
	prev, err := n.c.Head(ctx, own.Product)
	if err != nil {
		return true
	}
	s.mu.Lock()
	s.runs++
	from := s.files[prev.Location].To
	h := simHead{Prev: prev.Location, From: from, To: from + 1 + s.rng.IntN(5)}
	h.Pointer = host.Pointer{Seq: prev.Seq + 1, Epoch: own.Epoch, Run: fmt.Sprint(s.runs),
		Location: fmt.Sprintf("%s/e%d/s%d/%d", own.Product, own.Epoch, prev.Seq+1, s.runs)}
	s.files[h.Location] = h
	s.mu.Unlock()
	time.Sleep(s.span(0.1))
	n.freeze()
	patience := 0.3 // many results stay unknown
	if s.roll() < 0.5 {
		patience = 30 // others are asked for until long after another owner has taken over
	}
	limited, cancel := context.WithTimeout(ctx, s.unit/100+s.span(patience))
	defer cancel()
	err = n.c.Commit(limited, own, prev, h.Pointer)
	switch {
	case err == nil:
		return true
	case s.mutant == "rebase" && errors.Is(err, ErrUnknown):
		n.rebase(ctx, own, h)
		return true
	case host.CodeOf(err) != host.CodeRunLostOwner:
		return true // unknown: what etcd says next time counts
	case s.mutant != "eager removal" && n.onTheChain(ctx, own.Product, h):
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone[h.Location] = true
	return false
}

// onTheChain is what host/run does with a refused commit before it removes files. What cannot be told stays.
func (n *simNode) onTheChain(ctx context.Context, id host.ProductID, h simHead) bool {
	p, err := n.c.Head(ctx, id)
	if err != nil {
		return true
	}
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	for at := n.s.files[p.Location]; at.Seq >= h.Seq; at = n.s.files[at.Prev] {
		if at.Location == h.Location {
			return true
		}
	}
	return false
}

// rebase is the mutant that commits the same work again on a head that it read anew.
func (n *simNode) rebase(ctx context.Context, own host.Ownership, h simHead) {
	p, err := n.c.Head(ctx, own.Product)
	if err != nil {
		return
	}
	n.s.mu.Lock()
	h.Prev, h.Seq = p.Location, p.Seq+1
	h.Run += "'"
	h.Location += "'"
	n.s.files[h.Location] = h
	n.s.mu.Unlock()
	_ = n.c.Commit(ctx, own, p, h.Pointer)
}

// collect removes orphans by the rule of epochs and seqs, never by age.
func (s *sim) collect(ctx context.Context) {
	c := newCluster("collector", s.kv, nil, slog.New(slog.DiscardHandler))
	for ctx.Err() == nil {
		time.Sleep(s.unit)
		for _, id := range s.products {
			var own owner
			res, err := s.kv.Get(ctx, ownKey(id))
			if err != nil || len(res.Kvs) == 0 || json.Unmarshal(res.Kvs[0].Value, &own) != nil {
				continue
			}
			head, err := c.Head(ctx, id)
			if err != nil {
				continue
			}
			s.mu.Lock()
			kept := map[string]bool{}
			for at := s.files[head.Location]; at.Location != ""; at = s.files[at.Prev] {
				kept[at.Location] = true
			}
			for location, h := range s.files {
				if strings.HasPrefix(location, id.String()+"/") && !kept[location] &&
					(h.Epoch < own.Epoch || h.Epoch == own.Epoch && h.Seq <= head.Seq) {
					s.gone[location] = true
				}
			}
			s.mu.Unlock()
		}
	}
}

// play runs the story for so many of its seconds and returns what went wrong.
func (s *sim) play(seconds int) (commits int, bad []string) {
	s.files, s.gone = map[string]simHead{}, map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		s.products = append(s.products, host.ProductID{Tenant: "local", Domain: "d", Name: name})
	}
	if m, ok := s.kv.(*clustertest.Memory); ok {
		m.Observe = s.check
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.expire(ctx) })
	wg.Go(func() { s.collect(ctx) })
	for _, name := range []string{"n1", "n2", "n3"} {
		wg.Go(func() {
			for ctx.Err() == nil {
				life, crash := context.WithCancel(ctx)
				if s.roll() < 0.5 {
					t := time.AfterFunc(s.span(20), crash)
					defer t.Stop()
				}
				s.live(life, name)
				crash()
				time.Sleep(s.span(2))
			}
		})
	}
	time.Sleep(time.Duration(seconds) * s.unit)
	cancel()
	wg.Wait()
	return s.finish(s.kv), s.bad
}

// TestSimulation plays the protocol, and broken variants of it that it must tell from the real one.
func TestSimulation(t *testing.T) {
	for _, c := range []struct {
		mutant string
		want   string // part of the violation that must show
	}{{"", ""}, {"no epoch guard", "I1"}, {"no head guard", "I2"}, {"rebase", "I3"}, {"eager removal", "I4"}} {
		name := c.mutant
		if name == "" {
			name = "protocol"
		}
		t.Run(name, func(t *testing.T) {
			caught, commits := 0, 0
			var example string
			seeds := *simSeeds
			if c.mutant != "" {
				seeds *= 20 // until it is noticed
			}
			for seed := range uint64(seeds) {
				if caught > 0 {
					break
				}
				synctest.Test(t, func(t *testing.T) {
					s := &sim{kv: clustertest.NewMemory(), mutant: c.mutant, unit: time.Second, rng: rand.New(rand.NewPCG(seed, 7))}
					n, bad := s.play(60)
					commits += n
					for _, b := range bad {
						if c.mutant == "" {
							t.Errorf("seed %d: %s", seed, b)
						} else if strings.HasPrefix(b, c.want) {
							caught, example = caught+1, b
						}
					}
				})
			}
			t.Logf("%d commits; %d violations of %s, e.g. %s", commits, caught, c.want, example)
			if c.mutant != "" && caught == 0 {
				t.Errorf("the mutant was not noticed")
			}
			if c.mutant == "" && commits < 100 {
				t.Errorf("only %d commits", commits)
			}
		})
	}
}

// TestSimulationOnEtcd plays one such story on a real etcd, faster.
func TestSimulationOnEtcd(t *testing.T) {
	real := openTest(t, Config{})
	seed := uint64(time.Now().UnixNano())
	s := &sim{kv: real.kv, unit: 50 * time.Millisecond, rng: rand.New(rand.NewPCG(seed, 7))}
	commits, bad := s.play(60)
	t.Logf("seed %d: %d commits", seed, commits)
	if len(bad) > 0 || commits < 20 {
		t.Fatalf("seed %d: %d commits, %q", seed, commits, bad)
	}
}

// TestMemory does the same random transactions in memory and on etcd and compares all answers.
func TestMemory(t *testing.T) {
	etcd, memory := openTest(t, Config{}).kv, clientv3.KV(clustertest.NewMemory())
	rng := rand.New(rand.NewPCG(3, 5))
	base := must[*clientv3.GetResponse](t)(etcd.Get(t.Context(), "x")).Header.Revision - 1 // etcd's own keys came first
	key := func() string { return fmt.Sprint("/m/", rng.IntN(6)) }
	for i := range 400 {
		var cmps [2][]clientv3.Cmp
		for range rng.IntN(3) {
			k, result, rev, kind := key(), []string{"=", "!=", "<", ">"}[rng.IntN(4)], int64(rng.IntN(i+2)), rng.IntN(3)
			value := fmt.Sprint(rng.IntN(i + 2))
			for side, shift := range []int64{base, 0} {
				at := rev
				if at > 0 {
					at += shift
				}
				switch kind {
				case 0:
					cmps[side] = append(cmps[side], clientv3.Compare(clientv3.ModRevision(k), result, at))
				case 1:
					cmps[side] = append(cmps[side], clientv3.Compare(clientv3.CreateRevision(k), result, at))
				default:
					cmps[side] = append(cmps[side], clientv3.Compare(clientv3.Value(k), result, value))
				}
			}
		}
		then := []clientv3.Op{clientv3.OpGet("/m/", clientv3.WithPrefix(), clientv3.WithLimit(int64(rng.IntN(5)))), clientv3.OpPut(key(), fmt.Sprint(i))}
		if rng.IntN(4) == 0 {
			then[1] = clientv3.OpDelete(key())
		}
		els := []clientv3.Op{clientv3.OpGet(key())}
		var got [2]string
		for side, kv := range []clientv3.KV{etcd, memory} {
			res, err := kv.Txn(t.Context()).If(cmps[side]...).Then(then...).Else(els...).Commit()
			if err != nil {
				t.Fatal(err)
			}
			shift := base
			if side == 1 {
				shift = 0
			}
			got[side] = shown(res, shift)
		}
		if got[0] != got[1] {
			t.Fatalf("step %d: etcd says\n%s, memory\n%s", i, got[0], got[1])
		}
	}
}

// shown is a response with its revisions shifted.
func shown(res *clientv3.TxnResponse, shift int64) string {
	s := fmt.Sprint(res.Succeeded, res.Header.Revision-shift)
	for _, r := range res.Responses {
		s += fmt.Sprint(" | ", r.GetResponseRange().GetMore(), r.GetResponseDeleteRange().GetDeleted())
		for _, kv := range r.GetResponseRange().GetKvs() {
			s += fmt.Sprintf(" %s=%s c%d m%d v%d", kv.Key, kv.Value, kv.CreateRevision-shift, kv.ModRevision-shift, kv.Version)
		}
	}
	return s
}
