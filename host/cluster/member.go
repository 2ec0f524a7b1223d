package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adp-host/adp/host"
)

// Member is an embedded etcd that other processes reach, over TLS with certificates on both sides.
type Member struct {
	Name   string // among the members: the node's
	Peer   string // https://HOST:PORT for the other members
	Client string // https://HOST:PORT for nodes
	Certs  Certs
	// Join are the members that there are, by name, with their peer addresses, and this one, when it was added to them.
	// Empty: the member begins a cluster, or goes on with what its folder holds.
	Join map[string]string
}

// votersWanted is how many members a mesh of several nodes has: three survive the loss of one, and more only slow
// commits down.
const votersWanted = 3

// changeWithin bounds one change of the members. Raft drops a change that comes while another is under way, and never
// answers: it must be asked for again.
const changeWithin = 3 * time.Second

func (m *Member) configure(c *embed.Config) {
	peer, client := mustURL(m.Peer), mustURL(m.Client)
	c.Name = m.Name
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	tls := transport.TLSInfo{TrustedCAFile: m.Certs.CA, CertFile: m.Certs.Cert, KeyFile: m.Certs.Key, ClientCertAuth: true}
	c.PeerTLSInfo, c.ClientTLSInfo = tls, tls
	c.MaxLearners = votersWanted - 1
	c.InitialCluster = m.Name + "=" + m.Peer
	if len(m.Join) > 0 {
		c.ClusterState = embed.ClusterStateFlagExisting
		var all []string
		for name, peer := range m.Join {
			all = append(all, name+"="+peer)
		}
		c.InitialCluster = strings.Join(all, ",")
	}
}

// mustURL reads an address that Validate has accepted.
func mustURL(s string) url.URL {
	u, err := url.Parse(s)
	if err != nil {
		return url.URL{}
	}
	return *u
}

// Validate refuses addresses that cannot be listened on.
func (m *Member) Validate() error {
	for _, s := range []string{m.Peer, m.Client} {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" || u.Port() == "" || u.Hostname() == "" {
			return host.Errorf(host.CodeNodeSetup, "a member of etcd listens on https://HOST:PORT, not on %q", s)
		}
	}
	return nil
}

// MemberInfo is a member of etcd.
type MemberInfo struct {
	Name    string `json:"name"`
	Peer    string `json:"peer"`
	Client  string `json:"client,omitempty"`
	Learner bool   `json:"learner,omitempty"` // it follows and does not vote yet
	Down    bool   `json:"down,omitempty"`    // it did not answer when it was asked (Cluster.Health)
	id      uint64
}

// Members lists the members of etcd.
func (c *Cluster) Members(ctx context.Context) ([]MemberInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	res, err := c.client.MemberList(ctx)
	if err != nil {
		return nil, failure("listing the members of etcd", err)
	}
	return memberInfos(res.Members), nil
}

func memberInfos(members []*etcdserverpb.Member) []MemberInfo {
	out := make([]MemberInfo, len(members))
	for i, m := range members {
		out[i] = MemberInfo{Name: m.Name, Learner: m.IsLearner, id: m.ID}
		if len(m.PeerURLs) > 0 {
			out[i].Peer = m.PeerURLs[0]
		}
		if len(m.ClientURLs) > 0 {
			out[i].Client = m.ClientURLs[0]
		}
	}
	return out
}

// Carries reports whether a member of etcd has its data in a folder: the log in which its place among the members stands.
// Before that is there it is not one of them, though its folder may be: started as if it were, it would begin a cluster of
// its own.
func Carries(dir string) bool { return wal.Exist(filepath.Join(dir, "member", "wal")) }

