package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// followEvery is how often a node asks which members of etcd there are.
const followEvery = 2 * time.Second

// addresses are where a node reaches the members of an embedded etcd. The ones it was given when it joined go out of date with
// the first member that is lost, so it keeps what it learns, and comes back by way of any member that is left.
type addresses struct {
	file  string // where they are kept; "": nowhere
	given []string
	own   string // of the member that the node carries or may carry
}

// all are those to try: the node's own first, then the newest that were learnt, then the ones that were given.
func (a *addresses) all(carries bool) ([]string, error) {
	var out []string
	add := func(some ...string) {
		for _, s := range some {
			if s != "" && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if carries {
		add(a.own)
	}
	learnt, err := a.read()
	add(learnt...)
	add(a.given...)
	return out, err
}

func (a *addresses) read() (learnt []string, err error) {
	if a.file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &learnt)
	}
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "%s: %w", a.file, err).WithHint("remove it: the node then asks the members that it was given when it joined")
	}
	return learnt, nil
}

// learn keeps addresses, if they are others than before.
func (a *addresses) learn(now []string) error {
	if a.file == "" {
		return nil
	}
	if before, err := a.read(); err == nil && slices.Equal(before, now) {
		return nil
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	next := a.file + ".new"
	if err := os.WriteFile(next, b, 0o600); err != nil {
		return err
	}
	return os.Rename(next, a.file)
}

// follow keeps the client's addresses those of the members that vote, until the cluster closes.
func (c *Cluster) followMembers(client *clientv3.Client, a *addresses) {
	for {
		if err := c.turnTo(c.ctx, client, a); err != nil && c.ctx.Err() == nil {
			c.log.Debug("cannot learn which members of etcd there are", "error", err)
		}
		pause(c.ctx, followEvery)
		if c.ctx.Err() != nil {
			return
		}
	}
}

// turnTo asks for the members that vote, and has the client use them.
func (c *Cluster) turnTo(ctx context.Context, client *clientv3.Client, a *addresses) error {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	res, err := client.MemberList(ctx)
	if err != nil {
		return err
	}
	var now []string
	for _, m := range memberInfos(res.Members) {
		if m.Client != "" && !m.Learner { // a learner refuses most of what it is asked
			now = append(now, m.Client)
		}
	}
	slices.Sort(now)
	if len(now) == 0 {
		return nil
	}
	if before := slices.Sorted(slices.Values(client.Endpoints())); !slices.Equal(before, now) {
		client.SetEndpoints(now...)
	}
	return a.learn(now)
}
