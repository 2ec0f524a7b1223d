package node

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/adp-host/adp/host/cluster"
)

// votersWanted is how many members etcd is to have where it is embedded in nodes: three survive the loss of one.
const votersWanted = 3

func (n *Node) etcdDir() string { return filepath.Join(n.cfg.Data, "etcd") }

// elect is the scheduler's part: when there are nodes enough it asks those that can to carry a member, so that there are
// three of them. It never asks for two: two members survive no more than one and fail twice as often.
func (n *Node) elect(ctx context.Context, t cluster.Term) {
	n.mu.RLock()
	fleet := n.fleet
	n.mu.RUnlock()
	could := slices.DeleteFunc(slices.Clone(fleet.Nodes), func(info cluster.NodeInfo) bool { return info.Peer == "" })
	if len(could) == 0 {
		return
	}
	members, err := n.cluster.Members(ctx)
	if err != nil {
		return
	}
	has := map[string]bool{}
	for _, m := range members {
		has[m.Peer] = true
	}
	var able []string
	for _, info := range could {
		if !has[info.Peer] {
			able = append(able, info.ID)
		}
	}
	if len(members) >= votersWanted {
		if !n.replaceLost(ctx, t, members, len(able) > 0) {
			return
		}
		if members, err = n.cluster.Members(ctx); err != nil {
			return
		}
	}
	if len(members) >= votersWanted || len(members)+len(able) < votersWanted {
		return
	}
	for _, id := range able[:votersWanted-len(members)] {
		if _, err := n.cluster.During(t).ChangeNodeConfig(ctx, id, func(c *cluster.NodeConfig) { c.Member = true }); err != nil {
			n.log.Warn("cannot ask a node to carry a member of etcd", "node", id, "error", err)
		}
	}
}

// carry is the asked node's part, once. What fails is tried again until the node closes.
func (n *Node) carry() {
	m := *n.cfg.Fleet.Member
	for wait := time.Second; n.ctx.Err() == nil; wait = min(2*wait, retryLast) {
		err := n.becomeMember(n.ctx, m)
		if err == nil {
			n.log.Info("this node carries a member of etcd", "node", n.cfg.Name)
			return
		}
		n.log.Warn("cannot carry a member of etcd", "node", n.cfg.Name, "error", err)
		select {
		case <-n.ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (n *Node) becomeMember(ctx context.Context, m cluster.Member) error {
	if !n.carrying {
		var err error
		if m.Join, err = n.cluster.AddMember(ctx, m.Name, m.Peer); err != nil {
			return err
		}
		if err = n.cluster.Carry(ctx, n.etcdDir(), m); err != nil {
			return err
		}
		n.carrying = true
	}
	return n.cluster.Promote(ctx, m.Peer)
}
