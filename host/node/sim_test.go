package node

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/placement"
)

var (
	simSeeds = flag.Int("seeds", 200, "seeds of the simulation of whole nodes")
	simSeed  = flag.Uint64("seed", 0, "the first seed")
)

var simNames = []string{"n1", "n2", "n3"}

// simWeather is how long the weather is bad, simPatience how long the mesh may take afterwards to come to rest.
const (
	simWeather  = 25 * time.Second
	simPatience = 5 * time.Minute
)

// story plays one seed: three nodes, five products, bad weather, and then a calm in which everything must come right.
func (w *simWorld) story() {
	ctx := context.Background()
	admin, err := cluster.Over(ctx, cluster.Config{Node: "admin"}, cluster.Parts{KV: w.etcd, Watcher: w.etcd, Lease: w.etcd})
	if err == nil {
		var specs []host.Spec
		for _, name := range simOrder {
			specs = append(specs, host.Spec{Product: host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: name}, Artifact: host.Digest(name)})
		}
		err = admin.PutSpecs(ctx, specs)
		_ = admin.Close()
	}
	if err != nil {
		w.violated("setting up: %v", err)
		return
	}
	var alive []*simProcess
	if !w.willRestore() {
		alive = w.storm(simWeather)
	} else {
		w.storm(simWeather / 3).kill()
		im, err := w.backup(ctx)
		if err != nil {
			w.violated("backing up: %v", err)
			return
		}
		w.storm(simWeather / 3).kill()
		if err := w.restore(ctx, im); err != nil {
			w.violated("restoring: %v", err)
			return
		}
		alive = w.storm(simWeather / 3)
	}
	w.rest(alive)
	w.finish(alive)
}

type simFleet []*simProcess

func (f simFleet) kill() {
	var wg sync.WaitGroup
	for _, p := range f {
		wg.Go(p.kill)
	}
	wg.Wait()
}

// storm is bad weather for a time. It leaves the nodes running, in a calm.
func (w *simWorld) storm(length time.Duration) simFleet {
	w.setCalm(false)
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var wg, nodes sync.WaitGroup
	for _, f := range []func(context.Context){w.grow, w.compact, w.collect, w.operate} {
		wg.Go(func() { f(ctx) })
	}
	alive := make(simFleet, len(simNames))
	for i, name := range simNames {
		nodes.Go(func() { alive[i] = w.live(ctx, name) })
	}
	wg.Wait()
	w.setCalm(true)
	nodes.Wait()
	return alive
}

func (w *simWorld) setCalm(calm bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm = calm
}

// rest waits until nothing is left to do.
func (w *simWorld) rest(alive simFleet) {
	began := time.Now()
	for {
		time.Sleep(500 * time.Millisecond)
		left := w.left()
		if len(left) == 0 {
			return
		}
		if time.Since(began) > simPatience {
			w.mu.Lock()
			w.violated("progress: %v after the calm %s%s", simPatience, strings.Join(left, "; "), w.standing(alive))
			w.mu.Unlock()
			return
		}
	}
}

// standing is what the nodes think of the products that they run.
func (w *simWorld) standing(alive simFleet) (out string) {
	for _, p := range alive {
		for _, o := range p.node.owned() {
			o.mu.Lock()
			out += fmt.Sprintf("; %s runs %s in epoch %d, %s %s, busy %v, ended %v", p.name, o.id.Name, o.own.Epoch, o.state, o.reason, o.busy, o.ended())
			o.mu.Unlock()
		}
		for _, l := range p.node.listings() {
			out += fmt.Sprintf("; %s knows %s of %v at %v", p.name, l.product.ID.Name, l.own, l.place)
		}
	}
	return out
}

// left is where a product is not what an undisturbed computation gives (I12, exactly once).
func (w *simWorld) left() (out []string) {
	w.mu.Lock()
	n := len(w.log)
	tips := maps.Clone(w.tips)
	w.mu.Unlock()
	want := expected(n)
	for _, name := range simOrder {
		var got []simRow
		if tip := tips["local/d/"+name]; tip != nil {
			got = w.rows(tip)
		}
		if !slices.Equal(got, want[name]) {
			out = append(out, fmt.Sprintf("%s has %s, not %s", name, short(got), short(want[name])))
		}
	}
	if w.remade["local/d/alarms"] {
		return out // what was delivered of a snapshot that was given up was not taken back
	}
	var arrived []simRow
	for _, a := range w.sink.Arrived(simTarget, "local/d/alarms") {
		for _, r := range a.Rows {
			arrived = append(arrived, simRow{ID: r.ID, Name: *r.Name})
		}
	}
	if !slices.Equal(arrived, want["alarms"]) {
		out = append(out, fmt.Sprintf("effects arrived %s, not %s", short(arrived), short(want["alarms"])))
	}
	return out
}

func short(rows []simRow) string {
	if len(rows) > 6 {
		return fmt.Sprintf("%d rows …%v", len(rows), rows[len(rows)-3:])
	}
	return fmt.Sprint(rows)
}

func (w *simWorld) rows(h *host.Head) []simRow {
	out, err := simTables{simStore{w.disk, w.visitor("reader")}}.read(context.Background(), h.Outputs["out"].Metadata)
	if err != nil {
		return nil
	}
	return out
}

