package cluster

import (
	"context"
	"encoding/json"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// Term is the time of one elected scheduler. Whatever it writes compares the term (During), so that one which does not know
// yet that it was replaced writes nothing.
type Term struct {
	Node     string `json:"node"`
	Boot     string `json:"boot"`
	revision int64  // create revision of the leader's key
}

// Leader is the elected scheduler; "" when there is none.
func (c *Cluster) Leader(ctx context.Context) (string, error) {
	res, err := c.kv.Get(ctx, keyLeader)
	if err != nil || len(res.Kvs) == 0 {
		return "", failure("reading who schedules", err)
	}
	var t Term
	if err := json.Unmarshal(res.Kvs[0].Value, &t); err != nil {
		return "", host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", keyLeader, err)
	}
	return t.Node, nil
}

// Lead calls lead whenever this node has been elected; its context ends with the term. It returns when ctx ends.
func (c *Cluster) Lead(ctx context.Context, lead func(ctx context.Context, t Term)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	for ctx.Err() == nil {
		term, seen, err := c.campaign(ctx)
		switch {
		case err != nil:
			c.log.Warn("cannot stand for election", "error", err)
			pause(ctx, resendLast)
		case term.revision == 0:
			c.untilGone(ctx, seen)
		default:
			c.hold(ctx, term, lead)
		}
	}
}

// hold leads until the leader's key is gone or is another's.
func (c *Cluster) hold(ctx context.Context, term Term, lead func(context.Context, Term)) {
	c.log.Info("this node schedules", "node", c.node)
	leading, lost := context.WithCancel(ctx)
	defer lost()
	done := make(chan struct{})
	go func() {
		defer close(done)
		lead(leading, term)
	}()
	c.untilGone(leading, term.revision)
	lost()
	<-done
	if ctx.Err() == nil {
		return
	}
	bye, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = c.send(bye, time.Second, c.During(term).fenced(txn{Then: []clientv3.Op{clientv3.OpDelete(keyLeader)}})) // else the lease ends it
}

func (t Term) holds() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(keyLeader), "=", t.revision)
}

// campaign makes this node the leader if there is none. Else the term is empty, and the revision that of the leader.
func (c *Cluster) campaign(ctx context.Context) (Term, int64, error) {
	term := Term{Node: c.node, Boot: c.lease.info.Boot}
	value, err := host.CanonicalJSON(term)
	if err != nil {
		return term, 0, err
	}
	// The node's own key must be there: a leader whose lease has run out would hold a key that nothing takes away.
	t := txn{If: []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(keyLeader), "=", 0)},
		Then: []clientv3.Op{clientv3.OpPut(keyLeader, string(value), clientv3.WithLease(c.lease.current()))},
		Else: []clientv3.Op{clientv3.OpGet(keyLeader)}}
	limited, cancel := context.WithTimeout(ctx, c.lease.ttl)
	defer cancel()
	res, err := c.settle(limited, "standing for election", t)
	if err != nil {
		return Term{}, 0, err
	}
	if res.ok {
		term.revision = res.revision
		return term, 0, nil
	}
	have, created := []byte(nil), int64(0)
	if kvs := res.response.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		have, created = kvs[0].Value, kvs[0].CreateRevision
	}
	var holder Term
	if json.Unmarshal(have, &holder) == nil && holder == (Term{Node: term.Node, Boot: term.Boot}) { // a reply was lost
		term.revision = created
		return term, 0, nil
	}
	return Term{}, created, nil
}

// untilGone returns when the leader's key is not that of the revision any more.
func (c *Cluster) untilGone(ctx context.Context, created int64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for ctx.Err() == nil {
		res, err := c.kv.Get(ctx, keyLeader)
		if err != nil {
			pause(ctx, resendLast)
			continue
		}
		if len(res.Kvs) == 0 || res.Kvs[0].CreateRevision != created {
			return
		}
		watching, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
		for ev := range c.watch.Watch(watching, keyLeader, clientv3.WithRev(res.Header.Revision+1)) {
			if ev.Err() != nil || len(ev.Events) > 0 {
				break
			}
		}
		stop()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
