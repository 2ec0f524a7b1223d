package cluster

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

var (
	histories   = flag.Int("histories", 1, "histories on an etcd of three members")
	historySeed = flag.Uint64("history", 0, "seed of the first of them; 0: another each time")
)

// story is several nodes that want the same few products, for a while.
type story struct {
	products []host.ProductID
	seed     uint64
}

func newStory(seed uint64, products int) *story {
	s := &story{seed: seed}
	for i := range products {
		s.products = append(s.products, host.ProductID{Tenant: "local", Domain: fmt.Sprintf("seed%d", seed), Name: fmt.Sprintf("p%d", i)})
	}
	return s
}

func (s *story) chance(part uint64) *rand.Rand { return rand.New(rand.NewPCG(s.seed, part)) }

// live is what a node does: it claims what it can get, commits, now and then gives something away, and reads. Much of it
// is given up before there is an answer.
func (s *story) live(ctx context.Context, a *author) {
	r := s.chance(uint64(a.number))
	for ctx.Err() == nil {
		id := s.products[r.IntN(len(s.products))]
		patience := time.Duration(20+r.IntN(100)) * time.Millisecond
		if r.IntN(3) > 0 {
			patience = time.Duration(1+r.IntN(3)) * time.Second
		}
		limited, cancel := context.WithTimeout(ctx, patience)
		_, owned := a.owned[id]
		switch x := r.IntN(20); {
		case x == 0:
			a.owners(limited, s.products)
		case x == 1 && owned:
			a.release(limited, id)
		case !owned || x == 2: // also what it owns already
			a.claim(limited, id)
		default:
			if prev, ok := a.head(limited, id); ok {
				pause(ctx, time.Duration(r.IntN(30))*time.Millisecond) // the run
				a.commit(limited, id, prev)
			}
		}
		cancel()
		pause(ctx, time.Duration(r.IntN(20))*time.Millisecond)
	}
}