// RunMember runs a member of etcd, and no node, until ctx ends. With Endpoints it is added to the members there, unless its
// folder says that it was, and gets its vote when there are members enough.
func RunMember(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Endpoints) == 0 {
		s, err := startServer(ctx, cfg)
		if err != nil {
			return err
		}
		return s.run(ctx)
	}
	known := &addresses{file: cfg.Addresses, given: cfg.Endpoints, own: cfg.Member.Client}
	if !Carries(cfg.Dir) {
		others, err := among(ctx, cfg, known, false)
		if err != nil {
			return err
		}
		m := *cfg.Member
		m.Join, err = others.AddMember(ctx, m.Name, m.Peer)
		if err = errors.Join(err, others.Close()); err != nil {
			return err
		}
		cfg.Member = &m
	}
	s, err := startServer(ctx, cfg) // before it asks anybody: those may be waiting for it
	if err != nil {
		return err
	}
	voting, stop := context.WithCancel(ctx)
	var vote sync.WaitGroup
	vote.Go(func() {
		others, err := among(voting, cfg, known, true)
		if err == nil {
			err = errors.Join(others.Promote(voting, cfg.Member.Peer), others.Close())
		}
		if err != nil && voting.Err() == nil {
			cfg.Log.Warn("the member has no vote", "member", cfg.Member.Name, "error", err)
		}
	})
	err = s.run(ctx)
	stop()
	vote.Wait()
	return err
}

// among is a client of the members that there are, announced to nobody.
func among(ctx context.Context, cfg Config, known *addresses, carries bool) (*Cluster, error) {
	var err error
	if cfg.Endpoints, err = known.all(carries); err != nil {
		return nil, err
	}
	client, err := connect(ctx, cfg, gatherWithin)
	if err != nil {
		return nil, err
	}
	c := newCluster(cfg.Node, client, client, cfg.Log)
	c.client, c.known, c.stop = client, known, client.Close
	c.wg.Go(func() { c.followMembers(client, known) })
	return c, nil
}

// run waits for the end of etcd, or of ctx.
func (s *server) run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return s.close()
	case err := <-s.etcd.Err():
		return errors.Join(failure("etcd", err), s.close())
	}
}

// Carry starts a member of etcd beside this node's client, and ends it with the cluster.
func (c *Cluster) Carry(ctx context.Context, dir string, m Member) error {
	s, err := startServer(ctx, Config{Dir: dir, Member: &m, Log: c.log})
	if err != nil {
		return err
	}
	before := c.stop
	c.stop = sync.OnceValue(func() error { return errors.Join(before(), s.close()) })
	return nil
}

// AddMember adds a member that follows without a vote, so that its coming endangers nothing, and returns whom it joins:
// the value of Member.Join. Adding a member that is there already returns the same. It waits while etcd finds itself
// too shaken for a newcomer.
func (c *Cluster) AddMember(ctx context.Context, name, peer string) (map[string]string, error) {
	for {
		err := c.change(ctx, func(ctx context.Context) error {
			_, err := c.client.MemberAddAsLearner(ctx, []string{peer})
			return err
		})
		switch {
		case err == nil, errors.Is(err, rpctypes.ErrPeerURLExist), errors.Is(err, rpctypes.ErrMemberExist):
			return c.joining(ctx, name, peer)
		case !passing(err) || ctx.Err() != nil:
			return nil, failure("adding member "+name, err)
		}
		c.log.Info("etcd does not take a new member yet", "member", name, "error", err)
		pause(ctx, resendLast)
	}
}

// change makes one change of the members, in time or not at all as far as the caller knows.
func (c *Cluster) change(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	return do(ctx)
}

// passing reports whether a change of the members may succeed when it is asked for again.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled: // among them: etcd finds itself unhealthy
		return true
	}
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code() == codes.Unavailable || errors.Is(err, rpctypes.ErrMemberLearnerNotReady)
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// RemoveMember removes a member that is lost.
func (c *Cluster) RemoveMember(ctx context.Context, peer string) error {
	members, err := c.Members(ctx)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Peer == peer {
			return failure("removing the member at "+peer, c.change(ctx, func(ctx context.Context) error {
				_, err := c.client.MemberRemove(ctx, m.id)
				return err
			}))
		}
	}
	return nil
}

// joining are the members by name. One that was added has no name until it has started; another of those goes by its
// address, which is all that etcd compares.
func (c *Cluster) joining(ctx context.Context, name, peer string) (map[string]string, error) {
	members, err := c.Members(ctx)
	if err != nil {
		return nil, err
	}
	join := map[string]string{}
	for _, m := range members {
		switch {
		case m.Peer == peer:
			m.Name = name
		case m.Name == "":
			m.Name = m.Peer
		}
		join[m.Name] = m.Peer
	}
	return join, nil
}

