package node

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/drivers/drivertest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

// simWorld is everything outside the nodes: an etcd, a shared disk, a source whose log grows, a target of effects, and the
// weather. It sees every write and knows the invariants.
type simWorld struct {
	seed   uint64
	mutant string
	disk   *simDisk
	sink   *drivertest.Counter

	ended sync.WaitGroup // for processes that were killed, and for starts that came to nothing

	mu       sync.Mutex
	etcd     *clustertest.Memory
	calm     bool // the weather is fine
	restored bool
	remade   map[string]bool // products whose newest snapshot was given up by a recovery, for nobody knew of it
	log      []int64         // ids of the source's rows
	forgot   int             // rows that the source does not have any more
	grown    chan struct{}
	epochs   map[string]host.Epoch // highest that was ever claimed
	tips     map[string]*host.Head // newest head of each product
	rowsAt   map[string][]int64    // rows of each product's port, by seq
	kept     map[string]bool       // files that committed heads name
	bad      []string
	commits  int
	trace    uint64 // of all commits
	handed   int64  // deliveries, for a mutant
	kills    int
}

func newSimWorld(seed uint64, mutant string) *simWorld {
	w := &simWorld{seed: seed, mutant: mutant, sink: &drivertest.Counter{}, etcd: clustertest.NewMemory(),
		grown: make(chan struct{}), epochs: map[string]host.Epoch{}, tips: map[string]*host.Head{}, rowsAt: map[string][]int64{}, kept: map[string]bool{}, remade: map[string]bool{}}
	w.disk = &simDisk{w: w, files: map[string]*simFile{}}
	w.watch(w.etcd)
	return w
}

// die is the chance in one event of the story. It depends on the seed, on whom and what the event is about, and on when it
// happens, but not on what else goes on at the same instant: the order in which goroutines run does not change the story.
func (w *simWorld) die(who, what string) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s|%s|%d", who, stable(what), time.Now().UnixNano())
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// stable leaves away what is different in every life: the id of an attempt in the name of a file.
func stable(name string) string {
	parts := strings.Split(name, "/")
	if len(parts) > 6 && strings.HasSuffix(parts[0], "products") {
		parts[6] = ""
	}
	return strings.Join(parts, "/")
}

// upTo is a random part of a time.
func upTo(r *rand.Rand, d time.Duration) time.Duration { return 1 + time.Duration(r.Int64N(int64(d))) }

func (w *simWorld) violated(format string, args ...any) {
	if len(w.bad) < 20 {
		w.bad = append(w.bad, fmt.Sprintf(format, args...))
	}
}

func (w *simWorld) violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.bad)
}

func (w *simWorld) isCalm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}

const simRoot = "/adp/v1/"

// watch has every transaction of an etcd looked at, as long as it is the world's.
func (w *simWorld) watch(etcd *clustertest.Memory) {
	etcd.Observe = func(events []*clientv3.Event, get func(string) []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.etcd == etcd {
			w.observe(events, get)
		}
	}
}

// observe sees every transaction.
func (w *simWorld) observe(events []*clientv3.Event, get func(string) []byte) {
	for _, e := range events {
		kind, tail, _ := strings.Cut(strings.TrimPrefix(string(e.Kv.Key), simRoot), "/")
		if e.Type == clientv3.EventTypeDelete {
			if kind == "head" || kind == "own" {
				w.violated("I5: %s was deleted", e.Kv.Key)
			}
			continue
		}
		switch kind {
		case "head":
			w.checkHead(tail, e, get)
		case "own":
			w.checkOwn(tail, e, get)
		}
	}
}

type simOwner struct {
	Node  string     `json:"node"`
	Epoch host.Epoch `json:"epoch"`
}

