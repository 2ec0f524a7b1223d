package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
)

// Generations that PutSpec expects beside a known one.
const (
	NewProduct    int64 = 0  // the product is not registered yet
	AnyGeneration int64 = -1 // whatever is there, or nothing
)

// PutSpec registers a product or changes its registration if its generation is still expect, and returns the spec as
// stored, its generation one higher. It fails with N006 when the generation has moved on. A product is never deleted:
// it is retired by its spec, so that its epochs are never used again.
func (c *Cluster) PutSpec(ctx context.Context, s host.Spec, expect int64) (host.Spec, error) {
	stored, err := c.putSpecs(ctx, []host.Spec{s}, expect)
	if err != nil {
		return host.Spec{}, err
	}
	return stored[0], nil
}

// PutSpecs registers all products or none, new ones and known ones alike. Their generations rise by one from what is
// stored.
func (c *Cluster) PutSpecs(ctx context.Context, specs []host.Spec) error {
	if len(specs) == 0 {
		return nil
	}
	_, err := c.putSpecs(ctx, specs, AnyGeneration)
	return err
}

func (c *Cluster) putSpecs(ctx context.Context, specs []host.Spec, expect int64) ([]host.Spec, error) {
	for {
		next, t, err := c.prepareSpecs(ctx, specs, expect)
		if err != nil {
			return nil, err
		}
		res, err := c.settle(ctx, "registering products", t)
		if err != nil {
			return nil, err
		}
		if res.ok || res.resent && sameValues(res, t) {
			return next, nil
		}
		// Somebody was faster. Read again: either the expectation fails now, or any generation will do.
	}
}

// sameValues reports whether the keys that t puts hold what t puts: its Else reads them in order.
func sameValues(res outcome, t txn) bool {
	for i, op := range t.Then {
		if !bytes.Equal(res.value(i), op.ValueBytes()) {
			return false
		}
	}
	return true
}

// prepareSpecs reads what is stored and builds the one transaction that replaces it.
func (c *Cluster) prepareSpecs(ctx context.Context, specs []host.Spec, expect int64) ([]host.Spec, txn, error) {
	var t txn
	next := make([]host.Spec, len(specs))
	seen := map[host.ProductID]bool{}
	for i, s := range specs {
		if err := checkID(s.Product); err != nil {
			return nil, t, err
		}
		if seen[s.Product] {
			return nil, t, host.Errorf(host.CodeNodeConflict, "%s is registered twice in one step", s.Product.URL())
		}
		seen[s.Product] = true
		key := specKey(s.Product)
		old, revision, err := c.getSpec(ctx, key)
		if err != nil {
			return nil, t, err
		}
		if expect != AnyGeneration && expect != old.Generation {
			return nil, t, host.Errorf(host.CodeNodeConflict, "%s was changed meanwhile: generation %d was expected, %d is there",
				s.Product.URL(), expect, old.Generation).WithHint("look at it again, then repeat the change")
		}
		s.Generation = old.Generation + 1
		if s.Changed.IsZero() {
			s.Changed = time.Now().UTC()
		}
		value, err := host.CanonicalJSON(s)
		if err != nil {
			return nil, t, err
		}
		next[i] = s
		t.If = append(t.If, clientv3.Compare(clientv3.ModRevision(key), "=", revision))
		t.Then = append(t.Then, clientv3.OpPut(key, string(value)))
		t.Else = append(t.Else, clientv3.OpGet(key))
	}
	return next, t, nil
}

// getSpec reads one spec and its revision; the zero Spec and 0 when there is none.
func (c *Cluster) getSpec(ctx context.Context, key string) (host.Spec, int64, error) {
	res, err := c.kv.Get(ctx, key)
	if err != nil {
		return host.Spec{}, 0, failure("reading a registration", err)
	}
	if len(res.Kvs) == 0 {
		return host.Spec{}, 0, nil
	}
	s, err := parseSpec(key, res.Kvs[0].Value)
	return s, res.Kvs[0].ModRevision, err
}

func parseSpec(key string, value []byte) (host.Spec, error) {
	var s host.Spec
	if err := json.Unmarshal(value, &s); err != nil {
		return s, host.Errorf(host.CodeNodeEtcd, "%s is damaged: %w", key, err)
	}
	return s, nil
}

// Spec is the registration of a product; A001 when there is none. A retired product has one.
func (c *Cluster) Spec(ctx context.Context, id host.ProductID) (host.Spec, error) {
	if err := checkID(id); err != nil {
		return host.Spec{}, err
	}
	s, revision, err := c.getSpec(ctx, specKey(id))
	if err == nil && revision == 0 {
		err = host.Errorf(host.CodeAccessUnknown, "no product %s in this mesh", id.URL()).WithHint("see what there is: adp find")
	}
	return s, err
}

// Specs lists all registrations, retired ones included, sorted by product.
func (c *Cluster) Specs(ctx context.Context) ([]host.Spec, error) {
	var out []host.Spec
	_, err := c.list(ctx, prefixSpec, 0, 0, func(key string, value []byte, _ int64) error {
		s, err := parseSpec(key, value)
		out = append(out, s)
		return err
	})
	return out, err
}

// pageSize keeps listings from blocking etcd: one range over many thousands of keys is slower than its pages.
const pageSize = 1000

// list calls fn for the keys below prefix, in order, as of one revision: at, or the current one when 0, which it
// returns. Only keys changed after the revision since are listed.
func (c *Cluster) list(ctx context.Context, prefix string, at, since int64, fn func(key string, value []byte, mod int64) error) (int64, error) {
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for {
		opts := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(at)}
		if since > 0 {
			opts = append(opts, clientv3.WithMinModRev(since+1))
		}
		res, err := c.kv.Get(ctx, from, opts...)
		if err != nil {
			return 0, failure("listing "+strings.TrimPrefix(prefix, root), err)
		}
		if at == 0 {
			at = res.Header.Revision
		}
		for _, kv := range res.Kvs {
			if err := fn(string(kv.Key), kv.Value, kv.ModRevision); err != nil {
				return 0, err
			}
		}
		if !res.More || len(res.Kvs) == 0 {
			return at, nil
		}
		from = string(res.Kvs[len(res.Kvs)-1].Key) + "\x00"
	}
}

// Bytes is how much the mesh's keys and values take in etcd.
func (c *Cluster) Bytes(ctx context.Context) (int64, error) {
	total := int64(0)
	_, err := c.list(ctx, root, 0, 0, func(key string, value []byte, _ int64) error {
		total += int64(len(key) + len(value))
		return nil
	})
	return total, err
}
