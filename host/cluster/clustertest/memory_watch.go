package clustertest

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Watch tells the changes of a key or a range from a revision on, 0 for from now on, until ctx ends or the next of them
// is compacted. It is a little stricter than etcd, which may still know what changed at the very revision of a compaction.
func (m *Memory) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	op := clientv3.OpGet(key, opts...)
	out := make(chan clientv3.WatchResponse)
	next := op.Rev()
	if next == 0 {
		next = m.Revision() + 1
	}
	go func() {
		defer close(out)
		for {
			res, moved := m.since(next, op)
			if res == nil {
				select {
				case <-moved:
					continue
				case <-ctx.Done():
					return
				}
			}
			next = res.Header.Revision + 1
			if len(res.Events) == 0 && !res.Canceled {
				continue
			}
			select {
			case out <- *res:
			case <-ctx.Done():
				return
			}
			if res.Canceled {
				return
			}
		}
	}()
	return out
}

// since are the changes from a revision on; nil when there are none yet, but a channel that closes with the next one.
func (m *Memory) since(next int64, op clientv3.Op) (*clientv3.WatchResponse, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if next <= m.compacted {
		return &clientv3.WatchResponse{Header: &pb.ResponseHeader{Revision: m.revision}, CompactRevision: m.compacted, Canceled: true}, nil
	}
	if next > m.revision {
		return nil, m.moved
	}
	res := &clientv3.WatchResponse{Header: &pb.ResponseHeader{Revision: m.revision}}
	for _, e := range m.history[m.after(next-1):] {
		if !inRange(e.Kv.Key, op.KeyBytes(), op.RangeBytes()) || op.IsFilterDelete() && e.Type == mvccpb.DELETE || op.IsFilterPut() && e.Type == mvccpb.PUT {
			continue
		}
		res.Events = append(res.Events, &clientv3.Event{Type: e.Type, Kv: e.Kv})
	}
	return res, nil
}

// Grant makes a lease of so many seconds.
func (m *Memory) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.granted++
	id, l := m.granted, &memoryLease{ttl: time.Duration(ttl) * time.Second, keys: map[string]bool{}}
	m.leases[id] = l
	m.extend(id, l)
	return &clientv3.LeaseGrantResponse{ResponseHeader: &pb.ResponseHeader{Revision: m.revision}, ID: clientv3.LeaseID(id), TTL: ttl}, nil
}

// extend lets a lease begin anew.
func (m *Memory) extend(id int64, l *memoryLease) {
	l.expires = time.Now().Add(l.ttl)
	time.AfterFunc(l.ttl, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.leases[id] == l && !time.Now().Before(l.expires) {
			m.end(id, l)
		}
	})
}

// end deletes the keys of a lease in one step.
func (m *Memory) end(id int64, l *memoryLease) {
	delete(m.leases, id)
	t := &change{m: m, at: m.revision + 1}
	for _, kv := range within(m.kvs, []byte{0}, []byte{0xff}) { // in the order of keys
		if l.keys[string(kv.Key)] {
			t.delete(kv)
		}
	}
	t.commit()
}

// KeepAliveOnce extends a lease.
func (m *Memory) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases[int64(id)]
	if l == nil {
		return nil, rpctypes.ErrLeaseNotFound
	}
	m.extend(int64(id), l)
	return &clientv3.LeaseKeepAliveResponse{ResponseHeader: &pb.ResponseHeader{Revision: m.revision}, ID: id, TTL: int64(l.ttl / time.Second)}, nil
}

// Revoke ends a lease at once.
func (m *Memory) Revoke(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.leases[int64(id)]
	if l == nil {
		return nil, rpctypes.ErrLeaseNotFound
	}
	m.end(int64(id), l)
	return &clientv3.LeaseRevokeResponse{Header: &pb.ResponseHeader{Revision: m.revision}}, nil
}

// TimeToLive is the rest of a lease in whole seconds, rounded down; -1 when it has run out.
func (m *Memory) TimeToLive(ctx context.Context, id clientv3.LeaseID, _ ...clientv3.LeaseOption) (*clientv3.LeaseTimeToLiveResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	left := &clientv3.LeaseTimeToLiveResponse{ResponseHeader: &pb.ResponseHeader{Revision: m.revision}, ID: id, TTL: -1}
	if l := m.leases[int64(id)]; l != nil {
		left.TTL, left.GrantedTTL = int64(time.Until(l.expires)/time.Second), int64(l.ttl/time.Second)
	}
	return left, nil
}
