package node

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster"
	"github.com/adp-host/adp/host/serve/rest/client"
)

// Fleet is how a node lives with others. They share an etcd, a folder of data and a token.
type Fleet struct {
	// Shared is the folder of the store, the registry and the ledger of sources; "": the node's own data directory. Several
	// nodes must reach it under the same path.
	Shared string
	// Endpoints are addresses of an etcd that runs elsewhere; none: the node embeds one.
	Endpoints []string
	TLS       *tls.Config // of connections to Endpoints
	// Token is that of the mesh, which the node accepts and keeps from then on; "": the one that its data directory has, or a
	// new one.
	Token string
	// Member lets other nodes reach the embedded etcd; with Endpoints it is the member that this node carries as soon as
	// there are enough nodes for three.
	Member *cluster.Member

	URL      string            // where other nodes reach this one; "": nowhere
	Version  string            // of adp
	Labels   map[string]string // that products can ask for
	Features []string          // likewise
	Memory   int64             // bytes that products may ask for together; 0: unlimited
	Products int               // how many it may own; 0: unlimited
	LeaseTTL time.Duration     // after which a node that is not heard of is taken for dead; 0: 10 s
}

// MembersFile is where, in the data directory of a node that joined a mesh, it keeps the addresses of the members of etcd.
const MembersFile = "members.json"

// joinCluster takes part under the identity of the data directory.
func (n *Node) joinCluster(ctx context.Context) (*cluster.Cluster, error) {
	store, err := storeIdentity(ctx, n.store)
	if err != nil {
		return nil, err
	}
	f := n.cfg.Fleet
	self := cluster.NodeInfo{Identity: n.identity, URL: f.URL, Version: f.Version, Labels: f.Labels, Features: features(f.Features, n.drivers),
		Slots: n.cfg.Slots, Memory: f.Memory, Products: f.Products}
	cfg := cluster.Config{Node: n.cfg.Name, Self: self, Store: store, Token: fingerprint(n.token), Endpoints: f.Endpoints,
		TLS: f.TLS, Member: f.Member, LeaseTTL: f.LeaseTTL, Log: n.log}
	if f.Member != nil {
		cfg.Self.Peer = f.Member.Peer
		cfg.Addresses = filepath.Join(n.cfg.Data, MembersFile)
	}
	switch {
	case len(f.Endpoints) == 0 || cluster.Carries(n.etcdDir()):
		cfg.Dir = n.etcdDir()
	default: // no member until the scheduler asks for one
		cfg.Member = nil
	}
	return cluster.Open(ctx, cfg)
}

// keptText reads a text that lasts, and makes it the first time.
func keptText(path string, fresh func() string) (string, error) {
	b, err := os.ReadFile(path)
	if text := strings.TrimSpace(string(b)); err == nil && text != "" { // a person may have written it
		return text, nil
	}
	if err != nil && !os.IsNotExist(err) {
		return "", host.Errorf(host.CodeNodeSetup, "%w", err)
	}
	text := fresh()
	return text, keepText(path, text)
}

// keepText replaces a text that lasts, whole.
func keepText(path, text string) error {
	draft := path + ".new"
	err := os.WriteFile(draft, []byte(text), 0o600)
	if err == nil {
		err = os.Rename(draft, path)
	}
	if err != nil {
		return host.Errorf(host.CodeNodeSetup, "%w", err)
	}
	return nil
}

// takeToken sets the token of the node, whose data directory is locked.
func (n *Node) takeToken() (err error) {
	path := filepath.Join(n.cfg.Data, "token")
	if n.token, err = keptText(path, func() string { return cmp.Or(n.cfg.Fleet.Token, newToken()) }); err != nil {
		return err
	}
	if t := n.cfg.Fleet.Token; t != "" && t != n.token {
		n.token = t
		return keepText(path, t)
	}
	return nil
}

// fingerprint tells tokens apart and gives none away.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte("adp token " + token))
	return hex.EncodeToString(sum[:16])
}

// peer is a client of another node, which answers from what it has itself.
func (n *Node) peer(id string) (*client.Client, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, info := range n.fleet.Nodes {
		if info.ID == id && info.URL != "" {
			c, err := client.New(info.URL, n.token)
			if err != nil {
				return nil, err
			}
			return c.Direct(), nil
		}
	}
	return nil, host.Errorf(host.CodeNodeUnreachable, "node %s is not reachable", id).
		WithHint("when it stays away, its products are taken over as soon as its lease has run out")
}

const (
	// claimWithin is how long a command waits for somebody to own its product: longer than a claim takes.
	claimWithin = 5 * time.Second
	claimLook   = 10 * time.Millisecond
)

// ownerSoon is the loop of a product, nil when this node does not own it. A product that is about to be owned, as all are
// just after a node has started, is waited for.
func (n *Node) ownerSoon(ctx context.Context, id host.ProductID) *owner {
	for end := time.Now().Add(claimWithin); ; {
		if o := n.owner(id); o != nil && !o.ended() {
			return o
		}
		l, err := n.listing(id)
		arriving := err == nil && !l.spec.Retired && !fitsNowhere(l) && (l.own.Node == "" || l.own.Node == n.cfg.Name)
		if !arriving || time.Now().After(end) {
			return nil
		}
		select {
		case <-time.After(claimLook):
		case <-ctx.Done():
			return nil
		case <-n.ctx.Done():
			return nil
		}
	}
}

// elsewhere is a client of the node that owns a product, for what only the owner can do.
func (n *Node) elsewhere(ctx context.Context, id host.ProductID) (*client.Client, error) {
	l, err := n.listing(id)
	if err != nil {
		return nil, err
	}
	switch {
	case l.own.Node == "" && fitsNowhere(l):
		return nil, host.Errorf(host.CodeRunLostOwner, "no node owns %s: it %s", id.URL(), l.place.Reason).WithHint(nowhereHint)
	case l.own.Node == "" || l.own.Node == n.cfg.Name:
		return nil, host.Errorf(host.CodeRunLostOwner, "no node owns %s just now: %s", id.URL(), whyNowhere(l)).WithHint("ask again in a moment")
	case host.IsDirect(ctx):
		return nil, host.Errorf(host.CodeRunLostOwner, "node %s does not own %s any more", n.cfg.Name, id.URL()).WithHint("ask again in a moment")
	}
	return n.peer(l.own.Node)
}

// fitsNowhere reports whether the scheduler has looked at a product and found no node for it.
func fitsNowhere(l listing) bool {
	return l.place.Node == "" && l.place.Reason != "" && !l.spec.Retired
}

// nowhereHint is what to do about that.
const nowhereHint = "start a node that has what it needs, or change place: in its product.yaml; adp node ls shows what nodes have"

func whyNowhere(l listing) string {
	if l.place.Node != "" {
		return "it is on its way to node " + l.place.Node
	}
	if l.place.Reason != "" {
		return l.place.Reason
	}
	return "it has not been placed yet"
}

// commandElsewhere passes a command on to the node that owns the product.
func (n *Node) commandElsewhere(ctx context.Context, id host.ProductID, cmd client.Command) (host.RunStatus, error) {
	c, err := n.elsewhere(ctx, id)
	if err != nil {
		return host.RunStatus{}, err
	}
	out, err := c.Control(ctx, host.Address{Domain: id.Domain, Product: id.Name}, cmd)
	if err != nil || out.Run == nil {
		return host.RunStatus{}, err
	}
	return *out.Run, nil
}