// expected is what the products have after n rows of the source when nothing ever goes wrong.
func expected(n int) map[string][]simRow {
	out := map[string][]simRow{}
	count := map[int64]int64{}
	for i := range n {
		r := simRow{ID: int64(i + 1), Name: fmt.Sprint("row ", i+1)}
		for _, name := range []string{"raw", "down", "alarms"} {
			out[name] = append(out[name], r)
		}
		count[r.ID%simKinds]++
	}
	for kind := range int64(simKinds) {
		if r := counted(kind, count[kind]); count[kind] > 0 && r.Op != abi.OpDelete {
			r.Op = ""
			out["counts"], out["mirror"] = append(out["counts"], r), append(out["mirror"], r)
		}
	}
	return out
}

// finish ends the nodes, lets everything that is on its way arrive, and looks a last time.
func (w *simWorld) finish(alive simFleet) {
	for _, p := range alive {
		p.checkPlan()
	}
	var wg sync.WaitGroup
	for _, p := range alive {
		wg.Go(p.close)
	}
	wg.Wait()
	w.ended.Wait()
	if left := w.left(); len(left) > 0 && len(w.violations()) == 0 {
		w.mu.Lock()
		w.violated("exactly once: in the end %s", strings.Join(left, "; "))
		w.mu.Unlock()
	}
}

// checkPlan is I8: as this process sees the mesh, a plan that has been carried out leaves nothing to plan.
func (p *simProcess) checkPlan() {
	if more := again(p.node.placementState()); len(more) > 0 {
		p.w.mu.Lock()
		p.w.violated("I8: after a plan there is another: %v", more)
		p.w.mu.Unlock()
	}
}

// again is what is planned once a plan has been carried out.
func again(s placement.State) []placement.Move {
	to := map[host.ProductID]string{}
	for _, m := range placement.Plan(s) {
		to[m.Product] = m.To
	}
	for i := range s.Products {
		if node, ok := to[s.Products[i].ID]; ok {
			s.Products[i].Wish, s.Products[i].Owner = node, node
		}
	}
	return placement.Plan(s)
}

// simTotals are sums over seeds.
type simTotals struct {
	mu                    sync.Mutex
	seeds, commits, kills int
	bad                   []string
}

// play plays seeds until all are done or, with until, one went wrong in these words.
func play(t *testing.T, mutant string, seeds int, until string) *simTotals {
	sum := &simTotals{}
	next := *simSeed
	end := next + uint64(seeds)
	t.Run("seeds", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for {
					sum.mu.Lock()
					seed := next
					next++
					done := seed >= end || until != "" && sum.has(until) >= 0
					sum.mu.Unlock()
					if done {
						return
					}
					synctest.Test(t, func(t *testing.T) {
						w := newSimWorld(seed, mutant)
						w.story()
						sum.add(w)
						for _, b := range w.bad {
							if mutant == "" {
								t.Errorf("seed %d: %s", seed, b)
							}
						}
					})
				}
			})
		}
	})
	return sum
}

// has is the index of the first violation in these words.
func (s *simTotals) has(words string) int {
	return slices.IndexFunc(s.bad, func(b string) bool { return strings.Contains(b, words) })
}

func (s *simTotals) add(w *simWorld) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	s.commits += w.commits
	s.kills += w.kills
	for _, b := range w.bad {
		s.bad = append(s.bad, fmt.Sprintf("seed %d: %s", w.seed, b))
	}
}

// simMutants are broken variants of the protocol, and what of a violation must show that each is noticed.
var simMutants = []struct{ name, by string }{
	{"no epoch guard", "I1"},
	{"no head guard", "I2"},
	{"rebased commit", "I3"},
	{"rebuilt compares", "I"},
	{"age-based clean-up", "I4"},
	{"head before files", "I4"},
	{"acknowledge before commit", "I3"},
	{"epoch reuse after restore", "I5"},
	{"outbox delivered twice", "effects arrived"},
	{"runs late in a lease", "I10"},
}

// TestSimulation plays whole nodes through bad weather, and then broken variants of the protocol, each of which it must tell
// from the real one. A failing seed N is played again with -args -seeds 1 -seed N; what goroutines do at the same instant is
// not part of a seed, so that it may take a few times. Its last line of output is the sum for make soak.
func TestSimulation(t *testing.T) {
	sum := play(t, "", *simSeeds, "")
	if sum.commits < 20*sum.seeds {
		t.Errorf("only %d commits in %d seeds", sum.commits, sum.seeds)
	}
	caught := 0
	for _, m := range simMutants {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			found := play(t, m.name, 200, m.by)
			i := found.has(m.by)
			if i < 0 {
				t.Errorf("not noticed in %d seeds: %q", found.seeds, found.bad)
				return
			}
			caught++
			t.Logf("noticed after %d seeds: %s", found.seeds, found.bad[i])
		})
	}
	fmt.Printf("seeds %d commits %d kills %d violations %d mutants caught %d/%d\n",
		sum.seeds, sum.commits, sum.kills, len(sum.bad), caught, len(simMutants))
}

// TestSimulationRepeats plays seeds twice: nearly always the same commits happen at the same times. What is left are choices
// that a select makes among things that happen at one instant.
func TestSimulationRepeats(t *testing.T) {
	const seeds = 12
	same := 0
	for seed := range uint64(seeds) {
		var traces [2]uint64
		for i := range traces {
			synctest.Test(t, func(t *testing.T) {
				w := newSimWorld(seed, "")
				w.story()
				traces[i] = w.trace
			})
		}
		if traces[0] == traces[1] {
			same++
		}
	}
	t.Logf("%d of %d seeds", same, seeds)
	if same < seeds/2 {
		t.Errorf("only %d of %d seeds were the same story the second time", same, seeds)
	}
}
