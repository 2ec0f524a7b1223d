package node

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// Products lists the mesh, by domain and name. A direct request gets those that run here.
func (n *Node) Products(ctx context.Context) ([]host.ProductStatus, error) {
	elsewhere := map[string]map[string]host.ProductStatus{} // by node that was asked
	out := []host.ProductStatus{}
	for _, l := range n.listings() {
		id := l.product.ID
		if o := n.owner(id); o == nil && host.IsDirect(ctx) {
			continue
		} else if o == nil && elsewhere[l.own.Node] == nil {
			elsewhere[l.own.Node] = n.productsOf(ctx, l.own.Node)
		}
		st, err := n.status(ctx, l)
		if err != nil {
			return nil, err
		}
		if told, ok := elsewhere[l.own.Node][st.URL]; ok {
			told.Node = l.own.Node
			st = told
		}
		out = append(out, st)
	}
	return out, nil
}

// productsOf asks another node for what runs there, by URL; what it does not tell is read from the heads.
func (n *Node) productsOf(ctx context.Context, node string) map[string]host.ProductStatus {
	out := map[string]host.ProductStatus{}
	if node == "" || node == n.cfg.Name {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, peerAnswers)
	defer cancel()
	c, err := n.peer(node)
	if err != nil {
		return out
	}
	told, err := c.Products(ctx, "")
	if err != nil {
		n.log.Warn("a node does not tell what it runs", "node", node, "error", err)
	}
	for _, st := range told {
		out[st.URL] = st
	}
	return out
}

// peerAnswers bounds how long another node is waited for when its answer only adds to what is known.
const peerAnswers = 2 * time.Second

// Product is the status of one product.
func (n *Node) Product(ctx context.Context, id host.ProductID) (host.ProductStatus, error) {
	l, err := n.listing(id)
	if err != nil {
		return host.ProductStatus{}, err
	}
	if n.owner(id) == nil && !host.IsDirect(ctx) && l.own.Node != "" {
		if c, err := n.peer(l.own.Node); err == nil {
			limited, cancel := context.WithTimeout(ctx, peerAnswers)
			defer cancel()
			if st, err := c.Product(limited, host.Address{Domain: id.Domain, Product: id.Name}); err == nil {
				st.Node = l.own.Node
				return st, nil
			}
		}
	}
	st, err := n.status(ctx, l)
	if err != nil {
		return st, err
	}
	head, _, err := n.newest(ctx, id)
	if head != nil {
		st.Checks = head.Checks
	}
	return st, err
}

// stateOf is what a product does: what its loop here says, else what its newest head says.
func (n *Node) stateOf(ctx context.Context, l listing) (state host.State, reason, hint string) {
	if o := n.owner(l.product.ID); o != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.state, o.reason, o.hint
	}
	o := newOwner(n, l.product.ID, host.Ownership{})
	n.restoreState(ctx, o)
	switch {
	case o.reason != "" || l.own.Node != "":
	case fitsNowhere(l): // nothing will happen until somebody does something
		return host.StateFailed, l.place.Reason, nowhereHint
	default:
		o.reason = whyNowhere(l)
	}
	return o.state, o.reason, o.hint
}

func (n *Node) status(ctx context.Context, l listing) (host.ProductStatus, error) {
	p, spec := l.product, l.spec
	state, reason, hint := n.stateOf(ctx, l)
	st := host.ProductStatus{Domain: p.ID.Domain, Product: p.ID.Name, Version: p.Version, Language: p.Code.Language,
		State: state, Reason: reason, Hint: hint, Node: l.own.Node, URL: p.ID.URL(), Description: p.Description, Tags: p.Tags, Artifact: spec.Artifact}
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
	if st.Effects, err = n.effectStatus(ctx, p.ID, head); err != nil {
		return st, err
	}
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
	ptr, err := n.told.pointer(ctx, id)
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
		if h, err = run.LoadHead(ctx, n.store, *h.Prev); errors.Is(err, fs.ErrNotExist) {
			return head, 0, nil // only held attempts are kept: nothing was ever published
		} else if err != nil {
			return nil, 0, err
		}
	}
	return head, h.Seq, nil
}

// Runs lists the newest runs of a product, newest first: those that committed a head, held ones included, and those
// that failed on this node.
func (n *Node) Runs(ctx context.Context, id host.ProductID, limit int) ([]host.RunStatus, error) {
	l, err := n.listing(id)
	if err != nil {
		return nil, err
	}
	if n.owner(id) == nil && !host.IsDirect(ctx) && l.own.Node != "" {
		if c, err := n.peer(l.own.Node); err == nil {
			limited, cancel := context.WithTimeout(ctx, peerAnswers)
			defer cancel()
			if out, err := c.Runs(limited, host.Address{Domain: id.Domain, Product: id.Name}, limit); err == nil {
				return out, nil
			}
		}
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
		if head, err = run.LoadHead(ctx, n.store, *head.Prev); errors.Is(err, fs.ErrNotExist) {
			break // it has expired
		} else if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b host.RunStatus) int { return b.Started.Compare(a.Started) })
	return out[:min(limit, len(out))], nil
}