// watch reads heads without owning anything.
func (s *story) watch(ctx context.Context, a *author) {
	for ctx.Err() == nil {
		for _, id := range s.products {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			a.head(limited, id)
			cancel()
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// newest is where the products stand in truth.
func (s *story) newest(t *testing.T, kv clientv3.KV) map[host.ProductID]string {
	t.Helper()
	c := newCluster("reader", kv, nil, quiet)
	out := map[host.ProductID]string{}
	for _, id := range s.products {
		eventually(t, "the head is read", func() bool {
			limited, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			p, err := c.Head(limited, id)
			out[id] = named(p)
			return err == nil
		})
	}
	return out
}

// weather changes what the net does to the nodes and the members, until ctx ends.
func (s *story) weather(ctx context.Context, net *clustertest.Net, nodes []string) (kinds map[string]int) {
	r := s.chance(1000)
	one := func(of []string) string { return of[r.IntN(len(of))] }
	everybody := slices.Concat(nodes, memberNames)
	kinds = map[string]int{}
	for ctx.Err() == nil {
		kind := []string{"fine", "node cut off", "node cut off", "node unheard", "node deaf", "member cut off", "one way between members", "one way to a member",
			"connections of a node broken", "connections to a member broken", "slow node", "slow etcd", "narrow"}[r.IntN(13)]
		kinds[kind]++
		switch kind {
		case "fine":
			net.Clear()
		case "node cut off":
			net.Set(one(nodes), "", clustertest.Cut)
		case "node unheard":
			net.Set(one(nodes), "", clustertest.Weather{There: clustertest.Flow{Cut: true}})
		case "node deaf": // what it asks for happens, and it does not learn
			net.Set(one(nodes), "", clustertest.Weather{Back: clustertest.Flow{Cut: true}})
		case "member cut off":
			net.Isolate(one(memberNames))
		case "one way between members":
			from := r.IntN(len(memberNames))
			to := memberNames[(from+1+r.IntN(len(memberNames)-1))%len(memberNames)]
			net.Set(memberNames[from], to, clustertest.Weather{There: clustertest.Flow{Cut: true}})
		case "one way to a member":
			net.Set(one(nodes), one(memberNames), clustertest.Weather{Back: clustertest.Flow{Cut: true}})
		case "connections of a node broken":
			net.Break(one(nodes), "")
		case "connections to a member broken":
			net.Break("", one(memberNames))
		case "slow node":
			net.Set(one(nodes), "", clustertest.Weather{There: clustertest.Flow{Delay: 100 * time.Millisecond}, Back: clustertest.Flow{Delay: 100 * time.Millisecond}})
		case "slow etcd":
			net.Set(one(memberNames), "", clustertest.Weather{There: clustertest.Flow{Delay: 60 * time.Millisecond}, Back: clustertest.Flow{Delay: 60 * time.Millisecond}})
		case "narrow":
			net.Set(one(everybody), "", clustertest.Weather{There: clustertest.Flow{Rate: 20 << 10}})
		}
		hold := 100 + r.IntN(300)
		if strings.HasPrefix(kind, "node") {
			hold += 1200 + r.IntN(1000) // longer than the lease
		}
		pause(ctx, time.Duration(hold)*time.Millisecond)
		if r.IntN(2) == 0 {
			net.Clear()
		}
	}
	net.Clear()
	return kinds
}

// TestHistories plays stories on an etcd of three members in bad weather, and asks whether the protocol explains what
// the nodes were told. A node that fails is started anew under its name, as its process would be.
func TestHistories(t *testing.T) {
	t.Parallel()
	r := newTrio(t, nil)
	names := []string{"n1", "n2", "n3"}
	for i := range *histories {
		seed := *historySeed
		if seed == 0 {
			seed = uint64(time.Now().UnixNano())
		}
		s, h := newStory(seed+uint64(i), 3), newHistory()
		var all sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		for n, name := range names {
			a := &author{h: h, number: n, c: r.open(t, name, time.Second), owned: map[host.ProductID]host.Ownership{}}
			all.Go(func() {
				s.live(ctx, a)
				_ = a.c.Close() // the next story has nodes of the same names
			})
		}
		reader := &author{h: h, number: len(names), c: newCluster("reader", r.truth(), nil, quiet)}
		all.Go(func() { s.watch(ctx, reader) })
		kinds := s.weather(ctx, r.net, names)
		all.Wait()
		cancel()
		commits, lost := h.chains(s.newest(t, r.truth()))
		result, took := h.check()
		t.Logf("seed %d: %d operations, %d commits, %d of them unknown when given up, %d refused, %d unknown, %d claims, %d reads, %d lost; %s in %s; weather %v",
			s.seed, len(h.ops), commits, commits-h.tally["commits"], h.tally["refused"], h.tally["unknown"], h.tally["claims"], h.tally["reads"], lost,
			result, took.Round(time.Millisecond), kinds)
		if result != porcupine.Ok || lost > 0 || commits < 5 {
			t.Fatalf("seed %d: the protocol does not explain what happened (%s), or too little did", s.seed, result)
		}
	}
}

// A history is explained only when the guards hold: without one of them it is not.
func TestHistoriesOfMutants(t *testing.T) {
	t.Parallel()
	for mutant, prefix := range map[string]string{"": "", "no epoch guard": prefixOwn, "no head guard": prefixHead} {
		t.Run("mutant "+mutant, func(t *testing.T) {
			etcd := openTest(t, Config{})
			for seed := range uint64(20) {
				s, h := newStory(seed, 2), newHistory()
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				var all sync.WaitGroup
				for n := range 3 {
					kv := &clustertest.Faulty{KV: etcd.kv, Strip: func(c clientv3.Cmp) bool {
						return prefix != "" && strings.HasPrefix(string(c.GetCompare().Key), prefix)
					}}
					var mu sync.Mutex
					chance := s.chance(uint64(100 + n))
					kv.Late = func() time.Duration { return 30 * time.Millisecond }
					kv.Plan = func([]string) clustertest.Fault {
						mu.Lock()
						defer mu.Unlock()
						return []clustertest.Fault{clustertest.None, clustertest.None, clustertest.None, clustertest.LoseReply, clustertest.ApplyLate}[chance.IntN(5)]
					}
					c := newCluster(fmt.Sprintf("n%d", n), kv, nil, quiet) // never announced: to the others it is dead
					c.lease = &lease{}
					a := &author{h: h, number: n, c: c, owned: map[host.ProductID]host.Ownership{}}
					all.Go(func() { s.live(ctx, a); kv.Wait() })
				}
				all.Wait()
				cancel()
				result, took := h.check()
				switch {
				case mutant == "" && result != porcupine.Ok:
					t.Fatalf("seed %d: %s", seed, result)
				case mutant == "" && seed == 2, mutant != "" && result == porcupine.Illegal:
					t.Logf("seed %d: %d operations, %d commits, %s in %s", seed, len(h.ops), h.tally["commits"], result, took.Round(time.Millisecond))
					return
				}
			}
			t.Error("the mutant was not noticed")
		})
	}
}