// checkOwn is I5, an epoch is never used again, and I7, the index of nodes agrees with who owns.
func (w *simWorld) checkOwn(tail string, e *clientv3.Event, get func(string) []byte) {
	var o, before simOwner
	_ = json.Unmarshal(e.Kv.Value, &o)
	if e.PrevKv != nil {
		_ = json.Unmarshal(e.PrevKv.Value, &before)
	}
	if o.Node != "" && o.Epoch <= w.epochs[tail] || o.Node == "" && o.Epoch != before.Epoch {
		w.violated("I5: %s is owned by %q in epoch %d after %d", tail, o.Node, o.Epoch, w.epochs[tail])
	}
	w.epochs[tail] = max(w.epochs[tail], o.Epoch)
	for _, node := range simNames {
		if has := get(simRoot+"idx/"+node+"/"+tail) != nil; has != (node == o.Node) {
			w.violated("I7: %s is owned by %q, the index of %s says %v", tail, o.Node, node, has)
		}
	}
}

// checkHead is I1, I2, I3 and I4 at the moment of a commit.
func (w *simWorld) checkHead(tail string, e *clientv3.Event, get func(string) []byte) {
	w.commits++
	var next, prev host.Pointer
	var own simOwner
	_ = json.Unmarshal(e.Kv.Value, &next)
	if e.PrevKv != nil {
		_ = json.Unmarshal(e.PrevKv.Value, &prev)
	}
	_ = json.Unmarshal(get(simRoot+"own/"+tail), &own)
	mark := fnv.New64a()
	_, _ = fmt.Fprintf(mark, "%d %s %d %d", time.Now().UnixNano(), tail, next.Seq, next.Epoch)
	w.trace += mark.Sum64()
	if next.Epoch != own.Epoch || own.Node == "" {
		w.violated("I1: %s committed in epoch %d, the owner's is %d of %q", tail, next.Epoch, own.Epoch, own.Node)
	}
	if next.Seq != prev.Seq+1 {
		w.violated("I2: %s went from %d to %d", tail, prev.Seq, next.Seq)
	}
	h := &host.Head{}
	if b := w.durable(tail, host.FileRef{Location: next.Location, Hash: next.Hash}); b == nil || json.Unmarshal(b, h) != nil {
		return
	}
	if h.Seq != next.Seq || h.Epoch != next.Epoch || (prev.Seq == 0) != (h.Prev == nil) || h.Prev != nil && h.Prev.Hash != prev.Hash {
		w.violated("I2: the head of %s at %d follows %v, not %v", tail, next.Seq, h.Prev, prev)
	}
	for _, f := range filesOf(h) {
		w.durable(tail, f)
	}
	w.checkTiles(tail, h)
	w.tips[tail] = h
	at := w.rowsAt[tail]
	if at == nil {
		at = []int64{0}
	}
	for int(h.Seq) >= len(at) {
		at = append(at, h.Outputs["out"].Rows)
	}
	w.rowsAt[tail] = at
}

// checkTiles is I3: what a run read is exactly what lies between the cursors of two heads.
func (w *simWorld) checkTiles(tail string, h *host.Head) {
	spec := simProducts[host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: tail[strings.LastIndex(tail, "/")+1:]}.Name]
	if spec.reads == "counts" { // changes are not rows
		return
	}
	from, to := int64(0), position(h.Cursors["in"])
	if before := w.tips[tail]; before != nil && !h.Rebuild {
		from = position(before.Cursors["in"])
	}
	read := to - from
	if spec.reads != "" {
		rows := w.rowsAt["local/d/"+spec.reads]
		if int(to) >= len(rows) || int(from) >= len(rows) {
			w.violated("I3: %s read up to %d of %s, which has %d", tail, to, spec.reads, len(rows)-1)
			return
		}
		read = rows[to] - rows[from]
	}
	if h.Run.RowsIn != read {
		w.violated("I3: head %d of %s goes from %d to %d and read %d rows", h.Seq, tail, from, to, h.Run.RowsIn)
	}
}

func position(c host.Cursor) int64 {
	var at struct {
		At  int64 `json:"at"`
		Seq int64 `json:"seq"`
	}
	_ = json.Unmarshal(c, &at)
	return at.At + at.Seq
}

