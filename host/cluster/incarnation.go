package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"

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
