package clustertest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Front is a member of an etcd behind a Net: nodes and the other members reach it through the proxies alone.
type Front struct {
	Name         string
	Peer, Client string // https://HOST:PORT of the proxies, which the member is known by

	peer, client string // where the member itself listens
	all          string // the members, as etcd wants them said
}

// Fronts prepares members that begin an etcd together.
func (n *Net) Fronts(names ...string) ([]Front, error) {
	fronts := make([]Front, len(names))
	var all []string
	for i, name := range names {
		f := Front{Name: name}
		for _, way := range []struct{ front, behind *string }{{&f.Peer, &f.peer}, {&f.Client, &f.client}} {
			*way.behind = freeAddress()
			var err error
			if *way.front, err = n.Before(name, *way.behind); err != nil {
				return nil, err
			}
			*way.front = "https://" + *way.front
		}
		all = append(all, name+"="+f.Peer)
		fronts[i] = f
	}
	for i := range fronts {
		fronts[i].all = strings.Join(all, ",")
	}
	return fronts, nil
}

// ports are below those that systems give to connections and to whoever asks for any port, so that a free one stays free
// until a member listens there, and begin elsewhere in each process.
var ports = func() *atomic.Int32 {
	var p atomic.Int32
	p.Store(int32(os.Getpid() % 10_000 * 40))
	return &p
}()

func freeAddress() string {
	for {
		const first, many = 12_000, 18_000
		address := fmt.Sprintf("127.0.0.1:%d", first+ports.Add(1)%many)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
}

// Tune makes a member listen behind the proxies, say its name to the Net when it calls others, and find a lost leader in
// less time than etcd's defaults take.
func (f Front) Tune(c *embed.Config) {
	c.ListenPeerUrls, c.ListenClientUrls = []url.URL{behind(f.peer)}, []url.URL{behind(f.client)}
	c.PeerTLSInfo.ServerName = CallerName(f.Name)
	c.ClusterState, c.InitialCluster = embed.ClusterStateFlagNew, f.all
	c.TickMs, c.ElectionMs = uint(tick/time.Millisecond), uint(10*tick/time.Millisecond)
}

// tick is the time between two heartbeats of a leader.
const tick = 50 * time.Millisecond

func behind(address string) url.URL { return url.URL{Scheme: "https", Host: address} }
