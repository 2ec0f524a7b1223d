package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// Incarnation is the life of a mesh between two losses of its etcd. The first is number 0, with no floor.
type Incarnation struct {
	Number int64 `json:"incarnation"`
	// EpochFloor is below every epoch that is claimed in it, and not below any of an earlier one.
	EpochFloor host.Epoch `json:"epoch_floor"`
}

// life is the value of the incarnation's key. It is written once: by the first node, or by a restore.
type life struct {
	Incarnation
	Nonce string `json:"nonce"` // random: no two lives are the same bytes, whatever they were made of
}

func newLife(i Incarnation) ([]byte, error) {
	return host.CanonicalJSON(life{Incarnation: i, Nonce: rand.Text()})
}

func parseLife(value []byte) (Incarnation, error) {
	var l life
	if err := json.Unmarshal(value, &l); err != nil {
		return Incarnation{}, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", keyIncarnation, err)
	}
	return l.Incarnation, nil
}

// openIncarnation reads the incarnation that this process belongs to; a mesh that has none yet is in its first.
func (c *Cluster) openIncarnation(ctx context.Context, first Incarnation) error {
	value, err := newLife(first)
	if err != nil {
		return err
	}
	there, err := c.putOnce(ctx, "opening the mesh", keyIncarnation, value)
	if err != nil {
		return err
	}
	if _, err := parseLife(there); err != nil {
		return err
	}
	c.life = there
	return nil
}

// fenced is the transaction with the comparison that refuses whatever a process from before a restore still sends: in a
// new etcd revisions begin anew, and those that it remembers may stand for something else.
func (c *Cluster) fenced(t txn) txn {
	if c.life == nil {
		return t
	}
	// Not appended in place: the caller's slices stay its own.
	t.If = append(t.If[:len(t.If):len(t.If)], clientv3.Compare(clientv3.Value(keyIncarnation), "=", string(c.life)))
	t.Else = append(t.Else[:len(t.Else):len(t.Else)], clientv3.OpGet(keyIncarnation))
	return t
}

// overtaken is N006 when a fenced transaction was refused because the mesh is not the one that this process opened. What
// became of earlier sendings is not known then.
func (c *Cluster) overtaken(what string, o outcome) error {
	if c.life == nil || o.ok {
		return nil
	}
	now := o.value(len(o.response.Responses) - 1)
	if bytes.Equal(now, c.life) {
		return nil
	}
	i, _ := parseLife(now) // for the message only
	return host.Errorf(host.CodeNodeConflict, "%s: this process began before the mesh was restored, which is in its incarnation %d now; nothing that it writes counts", what, i.Number).
		WithHint("end it and start the node again")
}
