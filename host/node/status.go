package node

import (
	"cmp"
	"context"
	"slices"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// Products lists the mesh, by domain and name.
func (n *Node) Products(ctx context.Context) ([]host.ProductStatus, error) {
	n.mu.RLock()
	owners := make([]*owner, 0, len(n.owners))
	for _, o := range n.owners {
		owners = append(owners, o)
	}
	n.mu.RUnlock()
	out := make([]host.ProductStatus, 0, len(owners))
	for _, o := range owners {
		st, err := n.status(ctx, o)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b host.ProductStatus) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Product, b.Product))
	})
	return out, nil
}

// Product is the status of one product.
func (n *Node) Product(ctx context.Context, id host.ProductID) (host.ProductStatus, error) {
	o, err := n.owner(id)
	if err != nil {
		return host.ProductStatus{}, err
	}
	return n.status(ctx, o)
}

func (n *Node) owner(id host.ProductID) (*owner, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if o := n.owners[id]; o != nil {
		return o, nil
	}
	return nil, host.Errorf(host.CodeAccessUnknown, "no product %s in this mesh", id.URL()).
		WithHint("see what there is: adp find")
}

func (n *Node) status(ctx context.Context, o *owner) (host.ProductStatus, error) {
	o.mu.Lock()
	p, spec, state, reason, hint := o.product, o.spec, o.state, o.reason, o.hint
	o.mu.Unlock()
	st := host.ProductStatus{Domain: p.ID.Domain, Product: p.ID.Name, Version: p.Version, Language: p.Code.Language,
		State: state, Reason: reason, Hint: hint, URL: p.ID.URL(), Description: p.Description, Tags: p.Tags, Artifact: spec.Artifact}
	switch {
	case spec.Retired:
		st.State = host.StateRetired
	case spec.Paused && state != host.StateRunning:
		st.State = host.StatePaused
		if st.Reason == "" {
			st.Reason = "paused; resume with: adp control " + p.ID.URL() + " resume"
		}
	}
	for i := range p.Inputs {
		in := &p.Inputs[i]
		st.Inputs = append(st.Inputs, host.PortStatus{Name: in.Name, Mode: string(in.Mode), From: in.From, Fields: in.Schema.Fields})
	}
	head, published, err := n.newest(ctx, p.ID)
	if err != nil {
		return st, err
	}
	for i := range p.Outputs {
		out := &p.Outputs[i]
		ps := host.PortStatus{Name: out.Name, Mode: string(out.Mode), Key: out.Key, Fields: out.Schema.Fields}
		if head != nil {
			ref := head.Outputs[out.Name]
			ps.Rows, ps.Changed = ref.Rows, ref.Changed
		}
		st.Rows += ps.Rows
		st.Outputs = append(st.Outputs, ps)
	}
	st.Snapshot = published
	if head != nil {
		for _, c := range head.Checks {
			switch c.Status {
			case host.CheckPass:
				st.ChecksPassed++
			case host.CheckFail, host.CheckError:
				st.ChecksFailed++
			}
		}
	}
	return st, nil
}

// newest is the newest head of a product and the newest seq that published; nil and 0 when there is none.
func (n *Node) newest(ctx context.Context, id host.ProductID) (*host.Head, host.Seq, error) {
	ptr, err := n.cluster.Head(ctx, id)
	if err != nil || ptr.Seq == 0 {
		return nil, 0, err
	}
	head, err := n.heads.load(ctx, id, ptr)
	if err != nil {
		return nil, 0, err
	}
	h := head
	for h.Verdict == host.Held {
		if h.Prev == nil {
			return head, 0, nil
		}
		if h, err = run.LoadHead(ctx, n.store, *h.Prev); err != nil {
			return nil, 0, err
		}
	}
	return head, h.Seq, nil
}

// Runs lists the newest runs of a product, newest first: those that committed a head, held ones included, and those
// that failed on this node.
func (n *Node) Runs(ctx context.Context, id host.ProductID, limit int) ([]host.RunStatus, error) {
	if _, err := n.owner(id); err != nil {
		return nil, err
	}
	out, err := n.failures.list(id)
	if err != nil {
		return nil, err
	}
	head, _, err := n.newest(ctx, id)
	if err != nil {
		return nil, err
	}
	for k := 0; head != nil && k < limit; k++ {
		st := host.RunStatus{RunRecord: head.Run, Seq: head.Seq, State: host.RunCommitted, Checks: head.Checks,
			Finished: head.Run.Started.Add(head.Run.Duration)}
		if head.Verdict == host.Held {
			st.State = host.RunHeld
		}
		out = append(out, st)
		if head.Prev == nil {
			break
		}
		if head, err = run.LoadHead(ctx, n.store, *head.Prev); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b host.RunStatus) int { return b.Started.Compare(a.Started) })
	return out[:min(limit, len(out))], nil
}
