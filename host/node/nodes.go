package node

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/placement"
)

// States of a node as people see it.
const (
	nodeReady    = "ready"
	nodeCordoned = "cordoned" // gets nothing new
	nodeDraining = "draining" // gives away what fits elsewhere
	nodeDrained  = "drained"  // has given everything away
	nodeLost     = "lost"     // is not heard of, and owns something still or carries a member of etcd
)

// Fleet lists the nodes: those that are heard of, and those that are not and still own something.
func (n *Node) Fleet(ctx context.Context) (host.FleetStatus, error) {
	leader, err := n.cluster.Leader(ctx)
	if err != nil {
		return host.FleetStatus{}, err
	}
	members, err := n.cluster.Members(ctx)
	if err != nil {
		return host.FleetStatus{}, err
	}
	n.cluster.Health(ctx, members)
	owns := map[string]int{}
	for _, l := range n.listings() {
		if l.own.Node != "" {
			owns[l.own.Node]++
		}
	}
	n.mu.RLock()
	fleet := n.fleet
	n.mu.RUnlock()
	out := host.FleetStatus{Nodes: []host.NodeStatus{}, Tolerance: cluster.Tolerance(members)}
	for _, info := range fleet.Nodes {
		out.Nodes = append(out.Nodes, nodeStatus(info, configOf(fleet, info.ID), owns[info.ID], info.ID == leader, members))
		delete(owns, info.ID)
	}
	for _, m := range members { // one that is down and has lost everything else stays to be seen
		if m.Down && owns[m.Name] == 0 && !slices.ContainsFunc(out.Nodes, func(st host.NodeStatus) bool { return st.Node == m.Name }) {
			out.Nodes = append(out.Nodes, host.NodeStatus{Node: cmp.Or(m.Name, m.Peer), State: nodeLost, Member: "down"})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(owns)) {
		out.Nodes = append(out.Nodes, host.NodeStatus{Node: id, State: nodeLost, Products: owns[id]})
	}
	return out, nil
}

func configOf(f cluster.Fleet, id string) cluster.NodeConfig {
	for _, c := range f.Configs {
		if c.ID == id {
			return c
		}
	}
	return cluster.NodeConfig{ID: id}
}

func nodeStatus(info cluster.NodeInfo, cfg cluster.NodeConfig, owns int, leads bool, members []cluster.MemberInfo) host.NodeStatus {
	st := host.NodeStatus{Node: info.ID, State: nodeReady, Products: owns, Slots: info.Slots, Leader: leads, URL: info.URL,
		Version: info.Version, Labels: info.Labels, Features: info.Features, Memory: info.Memory, Boot: info.Boot, Started: info.Started}
	switch {
	case cfg.Draining && owns == 0:
		st.State = nodeDrained
	case cfg.Draining:
		st.State = nodeDraining
	case cfg.Cordoned:
		st.State = nodeCordoned
	}
	for _, m := range members {
		switch {
		case m.Name != info.ID && !(len(members) == 1 && info.Peer == "" && m.Client == ""):
		case m.Peer != info.Peer && m.Client != "": // of one that had this name before
		case m.Learner:
			st.Member = "learner"
		case m.Down:
			st.Member = "down"
		default:
			st.Member = "voter"
		}
	}
	return st
}

// NodeDetail is one node with what it owns, and why.
func (n *Node) NodeDetail(ctx context.Context, name string) (host.NodeStatus, error) {
	f, err := n.Fleet(ctx)
	if err != nil {
		return host.NodeStatus{}, err
	}
	at := slices.IndexFunc(f.Nodes, func(st host.NodeStatus) bool { return st.Node == name })
	if at < 0 {
		return host.NodeStatus{}, unknownNode(name, f.Nodes)
	}
	st := f.Nodes[at]
	explainer := placement.NewExplainer(n.placementState())
	for _, l := range n.listings() {
		if l.own.Node == name {
			st.Owns = append(st.Owns, placementStatus(l, explainer))
		}
	}
	return st, nil
}

func unknownNode(name string, nodes []host.NodeStatus) error {
	known := make([]string, len(nodes))
	for i := range nodes {
		known[i] = nodes[i].Node
	}
	return host.Errorf(host.CodeNodeUnknown, "no node %s in this mesh", name).WithHint("nodes: %s", strings.Join(known, ", "))
}

// Placement says why a product is where it is, or why it is nowhere.
func (n *Node) Placement(_ context.Context, id host.ProductID) (host.PlacementStatus, error) {
	l, err := n.listing(id)
	if err != nil {
		return host.PlacementStatus{}, err
	}
	return placementStatus(l, placement.NewExplainer(n.placementState())), nil
}

func placementStatus(l listing, explainer *placement.Explainer) host.PlacementStatus {
	st := host.PlacementStatus{Product: l.product.ID.URL(), Node: l.own.Node, Epoch: l.own.Epoch, Nodes: map[string]string{}}
	x, ok := explainer.Explain(l.product.ID)
	if !ok {
		return st
	}
	st.Why = x.Summary
	if l.place.Node != "" && l.place.Node == l.own.Node && l.place.Reason != "" {
		st.Why += "; placed since " + l.place.Reason
	}
	for _, v := range x.Nodes {
		says := "fits"
		if !v.OK() {
			says = v.Reason
		}
		st.Nodes[v.Node] = says
	}
	return st
}

// Cordon keeps new products from a node. Like Drain and Uncordon it is for nodes that are there, or once were.
func (n *Node) Cordon(ctx context.Context, node string) error {
	return n.setNode(ctx, node, func(c *cluster.NodeConfig) { c.Cordoned = true })
}

// Drain has a node give away what fits elsewhere. What fits nowhere else stays, and Fleet shows how much that is.
func (n *Node) Drain(ctx context.Context, node string) error {
	return n.setNode(ctx, node, func(c *cluster.NodeConfig) { c.Draining = true })
}

// Uncordon ends Cordon and Drain.
func (n *Node) Uncordon(ctx context.Context, node string) error {
	return n.setNode(ctx, node, func(c *cluster.NodeConfig) { c.Cordoned, c.Draining = false, false })
}

func (n *Node) setNode(ctx context.Context, name string, change func(*cluster.NodeConfig)) error {
	f, err := n.Fleet(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(f.Nodes, func(st host.NodeStatus) bool { return st.Node == name }) {
		return unknownNode(name, f.Nodes)
	}
	cfg, err := n.cluster.ChangeNodeConfig(ctx, name, change)
	if err == nil {
		n.setConfig(cfg)
	}
	return err
}

// setConfig remembers what was just written, so that whoever wrote it sees it, though the watch brings it later.
func (n *Node) setConfig(cfg cluster.NodeConfig) {
	n.mu.Lock()
	defer n.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(n.fleet.Configs), func(c cluster.NodeConfig) bool { return c.ID == cfg.ID })
	n.fleet.Configs = append(others, cfg)
}
