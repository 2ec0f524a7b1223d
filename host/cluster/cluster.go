package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/adp-host/adp/host"
)

// DefaultLeaseTTL outlives a third of etcd, until connections have turned to the others.
const DefaultLeaseTTL = 10 * time.Second

// Config is how a node takes part. Node is required, and Dir or Endpoints; with both, and Member, the node carries one of
// several members and reaches them all.
type Config struct {
	Dir  string // folder of the embedded etcd, made when missing; one process uses it at a time
	Node string // name of this node, of the form of host.ValidNode
	// Self is what the node says of itself; its ID is Node.
	Self NodeInfo
	// Store is the identity of the store that the node uses. All nodes of a mesh use one; "": it is not compared.
	Store string
	// Token is the fingerprint of the token that the node accepts. Nodes that are alive together have one; "": it is not compared.
	Token string
	// Member lets other processes reach the embedded etcd; nil: it listens nowhere.
	Member *Member
	// Endpoints are addresses of an etcd that runs elsewhere, used instead of an embedded one.
	Endpoints []string
	TLS       *tls.Config // of connections to Endpoints; nil: none
	// Addresses is a file in which the node keeps where the members of a mesh's own etcd are, beside Endpoints, which were true
	// when it joined; "": Endpoints are all, and the members that they name.
	Addresses string

	// LeaseTTL is how long after its last sign of life a node counts as alive. 0: DefaultLeaseTTL. etcd counts in seconds.
	LeaseTTL time.Duration
	Log      *slog.Logger // errors of etcd; nil: discarded, except what ends the process

	// WrapKV, when set, stands between the protocol and etcd: tests lose requests and replies there.
	WrapKV func(clientv3.KV) clientv3.KV
	// Etcd, when set, has the last word on how the embedded etcd is started: tests put it behind proxies, or give it little room.
	Etcd func(*embed.Config)
}

func (c *Config) validate() error {
	if !host.ValidNode(c.Node) {
		return host.Errorf(host.CodeNodeSetup, "%q is not a name for a node", c.Node).WithHint("take %s", host.NameRule)
	}
	if c.Dir == "" && len(c.Endpoints) == 0 || c.Dir != "" && len(c.Endpoints) > 0 && c.Member == nil {
		return host.Errorf(host.CodeNodeSetup, "a node has a folder for its own etcd or addresses of another; it got %q and %q", c.Dir, c.Endpoints)
	}
	if c.LeaseTTL <= 0 {
		c.LeaseTTL = DefaultLeaseTTL
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Self.ID = c.Node
	if c.Self.Identity == "" {
		c.Self.Identity = c.Node
	}
	if c.Self.Boot == "" {
		c.Self.Boot = rand.Text()
	}
	if c.Self.Started.IsZero() {
		c.Self.Started = time.Now().UTC()
	}
	return nil
}

// Cluster is one node's view of the mesh. It is safe for concurrent use. Unless said otherwise, the error of its
// methods is a host.Error of code N004 when etcd failed.
type Cluster struct {
	node   string
	kv     clientv3.KV
	watch  Watcher
	client *clientv3.Client // nil in simulations
	tls    *tls.Config      // of connections to members
	known  *addresses       // nil where the etcd is the node's own alone
	lease  *lease           // nil where nobody is announced
	term   *Term            // of During: what every write compares beside life; nil: none
	life   []byte           // the mesh's incarnation when the cluster was opened, which every write compares; nil: not read
	log    *slog.Logger

	ctx    context.Context // ends when the cluster closes
	cancel context.CancelFunc
	wg     sync.WaitGroup
	stop   func() error // ends etcd
}

// Open starts the embedded etcd on its folder, or connects to another, and announces the node. It fails with N003 when
// another process uses the folder or another living node has the name, with N004 when etcd does not start or
// answer, or was written by a newer version, with N010 when the mesh has another store, and with P001 when its
// nodes have another token.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	known := &addresses{file: cfg.Addresses, given: cfg.Endpoints}
	if cfg.Member != nil {
		known.own = cfg.Member.Client
	}
	secure, err := tlsOf(cfg)
	if err != nil {
		return nil, err
	}
	client, stop, err := reach(ctx, cfg, known)
	if err != nil {
		return nil, err
	}
	kv := clientv3.KV(client)
	if cfg.WrapKV != nil {
		kv = cfg.WrapKV(kv)
	}
	c := newCluster(cfg.Node, kv, client, cfg.Log)
	c.client, c.tls, c.stop = client, secure, sync.OnceValue(stop)
	if len(cfg.Endpoints) > 0 {
		c.known = known
		c.wg.Go(func() { c.followMembers(client, known) })
	}
	if err := c.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) open(ctx context.Context, cfg Config) error {
	if err := c.openMeta(ctx); err != nil {
		return err
	}
	if err := c.agree(ctx, cfg); err != nil {
		return err
	}
	if cfg.Member != nil {
		if err := c.readdress(ctx, cfg.Member); err != nil {
			return err
		}
	}
	return c.announce(ctx, c.client, cfg.LeaseTTL, cfg.Self)
}

