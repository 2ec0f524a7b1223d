package node

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/adp-host/adp/host/cluster"
)

const (
	// looks is how often a node looks after its neighbour while a lease lasts.
	looks = 6
	// knockPatience bounds how long a neighbour's door is knocked at. A refusal comes at once.
	knockPatience = 500 * time.Millisecond
)

// lookAfter watches over the next node of the ring that all nodes make, by name, so that each is looked after by one other,
// the scheduler too. Where a process was killed its machine refuses connections: then its lease is ended as soon as a sign
// of life is missing. A machine that says nothing may be cut off, or the process stopped: its lease runs out.
func (n *Node) lookAfter(ctx context.Context) {
	ttl := n.leaseTTL()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(ttl / looks):
		}
		next, ok := n.neighbour()
		if !ok {
			continue
		}
		short, cancel := context.WithTimeout(ctx, ttl/looks+knockPatience)
		ended, err := n.cluster.EndIfDead(short, next.ID, func(ctx context.Context) bool { return refuses(ctx, next.URL) })
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			n.log.Debug("cannot look after the next node", "node", next.ID, "error", err)
		case ended:
			n.log.Warn("a node is dead: it missed a sign of life, and nothing listens where it did", "node", next.ID, "url", next.URL)
		}
	}
}

func (n *Node) leaseTTL() time.Duration {
	if ttl := n.cfg.Fleet.LeaseTTL; ttl > 0 {
		return ttl
	}
	return cluster.DefaultLeaseTTL
}

// neighbour is the node after this one by name, the first after the last. Nodes that others cannot reach are passed over.
func (n *Node) neighbour() (cluster.NodeInfo, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var others []cluster.NodeInfo
	for _, info := range n.fleet.Nodes {
		if info.ID != n.cfg.Name && info.URL != "" {
			others = append(others, info)
		}
	}
	if len(others) == 0 {
		return cluster.NodeInfo{}, false
	}
	slices.SortFunc(others, func(a, b cluster.NodeInfo) int { return strings.Compare(a.ID, b.ID) })
	after := slices.IndexFunc(others, func(info cluster.NodeInfo) bool { return info.ID > n.cfg.Name })
	return others[max(after, 0)], true
}

// refuses reports that a machine answers at an address, and that no process listens there.
func refuses(ctx context.Context, address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme // http and https are names of ports as well
	}
	d := net.Dialer{Timeout: knockPatience}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err == nil {
		_ = conn.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
