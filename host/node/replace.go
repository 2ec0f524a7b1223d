package node

import (
	"context"
	"time"

	"github.com/adp-host/adp/host/cluster"
)

// lostAfter is how many leases a member of etcd may be down before another takes its place: a machine that is started anew is
// back by then.
const lostAfter = 6

// replaceLost removes a member that has been down for long, where another can take its place or there are more than enough. Removed
// it is before the other comes: as long as it counts, one more that fails ends everything, and a fourth would not change that.
// It reports whether it did. Should the node come back, it finds that it carries none any more (cluster.Open).
func (n *Node) replaceLost(ctx context.Context, t cluster.Term, members []cluster.MemberInfo, spare bool) bool {
	if time.Since(n.asked) < n.leaseTTL() { // plans may follow each other closely
		return false
	}
	n.asked = time.Now()
	n.cluster.Health(ctx, members)
	down := map[string]time.Time{}
	var lost *cluster.MemberInfo
	for i, m := range members {
		if !m.Down {
			continue
		}
		since, known := n.down[m.Peer]
		if !known {
			since = time.Now()
		}
		down[m.Peer] = since
		if time.Since(since) > lostAfter*n.leaseTTL() {
			lost = &members[i]
		}
	}
	n.down = down
	if lost == nil || len(down) > 1 || !spare && len(members) <= votersWanted {
		return false
	}
	n.log.Warn("a member of etcd is lost; another takes its place", "member", lost.Name, "down since", down[lost.Peer])
	err := n.cluster.RemoveMember(ctx, lost.Peer)
	if err == nil && lost.Name != "" {
		_, err = n.cluster.During(t).ChangeNodeConfig(ctx, lost.Name, func(c *cluster.NodeConfig) { c.Member = false })
	}
	if err != nil {
		n.log.Warn("cannot remove a lost member of etcd", "member", lost.Name, "error", err)
	}
	return err == nil
}