// Watcher is what the cluster uses of a clientv3.Watcher.
type Watcher interface {
	Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan
}

// Lease is what the cluster uses of a clientv3.Lease.
type Lease interface {
	Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error)
	KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error)
	Revoke(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error)
	TimeToLive(ctx context.Context, id clientv3.LeaseID, opts ...clientv3.LeaseOption) (*clientv3.LeaseTimeToLiveResponse, error)
}

// Parts are the connections of a cluster to an etcd.
type Parts struct {
	KV      clientv3.KV
	Watcher Watcher
	Lease   Lease
}

// Over takes part like Open, over parts that are there already: simulations put an etcd in memory and bad weather below
// the real protocol. Of the settings it needs Node. There are no members to speak of, and Close leaves the parts alone.
func Over(ctx context.Context, cfg Config, p Parts) (*Cluster, error) {
	cfg.Dir, cfg.Endpoints, cfg.Member = "parts", nil, nil
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := newCluster(cfg.Node, p.KV, p.Watcher, cfg.Log)
	err := c.openMeta(ctx)
	if err == nil {
		err = c.announce(ctx, p.Lease, cfg.LeaseTTL, cfg.Self)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// reach gives a client of the etcd that the settings name, and what ends it.
func reach(ctx context.Context, cfg Config, known *addresses) (*clientv3.Client, func() error, error) {
	if len(cfg.Endpoints) > 0 {
		var err error
		if cfg.Endpoints, err = known.all(cfg.Dir != ""); err != nil {
			return nil, nil, err
		}
	}
	if len(cfg.Endpoints) > 0 && cfg.Dir != "" {
		return reachAndCarry(ctx, cfg)
	}
	if len(cfg.Endpoints) > 0 {
		client, err := connect(ctx, cfg, answerWithin)
		if err != nil {
			return nil, nil, err
		}
		return client, client.Close, nil
	}
	s, err := startServer(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	return s.client, s.close, nil
}

// gatherWithin is how long a node that carries a member waits for the others: after a power cut they come one by one, and none
// answers before there is a majority.
const gatherWithin = 2 * time.Minute

// reachAndCarry starts this node's member while it reaches the others: when all start together, none answers before the
// members have found each other.
func reachAndCarry(ctx context.Context, cfg Config) (*clientv3.Client, func() error, error) {
	type started struct {
		s   *server
		err error
	}
	starting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	carrying := make(chan started, 1)
	go func() {
		s, err := startServer(starting, cfg)
		carrying <- started{s, err}
	}()
	client, err := connect(ctx, cfg, gatherWithin)
	removed := false
	if err == nil {
		removed, err = isRemoved(ctx, client, cfg.Member)
	}
	if err != nil || removed {
		giveUp(err)
	}
	member := <-carrying
	if removed {
		if member.s != nil {
			err = member.s.close()
		}
		if err = errors.Join(err, setAside(cfg)); err != nil {
			return nil, nil, errors.Join(err, client.Close())
		}
		return client, client.Close, nil
	}
	if err = cmp.Or(err, member.err); err != nil {
		if client != nil {
			_ = client.Close()
		}
		if member.s != nil {
			_ = member.s.close()
		}
		return nil, nil, err
	}
	return client, func() error { return errors.Join(client.Close(), member.s.close()) }, nil
}

// isRemoved reports whether the others have gone on without this node's member: it was down for too long.
func isRemoved(ctx context.Context, client *clientv3.Client, m *Member) (bool, error) {
	if m == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	res, err := client.MemberList(ctx)
	if err != nil {
		return false, failure("listing the members of etcd", err)
	}
	return !slices.ContainsFunc(memberInfos(res.Members), func(have MemberInfo) bool { return have.Peer == m.Peer }), nil
}

// setAside keeps the data of a member that was removed where nothing starts it: under the same identity it can never come back.
func setAside(cfg Config) error {
	aside := cfg.Dir + "-removed"
	cfg.Log.Warn("the members of etcd have gone on without this node's; it may carry another", "data set aside", aside)
	if err := errors.Join(os.RemoveAll(aside), os.Rename(cfg.Dir, aside)); err != nil {
		return host.Errorf(host.CodeNodeSetup, "data of a member of etcd that was removed: %w", err)
	}
	return nil
}

// newCluster speaks the protocol over any KV.
func newCluster(node string, kv clientv3.KV, w Watcher, log *slog.Logger) *Cluster {
	c := &Cluster{node: node, kv: patient{kv}, watch: w, log: log, stop: func() error { return nil }}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Close withdraws the node and ends etcd. Calls under way fail. What the node owns stays its own: a product that is to
// move at once is released first.
func (c *Cluster) Close() error {
	c.cancel()
	c.wg.Wait()
	return c.stop()
}
