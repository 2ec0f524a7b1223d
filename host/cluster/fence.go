package cluster

import (
	"bytes"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// During is the cluster as the scheduler of a term writes to it: whatever it writes compares the term, so that a scheduler
// which does not know yet that it was replaced writes nothing. Then its methods fail with R005. It needs no Close.
func (c *Cluster) During(t Term) *Cluster {
	return &Cluster{node: c.node, kv: c.kv, watch: c.watch, client: c.client, lease: c.lease, term: &t, life: c.life, log: c.log,
		ctx: c.ctx, cancel: func() {}, stop: func() error { return nil }}
}

// fenced is a transaction with the comparisons that refuse it where its sender has been replaced as a whole. A process from
// before a restore is one: in a new etcd revisions begin anew, and those that it remembers may stand for something else. A
// scheduler whose term has ended is another.
func (c *Cluster) fenced(t txn) txn {
	// Not appended in place: the caller's slices stay its own.
	t.If, t.Else = t.If[:len(t.If):len(t.If)], t.Else[:len(t.Else):len(t.Else)]
	if c.term != nil {
		t.If, t.Else = append(t.If, c.term.holds()), append(t.Else, clientv3.OpGet(keyLeader))
	}
	if c.life != nil {
		t.If = append(t.If, clientv3.Compare(clientv3.Value(keyIncarnation), "=", string(c.life)))
		t.Else = append(t.Else, clientv3.OpGet(keyIncarnation))
	}
	return t
}

// fencedOff says that a fenced transaction was refused for its sender's sake: N006 where the mesh is not the one that this
// process opened, R005 where the term has ended. What became of earlier sendings is not known then.
func (c *Cluster) fencedOff(what string, o outcome) error {
	if o.ok {
		return nil
	}
	last := len(o.response.Responses) - 1
	if c.life != nil {
		if now := o.value(last); !bytes.Equal(now, c.life) {
			i, _ := parseLife(now) // for the message only
			return host.Errorf(host.CodeNodeConflict, "%s: this process began before the mesh was restored, which is in its incarnation %d now; nothing that it writes counts", what, i.Number).
				WithHint("end it and start the node again")
		}
		last--
	}
	if c.term != nil && o.created(last) != c.term.revision {
		return host.Errorf(host.CodeRunLostOwner, "%s: another node schedules now", what)
	}
	return nil
}