// Promote gives a member its vote as soon as there are three members, and those without a vote have caught up: two that vote
// survive less than one does, so they are two for no longer than it takes to promote both.
func (c *Cluster) Promote(ctx context.Context, peer string) error {
	for {
		members, err := c.Members(ctx)
		if err != nil {
			return err
		}
		var m *MemberInfo
		for i := range members {
			if members[i].Peer == peer {
				m = &members[i]
			}
		}
		switch {
		case m == nil:
			return host.Errorf(host.CodeNodeEtcd, "no member of etcd at %s", peer)
		case !m.Learner:
			return c.turnToVoters(ctx)
		}
		if err := c.enough(ctx); err != nil {
			if ctx.Err() != nil {
				return failure("promoting the member at "+peer, err)
			}
			c.log.Debug("members of etcd are not promoted yet", "reason", err)
			pause(ctx, resendLast)
			continue
		}
		err = c.change(ctx, func(ctx context.Context) error {
			_, err := c.client.MemberPromote(ctx, m.id)
			return err
		})
		switch {
		case err == nil:
			return c.turnToVoters(ctx)
		case !passing(err) || ctx.Err() != nil:
			return failure("promoting the member at "+peer, err)
		}
		c.log.Info("etcd does not give a member its vote yet", "member", m.Name, "error", err)
		pause(ctx, resendLast)
	}
}

// turnToVoters has the client use the new member at once: the others may be gone in a moment.
func (c *Cluster) turnToVoters(ctx context.Context) error {
	if c.known == nil {
		return nil
	}
	return failure("turning to the members of etcd", c.turnTo(ctx, c.client, c.known))
}

// enough says why members are not to be promoted yet, if they are not.
func (c *Cluster) enough(ctx context.Context) error {
	members, err := c.Members(ctx)
	if err != nil {
		return err
	}
	if len(members) < votersWanted {
		return fmt.Errorf("%d members of %d", len(members), votersWanted)
	}
	var newest uint64
	applied := map[string]uint64{}
	for _, m := range members {
		if m.Client == "" {
			return fmt.Errorf("the member at %s has not started", m.Peer)
		}
		one, cancel := context.WithTimeout(ctx, changeWithin)
		st, err := c.client.Status(one, m.Client)
		cancel()
		if err != nil && m.Learner {
			return fmt.Errorf("the member at %s does not answer: %w", m.Client, err)
		}
		if err != nil {
			continue // of those that vote a majority is enough
		}
		newest = max(newest, st.RaftIndex)
		if m.Learner {
			applied[m.Client] = st.RaftAppliedIndex
		}
	}
	for client, index := range applied {
		if index < newest-newest/10 { // etcd's own measure, which it applies to each by itself
			return fmt.Errorf("the member at %s has caught up to %d of %d", client, index, newest)
		}
	}
	return nil
}

// readdress updates the addresses under which this node's member is known: a member that began alone listened nowhere.
func (c *Cluster) readdress(ctx context.Context, m *Member) error {
	members, err := c.Members(ctx)
	if err != nil {
		return err
	}
	for _, have := range members {
		if len(members) == 1 && have.Peer != m.Peer {
			_, err = c.client.MemberUpdate(ctx, have.id, []string{m.Peer})
			return failure("changing the member's address", err)
		}
	}
	return nil
}

// Tolerance says in words what the mesh survives now.
func Tolerance(members []MemberInfo) string {
	voters, down, learners := 0, 0, 0
	for _, m := range members {
		switch {
		case m.Learner:
			learners++
		case m.Down:
			down++
			voters++
		default:
			voters++
		}
	}
	survives := (voters-1)/2 - down
	var s string
	switch {
	case voters == 1 && down == 0:
		s = "one member of etcd: when it is down nothing commits until it is back; reads of what is published go on"
	case survives < 0:
		s = fmt.Sprintf("%d members of etcd, %d of them down: nothing commits until %d of those are back; reads of what is published go on", voters, down, -survives)
	case down > 0 && survives == 0:
		s = fmt.Sprintf("%d members of etcd, %d of them down: no other may fail", voters, down)
	case down > 0:
		s = fmt.Sprintf("%d members of etcd, %d of them down: %d more may fail", voters, down, survives)
	case survives == 0:
		s = fmt.Sprintf("%d members of etcd: none may fail", voters)
	default:
		s = fmt.Sprintf("%d members of etcd: %d may fail", voters, survives)
	}
	if learners > 0 {
		s += fmt.Sprintf("; %d more without a vote yet", learners)
	}
	return s
}
