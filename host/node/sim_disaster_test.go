package node

import (
	"context"
	"encoding/json"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/cluster/clustertest"
	"github.com/adp-host/adp/registry"
)

// willRestore reports whether the story has a disaster in it.
func (w *simWorld) willRestore() bool { return w.seed%4 == 3 }

// hasBackup and trusts are how the disaster is recovered from: every fourth of these stories each way.
func (w *simWorld) hasBackup() bool { return w.seed/4%2 == 0 }
func (w *simWorld) trusts() bool    { return w.seed/8%2 == 0 }

// backup is an image of the mesh as of now; of the mesh that has none, an empty one.
func (w *simWorld) backup(ctx context.Context) (*cluster.Image, error) {
	if !w.hasBackup() {
		return cluster.NewImage(), nil
	}
	etcd := w.now()
	admin, err := cluster.Over(ctx, cluster.Config{Node: "admin"}, cluster.Parts{KV: etcd, Watcher: etcd, Lease: etcd})
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	return admin.Image(ctx)
}

// restore is a disaster, all nodes and etcd are gone, and the real recovery from it: from an old backup and the disk, or from
// the disk alone.
func (w *simWorld) restore(ctx context.Context, im *cluster.Image) error {
	etcd := clustertest.NewMemory()
	w.mu.Lock()
	w.restored, w.etcd = true, etcd
	before := w.tips
	w.mu.Unlock()
	v := &recovery{Recovery: Recovery{TrustNewest: w.trusts()}, im: im, store: simStore{w.disk, w.visitor("recovery")}, artifacts: simArtifacts{}, out: &Recovered{}}
	if err := v.read(ctx); err != nil {
		return err
	}
	if w.mutant == "epoch reuse after restore" {
		v.begin.EpochFloor = 0
	}
	if err := cluster.RestoreOver(ctx, cluster.Parts{KV: etcd, Watcher: etcd, Lease: etcd}, im, v.begin); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tips, w.kept = map[string]*host.Head{}, map[string]bool{}
	for _, p := range v.out.Products {
		if err := w.adopt(ctx, etcd, &p, before["local/d/"+p.id.Name]); err != nil {
			return err
		}
	}
	w.watch(etcd)
	return nil
}

// visitor reaches the world in fine weather.
func (w *simWorld) visitor(name string) *simProcess {
	return &simProcess{w: w, name: name, link: (&clustertest.Link{}).Open()}
}

// adopt takes what a recovery says of a product for true, if nothing is lost: whatever was committed is on the chain, but for
// a newest snapshot of which nobody knows.
func (w *simWorld) adopt(ctx context.Context, etcd *clustertest.Memory, p *RecoveredProduct, before *host.Head) error {
	tail := "local/d/" + p.id.Name
	var tip host.Pointer
	res, err := etcd.Get(ctx, simRoot+"head/"+tail)
	if err != nil {
		return err
	}
	if len(res.Kvs) > 0 {
		if err := json.Unmarshal(res.Kvs[0].Value, &tip); err != nil {
			return err
		}
	}
	was, onChain := host.Seq(0), before == nil
	if before != nil {
		was = before.Seq
	}
	for ref := (&host.HeadRef{Seq: tip.Seq, Hash: tip.Hash, Location: tip.Location}); ref != nil && ref.Seq > 0; {
		h := &host.Head{}
		if data := w.durable(tail, host.FileRef{Location: ref.Location, Hash: ref.Hash}); data == nil || json.Unmarshal(data, h) != nil {
			break
		}
		if w.tips[tail] == nil {
			w.tips[tail] = h
		}
		onChain = onChain || h.Seq == was && h.Run.ID == before.Run.ID
		for _, f := range filesOf(h) {
			w.durable(tail, f)
		}
		ref = h.Prev
	}
	switch {
	case onChain:
	case p.Undecided > 0 && tip.Seq == was-1:
		w.remade[tail] = true
	default:
		w.violated("I9: %s stood at %d, and at %d after the recovery, which knows of %d undecided: %q", tail, was, tip.Seq, p.Undecided, p.Notes)
	}
	at := w.rowsAt[tail][:min(int(tip.Seq)+1, len(w.rowsAt[tail]))]
	if h := w.tips[tail]; h != nil && int(h.Seq) >= len(at) { // it was not known to be committed, and is trusted
		if len(at) == 0 {
			at = []int64{0}
		}
		at = append(at, h.Outputs["out"].Rows)
	}
	w.rowsAt[tail] = at
	return nil
}

func (simArtifacts) Products(context.Context) (out []host.ProductID, err error) {
	for _, name := range simOrder {
		out = append(out, host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: name})
	}
	return out, nil
}

func (simArtifacts) Versions(_ context.Context, id host.ProductID) ([]registry.Version, error) {
	return []registry.Version{{Version: "1.0.0", Artifact: host.Digest(id.Name)}}, nil
}