// durable is I4: a file is there, would survive a crash, and is what its hash says.
func (w *simWorld) durable(tail string, ref host.FileRef) []byte {
	b, synced, ok := w.disk.look(ref.Location)
	switch {
	case !ok:
		w.violated("I4: %s refers to %s, which is not there", tail, ref.Location)
	case !synced:
		w.violated("I4: %s refers to %s, which is not durable", tail, ref.Location)
	case digestOf(b) != ref.Hash:
		w.violated("I4: %s refers to %s, which has another hash", tail, ref.Location)
	default:
		w.kept[ref.Location] = true
		return b
	}
	return nil
}

func filesOf(h *host.Head) []host.FileRef {
	var files []host.FileRef
	for _, name := range slices.Sorted(maps.Keys(h.Outputs)) {
		o := h.Outputs[name]
		files = append(append(files, host.FileRef{Location: o.Metadata, Hash: o.Hash}), o.Changes...)
	}
	if h.State != nil {
		if h.State.Base != nil {
			files = append(files, *h.State.Base)
		}
		files = append(files, h.State.Deltas...)
	}
	for _, f := range []*host.FileRef{h.Outbox, h.Recorded} {
		if f != nil {
			files = append(files, *f)
		}
	}
	return files
}

// missing is told by the disk of files that go.
func (w *simWorld) missing(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept[name] {
		w.violated("I4: %s is gone, and a committed head refers to it", name)
	}
}

// grow appends rows to the source until ctx ends.
func (w *simWorld) grow(ctx context.Context) {
	for ctx.Err() == nil {
		r := w.die("world", "grow")
		nap(ctx, upTo(r, 1500*time.Millisecond))
		w.mu.Lock()
		for range 1 + r.IntN(6) {
			w.log = append(w.log, int64(len(w.log)+1))
		}
		close(w.grown)
		w.grown = make(chan struct{})
		w.mu.Unlock()
	}
}

// operate cordons and drains nodes, and lets them in again.
func (w *simWorld) operate(ctx context.Context) {
	say := func(c cluster.NodeConfig) {
		b, err := host.CanonicalJSON(c)
		if err == nil {
			_, err = w.now().Put(context.Background(), simRoot+"nodecfg/"+c.ID, string(b))
		}
		if err != nil {
			panic(err)
		}
	}
	for ctx.Err() == nil {
		r := w.die("world", "operate")
		nap(ctx, upTo(r, 8*time.Second))
		say(cluster.NodeConfig{ID: simNames[r.IntN(len(simNames))], Cordoned: r.IntN(2) == 0, Draining: r.IntN(2) == 0})
	}
	for _, name := range simNames {
		say(cluster.NodeConfig{ID: name})
	}
}

// compact makes watches that are behind break.
func (w *simWorld) compact(ctx context.Context) {
	for ctx.Err() == nil {
		nap(ctx, upTo(w.die("world", "compact"), 8*time.Second))
		etcd := w.now()
		_, _ = etcd.Compact(ctx, etcd.Revision())
	}
}

func (w *simWorld) now() *clustertest.Memory {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.etcd
}

// collect removes orphans: by the rule of epochs and seqs, or, as a mutant, by their age.
func (w *simWorld) collect(ctx context.Context) {
	for ctx.Err() == nil {
		nap(ctx, time.Second+upTo(w.die("world", "collect"), time.Second))
		etcd := w.now()
		for _, name := range simOrder {
			tail := "local/d/" + name
			var own simOwner
			res, err := etcd.Get(ctx, simRoot+"own/"+tail)
			if err != nil || len(res.Kvs) == 0 || json.Unmarshal(res.Kvs[0].Value, &own) != nil {
				continue
			}
			var head host.Pointer
			if res, err = etcd.Get(ctx, simRoot+"head/"+tail); err != nil {
				continue
			}
			if len(res.Kvs) > 0 {
				_ = json.Unmarshal(res.Kvs[0].Value, &head)
			}
			w.disk.collect("products/"+tail+"/", func(f *simFile, epoch host.Epoch, seq host.Seq) bool {
				if w.mutant == "age-based clean-up" {
					return time.Since(f.made) > 2*time.Second
				}
				return epoch < own.Epoch || epoch == own.Epoch && seq <= head.Seq
			})
		}
	}
}

// nap sleeps, but not beyond ctx.
func nap(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
